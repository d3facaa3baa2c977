// The command line as data. CLI11 knows the grammar and prints the help; cli/parse.hpp checks
// the values, so that every mistake is one line with the value and what would be right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/overrides.hpp"
#include "load/options.hpp"
#include "salut/address.hpp"
#include "salut/config.hpp"
#include "salut/error.hpp"
#include "salut/time.hpp"

namespace salut::cli {

enum class ServeApp : std::uint8_t { http, echo, discard, load };

struct ServeOptions {
  ConfigFlags runtime;
  ServeApp app = ServeApp::http;
  std::uint16_t port = 80;
  std::uint64_t body = 1024;
  std::uint64_t request = 0;   // with --app load
  std::uint32_t response = 0;  // with --app load
  bool server_closes = false;  // with --app load
  std::string json;            // a file, "-" for standard output, empty for none
  std::string command;         // as typed
  Duration drain = std::chrono::seconds{5};
  // Over those of the configuration, ServeConfig.
  std::optional<Duration> header_timeout, idle_timeout, send_timeout;
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
  ConfigFlags runtime;
};

struct MergeOptions {
  std::vector<std::string> files;
  std::string json;     // a file, "-" for standard output, empty for none
  std::string command;  // as typed
};

// Help or the version: text to print, and nothing else to do.
struct Text {
  std::string text;
};

using Command = std::variant<Text, ServeOptions, load::BenchOptions, DrainOptions, StatesOptions,
                             DoctorOptions, MergeOptions>;

// `arguments` as in main(), the program's name first.
Result<Command> parse_command(const std::vector<std::string>& arguments);

}  // namespace salut::cli
