// Which cores this process may run on: the affinity mask, which taskset and cgroups shape.
#pragma once

#include <cstdint>
#include <vector>

#include "salut/config.hpp"

namespace salut {

std::vector<std::uint32_t> allowed_cores();

// Unless the configuration did: worker i on the i-th core that this process may use, and round
// again.
void choose_cores(Config& config, const std::vector<std::uint32_t>& allowed);

}  // namespace salut
