// The command line as data. CLI11 knows the grammar and prints the help; values are checked by
// values.hpp, so that every mistake is one line with the value and what would be right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/bench_worker.hpp"
#include "salut/address.hpp"
#include "salut/config.hpp"
#include "salut/error.hpp"
#include "salut/time.hpp"

namespace salut::cli {

// What a command that opens ports takes: a file, or the few things a TAP needs.
struct RuntimeOptions {
  std::string config;  // empty: none
  std::string name;    // of the instance; empty: the default
  std::vector<std::uint32_t> cores;
  std::optional<Duration> msl;
  std::string interface = "salut0";    // of the TAP, without a file
  std::vector<Prefix> addresses;       // of the TAP, without a file
  std::optional<ImpairConfig> impair;  // of every port
};

enum class ServeApp : std::uint8_t { http, echo, discard, load };

struct ServeOptions {
  RuntimeOptions runtime;
  ServeApp app = ServeApp::http;
  std::uint16_t port = 80;
  std::uint64_t body = 1024;
  std::uint64_t request = 0;   // of a load
  std::uint32_t response = 0;  // the same
  bool server_closes = false;  // the same
  std::string json;            // a file, "-" for standard output, empty for none
  std::string command;         // as typed
  Duration drain = std::chrono::seconds{5};
};

struct BenchOptions {
  RuntimeOptions runtime;
  std::optional<app::Targets> connect;
  app::LoadMode mode = app::LoadMode::concurrency;
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
  bool mirror = false;        // the port turns round what is sent: both ends are this stack
  bool stream = false;        // request is of each connection, and endless with --duration
  std::uint64_t bytes = 0;    // of a stream, of all connections; 0: endless
  bool verify = false;        // of a stream
  bool copy = false;          // the same
  Duration duration = std::chrono::seconds{10};
  std::string json;       // a file, "-" for standard output, empty for none
  std::string latencies;  // the same, without "-"
  std::string command;    // as typed
};

struct DrainOptions {
  std::string name = "salut";  // of the instance
  bool wait = false;           // until it has ended
};

enum class StatesFormat : std::uint8_t { text, dot, svg, json };
struct StatesOptions {
  StatesFormat format = StatesFormat::text;
};

struct DoctorOptions {
  RuntimeOptions runtime;
};

struct MergeOptions {
  std::vector<std::string> files;
  std::string json;     // a file, "-" for standard output, empty for none
  std::string command;  // as typed
};

// Help or the version: printed, and that was all.
struct Text {
  std::string text;
};

using Command = std::variant<Text, ServeOptions, BenchOptions, DrainOptions, StatesOptions,
                             DoctorOptions, MergeOptions>;

// `arguments` as in main(), the program's name first.
Result<Command> parse_command(const std::vector<std::string>& arguments);

inline constexpr std::uint32_t default_concurrency = 256;

}  // namespace salut::cli
