// Closing in every order, with 2MSL in virtual time.
#include <chrono>

#include "driver.hpp"

namespace salut::packetdrill::test {
namespace {

// The connection is gone: whatever comes is answered with an RST.
void expect_closed(Driver& d, std::uint32_t seq, Where where = Where::current()) {
  d.inject({.flags = "A", .ack = seq});
  d.expect({.flags = "R", .seq = seq}, where);
}

void set_linger(Driver& d, int fd, int seconds) {
  const struct linger on = {1, seconds};
  EXPECT_EQ(d.calls().setsockopt(d.calls().userdata, fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)),
            0);
}

TEST(Close, four_segments_then_2msl) {
  Driver d;
  const auto real_start = std::chrono::steady_clock::now();
  const int fd = d.established();
  EXPECT_EQ(d.close(fd), 0);
  d.expect({.flags = "FA", .seq = 1, .ack = 1});
  d.inject({});
  d.sleep(1s);
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 2, .ack = 2});
  d.sleep(50s);
  d.inject({.flags = "FA", .seq = 1});  // our last ACK was lost: 2MSL starts again
  d.expect({.flags = "A", .seq = 2, .ack = 2});
  d.sleep(59s);
  d.inject({.flags = "FA", .seq = 1});
  d.expect({.flags = "A", .seq = 2, .ack = 2});
  d.sleep(61s);
  expect_closed(d, 2);
  EXPECT_LT(std::chrono::steady_clock::now() - real_start, 2s);
}

TEST(Close, three_segments) {
  Driver d;
  const int fd = d.established();
  d.close(fd);
  d.expect({.flags = "FA", .seq = 1, .ack = 1});
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 2, .ack = 2});
  d.sleep(61s);
  expect_closed(d, 2);
}

TEST(Close, simultaneous) {
  Driver d;
  const int fd = d.connected();
  d.close(fd);
  d.expect({.flags = "FA", .seq = 1, .ack = 1});
  d.inject({.flags = "FA", .ack = 1});
  d.expect({.flags = "A", .seq = 2, .ack = 2});
  d.inject({.ack = 2});
  d.sleep(59s);
  d.inject({.flags = "FA", .seq = 1});
  d.expect({.flags = "A", .seq = 2, .ack = 2});
  d.sleep(61s);
  expect_closed(d, 2);
}

TEST(Close, peer_first_leaves_nothing_behind) {
  Driver d;
  const int fd = d.established();
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 1, .ack = 2});
  EXPECT_EQ(d.read(fd), "");
  EXPECT_EQ(d.read(fd), "");
  EXPECT_EQ(d.write(fd, "late"), 4);
  d.expect({.seq = 1, .ack = 2, .length = 4});
  d.inject({});
  d.close(fd);
  d.expect({.flags = "FA", .seq = 5, .ack = 2});
  d.inject({});
  expect_closed(d, 6);
}

TEST(Close, half_close_reads_on) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.shutdown(fd, SHUT_WR), 0);
  d.expect({.flags = "FA", .seq = 1, .ack = 1});
  EXPECT_EQ(d.write(fd, "x"), -EPIPE);
  d.inject({});
  d.sleep(300s);  // as long as the application likes
  d.inject({.payload = "still here"});
  d.expect({.seq = 2, .ack = 11});
  EXPECT_EQ(d.read(fd), "still here");
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 2, .ack = 12});
  EXPECT_EQ(d.read(fd), "");
  EXPECT_EQ(d.close(fd), 0);
}

TEST(Close, fin_follows_the_data) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.write(fd, std::string(3000, 'x')), 3000);
  d.expect({.seq = 1, .ack = 1, .length = 1460});
  d.expect({.seq = 1461, .ack = 1, .length = 1460});
  d.expect({.seq = 2921, .ack = 1, .length = 80});
  d.close(fd);
  d.expect({.flags = "FA", .seq = 3001, .ack = 1});
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 3002, .ack = 2});
}

// RFC 1122 §4.2.2.13: the same peer and port, a sequence number above the old ones.
TEST(Close, time_wait_takes_a_newer_syn) {
  Driver d;
  const int fd = d.established();
  d.close(fd);
  d.expect({.flags = "FA", .seq = 1, .ack = 1});
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 2, .ack = 2});
  d.sleep(10s);
  d.inject({.flags = "S", .seq = 1000, .mss = 1460});
  d.expect({.flags = "SA", .seq = 0, .ack = 1001});
  d.inject({.seq = 1001});
  EXPECT_GE(d.accept(d.listener), 0);
}

TEST(Close, with_unread_bytes_resets) {
  Driver d;
  const int fd = d.established();
  d.inject({.payload = "unread"});
  d.expect({.seq = 1, .ack = 7});
  d.close(fd);
  d.expect({.flags = "RA", .seq = 1, .ack = 7});
  expect_closed(d, 1);
}

TEST(Close, linger_zero_resets) {
  Driver d;
  const int fd = d.established();
  set_linger(d, fd, 0);
  d.close(fd);
  d.expect({.flags = "RA", .seq = 1, .ack = 1});
}

TEST(Close, linger_waits_for_the_peer) {
  Driver d;
  const int fd = d.established();
  set_linger(d, fd, 10);
  Blocking close(d, [&] { return d.close(fd); });
  d.expect({.flags = "FA", .seq = 1, .ack = 1});
  d.sleep(150ms);
  EXPECT_TRUE(close.waits());
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 2, .ack = 2});
  EXPECT_EQ(close.result(), "0");
  EXPECT_LT(close.ended(), 1s);
}

