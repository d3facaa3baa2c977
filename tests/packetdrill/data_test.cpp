// Bytes both ways, and the calls that move them.
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include "driver.hpp"

namespace salut::packetdrill::test {
namespace {

TEST(Data, both_ways) {
  Driver d;
  const int fd = d.connected();
  EXPECT_EQ(d.write(fd, "question"), 8);
  d.expect({.seq = 1, .ack = 1, .length = 8});
  d.inject({.payload = "answer"});
  d.expect({.seq = 9, .ack = 7});
  EXPECT_EQ(d.read(fd), "answer");
}

TEST(Data, read_sleeps_until_there_is_some) {
  Driver d;
  const int fd = d.established();
  Blocking read(d, [&] { return d.read(fd); });
  d.sleep(100ms);
  EXPECT_TRUE(read.waits());
  const Microseconds before = d.now();
  d.inject({.payload = "abc"});
  d.expect({.seq = 1, .ack = 4});
  EXPECT_EQ(read.result(), "abc");
  EXPECT_EQ(read.ended(), before);
}

TEST(Data, read_nonblocking_is_eagain) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.read(fd, 10, MSG_DONTWAIT), std::to_string(-EAGAIN));
  EXPECT_EQ(d.fcntl_nonblocking(fd), 0);
  EXPECT_EQ(d.read(fd), std::to_string(-EAGAIN));
}

