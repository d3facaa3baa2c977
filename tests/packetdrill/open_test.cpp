// Opening: who waits for what, and how it ends.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstring>

#include "driver.hpp"

namespace salut::packetdrill::test {
namespace {

TEST(Open, accept_has_the_peers_address) {
  Driver d;
  const int listener = d.listen();
  d.inject({.flags = "S", .mss = 1460});
  d.expect({.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
  d.inject({});
  sockaddr_storage from;
  EXPECT_GE(d.accept(listener, &from), 0);
  const auto& v4 = reinterpret_cast<sockaddr_in&>(from);
  EXPECT_EQ(v4.sin_family, AF_INET);
  EXPECT_EQ(ntohl(v4.sin_addr.s_addr), 0x0a000002u);
  EXPECT_EQ(ntohs(v4.sin_port), 40000);
}

// The wire answers the engine's solicitation; the script sees an IPv6 packet and nothing else.
TEST(Open, connect_over_ipv6_sends_a_syn_from_local6) {
  Driver d("mtu=1520");
  packetdrill_interface& i = d.calls();
  const int fd = i.socket(i.userdata, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
  ASSERT_GE(fd, 0);
  sockaddr_in6 to = {};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(8080);
  ASSERT_EQ(inet_pton(AF_INET6, "fd3d:fa7b:d17d::1", &to.sin6_addr), 1);
  EXPECT_EQ(i.connect(i.userdata, fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  std::array<unsigned char, 2048> packet;
  std::size_t size = packet.size();
  long long at = 0;
  ASSERT_EQ(i.netdev_receive(i.userdata, packet.data(), &size, &at), 0);
  ASSERT_GE(size, 60u);
  EXPECT_EQ(packet[0] >> 4, 6);
  EXPECT_EQ(packet[6], 6) << "TCP";
  in6_addr local;
  ASSERT_EQ(inet_pton(AF_INET6, "fd3d:a0b:17d6::1", &local), 1);
  EXPECT_EQ(std::memcmp(&packet[8], &local, 16), 0);
  EXPECT_EQ(std::memcmp(&packet[24], &to.sin6_addr, 16), 0);
  EXPECT_EQ(packet[53], 2) << "SYN";
  EXPECT_EQ(packet[62] << 8 | packet[63], 1460) << "MSS";
}

// listen(2): `backlog` limits those that wait for accept(). Linux takes one more.
TEST(Open, connection_beyond_the_backlog_is_reset) {
  Driver d;
  const int listener = d.socket();
  EXPECT_EQ(d.bind(listener), 0);
  d.our_port = 80;
  EXPECT_EQ(Driver::result(d.calls().listen(d.calls().userdata, listener, 1)), 0);
  for (int i = 0; i < 3; ++i) {
    d.inject({.flags = "S", .mss = 1460});
    d.expect({.flags = "SA", .seq = 0, .ack = 1});
    d.inject({});
    if (i == 2) d.expect({.flags = "RA", .seq = 1, .ack = 1});
    d.expect_nothing();
    d.next_peer();
  }
  EXPECT_GE(d.accept(listener), 0);
  EXPECT_GE(d.accept(listener), 0);
  EXPECT_EQ(d.fcntl_nonblocking(listener), 0);
  EXPECT_EQ(d.accept(listener), -EAGAIN);
}

TEST(Open, accept_before_the_third_segment_is_eagain) {
  Driver d;
  const int listener = d.listen(SOCK_STREAM | SOCK_NONBLOCK);
  EXPECT_EQ(d.accept(listener), -EAGAIN);
  d.inject({.flags = "S", .mss = 1460});
  d.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(d.accept(listener), -EAGAIN);
  d.inject({});
  EXPECT_GE(d.accept(listener), 0);
  EXPECT_EQ(d.accept(listener), -EAGAIN);
}

TEST(Open, accept_sleeps_until_the_third_segment) {
  Driver d;
  const int listener = d.listen();
  Blocking accept(d, [&] { return d.accept(listener) >= 0 ? 1 : -errno; });
  d.sleep(100ms);
  d.inject({.flags = "S", .mss = 1460});
  d.expect({.flags = "SA", .seq = 0, .ack = 1});
  d.sleep(100ms);
  EXPECT_TRUE(accept.waits());
  const Microseconds before = d.now();
  d.inject({});
  d.sleep(1s);  // must not move the clock before the sleeper has seen it
  EXPECT_EQ(accept.result(), "1");
  EXPECT_EQ(accept.ended(), before);
}

TEST(Open, connect_sleeps_until_the_syn_ack) {
  Driver d;
  const int fd = d.socket();
  Blocking connect(d, [&] { return d.connect(fd); });
  d.expect({.flags = "S", .seq = 0, .mss = 1460});
  d.sleep(100ms);
  EXPECT_TRUE(connect.waits());
  const Microseconds before = d.now();
  d.inject({.flags = "SA", .mss = 1460});
  d.expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(connect.result(), "0");
  EXPECT_EQ(connect.ended(), before);
  EXPECT_EQ(d.connect(fd), -EISCONN);
}

TEST(Open, connect_nonblocking_tells_once_that_it_is_done) {
  Driver d;
  const int fd = d.socket(SOCK_STREAM | SOCK_NONBLOCK);
  EXPECT_EQ(d.connect(fd), -EINPROGRESS);
  d.expect({.flags = "S", .seq = 0});
  EXPECT_EQ(d.connect(fd), -EALREADY);
  EXPECT_EQ(d.read(fd), std::to_string(-EAGAIN));
  EXPECT_EQ(d.write(fd, "x"), -EAGAIN);
  d.inject({.flags = "SA", .mss = 1460});
  d.expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), 0);
  EXPECT_EQ(d.connect(fd), 0);
  EXPECT_EQ(d.connect(fd), -EISCONN);
}

TEST(Open, simultaneous) {
  Driver d;
  const int fd = d.socket();
  Blocking connect(d, [&] { return d.connect(fd); });
  d.expect({.flags = "S", .seq = 0});
  d.inject({.flags = "S", .mss = 1460});
  d.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_TRUE(connect.waits());
  d.inject({.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
  EXPECT_EQ(connect.result(), "0");
  EXPECT_EQ(d.write(fd, "x"), 1);
  d.expect({.flags = "A", .seq = 1, .ack = 1, .length = 1});
}

TEST(Open, connect_gives_up_after_so_sndtimeo) {
  Driver d;
  const int fd = d.socket();
  const timeval half = {0, 500'000};
  d.calls().setsockopt(d.calls().userdata, fd, SOL_SOCKET, SO_SNDTIMEO, &half, sizeof(half));
  Blocking connect(d, [&] { return d.connect(fd); });
  d.expect({.flags = "S", .seq = 0});
  d.sleep(900ms);
  EXPECT_EQ(connect.result(), std::to_string(-EINPROGRESS));
  EXPECT_LE(connect.ended(), 501ms);
}

TEST(Open, connect_refused) {
  Driver d;
  const int fd = d.socket();
  Blocking connect(d, [&] { return d.connect(fd); });
  d.expect({.flags = "S", .seq = 0});
  d.inject({.flags = "RA", .seq = 0, .ack = 1});
  EXPECT_EQ(connect.result(), std::to_string(-ECONNREFUSED));
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), 0);  // it has been told
}

TEST(Open, connect_nonblocking_refused_is_in_so_error_once) {
  Driver d;
  const int fd = d.socket(SOCK_STREAM | SOCK_NONBLOCK);
  EXPECT_EQ(d.connect(fd), -EINPROGRESS);
  d.expect({.flags = "S", .seq = 0});
  d.inject({.flags = "RA", .seq = 0, .ack = 1});
  EXPECT_EQ(d.poll(fd, POLLIN | POLLOUT), POLLIN | POLLOUT | POLLERR | POLLHUP);
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), 0);
}

// Linux's icmp_err_convert[], of the codes that end an opening at once (RFC 1122 §4.2.3.9).
TEST(Open, icmp_says_with_which_errno_connect_ends) {
  struct Case {
    unsigned type, code;
    int error;
  };
  for (const Case& c : {Case{3, 2, ENOPROTOOPT}, Case{3, 3, ECONNREFUSED}, Case{3, 9, ENETUNREACH},
                        Case{3, 10, EHOSTUNREACH}, Case{3, 13, EHOSTUNREACH}}) {
    SCOPED_TRACE(c.code);
    Driver d;
    const int fd = d.socket();
    Blocking connect(d, [&] { return d.connect(fd); });
    d.expect({.flags = "S", .seq = 0});
    d.inject_icmp(c.type, c.code, 0);
    d.sleep(1s);
    EXPECT_EQ(connect.result(), std::to_string(-c.error));
  }
}

// RFC 9293 §3.9.2.2 (MUST-56): what may pass ends nothing, and is the errno when nothing came.
TEST(Open, soft_icmp_is_the_errno_of_the_time_out) {
  struct Case {
    unsigned type, code;
    int error;
  };
  for (const Case& c : {Case{3, 0, ENETUNREACH}, Case{3, 1, EHOSTUNREACH}, Case{3, 5, EOPNOTSUPP},
                        Case{3, 6, ENETUNREACH}, Case{3, 7, EHOSTDOWN}, Case{3, 8, ENONET},
                        Case{3, 11, ENETUNREACH}, Case{3, 12, EHOSTUNREACH},
                        Case{11, 0, EHOSTUNREACH}, Case{12, 0, EPROTO}}) {
    SCOPED_TRACE(std::to_string(c.type) + "/" + std::to_string(c.code));
    Driver d;
    const int fd = d.socket(SOCK_STREAM | SOCK_NONBLOCK);
    EXPECT_EQ(d.connect(fd), -EINPROGRESS);
    d.expect({.flags = "S", .seq = 0});
    d.inject_icmp(c.type, c.code, 0);
    EXPECT_EQ(d.connect(fd), -EALREADY);
    d.sleep(200s);
    EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), c.error);
    d.drain();
  }
}

TEST(Open, icmp_in_established_is_the_errno_of_the_time_out) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.write(fd, "x"), 1);
  d.expect({.seq = 1, .ack = 1, .length = 1});
  d.inject_icmp(3, 3, 1);
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), 0);
  d.sleep(200s);
  EXPECT_EQ(d.read(fd), std::to_string(-ECONNREFUSED));
  d.drain();
}

