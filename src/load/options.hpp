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
  RuntimeOptions runtime;
  std::optional<Targets> connect;
  LoadMode mode = LoadMode::concurrency;
  double rate = 0;
  std::uint32_t concurrency = 0;
  std::uint64_t hold = 0;
  std::optional<std::uint64_t> connections;
  std::uint64_t request = 0;
  std::uint32_t response = 0;
  bool server_closes = false;
  std::optional<AddressRange> local;
  std::uint32_t workers = 0;  // both ends in this process: of each end; 0: as many as cores say
  bool ip6 = false;           // both ends in this process: over IPv6
  bool reflect = false;       // the port reflects what is sent: both ends are this stack
  bool stream = false;        // request is of each connection, and endless with --duration
  std::uint64_t bytes = 0;    // of a stream, of all connections; 0: endless
  bool verify = false;        // of a stream
  bool copy = false;          // the same
  Duration duration = std::chrono::seconds{10};
  Duration drain = std::chrono::seconds{5};  // at most, after the duration, for what is still open
  std::string json;                          // a file, "-" for standard output, empty for none
  std::string latencies;                     // the same, without "-"
  std::string command;                       // as typed
};

inline constexpr std::uint32_t default_concurrency = 256;

}  // namespace salut::load
