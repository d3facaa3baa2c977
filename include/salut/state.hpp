// The eleven states of a connection, RFC 9293 §3.3.2.
//
// The transition table (src/tcp/transitions.hpp) says how a connection moves from one to another.
// Here are the names that users, counters, reports and that table share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace salut {

enum class State : std::uint8_t {
  closed,
  listen,
  syn_sent,
  syn_received,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait,
};

inline constexpr std::size_t state_count = 11;

inline constexpr std::array<std::string_view, state_count> state_names = {
    "CLOSED",     "LISTEN",     "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1",
    "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING",  "LAST_ACK",     "TIME_WAIT"};

// The name as RFC 9293 spells it, with underscores: "TIME_WAIT".
constexpr std::string_view name(State state) {
  return state_names[static_cast<std::size_t>(state)];
}

}  // namespace salut