TEST(Data, read_gives_up_after_so_rcvtimeo) {
  Driver d;
  const int fd = d.established();
  const timeval half = {0, 500'000};
  d.calls().setsockopt(d.calls().userdata, fd, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof(half));
  Blocking read(d, [&] { return d.read(fd); });
  const Microseconds before = d.now();
  d.sleep(2s);
  EXPECT_EQ(read.result(), std::to_string(-EAGAIN));
  EXPECT_GE(read.ended(), before + 499ms);
  EXPECT_LE(read.ended(), before + 501ms);
}

TEST(Data, write_sleeps_until_all_is_taken) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.set(fd, SOL_SOCKET, SO_SNDBUF, 6000), 0);  // of which 8,000 are payload
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_NODELAY, 1), 0);
  Blocking write(d, [&] { return d.write(fd, std::string(10'000, 'x')); });
  for (std::uint32_t seq = 1; seq < 7301; seq += 1460) {
    d.expect({.seq = seq, .ack = 1, .length = 1460});
  }
  d.expect({.seq = 7301, .ack = 1, .length = 700});
  EXPECT_TRUE(write.waits());
  d.inject({.ack = 2921});
  EXPECT_EQ(write.result(), "10000");
  d.expect({.seq = 8001, .ack = 1, .length = 1460});
  d.expect({.seq = 9461, .ack = 1, .length = 540});
}

TEST(Data, write_nonblocking_takes_what_fits) {
  Driver d;
  const int fd = d.established();
  d.fcntl_nonblocking(fd);
  d.set(fd, SOL_SOCKET, SO_SNDBUF, 6000);
  EXPECT_EQ(d.write(fd, std::string(10'000, 'x')), 8000);
  EXPECT_EQ(d.write(fd, "y"), -EAGAIN);
  EXPECT_EQ(d.poll(fd, POLLOUT), 0);
  int queued = 0;
  EXPECT_EQ(d.calls().ioctl(d.calls().userdata, fd, SIOCOUTQ, &queued), 0);
  EXPECT_EQ(queued, 8000);
  for (std::uint32_t seq = 1; seq < 7301; seq += 1460) {
    d.expect({.seq = seq, .ack = 1, .length = 1460});
  }
  d.expect({.seq = 7301, .ack = 1, .length = 700});
  d.inject({});
  EXPECT_EQ(d.poll(fd, POLLOUT), POLLOUT);
}

TEST(Data, vectors_and_messages) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_NODELAY, 1), 0);
  char a[] = "ab", b[] = "cde";
  const iovec out[2] = {{a, 2}, {b, 3}};
  EXPECT_EQ(d.calls().writev(d.calls().userdata, fd, out, 2), 5);
  d.expect({.seq = 1, .ack = 1, .length = 5});
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(out);
  message.msg_iovlen = 2;
  EXPECT_EQ(d.calls().sendmsg(d.calls().userdata, fd, &message, 0), 5);
  d.expect({.seq = 6, .ack = 1, .length = 5});
  d.inject({.payload = "12345"});
  d.expect({.seq = 11, .ack = 6});
  EXPECT_EQ(d.calls().recvmsg(d.calls().userdata, fd, &message, 0), 5);
  EXPECT_EQ(std::string(a, 2) + std::string(b, 3), "12345");
}

TEST(Data, small_writes_wait_for_the_ack_unless_nodelay) {
  Driver d;
  const int fd = d.established();
  d.write(fd, "a");
  d.expect({.seq = 1, .ack = 1, .length = 1});
  d.write(fd, "b");
  d.write(fd, "c");
  d.expect_nothing();
  d.inject({});
  d.expect({.seq = 2, .ack = 1, .length = 2});
  d.write(fd, "d");
  d.expect_nothing();
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_NODELAY, 1), 0);  // lets go what waited
  d.expect({.seq = 4, .ack = 1, .length = 1});
  d.write(fd, "e");
  d.expect({.seq = 5, .ack = 1, .length = 1});
}

TEST(Data, peek_takes_nothing) {
  Driver d;
  const int fd = d.established();
  d.inject({.payload = "abcdef"});
  d.expect({.seq = 1, .ack = 7});
  EXPECT_EQ(d.read(fd, 4, MSG_PEEK), "abcd");
  int unread = 0;
  EXPECT_EQ(d.calls().ioctl(d.calls().userdata, fd, SIOCINQ, &unread), 0);
  EXPECT_EQ(unread, 6);
  EXPECT_EQ(d.read(fd), "abcdef");
}

TEST(Data, peek_sees_what_came_since) {
  Driver d;
  const int fd = d.established();
  d.inject({.payload = "0123456789"});
  d.expect({.seq = 1, .ack = 11});
  EXPECT_EQ(d.read(fd, 100, MSG_PEEK), "0123456789");
  d.inject({.payload = "abcdefghij"});
  d.expect({.seq = 1, .ack = 21});
  EXPECT_EQ(d.read(fd, 100, MSG_PEEK), "0123456789abcdefghij");
  EXPECT_EQ(d.read(fd, 100), "0123456789abcdefghij");
}

// What was only looked at takes up the window still.
TEST(Data, peek_opens_no_window) {
  Driver d("recv_buffer=4096");
  const int fd = d.established();
  d.inject({.payload = std::string(1460, 'a')});
  d.expect({.seq = 1, .ack = 1461});
  d.inject({.payload = std::string(1460, 'b')});
  d.expect({.seq = 1, .ack = 2921});
  EXPECT_EQ(d.read(fd, 4096, MSG_PEEK).size(), 2920u);
  d.sleep(1s);
  d.expect_nothing();
  EXPECT_EQ(d.read(fd, 4096), std::string(1460, 'a') + std::string(1460, 'b'));
  d.expect({.seq = 1, .ack = 2921});  // now it has opened
}

TEST(Data, peek_fills_a_vector_in_order) {
  Driver d;
  const int fd = d.established();
  d.inject({.payload = "abcdef"});
  d.expect({.seq = 1, .ack = 7});
  char first[2], second[10];
  iovec parts[2] = {{first, 2}, {second, 10}};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  EXPECT_EQ(d.calls().recvmsg(d.calls().userdata, fd, &message, MSG_PEEK), 6);
  EXPECT_EQ(std::string(first, 2) + std::string(second, 4), "abcdef");
  EXPECT_EQ(d.read(fd), "abcdef");
}

TEST(Data, waitall_waits_for_all) {
  Driver d;
  const int fd = d.established();
  d.inject({.payload = "abc"});
  d.expect({.seq = 1, .ack = 4});
  Blocking read(d, [&] { return d.read(fd, 6, MSG_WAITALL); });
  EXPECT_TRUE(read.waits());
  d.inject({.payload = "def"});
  d.expect({.seq = 1, .ack = 7});
  EXPECT_EQ(read.result(), "abcdef");
}

TEST(Data, splice_from_a_socket_into_a_pipe_and_back) {
  Driver d;
  const int fd = d.established();
  int ends[2];
  ASSERT_EQ(d.calls().pipe(d.calls().userdata, ends), 0);
  d.inject({.payload = "through"});
  d.expect({.seq = 1, .ack = 8});
  EXPECT_EQ(d.calls().splice(d.calls().userdata, fd, nullptr, ends[1], nullptr, 100, 0), 7);
  EXPECT_EQ(d.calls().splice(d.calls().userdata, ends[0], nullptr, fd, nullptr, 100, 0), 7);
  d.expect({.seq = 1, .ack = 8, .length = 7});
  d.close(ends[1]);
  EXPECT_EQ(d.read(ends[0]), "");
}

TEST(Data, lost_segment_is_sent_again_after_the_rto) {
  Driver d("rto_initial_ms=1000,rto_min_ms=1000");
  const int fd = d.established();
  const Microseconds before = d.now();
  d.write(fd, "x");
  d.expect({.seq = 1, .ack = 1, .length = 1});
  d.sleep(1010ms);
  d.expect_at(before + 1s, {.seq = 1, .ack = 1, .length = 1});
  d.inject({});
}

}  // namespace
}  // namespace salut::packetdrill::test
