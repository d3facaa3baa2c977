// What must be true of an engine whatever happened to it: the invariants that the exhaustive
// search, the seeded world and the engine's fuzzer share.
//
// All of it is told from the engine's counters and pools, so that an oracle knows nothing of how a
// state was reached. Each check returns what is wrong, for a person, or an empty string.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string>

#include "stack/engine.hpp"

namespace salut::oracle {

// Pairs of states, from and to.
using Edges = std::bitset<state_count * state_count>;
constexpr std::size_t edge(State from, State to) {
  return static_cast<std::size_t>(from) * state_count + static_cast<std::size_t>(to);
}

// Every pair that one segment, call or timer may lead along: the cells of the transition table and
// what the fast path composes of them.
const Edges& allowed_edges();

// Gauges before and entries since: can all of them be explained by moves along the table's edges?
// CLOSED and LISTEN are where connections come from and go to, and are not counted exactly. `seen`
// collects the edges, where there was one way to explain them.
std::string unexplained(const Counters& before, const Counters& after, Edges* seen = nullptr);

// Do the gauges of states, the pool of TCBs, the flow table, the TIME_WAIT arena and the half-open
// counts of listeners agree? A walk over all slots.
std::string inconsistent(const stack::Engine& engine);

// Is every pool full again? The gauges of all states but LISTEN must be zero.
std::string not_at_rest(const stack::Engine& engine);

}  // namespace salut::oracle
