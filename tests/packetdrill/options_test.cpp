// Socket options, waiting for several descriptors, flags, and the judge of what we send.
#include <linux/tcp.h>
#include <netinet/in.h>

#include <array>
#include <cstring>

#include "driver.hpp"
#include "packetdrill/plugin/packet_check.hpp"
#include "unit/wire/packets.hpp"

namespace salut::packetdrill::test {
namespace {

TEST(Options, read_back_what_was_set) {
  Driver d;
  const int fd = d.socket();
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_REUSEADDR), 0);
  EXPECT_EQ(d.set(fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_REUSEADDR), 1);
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_NODELAY, 1), 0);
  EXPECT_EQ(d.get(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000), 0);
  EXPECT_EQ(d.get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 3000);
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
  EXPECT_EQ(d.get(d.listen(), SOL_SOCKET, SO_ACCEPTCONN), 1);
}

TEST(Options, buffers_are_doubled) {
  Driver d;
  const int fd = d.socket();
  EXPECT_EQ(d.set(fd, SOL_SOCKET, SO_SNDBUF, 21'000), 0);
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_SNDBUF), 42'000);
  EXPECT_EQ(d.set(fd, SOL_SOCKET, SO_RCVBUF, 1), 0);
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_RCVBUF), 2304);
}

TEST(Options, refused_as_linux_refuses) {
  Driver d;
  const int fd = d.socket();
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_MAXSEG, 40), -EINVAL);
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_KEEPCNT, 0), -EINVAL);
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, 9999, 1), -ENOPROTOOPT);
  EXPECT_EQ(d.get(fd, 4321, 1), -ENOPROTOOPT);
  EXPECT_EQ(d.set(12345, SOL_SOCKET, SO_REUSEADDR, 1), -EBADF);
}

// An option that changes nothing must not be taken: a script, or a program, that relies on it has
// to know. Setting what is so anyway is no lie.
TEST(Options, without_effect_are_refused) {
  struct Case {
    int level, name, is, other;
  };
  for (const Case& c :
       {Case{SOL_SOCKET, SO_REUSEPORT, 0, 1}, Case{SOL_SOCKET, SO_BROADCAST, 0, 1},
        Case{SOL_SOCKET, SO_DONTROUTE, 0, 1}, Case{SOL_SOCKET, SO_OOBINLINE, 0, 1},
        Case{SOL_SOCKET, SO_PRIORITY, 0, 6}, Case{SOL_SOCKET, SO_MARK, 0, 7},
        Case{SOL_SOCKET, SO_RCVLOWAT, 1, 100}, Case{IPPROTO_TCP, TCP_CORK, 0, 1},
        Case{IPPROTO_TCP, TCP_KEEPINTVL, 75, 10}, Case{IPPROTO_TCP, TCP_KEEPCNT, 9, 3},
        Case{IPPROTO_TCP, TCP_LINGER2, 60, 5}, Case{IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 1},
        Case{IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, 1000}, Case{IPPROTO_TCP, TCP_QUICKACK, 1, 0},
        Case{IPPROTO_IP, IP_TTL, 64, 8}, Case{IPPROTO_IP, IP_MTU_DISCOVER, 1, 0},
        Case{IPPROTO_IP, IP_RECVERR, 0, 1}, Case{IPPROTO_IPV6, IPV6_V6ONLY, 0, 1},
        Case{IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64, 8}}) {
    SCOPED_TRACE(std::to_string(c.level) + "/" + std::to_string(c.name));
    Driver d;
    const int fd = d.socket();
    EXPECT_EQ(d.set(fd, c.level, c.name, c.other), -ENOPROTOOPT);
    EXPECT_EQ(d.get(fd, c.level, c.name), c.is);
    EXPECT_EQ(d.set(fd, c.level, c.name, c.is), 0);
  }
  Driver d;
  EXPECT_EQ(d.set(d.socket(), IPPROTO_TCP, TCP_SYNCNT, 3), -ENOPROTOOPT);
}

