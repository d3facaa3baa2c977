#include "cli/options.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "cli/tap.hpp"
#include "load/scenario.hpp"
#include "worker/stack_memory.hpp"

namespace salut::cli {
namespace {

Result<Command> parse(const std::string& line) {
  std::istringstream words("salut " + line);
  std::vector<std::string> arguments;
  for (std::string word; words >> word;) arguments.push_back(word);
  return parse_command(arguments);
}

load::BenchOptions bench(const std::string& flags) {
  Result<Command> command = parse("bench " + flags);
  EXPECT_TRUE(command) << flags << ": " << command.error().message;
  return command ? std::get<load::BenchOptions>(*command) : load::BenchOptions{};
}

std::string complaint_of(const std::string& line) {
  const Result<Command> command = parse(line);
  if (command) return "";
  EXPECT_EQ(command.error().message.find('\n'), std::string::npos) << "more than one line";
  return command.error().message;
}

TEST(Options, serve_takes_the_timeouts_of_its_application) {
  const auto serve = [](const std::string& flags) {
    return std::get<ServeOptions>(parse("serve" + flags).value());
  };
  EXPECT_FALSE(serve("").header_timeout || serve("").idle_timeout || serve("").send_timeout);
  const ServeOptions all = serve(" --header-timeout 5 --idle-timeout 0 --send-timeout 0.5");
  EXPECT_EQ(all.header_timeout, std::chrono::seconds{5});
  EXPECT_EQ(all.idle_timeout, std::chrono::seconds{0});
  EXPECT_EQ(all.send_timeout, std::chrono::milliseconds{500});
  EXPECT_EQ(serve(" --app echo --idle-timeout 9").idle_timeout, std::chrono::seconds{9});
  EXPECT_EQ(complaint_of("serve --app echo --header-timeout 5"),
            "--header-timeout: only http has requests; want --app http with it");
  EXPECT_EQ(complaint_of("serve --app load --idle-timeout 5"),
            "--idle-timeout, --send-timeout: not of a load; want another --app with them");
  EXPECT_EQ(complaint_of("serve --idle-timeout 86401"),
            "--idle-timeout = 86401: out of range; want seconds, 0 to 86400");
}

TEST(Options, drain_takes_a_name_and_waits_if_told) {
  const auto drain = [](const std::string& flags) {
    return std::get<DrainOptions>(parse("drain" + flags).value());
  };
  EXPECT_EQ(drain("").name, "salut");
  EXPECT_FALSE(drain("").wait);
  EXPECT_EQ(drain(" --name edge-7 --wait").name, "edge-7");
  EXPECT_TRUE(drain(" --wait").wait);
  EXPECT_EQ(complaint_of("drain --name ../x"),
            "--name = ../x: not a name; want 1 to 32 of a-z, 0-9, _ and -");
}

TEST(Options, bench_defaults_to_a_closed_loop_of_ten_seconds) {
  const load::BenchOptions options = bench("");
  EXPECT_EQ(options.mode, load::LoadMode::concurrency);
  EXPECT_EQ(options.concurrency, load::default_concurrency);
  EXPECT_EQ(options.duration, std::chrono::seconds{10});
  EXPECT_EQ(options.drain, std::chrono::seconds{5});
  EXPECT_EQ(options.burst, 0u);
  EXPECT_EQ(bench("--rate 5 --burst 16").burst, 16u);
  EXPECT_EQ(bench("--drain 0.5").drain, std::chrono::milliseconds{500});
  EXPECT_EQ(bench("--hold 10M").drain, std::chrono::seconds{105});
  EXPECT_EQ(bench("--hold 10M --drain 2").drain, std::chrono::seconds{2});
  EXPECT_FALSE(options.server_closes);
  EXPECT_EQ(options.command, "salut bench");
}

TEST(Options, reflect_makes_one_stack_a_port_of_its_own_and_a_neighbour_that_is_nobody) {
  const load::BenchOptions options = bench("--mirror --request 64 --ipv6 --cores 0,1");
  EXPECT_TRUE(options.reflect);
  EXPECT_TRUE(bench("--reflect").reflect) << "the same by its new name";
  EXPECT_EQ(options.response, 64u);
  const auto setup = bench_setup(options, 2, std::uint64_t{1} << 33);
  ASSERT_TRUE(setup);
  EXPECT_EQ(setup->config.workers, 2u);
  EXPECT_EQ(setup->clients, (std::vector<std::uint32_t>{0, 1}));
  EXPECT_TRUE(setup->servers.empty());
  ASSERT_EQ(setup->config.ports.size(), 1u);
  EXPECT_EQ(setup->config.ports[0].type, PortType::mirror);
  EXPECT_EQ(setup->target.to_string(), "[fd00::2]:80");
  ASSERT_EQ(setup->config.neighbours.size(), 1u);
  EXPECT_EQ(setup->config.neighbours[0].address, setup->target.addresses().first);
  EXPECT_EQ(setup->config.neighbours[0].port, setup->config.ports[0].name);
  EXPECT_TRUE(validate(setup->config)) << validate(setup->config).error().message;
}

TEST(Options, reflect_that_is_wrong_is_one_line) {
  for (const char* line : {"--mirror --stream", "--reflect --response 1", "--mirror --close server",
                           "--mirror --connect 10.0.0.9:80"}) {
    const std::string complaint = complaint_of(std::string("bench ") + line);
    EXPECT_NE(complaint.find("--reflect"), std::string::npos) << complaint;
    EXPECT_NE(complaint.find("; want "), std::string::npos) << complaint;
  }
  const auto own =
      bench_setup(bench("--mirror --connect 10.0.0.1:80 --config " SALUT_CONFIG_DIRECTORY
                        "/testpmd-5tswap.toml"),
                  1, std::uint64_t{1} << 33);
  ASSERT_FALSE(own);
  EXPECT_TRUE(own.error().message.starts_with("--connect = 10.0.0.1:80: an address of our own"));
}

TEST(Options, impair_takes_shares_times_and_a_seed) {
  const ImpairConfig impair = *bench(
                                   "--impair drop=1%,duplicate=0.02,corrupt=0.1%,reorder=3%,"
                                   "reorder_by=2ms,delay=500us,seed=7")
                                   .runtime.impair;
  EXPECT_DOUBLE_EQ(impair.drop, 0.01);
  EXPECT_DOUBLE_EQ(impair.duplicate, 0.02);
  EXPECT_DOUBLE_EQ(impair.corrupt, 0.001);
  EXPECT_DOUBLE_EQ(impair.reorder, 0.03);
  EXPECT_EQ(impair.reorder_by, std::chrono::milliseconds{2});
  EXPECT_EQ(impair.delay, std::chrono::microseconds{500});
  EXPECT_EQ(impair.seed, 7u);
  EXPECT_FALSE(bench("").runtime.impair);
}

TEST(Options, impair_that_is_wrong_names_the_word) {
  for (const char* word :
       {"drop=101%", "drop=-1", "drop", "drop=", "lose=1%", "delay=2s", "seed=x", "reorder_by=0",
        "reorder_by=0.4us", "drop=nan", "delay=1001ms", "seed=1e19", "=1", ""}) {
    const std::string line = complaint_of(std::string("serve --impair reorder=1%,") + word);
    EXPECT_TRUE(line.starts_with(std::string("--impair = ") + word + ": not understood; want "))
        << line;
  }
}

TEST(Options, bench_takes_every_flag_of_the_issue) {
  const load::BenchOptions options = bench(
      "--connect 10.0.0.9:8080 --rate 1.5k --request 64 --response 1KiB --close server "
      "--local 10.2.0.0/16 --msl 0.5 --duration 2.5s --cores 1,0 --json -");
  EXPECT_EQ(options.connect->to_string(), "10.0.0.9:8080");
  EXPECT_EQ(options.mode, load::LoadMode::rate);
  EXPECT_EQ(options.rate, 1'500);
  EXPECT_EQ(options.request, 64u);
  EXPECT_EQ(options.response, 1'024u);
  EXPECT_TRUE(options.server_closes);
  EXPECT_EQ(options.local->count, 65'536u);
  EXPECT_EQ(*options.runtime.msl, std::chrono::milliseconds{500});
  EXPECT_EQ(options.duration, std::chrono::milliseconds{2'500});
  EXPECT_EQ(options.runtime.cores, (std::vector<std::uint32_t>{1, 0}));
  EXPECT_EQ(options.json, "-");
  EXPECT_EQ(bench("--hold 1M").hold, 1'000'000u);
  EXPECT_EQ(bench("--max").mode, load::LoadMode::max);
  EXPECT_EQ(*bench("--connections 10k --concurrency 100").connections, 10'000u);
}

TEST(Options, stream_shares_its_bytes_among_its_connections) {
  const load::BenchOptions one = bench("--stream");
  EXPECT_TRUE(one.stream);
  EXPECT_EQ(one.mode, load::LoadMode::stream);
  EXPECT_EQ(one.concurrency, 1u);
  EXPECT_EQ(one.request, 1'000'000'000u);
  const load::BenchOptions many = bench("--stream --concurrency 1000 --bytes 10k --verify");
  EXPECT_EQ(many.request, 10u);
  EXPECT_TRUE(many.verify);
  EXPECT_EQ(bench("--stream --concurrency 3 --bytes 10").request, 4u);
  EXPECT_EQ(bench("--stream --duration 2").request, load::endless_request);
  EXPECT_EQ(bench("--stream --duration 2").bytes, 0u);
}

TEST(Options, impair_is_of_one_end_of_the_embedded_wire) {
  const auto setup = bench_setup(bench("--stream --impair drop=1%,seed=7"), 2, 8ull << 30);
  ASSERT_TRUE(setup);
  ASSERT_EQ(setup->config.ports.size(), 2u);
  EXPECT_DOUBLE_EQ(setup->config.ports[0].impair.drop, 0.01);
  EXPECT_EQ(setup->config.ports[0].impair.seed, 7u);
  EXPECT_FALSE(setup->config.ports[1].impair.any()) << "each way once, not twice";
}

TEST(Options, verify_needs_a_server_of_ours) {
  EXPECT_TRUE(bench_setup(bench("--stream --connect 10.0.0.1:9"), 2, 8ull << 30));
  const auto setup = bench_setup(bench("--stream --verify --connect 10.0.0.1:9"), 2, 8ull << 30);
  ASSERT_FALSE(setup);
  EXPECT_NE(setup.error().message.find("--connect = 10.0.0.1:9"), std::string::npos);
}

TEST(Options, serve_listens_where_its_application_does) {
  const auto port = [](const std::string& flags) {
    const Result<Command> command = parse("serve " + flags);
    return command ? std::get<ServeOptions>(*command).port : 0;
  };
  EXPECT_EQ(port(""), 80);
  EXPECT_EQ(port("--app echo"), 7);
  EXPECT_EQ(port("--app discard"), 9);
  EXPECT_EQ(port("--app echo --port 7777"), 7777);
}

TEST(Options, a_mistake_is_one_line_with_the_value_and_what_is_right) {
  const struct {
    const char* line;
    const char* parts[3];
  } cases[] = {
      {"bench --rate abc", {"--rate = abc", "not a number", "250k"}},
      {"bench --rate 0", {"--rate = 0", "out of range", "want"}},
      {"bench --concurrency 1.5", {"--concurrency = 1.5", "not a number", "whole"}},
      {"bench --concurrency -1", {"--concurrency = -1", "out of range", "1 to"}},
      {"bench --duration soon", {"--duration = soon", "not a number", "seconds"}},
      {"bench --duration 0", {"--duration = 0", "out of range", "0.1"}},
      {"bench --drain soon", {"--drain = soon", "not a number", "seconds"}},
      {"bench --msl 5000", {"--msl = 5000", "out of range", "3600"}},
      {"bench --close me", {"--close = me", "unknown", "client, server"}},
      {"bench --connect 10.0.0.1", {"--connect = 10.0.0.1", "not understood", "ADDR:PORT"}},
      {"bench --connect 10.0.0.1/16:80",
       {"--connect = 10.0.0.1/16:80", "not understood", "10.0.0.0/16:80"}},
      {"bench --connect 10.0.0.1:89-80",
       {"--connect = 10.0.0.1:89-80", "not understood", "10.0.0.1:80-89"}},
      {"bench --connect 10.0.0.1:0", {"--connect = 10.0.0.1:0", "not understood", "10.0.0.1:80"}},
      {"bench --local 10.0.0.0/33", {"--local = 10.0.0.0/33", "not understood", "10.1.0.0/16"}},
      {"bench --cores 0,x", {"--cores = 0,x", "not a list", "0,1"}},
      {"bench --request 2GiB", {"--request = 2GiB", "out of range", "1073741824"}},
      {"bench --rate 5 --max", {"--rate", "--max", "one of them"}},
      {"bench --burst 5", {"--burst = 5", "open loop", "--rate or --max"}},
      {"bench --rate 5 --burst 0", {"--burst = 0", "out of range", "128"}},
      {"bench --rate 5 --burst 129", {"--burst = 129", "out of range", "128"}},
      {"bench --stream --bytes 0", {"--bytes = 0", "nothing to send", "want 1"}},
      {"bench --stream --bytes many", {"--bytes = many", "not a number", "10M"}},
      {"bench --stream --bytes 1M --duration 2", {"--bytes = 1M", "--duration", "one of"}},
      {"bench --bytes 1M", {"--bytes = 1M", "of a stream", "--stream"}},
      {"bench --verify", {"--verify", "of a stream", "--stream"}},
      {"bench --stream --max", {"--stream", "--max", "--concurrency"}},
      {"bench --stream --request 5", {"--stream", "--request", "--bytes"}},
      {"bench --stream --connections 5", {"--connections = 5", "--stream", "--concurrency"}},
      {"bench --stream --close server", {"--close = server", "--stream", "want client"}},
      {"bench --hold 5 --close server", {"--close = server", "--hold", "want client"}},
      {"bench --hold 5 --connections 5", {"--connections = 5", "--hold", "--rate"}},
      {"bench --connections 5 --duration 5", {"--connections = 5", "--duration", "one"}},
      {"bench --interface tap9", {"--interface = tap9", "--connect", "want"}},
      {"bench --config a --address 10.0.0.1/8", {"--address = 10.0.0.1/8", "--config", "want"}},
      {"serve --app ftp", {"--app = ftp", "unknown", "http, echo, discard, load"}},
      {"serve --app echo --request 5", {"--request", "of a load", "--app load"}},
      {"serve --app load --close both", {"--close = both", "unknown", "client, server"}},
      {"serve --port 70000", {"--port = 70000", "out of range", "65535"}},
      {"serve --app echo --body 5", {"--body = 5", "only http", "--app http"}},
      {"serve --interface a-name-that-is-too-long", {"--interface", "too long", "15"}},
      {"serve --address 10.0.0.1/40", {"--address = 10.0.0.1/40", "not understood", "/24"}},
      {"states --format png", {"--format = png", "unknown", "text, dot, svg, json"}},
      {"bench --rat 5", {"--rat", "--help", ""}},
      {"bench extra", {"extra", "--help", ""}},
      {"report", {"report", "nothing to do", "salut report merge A.json B.json"}},
      {"report merge", {"report", "nothing to do", "want"}},
      {"report split a", {"split", "--help", ""}},
      {"doctor file", {"file", "--help", ""}},
      {"dance", {"dance", "unknown command", "serve, bench, drain, report, doctor or states"}},
      {"", {"no command", "serve, bench, drain, report, doctor or states", "--help"}},
      {"bench --rate", {"--rate", "--help", ""}},
  };
  for (const auto& one : cases) {
    const std::string message = complaint_of(one.line);
    EXPECT_NE(message, "") << "accepted: " << one.line;
    for (const char* part : one.parts) {
      EXPECT_NE(message.find(part), std::string::npos) << one.line << ": " << message;
    }
  }
}

TEST(Options, doctor_and_merge_take_files) {
  const auto doctor = parse("doctor --config config/tap.toml");
  ASSERT_TRUE(doctor);
  EXPECT_EQ(std::get<DoctorOptions>(*doctor).runtime.config, "config/tap.toml");
  EXPECT_EQ(std::get<DoctorOptions>(*parse("doctor")).runtime.addresses.size(), 2u);
  const auto merge = parse("report merge a.json b.json --json c.json");
  ASSERT_TRUE(merge);
  EXPECT_EQ(std::get<MergeOptions>(*merge).files, (std::vector<std::string>{"a.json", "b.json"}));
  EXPECT_EQ(std::get<MergeOptions>(*merge).json, "c.json");
  EXPECT_EQ(std::get<MergeOptions>(*merge).command,
            "salut report merge a.json b.json --json c.json");
}

TEST(Options, help_and_version) {
  const auto text = [](const std::string& line) {
    const Result<Command> command = parse(line);
    return command ? std::get<Text>(*command).text : command.error().message;
  };
  EXPECT_EQ(text("--version").substr(0, 6), "salut ");
  EXPECT_NE(text("--help").find("Examples:"), std::string::npos);
  EXPECT_NE(text("bench --help").find("--concurrency"), std::string::npos);
  EXPECT_NE(text("serve --help").find("--drain"), std::string::npos);
}

TEST(Options, help_of_a_command_is_about_that_command) {
  const auto text = [](const std::string& line) {
    const Result<Command> command = parse(line);
    return command ? std::get<Text>(*command).text : command.error().message;
  };
  const auto has = [](const std::string& all, const char* part) {
    return all.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(text("serve --help"), "Usage: salut serve "));
  EXPECT_TRUE(has(text("report merge --help"), "Usage: salut report merge "));
  EXPECT_TRUE(has(text("serve --help"), "  salut serve --config config/tap.toml"));
  EXPECT_TRUE(has(text("serve --help"), "KiB and MiB"));
  EXPECT_FALSE(has(text("serve --help"), "  salut bench "));
  EXPECT_TRUE(has(text("bench --help"), "against the kernel's end"));  // an example of two lines
  EXPECT_FALSE(has(text("bench --help"), "  salut serve "));
  EXPECT_TRUE(has(text("report merge --help"), "  salut report merge a.json b.json"));
  EXPECT_FALSE(has(text("report merge --help"), "  salut doctor "));
}

TEST(Options, unknown_flag_is_named_with_the_nearest) {
  const auto says = [](const std::string& line) { return complaint_of(line); };
  EXPECT_EQ(says("serve --prot 80"),
            "--prot: unknown flag; did you mean --port? `salut serve --help` shows what there is");
  EXPECT_EQ(says("serve --prot=80"), says("serve --prot 80"));
  EXPECT_EQ(says("serve --qqqqqq"),
            "--qqqqqq: unknown flag; `salut serve --help` shows what there is");
  EXPECT_EQ(says("bench extra"), "extra: not expected; `salut bench --help` shows what there is");
  EXPECT_EQ(
      says("report merge a --jsn b"),
      "--jsn: unknown flag; did you mean --json? `salut report merge --help` shows what there "
      "is");
}

// ---- from options to a configuration

constexpr std::uint64_t gib = std::uint64_t{1} << 30;

TEST(Setup, embedded_pair_is_a_worker_for_each_end) {
  const auto setup = bench_setup(bench(""), 4, 64 * gib);
  ASSERT_TRUE(setup) << setup.error().message;
  EXPECT_EQ(setup->config.workers, 2u);
  ASSERT_EQ(setup->config.ports.size(), 2u);
  EXPECT_EQ(setup->config.ports[0].peer, setup->config.ports[1].name);
  EXPECT_EQ(setup->target.to_string(), "10.0.0.2:80");
  EXPECT_EQ(setup->clients, std::vector<std::uint32_t>{0});
  EXPECT_EQ(setup->servers, std::vector<std::uint32_t>{1});
  EXPECT_TRUE(setup->notes.empty());
  const auto valid = validate(setup->config);
  EXPECT_TRUE(valid) << valid.error().message;
}

TEST(Setup, embedded_pair_on_one_core_is_one_stack) {
  for (const auto& setup :
       {bench_setup(bench(""), 1, 64 * gib), bench_setup(bench("--cores 3"), 4, 64 * gib)}) {
    ASSERT_TRUE(setup) << setup.error().message;
    EXPECT_EQ(setup->config.workers, 1u);
    EXPECT_EQ(setup->config.ports[0].peer, setup->config.ports[0].name);
    EXPECT_EQ(setup->clients, setup->servers);
  }
}

TEST(Setup, time_wait_has_room_for_the_whole_run_or_the_note_says_not) {
  const auto records = [](const std::string& flags, std::uint64_t memory) {
    const auto setup = bench_setup(bench(flags), 2, memory);
    EXPECT_TRUE(setup) << setup.error().message;
    const StackConfig& stack = setup->config.stack;
    EXPECT_LE(static_cast<double>(stacks_memory(setup->config)->total()),
              static_cast<double>(memory) * 0.4)
        << flags;
    return std::pair(stack.time_wait, !setup->notes.empty());
  };
  EXPECT_EQ(records("", 64 * gib), std::pair(39'000'000u, false));
  EXPECT_TRUE(records("--duration 600", 16 * gib).second);
  EXPECT_EQ(records("--duration 600 --msl 1", 64 * gib), std::pair(6'000'000u, false));
  EXPECT_EQ(records("--rate 10k --duration 600", 64 * gib), std::pair(690'000u, false));
  EXPECT_EQ(records("--hold 1M", 64 * gib), std::pair(1'000'000u, false));
  EXPECT_TRUE(records("", gib).second);
  const auto setup = bench_setup(bench("--duration 600"), 2, gib);
  EXPECT_EQ(setup->config.stack.msl, std::chrono::seconds{30}) << "2MSL was shortened";
}

TEST(Setup, connect_without_a_file_is_a_tap) {
  const auto setup =
      bench_setup(bench("--connect 10.0.0.1:80 --local 10.0.0.8-10.0.0.9"), 2, 8 * gib);
  ASSERT_TRUE(setup) << setup.error().message;
  ASSERT_EQ(setup->config.ports.size(), 1u);
  const PortConfig& port = setup->config.ports[0];
  EXPECT_EQ(port.type, PortType::tap);
  EXPECT_EQ(port.interface, "salut0");
  EXPECT_EQ(port.gateway.to_string(), "10.0.0.1");
  ASSERT_EQ(port.ranges.size(), 1u);
  EXPECT_EQ(port.ranges[0].count, 2u);
  EXPECT_TRUE(setup->servers.empty());
  EXPECT_EQ(setup->clients, std::vector<std::uint32_t>{0});
  EXPECT_NE(tap_commands(port).find("ip address add 10.0.0.1/24 dev salut0"), std::string::npos);
}

TEST(Setup, local_may_not_hold_the_servers_address) {
  const auto setup = bench_setup(bench("--local 10.0.0.0/24"), 2, 8 * gib);
  ASSERT_FALSE(setup);
  EXPECT_NE(setup.error().message.find("--local = 10.0.0.0"), std::string::npos);
}

// What a flag gave is complained about by the flag's name, what the file gave by its key.
TEST(Options, errors_of_the_runtime_name_the_flag) {
  ConfigFlags options;
  options.cores = {99};
  const Error from_code{Errc::bad_config, "workers.cores[0] = 99: no core"};
  EXPECT_EQ(in_words_of_flags(from_code, options).message, "--cores = 99: no core");
  options.config = "a.toml";
  const Error from_file{Errc::bad_config, "a.toml: workers.cores[0] = 99: no core"};
  EXPECT_EQ(in_words_of_flags(from_file, options).message, "--cores = 99: no core");
  options.cores.clear();
  EXPECT_EQ(in_words_of_flags(from_file, options).message, from_file.message);
  const Error other{Errc::bad_config, "a.toml: port[0].interface = \"x\": taken"};
  EXPECT_EQ(in_words_of_flags(other, options).message, other.message);
}

}  // namespace
}  // namespace salut::cli
