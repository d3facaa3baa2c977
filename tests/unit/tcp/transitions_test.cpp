// The transition table against the project's promises, row by row, and against the file that a
// human reviewed. SALUT_UPDATE_GOLDEN=1 writes the file anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tcp/transitions.hpp"

namespace salut::tcp {
namespace {

#ifndef SALUT_GOLDEN
#define SALUT_GOLDEN "tests/golden/transitions.txt"
#endif

std::string acts_text(unsigned acts) {
  std::string text;
  for (std::size_t bit = 0; bit < act_count; ++bit) {
    if ((acts >> bit & 1) == 0) continue;
    if (!text.empty()) text += ", ";
    text += act_names[bit];
  }
  return text.empty() ? "-" : text;
}

std::string pad(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

// One line a cell: state, event, next state ("=" if the same), acts, note.
std::string render() {
  std::string out = "# state      event               next          acts | note\n";
  for (std::size_t s = 0; s < state_count; ++s) {
    out += '\n';
    for (std::size_t e = 0; e < event_count; ++e) {
      const State state = static_cast<State>(s);
      const StateEvent event = static_cast<StateEvent>(e);
      const Cell& cell = step(state, event);
      out += pad(std::string(salut::name(state)), 13) + pad(std::string(name(event)), 20);
      out += pad(cell.to == state ? "=" : std::string(salut::name(cell.to)), 14);
      out += acts_text(cell.acts) + " | " + std::string(cell.note) + '\n';
    }
  }
  return out;
}

TEST(Transitions, table_is_the_one_that_was_reviewed) {
  if (std::getenv("SALUT_UPDATE_GOLDEN") != nullptr) std::ofstream(SALUT_GOLDEN) << render();
  std::ifstream file(SALUT_GOLDEN);
  ASSERT_TRUE(file) << SALUT_GOLDEN << " cannot be read";
  std::istringstream expected(std::string(std::istreambuf_iterator<char>(file), {}));
  std::istringstream actual(render());
  std::string want;
  std::string have;
  int line = 0;
  while (std::getline(actual, have)) {
    ++line;
    want.clear();
    std::getline(expected, want);
    EXPECT_EQ(have, want) << "line " << line << "; SALUT_UPDATE_GOLDEN=1 accepts the change";
  }
  EXPECT_FALSE(std::getline(expected, want)) << "the file has more: " << want;
}

// What a user was promised: the next state and what is sent, written down from the specification
// and not from the table.
struct Promise {
  State from;
  StateEvent on;
  State to;
  unsigned sends;
};

constexpr unsigned sending = Act::send_syn | Act::send_syn_ack | Act::send_ack |
                             Act::send_challenge | Act::send_fin | Act::send_rst;

void expect_kept(const Promise& promise) {
  const Cell& cell = step(promise.from, promise.on);
  const std::string what =
      std::string(salut::name(promise.from)) + ", " + std::string(name(promise.on));
  EXPECT_EQ(cell.to, promise.to) << what << " leads to " << salut::name(cell.to);
  EXPECT_EQ(acts_text(cell.acts & sending), acts_text(promise.sends)) << what;
}

using enum State;
using enum StateEvent;
using A = Act;

TEST(Transitions, opening_as_promised) {
  for (const Promise& promise : {
           Promise{closed, open_passive, listen, A::none},
           Promise{closed, open_active, syn_sent, A::send_syn},
           Promise{listen, open_active, syn_sent, A::send_syn},
           Promise{listen, close, closed, A::none},
           Promise{listen, syn, syn_received, A::send_syn_ack},
           Promise{listen, ack_bad, listen, A::send_rst},
           Promise{listen, ack_of_syn, syn_received, A::none},
           Promise{listen, reset, listen, A::none},
           Promise{listen, other, listen, A::none},
           Promise{syn_sent, syn_ack, established, A::send_ack},
           Promise{syn_sent, syn, syn_received, A::send_syn_ack},
           Promise{syn_sent, ack_bad, syn_sent, A::send_rst},
           Promise{syn_sent, reset, closed, A::none},
           Promise{syn_sent, reset_bad, syn_sent, A::none},
           Promise{syn_sent, close, closed, A::none},
           Promise{syn_sent, retries_out, closed, A::none},
           Promise{syn_received, ack_of_syn, established, A::none},
           Promise{syn_received, syn_ack, established, A::none},
           Promise{syn_received, ack_bad, syn_received, A::send_rst},
           Promise{syn_received, reset_passive, listen, A::none},
           Promise{syn_received, reset, closed, A::none},
           Promise{syn_received, syn_again, syn_received, A::send_syn_ack},
           Promise{syn_received, syn_other_passive, listen, A::none},
           Promise{syn_received, syn_other, syn_received, A::send_challenge},
           Promise{syn_received, close, fin_wait_1, A::send_fin},
           Promise{syn_received, retries_out, closed, A::none},
           Promise{syn_received, retries_out_passive, listen, A::none},
       }) {
    expect_kept(promise);
  }
}

TEST(Transitions, closing_as_promised) {
  for (const Promise& promise : {
           Promise{established, close, fin_wait_1, A::send_fin},
           Promise{established, fin, close_wait, A::send_ack},
           Promise{fin_wait_1, ack_of_fin, fin_wait_2, A::none},
           Promise{fin_wait_1, fin, closing, A::send_ack},
           Promise{fin_wait_2, fin, time_wait, A::send_ack},
           Promise{fin_wait_2, idle_limit, closed, A::none},
           Promise{close_wait, close, last_ack, A::send_fin},
           Promise{closing, ack_of_fin, time_wait, A::none},
           Promise{last_ack, ack_of_fin, closed, A::none},
           Promise{time_wait, timeout_2msl, closed, A::none},
           Promise{time_wait, fin_again, time_wait, A::send_ack},
           Promise{time_wait, syn, syn_received, A::send_syn_ack},
           Promise{time_wait, syn_other, time_wait, A::send_ack},
           Promise{time_wait, reset, time_wait, A::none},
           Promise{time_wait, outside, time_wait, A::send_ack},
       }) {
    expect_kept(promise);
  }
}

TEST(Transitions, closed_answers_all_but_rst_with_rst) {
  for (const StateEvent event : {syn, syn_again, syn_other, syn_other_passive, syn_ack, ack_of_syn,
                                 ack_of_fin, fin, fin_again, ack_bad, outside, other}) {
    expect_kept({closed, event, closed, A::send_rst});
  }
  for (const StateEvent event : {reset, reset_passive, reset_near, reset_bad}) {
    expect_kept({closed, event, closed, A::none});
  }
}

TEST(Transitions, synchronized_states_answer_alike) {
  for (const State state : {established, fin_wait_1, fin_wait_2, close_wait, closing, last_ack}) {
    expect_kept({state, reset, closed, A::none});
    expect_kept({state, reset_passive, closed, A::none});
    expect_kept({state, reset_near, state, A::send_challenge});
    expect_kept({state, reset_bad, state, A::none});
    expect_kept({state, ack_bad, state, A::send_challenge});
    expect_kept({state, outside, state, A::send_ack});
    for (const StateEvent event : {syn, syn_again, syn_other, syn_other_passive, syn_ack}) {
      expect_kept({state, event, state, A::send_challenge});
    }
  }
}

TEST(Transitions, abort_as_promised) {
  for (const State state : {syn_received, established, fin_wait_1, fin_wait_2, close_wait}) {
    expect_kept({state, abort, closed, A::send_rst});
  }
  for (const State state : {listen, syn_sent, closing, last_ack, time_wait}) {
    expect_kept({state, abort, closed, A::none});
  }
}

TEST(Transitions, rto_retransmits_what_the_state_has_in_flight) {
  for (const State state :
       {syn_sent, syn_received, established, close_wait, fin_wait_1, closing, last_ack}) {
    EXPECT_EQ(step(state, rto).to, state);
    EXPECT_TRUE((step(state, rto).acts & A::retransmit) != 0) << salut::name(state);
    EXPECT_TRUE((step(state, retries_out).acts & A::release) != 0) << salut::name(state);
  }
  for (const State state : {closed, listen, fin_wait_2, time_wait}) {
    EXPECT_EQ(step(state, rto).acts, A::none) << salut::name(state);
  }
}

// Facts that hold of every cell, whatever the rows say.
TEST(Transitions, every_cell_is_sound) {
  for (std::size_t s = 0; s < state_count; ++s) {
    for (std::size_t e = 0; e < event_count; ++e) {
      const State from = static_cast<State>(s);
      const StateEvent event = static_cast<StateEvent>(e);
      const Cell& cell = step(from, event);
      const std::string what = std::string(salut::name(from)) + ", " + std::string(name(event));
      EXPECT_FALSE(cell.note.empty()) << what;
      const bool ends =
          from != closed && from != listen && (cell.to == closed || cell.to == listen);
      const bool by_itself = from == time_wait && event == timeout_2msl;
      EXPECT_EQ((cell.acts & A::release) != 0, ends || (from == listen && cell.to == closed))
          << what << (by_itself ? " (2MSL)" : "");
      const bool enters = cell.to == time_wait && from != time_wait;
      EXPECT_TRUE(!enters || (cell.acts & A::arm_2msl) != 0) << what;
      EXPECT_TRUE(cell.to == time_wait || (cell.acts & A::arm_2msl) == 0) << what;
      const bool is_reset = event == reset || event == reset_passive || event == reset_bad;
      EXPECT_TRUE(!is_reset || (cell.acts & sending) == 0) << what << ": RST is never answered";
    }
  }
}

TEST(Transitions, every_state_is_reached_and_left) {
  for (std::size_t s = 0; s < state_count; ++s) {
    bool reached = false;
    bool left = false;
    for (std::size_t from = 0; from < state_count; ++from) {
      for (std::size_t e = 0; e < event_count; ++e) {
        const Cell& cell = step(static_cast<State>(from), static_cast<StateEvent>(e));
        reached = reached || (from != s && cell.to == static_cast<State>(s));
        left = left || (from == s && cell.to != static_cast<State>(s));
      }
    }
    EXPECT_TRUE(reached && left) << state_names[s];
  }
}

// The fast path composes the steps of 3.10.7.4, the ACK before the FIN.
TEST(Transitions, fast_path_is_the_steps_one_after_another) {
  for (std::size_t s = 0; s < state_count; ++s) {
    for (unsigned bits = 0; bits < 8; ++bits) {
      State state = static_cast<State>(s);
      unsigned acts = 0;
      const auto raise = [&](StateEvent event) {
        acts |= step(state, event).acts;
        state = step(state, event).to;
      };
      if ((bits & fast_ack_of_syn) != 0) raise(ack_of_syn);
      if ((bits & fast_ack_of_fin) != 0) raise(ack_of_fin);
      if ((bits & fast_fin) != 0 && state != closed) raise(fin);
      EXPECT_EQ(fast_step(static_cast<State>(s), bits).to, state) << state_names[s] << bits;
      EXPECT_EQ(fast_step(static_cast<State>(s), bits).acts, acts) << state_names[s] << bits;
    }
  }
}

}  // namespace
}  // namespace salut::tcp
