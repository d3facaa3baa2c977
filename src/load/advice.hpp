// Advice about connections that failed on our side: one line per reason, with the flag or the key
// to change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "load/exchange.hpp"
#include "salut/config.hpp"

namespace salut::load {

std::vector<std::string> advice(const LoadTotals& totals, const StackConfig& stack);

}  // namespace salut::load
