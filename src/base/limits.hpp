// The limits of a stack's options, as data, and the check that finds the first value out of range.
//
// There is one table, so that a value from a file, a value set in code and a user of the core
// library meet the same limits and the same messages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "salut/address.hpp"
#include "salut/stack_config.hpp"

namespace salut {

using NumberField = std::variant<std::uint32_t StackConfig::*, Duration StackConfig::*>;

// One number of the section [stack]. The key ends in the unit in which a duration is written.
struct StackNumber {
  std::string_view key;
  NumberField field;
  double min;
  double max;
  double unit_ns = 1;
};

inline constexpr double seconds_ns = 1e9;
inline constexpr double millis_ns = 1e6;

inline constexpr auto stack_numbers = std::to_array<StackNumber>({
    {"connections", &StackConfig::connections, 16, 67'108'863},
    {"time_wait", &StackConfig::time_wait, 16, 1'000'000'000},
    {"buffer_blocks", &StackConfig::buffer_blocks, 16, 4'294'967'295},
    {"lent_frames", &StackConfig::lent_frames, 0, 1'000'000},
    {"send_buffer", &StackConfig::send_buffer, 2'048, 16'777'216},
    {"recv_buffer", &StackConfig::recv_buffer, 2'048, 1'073'741'824},
    {"timers", &StackConfig::timers, 16, 16'777'216},
    {"neighbours", &StackConfig::neighbours, 0, 65'000},
    {"neighbour_queue", &StackConfig::neighbour_queue, 1, 64},
    {"neighbour_frames", &StackConfig::neighbour_frames, 1, 32'768},
    {"msl_s", &StackConfig::msl, 0.001, 3'600, seconds_ns},
    {"rto_initial_ms", &StackConfig::rto_initial, 1, 60'000, millis_ns},
    {"rto_min_ms", &StackConfig::rto_min, 1, 60'000, millis_ns},
    {"rto_max_ms", &StackConfig::rto_max, 1, 600'000, millis_ns},
    {"syn_timeout_s", &StackConfig::syn_timeout, 1, 3'600, seconds_ns},
    {"retry_timeout_s", &StackConfig::retry_timeout, 1, 3'600, seconds_ns},
    {"syn_ack_retries", &StackConfig::syn_ack_retries, 0, 255},
    {"orphan_timeout_s", &StackConfig::orphan_timeout, 1, 3'600, seconds_ns},
    {"fin_wait_2_s", &StackConfig::fin_wait_2, 1, 3'600, seconds_ns},
    {"initial_window", &StackConfig::initial_window, 1, 100},
    {"delayed_ack_ms", &StackConfig::delayed_ack, 0, 499, millis_ns},
    {"keep_alive_s", &StackConfig::keep_alive, 0, 2'073'600, seconds_ns},  // 24 days
    {"keep_alive_interval_s", &StackConfig::keep_alive_interval, 1, 3'600, seconds_ns},
    {"keep_alive_probes", &StackConfig::keep_alive_probes, 1, 100},
    {"ttl", &StackConfig::ttl, 1, 255},
});

// The one of this key, for a flag that stands for it. REQUIRES: there is one.
consteval const StackNumber& stack_number(std::string_view key) {
  const StackNumber* entry = stack_numbers.data();
  while (entry->key != key) ++entry;
  return *entry;
}

// Limits of an interface, in bytes.
inline constexpr double mtu_min = 576;
inline constexpr double mtu_min_v6 = 1'280;  // RFC 8200 §5
inline constexpr double mtu_max = 9'000;
inline constexpr double vlan_max = 4'094;
inline constexpr std::size_t ports_max = 16;       // per stack
inline constexpr std::size_t addresses_max = 256;  // per stack: addresses and ranges together

// May a host have this address, or each address of the range, as its own?
bool is_unicast(const IpAddress& address);
bool is_of_hosts(const Prefix& prefix);
bool is_of_hosts(const AddressRange& range);

// The first value that is wrong, and what would be right: "connections", "3", "out of range",
// "16..67108863". Nothing if all values are right.
struct StackProblem {
  std::string key;
  std::string value;
  std::string problem;
  std::string want;
};
std::optional<StackProblem> find_problem(const StackConfig& config);

bool in_range(double value, double min, double max);  // both included; what is no number never is
std::string range_text(double min, double max);       // 16..65535
std::string number_text(double value);                // 0.001, 30

}  // namespace salut
