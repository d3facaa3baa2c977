// Many seeds in as many processes as there are cores: a seed that kills its process costs that
// process, and is named.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "oracle.hpp"

namespace salut::sim {

struct SoakResult {
  std::uint64_t seeds = 0;
  std::uint64_t frames = 0;
  std::uint64_t ends = 0;
  std::uint64_t bytes = 0;
  std::uint64_t virtual_ms = 0;
  std::uint64_t attack_frames = 0;
  double seconds = 0;
  oracle::Edges edges;
  std::vector<std::string> failures;  // at most a few: what is wrong, and how to replay it
};

// Seeds first..last. `progress` seconds between two lines on standard error; 0 for none.
SoakResult soak(std::uint64_t first, std::uint64_t last, unsigned progress);

}  // namespace salut::sim
