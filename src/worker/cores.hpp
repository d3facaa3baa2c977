// Which cores this process may run on: the affinity mask, which taskset and cgroups shape.
#pragma once

#include <cstdint>
#include <vector>

namespace salut {

std::vector<std::uint32_t> allowed_cores();

}  // namespace salut
