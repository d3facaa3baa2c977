// Pointers of the caller that lead nowhere: EFAULT from every call, as from the kernel, and nothing
// lost that the call would have taken.
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "driver.hpp"

namespace salut::packetdrill::test {
namespace {

// A page that may be neither read nor written, after one that may.
class Pages {
 public:
  Pages()
      : base_(static_cast<char*>(
            mmap(nullptr, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    mprotect(base_ + size, size, PROT_NONE);
  }
  ~Pages() { munmap(base_, 2 * size); }
  char* bad() const { return base_ + size; }
  // The last `count` bytes that may be used.
  char* last(std::size_t count) const { return bad() - count; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(bad());
  }

 private:
  static constexpr std::size_t size = 4096;
  char* base_;
};

class BadPointer : public ::testing::Test {
 protected:
  static int result(long n) { return Driver::result(n); }
  Pages pages;
  Driver d;
  int fd = d.established();
  packetdrill_interface& i = d.calls();
  void* u = i.userdata;
};

TEST_F(BadPointer, sends) {
  iovec iov = {pages.bad(), 1000};
  msghdr message = {};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  for (void* bad : {static_cast<void*>(nullptr), static_cast<void*>(pages.bad())}) {
    EXPECT_EQ(result(i.write(u, fd, bad, 1000)), -EFAULT);
    EXPECT_EQ(result(i.send(u, fd, bad, 1000, 0)), -EFAULT);
    EXPECT_EQ(result(i.sendto(u, fd, bad, 1000, 0, nullptr, 0)), -EFAULT);
    iov.iov_base = bad;
    EXPECT_EQ(result(i.writev(u, fd, &iov, 1)), -EFAULT);
    EXPECT_EQ(result(i.sendmsg(u, fd, &message, 0)), -EFAULT);
  }
  EXPECT_EQ(result(i.writev(u, fd, pages.as<iovec>(), 1)), -EFAULT);
  EXPECT_EQ(result(i.sendmsg(u, fd, pages.as<msghdr>(), 0)), -EFAULT);
  message.msg_iov = pages.as<iovec>();
  EXPECT_EQ(result(i.sendmsg(u, fd, &message, 0)), -EFAULT);
  EXPECT_EQ(result(i.write(u, fd, nullptr, 0)), 0);
}

TEST_F(BadPointer, receives_and_keeps_the_bytes) {
  d.inject({.payload = "hello"});
  d.expect({.seq = 1, .ack = 6});
  iovec iov = {nullptr, 1000};
  msghdr message = {};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  for (void* bad : {static_cast<void*>(nullptr), static_cast<void*>(pages.bad())}) {
    EXPECT_EQ(result(i.read(u, fd, bad, 1000)), -EFAULT);
    EXPECT_EQ(result(i.recv(u, fd, bad, 1000, 0)), -EFAULT);
    EXPECT_EQ(result(i.recv(u, fd, bad, 1000, MSG_PEEK)), -EFAULT);
    EXPECT_EQ(result(i.recvfrom(u, fd, bad, 1000, 0, nullptr, nullptr)), -EFAULT);
    iov.iov_base = bad;
    EXPECT_EQ(result(i.readv(u, fd, &iov, 1)), -EFAULT);
    EXPECT_EQ(result(i.recvmsg(u, fd, &message, 0)), -EFAULT);
  }
  EXPECT_EQ(result(i.readv(u, fd, pages.as<iovec>(), 1)), -EFAULT);
  EXPECT_EQ(result(i.recvmsg(u, fd, pages.as<msghdr>(), 0)), -EFAULT);
  EXPECT_EQ(d.read(fd), "hello");
}

TEST_F(BadPointer, what_lies_before_the_bad_page_goes) {
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_NODELAY, 1), 0);
  std::memcpy(pages.last(3), "abc", 3);
  EXPECT_EQ(result(i.write(u, fd, pages.last(3), 1000)), 3);
  d.expect({.seq = 1, .ack = 1, .length = 3});
  d.inject({.payload = "12345"});
  d.expect({.seq = 4, .ack = 6});
  EXPECT_EQ(result(i.read(u, fd, pages.last(2), 1000)), 2);
  EXPECT_EQ(std::string(pages.last(2), 2), "12");
  EXPECT_EQ(d.read(fd), "345");
}

TEST_F(BadPointer, read_only_memory_is_not_written) {
  d.inject({.payload = "hello"});
  d.expect({.seq = 1, .ack = 6});
  static const char constant[8] = "const";
  EXPECT_EQ(result(i.read(u, fd, const_cast<char*>(constant), 5)), -EFAULT);
  EXPECT_EQ(d.read(fd), "hello");
}

TEST_F(BadPointer, of_an_address) {
  const int other = d.socket();
  auto* address = pages.as<sockaddr>();
  EXPECT_EQ(result(i.bind(u, other, address, sizeof(sockaddr_in))), -EFAULT);
  EXPECT_EQ(result(i.connect(u, other, address, sizeof(sockaddr_in))), -EFAULT);
  EXPECT_EQ(result(i.connect(u, other, nullptr, sizeof(sockaddr_in))), -EFAULT);
  EXPECT_EQ(result(i.bind(u, other, address, 4096)), -EINVAL) << "longer than any address";
  EXPECT_EQ(result(i.sendto(u, fd, "x", 1, 0, address, sizeof(sockaddr_in))), -EFAULT);
  d.expect_nothing();
}

// The connection that accept() could not report is closed, as in Linux.
TEST_F(BadPointer, of_accept) {
  for (const bool address : {true, false}) {
    Driver o;
    o.listener = o.listen();
    o.inject({.flags = "S", .mss = 1460});
    o.expect({.flags = "SA", .seq = 0, .ack = 1});
    o.inject({});
    sockaddr_storage storage;
    socklen_t length = sizeof(storage);
    packetdrill_interface& c = o.calls();
    EXPECT_EQ(
        result(c.accept(c.userdata, o.listener,
                        address ? pages.as<sockaddr>() : reinterpret_cast<sockaddr*>(&storage),
                        address ? &length : pages.as<socklen_t>())),
        -EFAULT);
    o.drain();
    EXPECT_EQ(o.fcntl_nonblocking(o.listener), 0);
    EXPECT_EQ(o.accept(o.listener), -EAGAIN);
  }
}

TEST_F(BadPointer, of_an_option) {
  int value = 0;
  socklen_t length = sizeof(value);
  EXPECT_EQ(result(i.setsockopt(u, fd, IPPROTO_TCP, TCP_NODELAY, pages.bad(), 4)), -EFAULT);
  EXPECT_EQ(result(i.setsockopt(u, fd, IPPROTO_TCP, TCP_NODELAY, nullptr, 4)), -EFAULT);
  EXPECT_EQ(result(i.setsockopt(u, fd, SOL_SOCKET, SO_LINGER, pages.bad(), 8)), -EFAULT);
  EXPECT_EQ(result(i.setsockopt(u, fd, IPPROTO_TCP, TCP_CONGESTION, pages.bad(), 4)), -EFAULT);
  EXPECT_EQ(result(i.getsockopt(u, fd, SOL_SOCKET, SO_ERROR, pages.bad(), &length)), -EFAULT);
  EXPECT_EQ(result(i.getsockopt(u, fd, SOL_SOCKET, SO_ERROR, &value, pages.as<socklen_t>())),
            -EFAULT);
  EXPECT_EQ(result(i.getsockopt(u, fd, IPPROTO_TCP, TCP_INFO, pages.bad(), &length)), -EFAULT);
  length = static_cast<socklen_t>(-1);
  EXPECT_EQ(result(i.getsockopt(u, fd, SOL_SOCKET, SO_ERROR, &value, &length)), -EINVAL);
  EXPECT_EQ(result(i.setsockopt(u, fd, IPPROTO_TCP, TCP_NODELAY, &value, length)), -EINVAL);
}

TEST_F(BadPointer, of_ioctl_poll_and_pipe) {
  EXPECT_EQ(result(i.ioctl(u, fd, SIOCINQ, pages.bad())), -EFAULT);
  EXPECT_EQ(result(i.ioctl(u, fd, FIONBIO, nullptr)), -EFAULT);
  EXPECT_EQ(result(i.poll(u, pages.as<pollfd>(), 1, 0)), -EFAULT);
  EXPECT_EQ(result(i.poll(u, nullptr, 1, 0)), -EFAULT);
  EXPECT_EQ(result(i.pipe(u, pages.as<int>())), -EFAULT);
}

// The event is not lost: an edge that nobody was told of is still one.
TEST_F(BadPointer, of_epoll) {
  const int epoll = i.epoll_create(u, 1);
  EXPECT_EQ(result(i.epoll_ctl(u, epoll, EPOLL_CTL_ADD, fd, pages.as<epoll_event>())), -EFAULT);
  epoll_event event = {};
  event.events = EPOLLOUT | EPOLLET;
  EXPECT_EQ(result(i.epoll_ctl(u, epoll, EPOLL_CTL_ADD, fd, &event)), 0);
  EXPECT_EQ(result(i.epoll_wait(u, epoll, pages.as<epoll_event>(), 1, 0)), -EFAULT);
  EXPECT_EQ(result(i.epoll_wait(u, epoll, &event, 1, 0)), 1);
}

TEST_F(BadPointer, vectors_have_a_limit) {
  std::vector<iovec> many(1025);
  EXPECT_EQ(result(i.readv(u, fd, many.data(), 1025)), -EINVAL);
  EXPECT_EQ(result(i.writev(u, fd, many.data(), -1)), -EINVAL);
  msghdr message = {};
  message.msg_iov = many.data();
  message.msg_iovlen = 1025;
  EXPECT_EQ(result(i.sendmsg(u, fd, &message, 0)), -EMSGSIZE);
  EXPECT_EQ(result(i.recvmsg(u, fd, &message, 0)), -EMSGSIZE);
}

}  // namespace
}  // namespace salut::packetdrill::test
