// The transition table as text, JSON, DOT and SVG, generated from the table itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tcp/transitions.hpp"

namespace salut::cli {

std::string states_text();
std::string states_json();
std::string states_dot();
// Figure 5 of RFC 9293: the states where the RFC draws them, the edges from the table. A transition
// without a place in the picture is listed below it, so that none is missing.
std::string states_svg();

// The events of one edge, in the table's order.
struct Edge {
  State from;
  State to;
  std::vector<tcp::StateEvent> events;
};
std::vector<Edge> state_changes();

// "send SYN, report established"; "-" for nothing.
std::string acts_text(std::uint16_t acts);

// The name without `_passive`: in the picture both are one event.
std::string_view short_name(tcp::StateEvent event);

}  // namespace salut::cli
