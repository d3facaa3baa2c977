// One seed from its first frame to the last: the plan carried out, and the promises of the
// protocol (tests/oracle/oracle.hpp) watched after every turn of every engine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oracle.hpp"

namespace salut::sim {

struct Outcome {
  std::string error;               // empty if every promise was kept
  std::vector<std::string> chart;  // if asked for
  std::uint64_t frames = 0;
  std::uint64_t ends = 0;  // of connections
  std::uint64_t bytes = 0;
  std::uint64_t virtual_ms = 0;
  std::uint64_t attack_frames = 0;  // of an adversary, if there is one
  oracle::Edges edges;
};

Outcome run_seed(std::uint64_t seed, bool chart);

}  // namespace salut::sim
