// Which cores this process may run on: the affinity mask, which taskset and cgroups shape.
#pragma once

#include <cstdint>
#include <vector>

#include "salut/config.hpp"

namespace salut {

std::vector<std::uint32_t> allowed_cores();

// If the configuration names no cores, worker i gets the i-th core that this process may use. With
// more workers than cores it starts again at the first.
void choose_cores(Config& config, const std::vector<std::uint32_t>& allowed);

}  // namespace salut
