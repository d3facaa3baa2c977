// Timestamps on segments that are refused or that refuse (RFC 7323 §3.2, §4.3).
#include <gtest/gtest.h>

#include "tcp/harness.hpp"

namespace salut::test {
namespace {

StackConfig with_timestamps() {
  StackConfig config = small_config();
  config.timestamps = true;
  return config;
}

// A passive open by a peer whose last timestamp was 200.
void establish(Harness& h) {
  h.listen();
  h.send({.flags = "S", .mss = 1460, .ts = Stamps{.val = 100, .ecr = 0}});
  h.expect({.flags = "SA", .seq = 0, .ack = 1, .ts = Stamps{.ecr = 100}});
  h.send({.ts = Stamps{.val = 200, .ecr = 0}});
  h.expect_event(Event::accepted);
}

TEST(Stamps, established_bad_ack_does_not_move_ts_recent) {
  Harness h(with_timestamps());
  establish(h);
  h.send({.ack = 9999, .ts = Stamps{.val = 200'000, .ecr = 0}});
  h.expect({.seq = 1, .ack = 1, .ts = Stamps{.ecr = 200}});
  // Far below the refused one: PAWS must not hold it against the peer.
  h.send({.payload = "a", .ts = Stamps{.val = 201, .ecr = 0}});
  h.expect_event(Event::readable);
  h.advance(h.config().delayed_ack + 2 * tick);
  h.expect({.seq = 1, .ack = 2, .ts = Stamps{.ecr = 201}});
}

// RFC 6691: what options take, data may not.
TEST(Stamps, established_data_with_a_gap_fits_the_mtu_and_leaves_sack_out) {
  StackConfig config = with_timestamps();
  config.sack = true;
  Harness h(config);
  h.listen();
  h.send({.flags = "S", .mss = 1460, .sack_permitted = true, .ts = Stamps{.val = 100, .ecr = 0}});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send({.ts = Stamps{.val = 200, .ecr = 0}});
  h.expect_event(Event::accepted);
  h.send({.seq = 11, .payload = "beyond", .ts = Stamps{.val = 200, .ecr = 0}});
  h.expect({.seq = 1, .ack = 1, .sack = Edges{11, 17}});
  h.write(std::string(1448 + 100, 'x'));
  h.expect({.seq = 1, .ack = 1, .len = 1448, .sack = Edges{}});
  h.expect({.seq = 1449, .ack = 1, .len = 100, .sack = Edges{}});
  h.abort();
  h.expect({.flags = "RA", .seq = 1549, .ack = 1});
  h.expect_closed(Reason::aborted);
}

// The ACK of the first copy was lost; the second one is answered with the first one's time.
TEST(Stamps, established_echo_of_an_earlier_copy_is_no_round_trip) {
  for (const bool earlier : {true, false}) {
    Harness h(with_timestamps());
    h.handshake = 20ms;
    establish(h);
    h.write("x");
    h.expect({.seq = 1, .ack = 1, .len = 1});
    std::array<std::uint32_t, 2> copies = {};
    for (std::uint32_t& copy : copies) {
      h.silence(10s);
      copy = h.take().segment.tsval;
    }
    const std::uint32_t srtt = h.engine().info(h.conn)->srtt_us;
    h.advance(50ms);
    h.send({.ts = Stamps{.val = 300, .ecr = copies[earlier ? 0 : 1]}});
    if (earlier) {
      EXPECT_EQ(h.engine().info(h.conn)->srtt_us, srtt);
    } else {
      EXPECT_GT(h.engine().info(h.conn)->srtt_us, srtt);
    }
    EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
  }
}

TEST(Stamps, established_abort_rst_carries_them) {
  Harness h(with_timestamps());
  establish(h);
  h.abort();
  h.expect({.flags = "RA", .seq = 1, .ack = 1, .ts = Stamps{.ecr = 200}});
  h.expect_closed(Reason::aborted);
}

TEST(Stamps, established_abort_without_them_rst_is_bare) {
  Harness h;
  h.established();
  h.abort();
  EXPECT_EQ(h.sent.empty() ? 1u : h.sent.front().segment.options, 0u);
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::aborted);
}

}  // namespace
}  // namespace salut::test
