// The keys of a configuration file as data, and the one line that says what is wrong with a value.
//
// The reader (read.cpp) and the check (check.cpp) walk the same table of numbers, so that a value
// from a file and a value from code meet the same limits and the same words.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "salut/config.hpp"

namespace salut::config {

// A switch of [stack].
struct StackFlag {
  std::string_view key;
  bool StackConfig::* field;
};

inline constexpr auto stack_flags = std::to_array<StackFlag>({
    {"verify_checksums", &StackConfig::verify_checksums},
    {"coalesce", &StackConfig::coalesce},
    {"no_delay", &StackConfig::no_delay},
    {"window_scale", &StackConfig::window_scale},
    {"timestamps", &StackConfig::timestamps},
    {"sack", &StackConfig::sack},
    {"ecn", &StackConfig::ecn},
    {"syn_cookies", &StackConfig::syn_cookies},
    {"quiet_time", &StackConfig::quiet_time},
});

// A number of a port's `impair`.
using ImpairField = std::variant<double ImpairConfig::*, Duration ImpairConfig::*>;
struct ImpairNumber {
  std::string_view key;
  ImpairField field;
  double min;
  double max;
  double unit_ns = 1;
};

inline constexpr double micros_ns = 1e3;
inline constexpr auto impair_numbers = std::to_array<ImpairNumber>({
    {"drop", &ImpairConfig::drop, 0, 1},
    {"duplicate", &ImpairConfig::duplicate, 0, 1},
    {"corrupt", &ImpairConfig::corrupt, 0, 1},
    {"reorder", &ImpairConfig::reorder, 0, 1},
    {"reorder_by_us", &ImpairConfig::reorder_by, 1, 1'000'000, micros_ns},
    {"delay_us", &ImpairConfig::delay, 0, 1'000'000, micros_ns},
});

// A duration of [announce]; all are in seconds.
struct AnnounceNumber {
  std::string_view key;
  Duration AnnounceConfig::* field;
  double min;
  double max;
};
inline constexpr auto announce_numbers = std::to_array<AnnounceNumber>({
    {"period_s", &AnnounceConfig::period, 0.1, 3'600},
    {"timeout_s", &AnnounceConfig::timeout, 0.1, 600},
    {"settle_s", &AnnounceConfig::settle, 0, 600},
});
inline constexpr double failures_max = 100;
inline constexpr std::size_t siblings_max = 63;  // of a port; TTL has to bring them all

inline constexpr double workers_max = 64;
inline constexpr double cores_max = 65'535;
inline constexpr double megabytes_max = 16'777'216;
inline constexpr double mbufs_min = 1'024;
inline constexpr double mbufs_max = 8'388'608;
inline constexpr double txqueuelen_max = 1'000'000;
inline constexpr std::size_t routes_max = 1'024;
inline constexpr std::size_t neighbours_max = 1'024;
inline constexpr std::size_t name_max = 32;
inline constexpr std::size_t interface_max = 15;  // IFNAMSIZ less its zero

// "FILE: KEY = VALUE: PROBLEM; want WANT". An empty file, value or want leaves its part out.
Error complaint(std::string_view file, std::string_view key, std::string_view value,
                std::string_view problem, std::string_view want);

std::string list_text(std::span<const std::string> words);  // "a", "b" or "c"
std::string_view type_name(PortType type);                  // "tap"

// 1 to 32 of a-z, 0-9, _ and -: an instance's, a port's.
bool is_instance_name(std::string_view text);

// What is wrong with what makes several instances one service: siblings and [announce].
std::optional<Error> check_cluster(const Config& config);
// What is wrong with the text of a station's MAC, and what would be right; nothing if nothing is.
struct Problem {
  std::string_view what;
  std::string_view want;
};
std::optional<Problem> mac_problem(const std::string& text);

// Two ports, or members of one, that take the same socket, interface or name.
std::optional<Error> check_devices(const Config& config);

// Gateways, routes, and what ranges must not contain.
std::optional<Error> check_links(const Config& config);

// One [[neighbour]] against the ports.
std::optional<Error> check_neighbours(const Config& config, std::size_t i);

// Is the address on a link of the port? Names the links of its family. Where the port has nothing
// but host addresses (/32, /128) of a family, as clouds give them, every other address is: nothing
// else could be its gateway.
bool on_link(const PortConfig& port, const IpAddress& address, std::vector<std::string>& links);

// The key that was probably meant, or empty if none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace salut::config
