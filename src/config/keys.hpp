// The keys of a configuration file and their limits as data, and the checks of a configuration.
//
// The reader (read.cpp) and the check (check.cpp) use the same tables, so that a value from a file
// and a value from code meet the same limits and the same messages.
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

// A duration of [serve]; all are in seconds.
struct ServeNumber {
  std::string_view key;
  Duration ServeConfig::* field;
};
inline constexpr auto serve_numbers = std::to_array<ServeNumber>({
    {"header_timeout_s", &ServeConfig::header_timeout},
    {"idle_timeout_s", &ServeConfig::idle_timeout},
    {"send_timeout_s", &ServeConfig::send_timeout},
});
inline constexpr double serve_timeout_max = 86'400;

inline constexpr std::size_t siblings_max = 63;  // per port; one TTL must be enough to visit all

inline constexpr double workers_max = 64;
inline constexpr double cores_max = 65'535;
inline constexpr double megabytes_max = 16'777'216;
inline constexpr double mbufs_min = 1'024;
inline constexpr double mbufs_max = 8'388'608;
inline constexpr double txqueuelen_max = 1'000'000;
inline constexpr std::size_t routes_max = 1'024;
inline constexpr std::size_t neighbours_max = 1'024;
inline constexpr std::size_t name_max = 32;
inline constexpr std::size_t interface_max = 15;  // IFNAMSIZ without the terminating zero

// "FILE: KEY = VALUE: PROBLEM; want WANT". An empty file, value or want leaves its part out.
Error complaint(std::string_view file, std::string_view key, std::string_view value,
                std::string_view problem, std::string_view want);

std::string list_text(std::span<const std::string> words);  // "a", "b" or "c"
std::string_view type_name(PortType type);                  // "tap"
std::string_view idle_name(Idle idle);                      // "spin"
inline constexpr std::string_view congestion_want = "\"cubic\" or \"newreno\"";
inline constexpr std::string_view hugepages_want = "\"auto\", \"on\" or \"off\"";
inline constexpr std::string_view idle_want = "\"spin\", \"yield\" or \"sleep\"";

// A name of an instance or a port: 1 to 32 of a-z, 0-9, _ and -.
bool is_instance_name(std::string_view text);
std::string name_rule();  // these words

// The checks return the first error that they find, or nothing. This one: siblings and [announce],
// which make several instances one service, and [serve].
std::optional<Error> check_cluster(const Config& config);
// What is wrong with the text of a unicast MAC, and what would be right; nothing if it is right.
struct Problem {
  std::string_view what;
  std::string_view want;
};
std::optional<Problem> mac_problem(const std::string& text);

// No two ports or members may use the same socket, kernel interface or device name.
std::optional<Error> check_devices(const Config& config);

// Gateways, routes, and the addresses that ranges must not contain.
std::optional<Error> check_links(const Config& config);

// The ith [[neighbour]]: its port, address and MAC.
std::optional<Error> check_neighbours(const Config& config, std::size_t i);

// Is the address on a link of the port? Adds the links of its family to `links`. If the port has
// only host addresses (/32, /128) of a family, as clouds give them, every unicast address is on its
// link, or it could have no gateway.
bool on_link(const PortConfig& port, const IpAddress& address, std::vector<std::string>& links);

// The known word that `word` was probably meant to be; empty if none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace salut::config
