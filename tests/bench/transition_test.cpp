// What bench/transition.cpp compares must be the same thing: the switch against every cell of the
// table, and both against each other on the segments of the fast path and off it.
#include <gtest/gtest.h>

#include <set>

#include "../../bench/transition_mix.hpp"

namespace salut::bench {
namespace {

TEST(TransitionSwitch, agrees_with_every_cell_of_the_table) {
  for (std::size_t s = 0; s < state_count; ++s) {
    for (std::size_t e = 0; e < tcp::event_count; ++e) {
      const auto state = static_cast<State>(s);
      const auto event = static_cast<tcp::StateEvent>(e);
      EXPECT_EQ(switch_step(state, event), table_step(state, event))
          << name(state) << ", " << name(event);
    }
  }
}

TEST(TransitionSwitch, segments_agree_and_stay_on_the_fast_path) {
  std::set<std::pair<State, unsigned>> seen;
  for (const Meeting& m : meetings(20'000, 7)) {
    Outcome table, by_switch;
    ASSERT_TRUE(table_segment(m.tcb, m.segment, table)) << name(m.tcb.state);
    ASSERT_TRUE(switch_segment(m.tcb, m.segment, by_switch)) << name(m.tcb.state);
    ASSERT_EQ(table, by_switch) << name(m.tcb.state);
    const unsigned fin = (m.segment.flags & wire::fin) != 0 ? 4 : 0;
    seen.insert({m.tcb.state, tcp::ack_bits(m.tcb, Seq{m.segment.ack}) | fin});
  }
  // SYN_RECEIVED 2, ESTABLISHED 2, FIN_WAIT_1 8, FIN_WAIT_2 2, CLOSE_WAIT 1, CLOSING 4, LAST_ACK 2.
  EXPECT_EQ(seen.size(), 21u);
}

// One field of a fast path segment goes wrong, near the wrap of its sequences as often as not.
TEST(TransitionSwitch, segments_with_one_field_wrong_agree_whether_they_leave) {
  std::mt19937_64 random(8);
  unsigned left = 0;
  for (Meeting m : meetings(50'000, 9)) {
    const auto number = static_cast<std::uint32_t>(random());
    switch (random() % 9) {
      case 0:
        m.segment.seq += number % 3 - 1;
        break;
      case 1:
        m.segment.ack += number % 5 - 2;
        break;
      case 2:
        m.segment.flags = static_cast<std::uint8_t>(number);
        break;
      case 3:
        m.segment.payload_length = static_cast<std::uint16_t>(number);
        break;
      case 4:
        m.tcb.rcv_adv = m.tcb.rcv_nxt + number % 3;
        break;
      case 5:
        put_state(m.tcb, static_cast<State>(number % state_count));
        break;
      case 6:
        m.tcb.set(tcp::Flag::gaps);
        break;
      case 7:
        m.tcb.set(tcp::Flag::ecn);
        m.segment.traffic_class = static_cast<std::uint8_t>(number);
        break;
      default:
        m.segment.ack = number;
        break;
    }
    Outcome table, by_switch;
    const bool stays = table_segment(m.tcb, m.segment, table);
    ASSERT_EQ(stays, switch_segment(m.tcb, m.segment, by_switch)) << name(m.tcb.state);
    if (!stays) by_switch = table;  // as far as it came
    ASSERT_EQ(table, by_switch) << name(m.tcb.state);
    left += stays ? 0 : 1;
  }
  EXPECT_GT(left, 10'000u);
  EXPECT_LT(left, 45'000u);
}

}  // namespace
}  // namespace salut::bench
