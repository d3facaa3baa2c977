#include "cli/options.hpp"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <limits>

#include "cli/help.hpp"
#include "cli/parse.hpp"
#include "cli/version.hpp"
#include "config/keys.hpp"

namespace salut::cli {

namespace {

constexpr auto about =
    "A TCP stack on DPDK that opens and closes connections fast.\n"
    "Without a configuration nothing touches a network card.";

constexpr std::uint64_t gib = std::uint64_t{1} << 30;
constexpr std::uint64_t connections_max = 1'000'000'000'000;

// The arguments as typed; empty means absent.
struct Raw {
  std::string config, name, cores, msl, interface, address, impair;
  std::string app, port, body, drain, header_timeout, idle_timeout, send_timeout;
  std::string connect, rate, burst, concurrency, hold, connections, request, response, close, local,
      duration, json, latencies;
  std::string bytes, workers;
  bool wait = false;
  bool max = false, ip6 = false, stream = false, verify = false, copy = false, reflect = false;
  std::string format;
  std::vector<std::string> files;
};

void add_runtime_options(CLI::App& command, Raw& raw) {
  const auto group = "Where it runs";
  const auto add = [&](const char* flag, std::string& value, const char* text, const char* type) {
    command.add_option(flag, value, text)->type_name(type)->group(group);
  };
  add("--config", raw.config, "ports, workers and limits from a TOML file", "FILE");
  add("--cores", raw.cores, "cores for the workers, one each", "A,B");
  add("--msl", raw.msl, "maximum segment lifetime; TIME_WAIT lasts twice as long (30)", "S");
  add("--interface", raw.interface, "without --config: name of the TAP (salut0)", "NAME");
  add("--address", raw.address, "without --config: our address on it (10.0.0.2/24 and fd00::2/64)",
      "ADDR/LEN");
  add("--impair", raw.impair,
      "a bad link, each way: drop=1%,duplicate=1%,corrupt=0.1%,"
      "reorder=2%,reorder_by=1ms,delay=500us,seed=7",
      "LIST");
  add("--name", raw.name, "of the instance; two at once need two names", "NAME");
}

void add_serve(CLI::App& program, Raw& raw) {
  CLI::App& serve = *program.add_subcommand("serve", "Serve an application until Ctrl-C");
  const auto add = [&](const char* flag, std::string& value, const char* text, const char* type) {
    serve.add_option(flag, value, text)->type_name(type)->group("What it serves");
  };
  add("--app", raw.app, "http, echo, discard or load, the other end of `salut bench` (http)",
      "APP");
  add("--port", raw.port, "TCP port (80, 7, 9 or 80 by the application)", "N");
  add("--body", raw.body, "http: size of the page (1024)", "BYTES");
  add("--request", raw.request, "load: bytes from each client, as bench is told (0)", "BYTES");
  add("--response", raw.response, "load: bytes back (0)", "BYTES");
  add("--close", raw.close, "load: who closes first, as bench is told (client)", "client|server");
  add("--header-timeout", raw.header_timeout, "http: for a request's head (60; 0: ever)", "S");
  add("--idle-timeout", raw.idle_timeout, "for a peer that says nothing (60; 0: ever)", "S");
  add("--send-timeout", raw.send_timeout, "for a peer that takes nothing (60; 0: ever)", "S");
  add("--json", raw.json, "what was served and what it cost, at the end; -: on standard output",
      "FILE");
  add("--drain", raw.drain, "how long to wait for open connections at the end (5)", "S");
  add_runtime_options(serve, raw);
}

void add_bench(CLI::App& program, Raw& raw) {
  CLI::App& bench = *program.add_subcommand(
      "bench",
      "Open and close connections, and count; without --connect and --config both ends "
      "run in this process");
  const auto to = [&](const char* group) {
    return
        [&bench, group](const char* flag, std::string& value, const char* text, const char* type) {
          bench.add_option(flag, value, text)->type_name(type)->group(group);
        };
  };
  const auto how = to("How it opens (one of these; --concurrency 256 if none)");
  how("--rate", raw.rate, "open loop: so many per second; latencies from when each was due", "CPS");
  how("--burst", raw.burst, "--rate, --max: so many opens together, 1..128 (what is due in 20 us)",
      "N");
  how("--concurrency", raw.concurrency, "closed loop: so many at once", "N");
  how("--hold", raw.hold, "open N, hold them for the duration, close them", "N");
  bench.add_flag("--max", raw.max, "search the highest rate without a failure")
      ->group("How it opens (one of these; --concurrency 256 if none)");
  const auto streams = "Streams: how fast bytes go one way, instead of how many connections";
  bench.add_flag("--stream", raw.stream, "send; --concurrency connections (1) side by side")
      ->group(streams);
  to(streams)("--bytes", raw.bytes, "so many in all (1G), instead of --duration", "BYTES");
  bench.add_flag("--copy", raw.copy, "through read() and write(), not peek() and lend()")
      ->group(streams);
  bench.add_flag("--verify", raw.verify, "send a pattern, and compare what arrives")
      ->group(streams);
  const auto what = to("What each connection does");
  what("--connect", raw.connect,
       "the server, or a range of them, in turn: 10.0.0.0/16:80-89; our own addresses: serve there "
       "too",
       "ADDR:PORT");
  what("--request", raw.request, "bytes to the server (0)", "BYTES");
  what("--response", raw.response, "bytes back (0)", "BYTES");
  what("--close", raw.close, "who closes first, and so holds TIME_WAIT (client)", "client|server");
  what("--local", raw.local, "source addresses: 10.1.0.0/16, 10.0.0.3-10.0.0.9, or one", "RANGE");
  bench.add_flag("--ipv6", raw.ip6, "both ends in this process: over IPv6")
      ->group("What each connection does");
  bench
      .add_flag(
          "--reflect,--mirror", raw.reflect,
          "what is sent comes back with its ends swapped (testpmd 5tswap; without --config in "
          "this process): simultaneous opens and closes")
      ->group("What each connection does");
  what("--workers", raw.workers, "both ends in this process: workers at each end (1)", "N");
  const auto much = to("How much");
  much("--duration", raw.duration, "seconds; --max: at most so many (10; --max: 60)", "S");
  much("--drain", raw.drain,
       "how long to wait at the end for what is still open (5; --hold: and 1 for each 100,000)",
       "S");
  much("--connections", raw.connections, "so many in all, however long it takes", "N");
  much("--json", raw.json, "the result as JSON; -: on standard output, the rest on standard error",
       "FILE");
  much("--latencies", raw.latencies, "how long handshakes took, as CSV: microseconds, how many",
       "FILE");
  add_runtime_options(bench, raw);
}

void add_report(CLI::App& program, Raw& raw) {
  CLI::App& report = *program.add_subcommand("report", "Work with the results of `salut bench`");
  CLI::App& merge = *report.add_subcommand(
      "merge", "Results of several machines as one: histograms are merged, not percentiles");
  merge.add_option("FILE", raw.files, "results of `salut bench --json`, or of a merge");
  merge.add_option("--json", raw.json, "the merged one; -: on standard output")->type_name("FILE");
}

void add_drain(CLI::App& program, Raw& raw) {
  CLI::App& drain = *program.add_subcommand(
      "drain", "Let a running `salut serve` accept nothing new, finish what is open, and end");
  drain.add_option("--name", raw.name, "of the instance (salut)")->type_name("NAME");
  drain.add_flag("--wait", raw.wait, "return when it has ended");
}

Error error(std::string message) { return {Errc::invalid_argument, std::move(message)}; }

// Parses the values that were given. It keeps the first error; after that it does nothing.
class Checker {
 public:
  template <typename Target, typename Parse>
  void take(const std::string& text, Target& target, Parse parse) {
    if (text.empty() || failed_) return;
    auto value = parse(text);
    if (!value) {
      failed_ = std::move(value.error());
    } else {
      target = static_cast<Target>(std::move(*value));
    }
  }
  void refuse(bool wrong, std::string message) {
    if (wrong && !failed_) failed_ = error(std::move(message));
  }
  std::optional<Error>& failed() { return failed_; }

