// The transition table for people and for programs, always from the table itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tcp/transitions.hpp"

namespace salut::cli {

std::string states_text();
std::string states_json();
std::string states_dot();
// Figure 5 of RFC 9293: the eleven states where the RFC draws them, edges from the table. A change
// of state that the picture has no place for is listed below it, so that none is missing.
std::string states_svg();

// Events that change one state into another, in the table's order.
struct Edge {
  State from;
  State to;
  std::vector<tcp::StateEvent> events;
};
std::vector<Edge> state_changes();

// "send SYN, report established"; "-" for nothing.
std::string acts_text(std::uint16_t acts);

// `_passive` is the same event for a reader of the picture.
std::string_view short_name(tcp::StateEvent event);

}  // namespace salut::cli
