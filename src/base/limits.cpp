#include "base/limits.hpp"

#include <algorithm>
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

// Loopback, multicast, and what is no address: ::, ::1 and the rest of ::/96 among them.
constexpr auto of_no_host = std::to_array<Prefix>({
    {IpAddress::v4(0), 8},
    {IpAddress::v4(127u << 24), 8},
    {IpAddress::v4(224u << 24), 3},
    {IpAddress::any_v6(), 96},
    {IpAddress::v6(0xff00'0000'0000'0000, 0), 8},
});

std::string millis(Duration d) { return number_text(static_cast<double>(d.count()) / millis_ns); }

}  // namespace

std::string number_text(double value) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.10g", value);
  return text.data();
}

bool in_range(double value, double min, double max) { return value >= min && value <= max; }

std::string range_text(double min, double max) {
  return number_text(min) + ".." + number_text(max);
}

bool is_unicast(const IpAddress& address) {
  return std::none_of(of_no_host.begin(), of_no_host.end(),
                      [&](const Prefix& block) { return block.contains(address); });
}

bool is_of_hosts(const Prefix& prefix) {
  return is_unicast(prefix.address) && prefix.length <= (prefix.address.is_v4() ? 32 : 128);
}

bool is_of_hosts(const AddressRange& range) {
  const IpAddress last = range.last();
  const bool wraps = range.count == 0 || last < range.first || last.is_v4() != range.first.is_v4();
  // A block may lie between two addresses of hosts.
  const auto overlaps = [&](const Prefix& block) {
    return range.first <= block.last() && block.first() <= last;
  };
  return !wraps && std::none_of(of_no_host.begin(), of_no_host.end(), overlaps);
}

std::optional<StackProblem> find_problem(const StackConfig& config) {
  for (const StackNumber& entry : stack_numbers) {
    const double value = value_of(config, entry);
    if (!in_range(value, entry.min, entry.max)) {
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
