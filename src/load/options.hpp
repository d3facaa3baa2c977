// The options of a benchmark: the load, its two ends, and how long.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/overrides.hpp"
#include "load/bench_worker.hpp"
#include "salut/address.hpp"
#include "salut/time.hpp"

namespace salut::load {

struct BenchOptions {
  ConfigFlags runtime;
  std::optional<Targets> connect;
  LoadMode mode = LoadMode::concurrency;
  double rate = 0;
  std::uint32_t burst = 0;  // LoadOptions::burst
  std::uint32_t concurrency = 0;
  std::uint64_t hold = 0;
  std::optional<std::uint64_t> connections;
  std::uint64_t request = 0;
  std::uint32_t response = 0;
  bool server_closes = false;
  std::optional<AddressRange> local;
  std::uint32_t workers = 0;  // of each end, if both are in this process; 0: as --cores says
  bool ip6 = false;           // use IPv6, if both ends are in this process
  bool reflect = false;       // the port reflects all frames: both ends are this stack
  bool stream = false;        // `request` is per connection, and endless with --duration
  std::uint64_t bytes = 0;    // of a stream, all connections together; 0: endless
  bool verify = false;        // for a stream: Exchange::verify
  bool copy = false;          // for a stream: Exchange::copy
  Duration duration = std::chrono::seconds{10};
  Duration drain = std::chrono::seconds{5};  // the longest wait for open connections at the end
  std::string json;                          // a file, "-" for standard output, empty for none
  std::string latencies;                     // the same, without "-"
  std::string command;                       // as typed
};

inline constexpr std::uint32_t default_concurrency = 256;

}  // namespace salut::load