// The code point goes out with every packet from then on.
TEST(Options, ip_tos_is_sent) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.set(fd, IPPROTO_IP, IP_TOS, 0x28), 0);
  EXPECT_EQ(d.get(fd, IPPROTO_IP, IP_TOS), 0x28);
  d.write(fd, "x");
  std::array<unsigned char, 2048> packet;
  std::size_t size = packet.size();
  long long at = 0;
  ASSERT_EQ(d.calls().netdev_receive(d.calls().userdata, packet.data(), &size, &at), 0);
  ASSERT_GE(size, 20u);
  EXPECT_EQ(packet[1], 0x28);
}

TEST(Options, congestion_chooses_the_controller) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.calls().setsockopt(d.calls().userdata, fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4),
            0);
  char name[16] = {};
  socklen_t length = sizeof(name);
  EXPECT_EQ(
      d.calls().getsockopt(d.calls().userdata, fd, IPPROTO_TCP, TCP_CONGESTION, name, &length), 0);
  EXPECT_STREQ(name, "reno");
}

// Beyond what is in flight, no more is taken than this; ten segments are, in the first window.
TEST(Options, notsent_lowat_limits_what_is_queued) {
  Driver d;
  const int fd = d.established();
  d.fcntl_nonblocking(fd);
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4000), 0);
  const int taken = d.write(fd, std::string(30'000, 'x'));
  EXPECT_GE(taken, 14'600);
  EXPECT_LE(taken, 14'600 + 4000);
  EXPECT_EQ(d.poll(fd, POLLOUT), 0);
  EXPECT_EQ(d.write(fd, "y"), -EAGAIN);
  d.drain();
  d.inject({});
  d.drain();
  EXPECT_EQ(d.poll(fd, POLLOUT), POLLOUT);
}

TEST(Options, children_inherit) {
  Driver d;
  d.listener = d.listen();
  EXPECT_EQ(d.set(d.listener, IPPROTO_TCP, TCP_NODELAY, 1), 0);
  EXPECT_EQ(d.get(d.established(), IPPROTO_TCP, TCP_NODELAY), 1);
}

TEST(Options, maxseg_is_the_peers_once_connected) {
  Driver d;
  d.listener = d.listen();
  d.inject({.flags = "S", .mss = 1100});
  d.expect({.flags = "SA", .seq = 0, .ack = 1});
  d.inject({});
  EXPECT_EQ(d.get(d.accept(d.listener), IPPROTO_TCP, TCP_MAXSEG), 1100);
}

TEST(Options, maxseg_set_is_offered_and_kept) {
  Driver d;
  d.listener = d.listen();
  EXPECT_EQ(d.set(d.listener, IPPROTO_TCP, TCP_MAXSEG, 1100), 0);  // a listener already
  d.inject({.flags = "S", .mss = 1300});
  d.expect({.flags = "SA", .seq = 0, .ack = 1, .mss = 1100});
  d.inject({});
  const int fd = d.accept(d.listener);
  EXPECT_EQ(d.get(fd, IPPROTO_TCP, TCP_MAXSEG), 1100);
  d.write(fd, std::string(1200, 'x'));
  d.expect({.seq = 1, .ack = 1, .length = 1100});
  d.inject({});
  d.expect({.seq = 1101, .ack = 1, .length = 100});
}

TEST(Options, user_timeout_ends_what_is_not_acknowledged) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 3000), 0);
  d.write(fd, "x");
  d.sleep(2900ms);
  EXPECT_EQ(d.poll(fd, POLLIN), 0);
  d.sleep(1s);
  EXPECT_EQ(d.read(fd), std::to_string(-ETIMEDOUT));
  d.drain();
}

