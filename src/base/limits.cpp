#include "base/limits.hpp"

#include <cstdio>
#include <type_traits>

namespace salut {
namespace {

// The value in the unit that the key names.
double value_of(const StackConfig& config, const StackNumber& entry) {
  return std::visit(
      [&](auto field) {
        if constexpr (std::is_same_v<decltype(field), Duration StackConfig::*>) {
          return static_cast<double>((config.*field).count()) / entry.unit_ns;
        } else {
          return static_cast<double>(config.*field);
        }
      },
      entry.field);
}

std::string millis(Duration d) { return number_text(static_cast<double>(d.count()) / millis_ns); }

}  // namespace

std::string number_text(double value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.10g", value);
  return text.data();
}

std::string range_text(double min, double max) {
  return number_text(min) + ".." + number_text(max);
}

bool is_unicast(const IpAddress& address) {
  if (address.is_v4()) {
    const std::uint32_t top = address.v4() >> 24;
    return top != 0 && top != 127 && top < 224;
  }
  // No host may have ::, ::1 or another address of ::/96.
  return !address.is_multicast() && (address.high() != 0 || address.low() >> 32 != 0);
}

bool is_of_hosts(const Prefix& prefix) {
  return is_unicast(prefix.address) && prefix.length <= (prefix.address.is_v4() ? 32 : 128);
}

bool is_of_hosts(const AddressRange& range) {
  const IpAddress last = range.last();
  const bool wraps = range.count == 0 || last < range.first || last.is_v4() != range.first.is_v4();
  return !wraps && is_unicast(range.first) && is_unicast(last);
}

std::optional<StackProblem> find_problem(const StackConfig& config) {
  for (const StackNumber& entry : stack_numbers) {
    const double value = value_of(config, entry);
    if (!(value >= entry.min && value <= entry.max)) {
      return StackProblem{std::string(entry.key), number_text(value), "out of range",
                          range_text(entry.min, entry.max)};
    }
  }
  const std::string most = "at most " + millis(config.rto_max);
  if (config.rto_min > config.rto_max) {
    return StackProblem{"rto_min_ms", millis(config.rto_min), "above rto_max_ms", most};
  }
  if (config.rto_initial > config.rto_max) {
    return StackProblem{"rto_initial_ms", millis(config.rto_initial), "above rto_max_ms", most};
  }
  return std::nullopt;
}

}  // namespace salut