 private:
  std::optional<Error> failed_;
};

auto seconds(const char* flag, double min, double max) {
  return [=](const std::string& text) { return parse_seconds(flag, text, min, max); };
}
auto count(const char* flag, std::uint64_t min, std::uint64_t max) {
  return [=](const std::string& text) { return parse_count(flag, text, min, max); };
}
auto bytes(const char* flag, std::uint64_t max) {
  return [=](const std::string& text) { return parse_bytes(flag, text, max); };
}
// T::parse(), with the flag in the error.
template <typename T>
auto parsed_as(const char* flag, const char* want) {
  return [=](const std::string& text) -> Result<T> {
    Result<T> value = T::parse(text);
    if (!value) return tl::unexpected<Error>(complaint(flag, text, "not understood", want));
    return value;
  };
}

void take_runtime(const Raw& raw, ConfigFlags& options, Checker& check) {
  options.config = raw.config;
  options.name = raw.name;
  options.addresses = {Prefix{IpAddress::v4(0x0a000002), 24},
                       Prefix{IpAddress::v6(0xfd00'0000'0000'0000, 2), 64}};
  check.take(raw.cores, options.cores,
             [](const std::string& text) { return parse_cores("--cores", text); });
  check.take(raw.impair, options.impair,
             [](const std::string& text) { return parse_impair("--impair", text); });
  constexpr const StackNumber& msl = stack_number("msl_s");
  check.take(raw.msl, options.msl, seconds("--msl", msl.min, msl.max));
  check.refuse(!raw.config.empty() && !raw.interface.empty(),
               "--interface = " + raw.interface + ": not with --config; want one of the two");
  check.refuse(!raw.config.empty() && !raw.address.empty(),
               "--address = " + raw.address + ": not with --config; want one of the two");
  if (!raw.interface.empty()) options.interface = raw.interface;
  check.refuse(options.interface.size() > config::interface_max,
               fmt::format("--interface = {}: too long; want at most {} letters", options.interface,
                           config::interface_max));
  check.take(raw.address, options.addresses, [](const std::string& text) {
    const auto one = parsed_as<Prefix>("--address", "10.0.0.2/24 or fd00::2/64")(text);
    return one.map([](const Prefix& prefix) { return std::vector{prefix}; });
  });
}

bool server_closes(const Raw& raw, Checker& check) {
  std::size_t closer = 0;
  check.take(raw.close, closer, [](const std::string& text) {
    return parse_word("--close", text, {"client", "server"});
  });
  return closer == 1;
}

void take_timeouts(const Raw& raw, ServeOptions& options, Checker& check) {
  check.refuse(!raw.header_timeout.empty() && options.app != ServeApp::http,
               "--header-timeout: only http has requests; want --app http with it");
  check.refuse(!(raw.idle_timeout + raw.send_timeout).empty() && options.app == ServeApp::load,
               "--idle-timeout, --send-timeout: not of a load; want another --app with them");
  const auto timeout = [](const char* flag) { return seconds(flag, 0, config::serve_timeout_max); };
  check.take(raw.header_timeout, options.header_timeout, timeout("--header-timeout"));
  check.take(raw.idle_timeout, options.idle_timeout, timeout("--idle-timeout"));
  check.take(raw.send_timeout, options.send_timeout, timeout("--send-timeout"));
}

Result<Command> serve_command(const Raw& raw) {
  ServeOptions options;
  Checker check;
  take_runtime(raw, options.runtime, check);
  check.take(raw.app, options.app, [](const std::string& text) {
    return parse_word("--app", text, {"http", "echo", "discard", "load"});
  });
  constexpr std::uint16_t ports[] = {80, 7, 9, 80};
  options.port = ports[static_cast<std::size_t>(options.app)];
  check.take(raw.port, options.port, count("--port", 1, 65'535));
  check.refuse(!raw.body.empty() && options.app != ServeApp::http,
               "--body = " + raw.body + ": only http has a page; want --app http with it");
  check.take(raw.body, options.body, bytes("--body", gib));
  const bool loads = options.app == ServeApp::load;
  const bool exchanges = !raw.request.empty() || !raw.response.empty() || !raw.close.empty();
  check.refuse(!loads && exchanges,
               "--request, --response, --close: of a load; want --app load with them");
  check.take(raw.request, options.request, bytes("--request", gib));
  check.take(raw.response, options.response, bytes("--response", gib));
  options.server_closes = server_closes(raw, check);
  take_timeouts(raw, options, check);
  options.json = raw.json;
  check.take(raw.drain, options.drain, seconds("--drain", 0, 3'600));
  if (check.failed()) return tl::unexpected<Error>(std::move(*check.failed()));
  return Command{std::move(options)};
}

void take_mode(const Raw& raw, load::BenchOptions& options, Checker& check) {
  const int modes = !raw.rate.empty() + !raw.concurrency.empty() + !raw.hold.empty() + raw.max;
  check.refuse(modes > 1, "--rate, --concurrency, --hold, --max: more than one; want one of them");
  options.concurrency = load::default_concurrency;
  check.take(raw.rate, options.rate,
             [](const std::string& text) { return parse_number("--rate", text, 0.1, 1e9); });
  check.take(raw.burst, options.burst, count("--burst", 1, load::burst_max));
  check.refuse(!raw.burst.empty() && raw.rate.empty() && !raw.max,
               "--burst = " + raw.burst + ": of an open loop; want --rate or --max with it");
  check.take(raw.concurrency, options.concurrency, count("--concurrency", 1, 60'000'000));
  check.take(raw.hold, options.hold, count("--hold", 1, 60'000'000));
  if (!raw.rate.empty()) options.mode = load::LoadMode::rate;
  if (!raw.hold.empty()) options.mode = load::LoadMode::hold;
  if (raw.max) options.mode = load::LoadMode::max;
  if (raw.max) options.duration = std::chrono::seconds{60};
  check.take(raw.duration, options.duration, seconds("--duration", 0.1, 1e6));
  constexpr std::uint64_t closed_in_a_second = 100'000;
  options.drain += std::chrono::seconds{options.hold / closed_in_a_second};
  check.take(raw.drain, options.drain, seconds("--drain", 0, 3'600));
  check.take(raw.connections, options.connections, count("--connections", 1, connections_max));
  const bool steady = raw.hold.empty() && !raw.max;
  check.refuse(options.connections.has_value() && !steady,
               "--connections = " + raw.connections +
                   ": not with --hold or --max; want --rate "
                   "or --concurrency with it");
  check.refuse(options.connections.has_value() && !raw.duration.empty(),
               "--connections = " + raw.connections + ": not with --duration; want one of the two");
}

void take_stream(const Raw& raw, load::BenchOptions& options, Checker& check) {
  if (!raw.stream) {
    check.refuse(!raw.bytes.empty(),
                 "--bytes = " + raw.bytes + ": of a stream; want --stream with it");
    check.refuse(raw.verify, "--verify: of a stream; want --stream with it");
    check.refuse(raw.copy, "--copy: of a stream; want --stream with it");
    return;
  }
  check.refuse(options.mode != load::LoadMode::concurrency,
               "--stream: not with --rate, --hold or --max; want --concurrency with it");
  check.refuse(!raw.request.empty() || !raw.response.empty(),
               "--stream: not with --request or --response; want --bytes with it");
  check.refuse(options.connections.has_value(),
               "--connections = " + raw.connections +
                   ": not with --stream, which opens all at once; want --concurrency");
  check.refuse(options.server_closes,
               "--close = server: not with --stream, whose end is the client's FIN; want client");
  check.refuse(!raw.bytes.empty() && !raw.duration.empty(),
               "--bytes = " + raw.bytes + ": not with --duration; want one of the two");
  options.stream = true;
  options.verify = raw.verify;
  options.copy = raw.copy;
  options.mode = load::LoadMode::stream;
  if (raw.concurrency.empty()) options.concurrency = 1;
  if (raw.duration.empty()) options.bytes = 1'000'000'000;
  check.take(raw.bytes, options.bytes, bytes("--bytes", 1'000 * gib));
  check.refuse(!raw.bytes.empty() && options.bytes == 0,
               "--bytes = " + raw.bytes + ": nothing to send; want 1 or more");
  // For each connection, rounded up.
  options.request = options.bytes == 0
                        ? load::endless_request
                        : (options.bytes + options.concurrency - 1) / options.concurrency;
}

// A reflecting port sends every frame back: there is no server, and no response.
void take_reflect(const Raw& raw, load::BenchOptions& options, Checker& check) {
  if (!raw.reflect) return;
  check.refuse(
      raw.config.empty() && !raw.connect.empty(),
      "--connect = " + raw.connect + ": not with --reflect alone; want --config with them");
  check.refuse(raw.stream, "--reflect: not with --stream; want --request with it");
  check.refuse(!raw.response.empty(),
               "--response = " + raw.response +
                   ": not with --reflect, which sends back the request; want "
                   "--request");
  check.refuse(!raw.close.empty(),
               "--close = " + raw.close + ": not with --reflect, where both close; want neither");
  options.reflect = true;
  options.response = static_cast<std::uint32_t>(options.request);
}

Result<Command> bench_command(const Raw& raw) {
  load::BenchOptions options;
  Checker check;
  take_runtime(raw, options.runtime, check);
  take_mode(raw, options, check);
  check.take(raw.connect, options.connect,
             parsed_as<load::Targets>("--connect",
                                      "ADDR:PORT or a range, such as 10.0.0.1:80, [fd00::1]:80, "
                                      "10.0.0.0/16:80, 10.0.0.1-10.0.0.9:80 or 10.0.0.1:80-89"));
  check.take(raw.request, options.request, bytes("--request", gib));
  check.take(raw.response, options.response, bytes("--response", gib));
  options.server_closes = server_closes(raw, check);
  check.refuse(options.server_closes && options.mode == load::LoadMode::hold,
               "--close = server: not with --hold, whose client closes what it held; want client");
  check.take(raw.local, options.local,
             parsed_as<AddressRange>("--local", "10.1.0.0/16, 10.0.0.3-10.0.0.9 or one address"));
  const bool embedded = raw.config.empty() && raw.connect.empty();
  take_stream(raw, options, check);
  take_reflect(raw, options, check);
  check.refuse(embedded && !raw.interface.empty(),
               "--interface = " + raw.interface + ": there is no TAP without --connect; want both");
  check.refuse(embedded && !raw.address.empty(),
               "--address = " + raw.address + ": there is no TAP without --connect; want both");
  options.ip6 = raw.ip6;
  check.refuse(raw.ip6 && !embedded,
               "--ipv6: not with --connect or --config, whose addresses say it; want neither");
  constexpr auto each_end_max = static_cast<std::uint64_t>(config::workers_max / 2);
  check.take(raw.workers, options.workers, count("--workers", 1, each_end_max));
  check.refuse(!raw.workers.empty() && !embedded,
               "--workers = " + raw.workers +
                   ": not with --connect or --config, whose workers.count says it; want neither");
  options.json = raw.json;
  check.refuse(raw.latencies == "-",
               "--latencies = -: standard output has the results; want the name of a file");
  options.latencies = raw.latencies;
  if (check.failed()) return tl::unexpected<Error>(std::move(*check.failed()));
  return Command{std::move(options)};
}

Result<Command> doctor_command(const Raw& raw) {
  DoctorOptions options;
  Checker check;
  take_runtime(raw, options.runtime, check);
  if (check.failed()) return tl::unexpected<Error>(std::move(*check.failed()));
  return Command{std::move(options)};
}

Result<Command> merge_command(const Raw& raw, std::string typed) {
  if (raw.files.empty()) {
    return tl::unexpected<Error>(
        error("report: nothing to do; want salut report merge A.json B.json (`salut report merge "
              "--help` shows more)"));
  }
  return Command{MergeOptions{raw.files, raw.json, std::move(typed)}};
}

Result<Command> drain_command(const Raw& raw) {
  DrainOptions options;
  options.wait = raw.wait;
  if (raw.name.empty()) return Command{options};
  options.name = raw.name;
  if (config::is_instance_name(raw.name)) return Command{options};
  return tl::unexpected<Error>(complaint("--name", raw.name, "not a name", config::name_rule()));
}

Result<Command> states_command(const Raw& raw) {
  StatesOptions options;
  Checker check;
  check.take(raw.format, options.format, [](const std::string& text) {
    return parse_word("--format", text, {"text", "dot", "svg", "json"});
  });
  if (check.failed()) return tl::unexpected<Error>(std::move(*check.failed()));
  return Command{options};
}

// CLI11 puts several lines into some of its messages.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

Result<Command> parse_command(const std::vector<std::string>& arguments) {
  Raw raw;
  CLI::App program{about, "salut"};
  program.set_version_flag("--version", "salut " SALUT_VERSION);
  program.require_subcommand(1);
  program.get_formatter()->column_width(34);
  add_serve(program, raw);
  add_bench(program, raw);
  add_report(program, raw);
  CLI::App& doctor = *program.add_subcommand(
      "doctor",
      "Say what of this machine is as a configuration needs it; changes nothing. Exit status 0: it "
      "can start, 1: it cannot");
  doctor.add_option("--config", raw.config, "the one to check; the TAP of `salut serve` without")
      ->type_name("FILE");
  add_drain(program, raw);
  CLI::App& states = *program.add_subcommand("states", "Print the transition table of TCP");
  states.add_option("--format", raw.format, "text, dot, svg or json (text)")->type_name("FORMAT");

  add_examples(program);

  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  try {
    program.parse(static_cast<int>(argv.size()), argv.data());
  } catch (const CLI::CallForHelp&) {
    return Command{Text{program.help()}};  // of the command that was chosen, if any
  } catch (const CLI::CallForVersion&) {
    return Command{Text{"salut " SALUT_VERSION "\n"}};
  } catch (const CLI::RequiredError&) {
    const std::string given = arguments.size() > 1
                                  ? fmt::format("{}: unknown command", arguments[1])
                                  : std::string("no command");
    return tl::unexpected<Error>(error(fmt::format(
        "{}; want serve, bench, drain, report, doctor or states (`salut --help` shows them)",
        given)));
  } catch (const CLI::ExtrasError&) {
    return tl::unexpected<Error>(error(unexpected_argument(arguments, program)));
  } catch (const CLI::ParseError& problem) {
    return tl::unexpected<Error>(
        error(one_line(problem.what()) + "; `salut --help` shows what there is"));
  }

  std::string typed;
  for (const std::string& argument : arguments) typed += (typed.empty() ? "" : " ") + argument;
  if (program.got_subcommand("serve")) {
    Result<Command> command = serve_command(raw);
    if (command) std::get<ServeOptions>(*command).command = typed;
    return command;
  }
  if (program.got_subcommand("bench")) {
    Result<Command> command = bench_command(raw);
    if (command) std::get<load::BenchOptions>(*command).command = typed;
    return command;
  }
  if (program.got_subcommand("report")) return merge_command(raw, typed);
  if (program.got_subcommand("doctor")) return doctor_command(raw);
  if (program.got_subcommand("drain")) return drain_command(raw);
  return states_command(raw);
}

}  // namespace salut::cli
