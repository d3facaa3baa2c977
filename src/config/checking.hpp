// What the checks of a configuration share: the configuration, and the first error, which is the
// one that the user reads.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "config/keys.hpp"

namespace salut::config {

class Checking {
 protected:
  explicit Checking(const Config& config) : config_(config) {}

  void bad(std::string_view key, std::string_view value, std::string_view problem,
           std::string_view want) {
    if (!error_) error_ = complaint(config_.file, key, value, problem, want);
  }
  void bad_port(std::size_t i, std::string_view key, std::string_view value,
                std::string_view problem, std::string_view want) {
    bad(fmt::format("port[{}].{}", i, key), value, problem, want);
  }

  void range(std::string_view key, double value, double min, double max) {
    if (!in_range(value, min, max)) {
      bad(key, number_text(value), "out of range", range_text(min, max));
    }
  }

  const Config& config_;
  std::optional<Error> error_;
};

}  // namespace salut::config