TEST(Options, keepalive_ends_a_silent_peer) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.set(fd, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
  EXPECT_EQ(d.set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
  const Microseconds before = d.now();
  d.sleep(11s);
  d.expect_at(before + 10s, {.seq = 0, .ack = 1});  // a byte before what is unacknowledged
  d.inject({});
  d.sleep(9s);
  d.expect_nothing();
  d.sleep(1h);
  EXPECT_EQ(d.read(fd), std::to_string(-ETIMEDOUT));
  d.drain();
}

TEST(Options, tcp_info_follows_the_states) {
  Driver d;
  const auto state = [&](int fd) {
    tcp_info info;
    socklen_t length = sizeof(info);
    EXPECT_EQ(d.calls().getsockopt(d.calls().userdata, fd, IPPROTO_TCP, TCP_INFO, &info, &length),
              0);
    EXPECT_EQ(length, sizeof(info));
    return int{info.tcpi_state};
  };
  enum { established = 1, syn_sent, syn_recv, fin_wait_1, fin_wait_2, time_wait, closed };
  const int fd = d.socket(SOCK_STREAM | SOCK_NONBLOCK);
  EXPECT_EQ(state(fd), closed);
  d.connect(fd);
  d.expect({.flags = "S", .seq = 0});
  EXPECT_EQ(state(fd), syn_sent);
  d.inject({.flags = "SA", .mss = 1460});
  d.expect({.seq = 1, .ack = 1});
  EXPECT_EQ(state(fd), established);
  d.shutdown(fd, SHUT_WR);
  d.expect({.flags = "FA", .seq = 1, .ack = 1});
  EXPECT_EQ(state(fd), fin_wait_1);
  d.inject({});
  EXPECT_EQ(state(fd), fin_wait_2);
  d.inject({.flags = "RA"});
  EXPECT_EQ(state(fd), closed);
}

// Linux keeps no socket for TIME_WAIT: the one that the program has is closed.
TEST(Options, tcp_info_of_time_wait_is_closed) {
  for (const bool unread : {false, true}) {
    Driver d;
    const int fd = d.established();
    if (unread) {
      d.inject({.payload = "unread"});
      d.expect({.seq = 1, .ack = 7});
    }
    d.shutdown(fd, SHUT_WR);
    d.drain();
    d.inject({});
    d.inject({.flags = "FA"});
    d.drain();
    tcp_info info;
    socklen_t length = sizeof(info);
    EXPECT_EQ(d.calls().getsockopt(d.calls().userdata, fd, IPPROTO_TCP, TCP_INFO, &info, &length),
              0);
    EXPECT_EQ(int{info.tcpi_state}, 7);
    EXPECT_EQ(d.read(fd), unread ? "unread" : "");
    EXPECT_EQ(d.read(fd), "");
  }
}

TEST(Poll, tells_what_a_socket_is_ready_for) {
  Driver d;
  const int listener = d.listen();
  EXPECT_EQ(d.poll(listener, POLLIN), 0);
  d.listener = listener;
  d.inject({.flags = "S", .mss = 1460});
  d.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(d.poll(listener, POLLIN), 0);
  d.inject({});
  EXPECT_EQ(d.poll(listener, POLLIN), POLLIN);
  const int fd = d.accept(listener);
  EXPECT_EQ(d.poll(fd, POLLIN | POLLOUT | POLLRDHUP), POLLOUT);
  d.inject({.payload = "x"});
  d.expect({.seq = 1, .ack = 2});
  EXPECT_EQ(d.poll(fd, POLLIN | POLLOUT | POLLRDHUP), POLLIN | POLLOUT);
  d.inject({.flags = "FA"});
  d.expect({.seq = 1, .ack = 3});
  EXPECT_EQ(d.poll(fd, POLLIN | POLLOUT | POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP);
  d.shutdown(fd, SHUT_WR);
  d.expect({.flags = "FA", .seq = 1, .ack = 3});
  EXPECT_EQ(d.poll(fd, POLLIN), POLLIN | POLLHUP);
  EXPECT_EQ(d.poll(12345, POLLIN), POLLNVAL);
}

TEST(Poll, its_timeout_is_virtual) {
  Driver d;
  const int fd = d.established();
  const Microseconds before = d.now();
  EXPECT_EQ(d.poll(fd, POLLIN, 3'600'000), 0);
  EXPECT_GE(d.now() - before, 3600s);
  EXPECT_LE(d.now() - before, 3601s);
}

TEST(Poll, wakes_for_data) {
  Driver d;
  const int fd = d.established();
  Blocking poll(d, [&] { return int{d.poll(fd, POLLIN, -1)}; });
  d.sleep(1s);
  EXPECT_TRUE(poll.waits());
  d.inject({.payload = "x"});
  d.expect({.seq = 1, .ack = 2});
  EXPECT_EQ(poll.result(), std::to_string(POLLIN));
}

class EpollTest : public ::testing::Test {
 protected:
  int watch(std::uint32_t events) {
    epoll_event event = {};
    event.events = events;
    event.data.fd = fd;
    return Driver::result(
        d.calls().epoll_ctl(d.calls().userdata, epoll, EPOLL_CTL_ADD, fd, &event));
  }
  std::uint32_t wait(int timeout_ms = 0) {
    epoll_event event = {};
    const int n = d.calls().epoll_wait(d.calls().userdata, epoll, &event, 1, timeout_ms);
    if (n != 1) return 0;
    EXPECT_EQ(event.data.fd, fd);
    return event.events;
  }
  Driver d;
  int fd = d.established();
  int epoll = d.calls().epoll_create(d.calls().userdata, 1);
};

TEST_F(EpollTest, level_is_told_until_it_is_read) {
  EXPECT_EQ(watch(EPOLLIN), 0);
  EXPECT_EQ(watch(EPOLLIN), -EEXIST);
  EXPECT_EQ(wait(), 0u);
  d.inject({.payload = "x"});
  d.expect({.seq = 1, .ack = 2});
  EXPECT_EQ(wait(), EPOLLIN);
  EXPECT_EQ(wait(), EPOLLIN);
  d.read(fd);
  EXPECT_EQ(wait(), 0u);
}

TEST_F(EpollTest, edge_is_told_once) {
  EXPECT_EQ(watch(EPOLLIN | EPOLLET), 0);
  d.inject({.payload = "x"});
  d.expect({.seq = 1, .ack = 2});
  EXPECT_EQ(wait(), EPOLLIN);
  EXPECT_EQ(wait(), 0u);
  d.inject({.payload = "y"});
  d.expect({.seq = 1, .ack = 3});
  EXPECT_EQ(wait(), EPOLLIN);
}

TEST_F(EpollTest, oneshot_is_told_once_for_all) {
  EXPECT_EQ(watch(EPOLLIN | EPOLLONESHOT), 0);
  d.inject({.payload = "x"});
  d.expect({.seq = 1, .ack = 2});
  EXPECT_EQ(wait(), EPOLLIN);
  d.inject({.payload = "y"});
  d.expect({.seq = 1, .ack = 3});
  EXPECT_EQ(wait(), 0u);
}

TEST_F(EpollTest, sleeps_until_something_is_ready) {
  EXPECT_EQ(watch(EPOLLIN | EPOLLRDHUP), 0);
  Blocking waiting(d, [&] { return static_cast<int>(wait(-1)); });
  d.sleep(1s);
  EXPECT_TRUE(waiting.waits());
  d.inject({.flags = "FA"});
  d.expect({.seq = 1, .ack = 2});
  EXPECT_EQ(waiting.result(), std::to_string(EPOLLIN | EPOLLRDHUP));
}

TEST(FlagsDeathTest, unknown_ones_end_the_process) {
  EXPECT_EXIT(Driver{"timestamp=off"}, ::testing::ExitedWithCode(2), "timestamp=off, expected one");
  EXPECT_EXIT(Driver{"sack=maybe"}, ::testing::ExitedWithCode(2), "sack=maybe, expected on or off");
  EXPECT_EXIT(Driver{"mtu=15x"}, ::testing::ExitedWithCode(2), "mtu=15x, expected a number");
}

// --- the judge ---

std::string fault(wire::test::Bytes frame) {
  return fault_of(std::as_bytes(std::span(frame).subspan(14)));
}

TEST(Judge, passes_what_is_right) {
  EXPECT_EQ(fault(wire::test::syn_packet()), "");
  for (std::size_t size : {0, 1, 2, 999, 1460}) EXPECT_EQ(fault(wire::test::data_packet(size)), "");
  EXPECT_EQ(fault(wire::test::echo_packet(5)), "");
}

TEST(Judge, finds_every_single_wrong_bit) {
  const wire::test::Bytes right = wire::test::data_packet(7);
  for (std::size_t at = 14; at < right.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      wire::test::Bytes wrong = right;
      wrong[at] = static_cast<std::uint8_t>(wrong[at] ^ 1u << bit);
      EXPECT_NE(fault(wrong), "") << "byte " << at << " bit " << bit;
    }
  }
}

TEST(Judge, finds_every_length_that_lies) {
  const wire::test::Bytes right = wire::test::data_packet(7);
  for (std::size_t size = 14; size < right.size(); ++size) {
    EXPECT_NE(fault({right.begin(), right.begin() + static_cast<std::ptrdiff_t>(size)}), "");
  }
}

}  // namespace
}  // namespace salut::packetdrill::test