// socket(7): "all queued messages … successfully sent"; Linux waits for the ACK of the FIN, not for
// the peer's FIN and not for TIME_WAIT.
void expect_linger_ends_with_the_ack_of_the_fin(Driver& d, int fd, std::uint32_t ack) {
  set_linger(d, fd, 3);
  const Microseconds before = d.now();
  Blocking close(d, [&] { return d.close(fd); });
  d.expect({.flags = "FA", .seq = 1, .ack = ack});
  d.sleep(50ms);
  EXPECT_TRUE(close.waits());
  d.inject({});
  d.sleep(10s);
  EXPECT_EQ(close.result(), "0");
  EXPECT_LT(close.ended() - before, 60ms);
}

TEST(Close, linger_ends_with_the_ack_of_the_fin) {
  Driver d;
  expect_linger_ends_with_the_ack_of_the_fin(d, d.established(), 1);
}

TEST(Close, linger_of_the_second_to_close_ends_with_the_ack_of_the_fin) {
  Driver d;
  const int fd = d.established();
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 1, .ack = 2});
  expect_linger_ends_with_the_ack_of_the_fin(d, fd, 2);
}

TEST(Close, linger_is_over_after_its_time) {
  Driver d;
  const int fd = d.established();
  set_linger(d, fd, 3);
  const Microseconds before = d.now();
  EXPECT_EQ(d.close(fd), 0);
  EXPECT_GE(d.now() - before, 3s);
  EXPECT_LE(d.now() - before, 3100ms);
  d.drain();
}

TEST(Close, in_syn_sent_is_silent) {
  Driver d;
  const int fd = d.socket(SOCK_STREAM | SOCK_NONBLOCK);
  d.connect(fd);
  d.expect({.flags = "S", .seq = 0});
  EXPECT_EQ(d.close(fd), 0);
  d.sleep(10s);
  d.expect_nothing();
  d.inject({.flags = "SA", .mss = 1460});
  d.expect({.flags = "R", .seq = 1});
}

TEST(Close, reset_is_told_once) {
  Driver d;
  const int fd = d.established();
  d.inject({.flags = "RA"});
  EXPECT_EQ(d.poll(fd, POLLIN | POLLOUT | POLLRDHUP),
            POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
  EXPECT_EQ(d.read(fd), std::to_string(-ECONNRESET));
  EXPECT_EQ(d.read(fd), "");
  EXPECT_EQ(d.write(fd, "x"), -EPIPE);
  EXPECT_EQ(d.close(fd), 0);
}

TEST(Close, reset_after_their_fin_is_epipe) {
  Driver d;
  const int fd = d.established();
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 1, .ack = 2});
  d.inject({.flags = "RA"});
  EXPECT_EQ(d.write(fd, "x"), -EPIPE);
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), 0);
}

// Linux tcp_reset(): EPIPE in CLOSE_WAIT only.
TEST(Close, reset_in_closing_is_econnreset) {
  Driver d;
  const int fd = d.established();
  d.shutdown(fd, SHUT_WR);
  d.expect({.flags = "FA", .seq = 1, .ack = 1});
  d.inject({.flags = "FA", .ack = 1});
  d.expect({.flags = "A", .seq = 2, .ack = 2});
  d.inject({.flags = "R"});
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

TEST(Close, reset_in_last_ack_is_econnreset) {
  Driver d;
  const int fd = d.established();
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 1, .ack = 2});
  d.shutdown(fd, SHUT_WR);
  d.expect({.flags = "FA", .seq = 1, .ack = 2});
  d.inject({.flags = "R"});
  EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

TEST(Close, reset_in_fin_wait_is_econnreset) {
  for (const bool acknowledged : {false, true}) {
    Driver d;
    const int fd = d.established();
    d.shutdown(fd, SHUT_WR);
    d.expect({.flags = "FA", .seq = 1, .ack = 1});
    if (acknowledged) d.inject({});
    d.inject({.flags = "R"});
    EXPECT_EQ(d.get(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
  }
}

TEST(Close, reset_wakes_a_reader) {
  Driver d;
  const int fd = d.established();
  Blocking read(d, [&] { return d.read(fd); });
  d.sleep(100ms);
  EXPECT_TRUE(read.waits());
  d.inject({.flags = "RA"});
  EXPECT_EQ(read.result(), std::to_string(-ECONNRESET));
}

TEST(Close, fin_wakes_a_reader) {
  Driver d;
  const int fd = d.established();
  Blocking read(d, [&] { return d.read(fd); });
  d.inject({.flags = "FA"});
  d.expect({.flags = "A", .seq = 1, .ack = 2});
  EXPECT_EQ(read.result(), "");
}

TEST(Close, silent_peer_times_out) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.write(fd, "x"), 1);
  d.sleep(200s);
  EXPECT_EQ(d.read(fd), std::to_string(-ETIMEDOUT));
  for (int i = 0; i < 3; ++i) d.expect({.seq = 1, .ack = 1, .length = 1});
  d.drain();
}

TEST(Close, shutdown_for_reading_reads_nothing_but_what_comes) {
  Driver d;
  const int fd = d.established();
  EXPECT_EQ(d.shutdown(fd, SHUT_RD), 0);
  EXPECT_EQ(d.read(fd), "");
  d.inject({.payload = "abc"});
  d.expect({.seq = 1, .ack = 4});
  EXPECT_EQ(d.read(fd), "abc");
  EXPECT_EQ(d.read(fd), "");
}

}  // namespace
}  // namespace salut::packetdrill::test