// What an ICMP error said before is forgotten once the peer has answered.
TEST(Open, icmp_is_forgotten_once_the_peer_answers) {
  Driver d;
  const int fd = d.socket(SOCK_STREAM | SOCK_NONBLOCK);
  EXPECT_EQ(d.connect(fd), -EINPROGRESS);
  d.expect({.flags = "S", .seq = 0});
  d.inject_icmp(3, 1, 0);
  d.inject({.flags = "SA", .mss = 1460});
  d.expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(d.write(fd, "x"), 1);
  d.expect({.seq = 1, .ack = 1, .length = 1});
  d.sleep(200s);
  EXPECT_EQ(d.read(fd), std::to_string(-ETIMEDOUT));
  d.drain();
}

// Three minutes of RFC 9293's R2 for a SYN in no time; the caller itself moves the clock.
TEST(Open, connect_without_an_answer_times_out) {
  Driver d("rto_initial_ms=1000");
  const int fd = d.socket();
  EXPECT_EQ(d.connect(fd), -ETIMEDOUT);
  EXPECT_GE(d.now(), 179s);
  EXPECT_LE(d.now(), 184s);
  for (const auto at : {0s, 1s, 3s, 7s, 15s, 31s, 63s, 123s}) {
    d.expect_at(Microseconds{at}, {.flags = "S", .seq = 0});
  }
}

TEST(Open, listen_twice_on_a_port_is_eaddrinuse) {
  Driver d;
  d.listen();
  const int other = d.socket();
  EXPECT_EQ(d.bind(other, 80), 0);
  EXPECT_EQ(Driver::result(d.calls().listen(d.calls().userdata, other, 1)), -EADDRINUSE);
}

TEST(Open, close_of_a_listener_resets_what_nobody_accepted) {
  Driver d;
  const int listener = d.listen();
  d.inject({.flags = "S", .mss = 1460});
  d.expect({.flags = "SA", .seq = 0, .ack = 1});
  d.inject({});
  EXPECT_EQ(d.close(listener), 0);
  d.expect({.flags = "RA", .seq = 1, .ack = 1});
}

TEST(Open, calls_on_what_is_no_socket) {
  Driver d;
  int ends[2];
  ASSERT_EQ(d.calls().pipe(d.calls().userdata, ends), 0);
  EXPECT_EQ(d.connect(ends[0]), -ENOTSOCK);
  EXPECT_EQ(d.accept(12345), -EBADF);
  EXPECT_EQ(d.accept(d.socket()), -EINVAL);
  EXPECT_EQ(Driver::result(d.calls().socket(d.calls().userdata, AF_INET, SOCK_DGRAM, 0)),
            -ESOCKTNOSUPPORT);
  const int fresh = d.socket();
  EXPECT_EQ(d.read(fresh), std::to_string(-ENOTCONN));
  EXPECT_EQ(d.write(fresh, "x"), -EPIPE);
  EXPECT_EQ(d.shutdown(fresh, SHUT_WR), -ENOTCONN);
}

}  // namespace
}  // namespace salut::packetdrill::test
