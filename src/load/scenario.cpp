#include "load/scenario.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "load/reflect.hpp"
#include "tcp/buffers.hpp"
#include "worker/stack_memory.hpp"

namespace salut::load {

namespace {

// The addresses of the two ends, if both are in this process.
struct Ends {
  Prefix client;
  Prefix server;
  AddressRange sources;
};
constexpr Ends ends_v4 = {{IpAddress::v4(0x0a000001), 24},  // 10.0.0.1
                          {IpAddress::v4(0x0a000002), 24},
                          {IpAddress::v4(0x0a010000), 65'536}};
constexpr Ends ends_v6 = {{IpAddress::v6(0xfd00'0000'0000'0000, 1), 64},  // fd00::1
                          {IpAddress::v6(0xfd00'0000'0000'0000, 2), 64},
                          {IpAddress::v6(0xfd00'0001'0000'0000, 0), 65'536}};
constexpr std::uint16_t server_port = 80;

// A high guess: with too small a TIME_WAIT arena connections are refused, which looks like a slow
// stack; too large a one costs address space only.
constexpr double cps_hoped_for = 3e6;
constexpr double slack_s = 3;
constexpr double memory_share = 0.4;

PortConfig loop_port(std::string name, std::string peer, const Prefix& address,
                     std::vector<std::uint32_t> workers) {
  PortConfig port;
  port.name = std::move(name);
  port.peer = std::move(peer);
  port.addresses = {address};
  port.workers = std::move(workers);
  return port;
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// The largest share that one worker may have in all connections of its end.
double share_of_one(const Config& config) {
  constexpr double uneven = 1.25;  // cores differ, and flows are not spread evenly
  const double each_end = std::max(1.0, config.workers / 2.0);
  return each_end == 1 ? 1 : uneven / each_end;
}

// Connections that may be open at once, on all workers of an end.
std::uint64_t connections_wanted(const BenchOptions& options) {
  constexpr std::uint64_t least = 65'536;
  if (options.mode == LoadMode::hold) return std::max(least, options.hold * 9 / 8 + 4'096);
  if (options.mode == LoadMode::concurrency || options.stream) {
    return std::max<std::uint64_t>(least, std::uint64_t{options.concurrency} * 2);
  }
  // In an open loop, connections pile up when answers come late. If more of them waited, segments
  // would time out, and the retransmissions would keep the loop late for good.
  return 65'536;
}

double time_wait_wanted(const BenchOptions& options, const Config& config) {
  if (options.mode == LoadMode::hold) return static_cast<double>(options.hold);
  if (options.connections) return static_cast<double>(*options.connections);
  if (options.stream) return options.concurrency;
  const double cps = options.mode == LoadMode::rate ? options.rate * 1.05 + 1'000 : cps_hoped_for;
  // A search runs below the highest rate most of the time.
  const double share = options.mode == LoadMode::max ? 0.3 : 1;
  const double stay = std::min(seconds(options.duration) + slack_s, seconds(config.stack.msl) * 2);
  return cps * share * stay;
}

// The blocks for all connections that are open at once, for what each sends and receives.
std::uint32_t blocks_wanted(const BenchOptions& options, const StackConfig& stack) {
  if (options.request == 0 && options.response == 0) return 1'024;
  const auto blocks = [&](std::uint64_t bytes) {
    return std::min<std::uint64_t>(bytes, stack.send_buffer) / tcp::block_bytes;
  };
  const std::uint64_t per_connection = 2 + blocks(options.request) + blocks(options.response);
  const std::uint64_t at_once =
      std::min<std::uint64_t>(options.stream ? options.concurrency : stack.connections, 65'536);
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(at_once * per_connection, 1'024, 262'144));
}

// The largest arena of TIME_WAIT, up to `most` records, with which the stacks take no more than
// `budget` bytes; at least `least`, even if that is more.
std::uint32_t time_wait_that_fits(Config config, std::uint32_t least, std::uint32_t most,
                                  double budget) {
  const auto fits = [&](std::uint32_t records) {
    config.stack.time_wait = records;
    const auto memory = stacks_memory(config);
    return memory && static_cast<double>(memory->total()) <= budget;
  };
  if (fits(most)) return most;
  while (most - least > 1'024) {  // `most` does not fit
    const std::uint32_t middle = least + (most - least) / 2;
    (fits(middle) ? least : most) = middle;
  }
  return least;
}

// Computes the memory from the length of the run and of TIME_WAIT. 2MSL is never shortened to fit.
void size_memory(const BenchOptions& options, std::uint64_t available, Config& config,
                 std::vector<std::string>& notes) {
  constexpr double time_wait_least = 65'536;
  StackConfig& stack = config.stack;
  const double share = share_of_one(config);
  const double at_once_each = static_cast<double>(connections_wanted(options)) * share;
  stack.connections = static_cast<std::uint32_t>(std::clamp(at_once_each, 16'384.0, 67'108'863.0));
  stack.buffer_blocks = blocks_wanted(options, stack);
  const auto wanted = static_cast<std::uint32_t>(
      std::clamp(time_wait_wanted(options, config) * share, time_wait_least, 1e9));
  stack.time_wait = time_wait_that_fits(config, static_cast<std::uint32_t>(time_wait_least), wanted,
                                        static_cast<double>(available) * memory_share);
  if (stack.time_wait < wanted) {
    notes.push_back(fmt::format(
        "memory for {} sockets in TIME_WAIT on each {}; connections of a run that "
        "makes more of them fail (TIME_WAIT full): a shorter --duration or --msl makes fewer",
        with_commas(stack.time_wait), config.workers > 2 ? "worker" : "side"));
  }
}

Result<BenchSetup> embedded(const BenchOptions& options, unsigned usable_cores) {
  BenchSetup setup;
  Config& config = setup.config;
  // Several benchmarks may run at once on a machine.
  config.name = fmt::format("bench-{}", getpid());
  const std::size_t cores = options.runtime.cores.size();
  const auto side = static_cast<std::uint32_t>(
      options.workers != 0 ? options.workers : std::max<std::size_t>(cores / 2, 1));
  const bool one_core = options.workers == 0 && (cores == 1 || (cores == 0 && usable_cores == 1));
  if (cores != 0 && cores != 2 * side && !one_core) {
    return tl::unexpected<Error>(
        complaint("--cores", fmt::format("{} cores", cores), "not one for each worker",
                  fmt::format("{}, half of them the client's and half the server's", 2 * side)));
  }
  const Ends& ends = options.ip6 ? ends_v6 : ends_v4;
  const IpAddress& server_address = ends.server.address;
  const auto lead_to = [&](PortConfig& port, const IpAddress& gateway) {
    (options.ip6 ? port.gateway6 : port.gateway) = gateway;
  };
  setup.target = Endpoint{server_address, server_port};
  config.prefault = true;  // page faults are the kernel's time, not the stack's
  const AddressRange range = options.local.value_or(ends.sources);
  if (range.first.is_v4() != server_address.is_v4()) {
    return tl::unexpected<Error>(
        complaint("--local", range.to_string(), "of the other family than the server's address",
                  options.ip6 ? "addresses of IPv6" : "addresses of IPv4, or --ipv6 with it"));
  }
  if (range.contains(server_address)) {
    return tl::unexpected<Error>(complaint(
        "--local", range.to_string(), "holds the server's address " + server_address.to_string(),
        "a range without it"));
  }
  if (one_core) {
    config.workers = 1;
    PortConfig both = loop_port("loop", "loop", ends.server, {0});
    lead_to(both, server_address);
    both.ranges = {range};
    config.ports.push_back(both);
    setup.clients = setup.servers = {0};
    setup.notes.push_back("one core: client and server share it, and one stack");
    return setup;
  }
  config.workers = 2 * side;
  for (std::uint32_t worker = 0; worker < config.workers; ++worker) {
    (worker < side ? setup.clients : setup.servers).push_back(worker);
  }
  PortConfig client = loop_port("client", "server", ends.client, setup.clients);
  client.ranges = {range};
  PortConfig server = loop_port("server", "client", ends.server, setup.servers);
  lead_to(server, ends.client.address);
  config.ports.push_back(client);
  config.ports.push_back(server);
  return setup;
}

// The workers that serve the targets, if those are addresses of ours; none if they are not.
Result<std::vector<std::uint32_t>> own_servers(const Config& config, const Targets& targets) {
  const PortConfig* first = port_with(config, targets.addresses().first);
  const PortConfig* last = port_with(config, targets.addresses().last());
  const auto wrong = [&](const std::string& problem, std::string_view want) {
    return tl::unexpected<Error>(complaint("--connect", targets.to_string(), problem, want));
  };
  if (first != last) return wrong("its ends are not of one of our ports", "all of it, or none");
  if (first == nullptr) return std::vector<std::uint32_t>{};
  constexpr std::uint32_t listeners_max = 1'000;
  if (targets.ports() > listeners_max) {
    return wrong(fmt::format("{} ports to listen on", targets.ports()),
                 fmt::format("at most {}", listeners_max));
  }
  return config.workers_of(*first);
}

Result<BenchSetup> configured(const BenchOptions& options) {
  BenchSetup setup;
  if (options.runtime.config.empty()) {
    setup.config.name = fmt::format("bench-{}", getpid());
    setup.config.ports = {tap_port(options.runtime)};
  } else {
    Result<Config> config = load_config(options.runtime.config);
    if (!config) return tl::unexpected<Error>(std::move(config.error()));
    setup.config = std::move(*config);
  }
  Config& config = setup.config;
  if (options.connect) {
    setup.target = *options.connect;
    auto servers = own_servers(config, setup.target);
    if (!servers) return tl::unexpected<Error>(std::move(servers.error()));
    setup.servers = std::move(*servers);
  } else {
    const PortConfig& port = config.ports.back();
    setup.target = Endpoint{port.addresses.front().address, server_port};
    setup.servers = config.workers_of(port);
  }
  setup.clients = client_workers(config, setup.servers);
  add_local_range(options, setup);
  return setup;
}

}  // namespace

Result<BenchSetup> bench_setup(const BenchOptions& options, unsigned usable_cores,
                               std::uint64_t available_memory) {
  const bool from_file = !options.runtime.config.empty();
  Result<BenchSetup> setup = options.reflect                ? reflect_setup(options)
                             : from_file || options.connect ? configured(options)
                                                            : embedded(options, usable_cores);
  if (!setup) return setup;
  apply(options.runtime, setup->config);
  if (!from_file) size_memory(options, available_memory, setup->config, setup->notes);
  if (options.verify && setup->servers.empty()) {
    return tl::unexpected<Error>(complaint("--connect", setup->target.to_string(),
                                           "not one of our addresses: --verify compares at the "
                                           "server",
                                           "one of the configuration's, or no --verify"));
  }
  const std::uint64_t slots =
      std::uint64_t{setup->config.stack.connections} * setup->clients.size();
  if (options.mode == LoadMode::hold && options.hold > slots) {
    return tl::unexpected<Error>(
        complaint("--hold", std::to_string(options.hold),
                  fmt::format("{} has room for {} connections", options.runtime.config, slots),
                  "fewer, or a larger stack.connections"));
  }
  return setup;
}

}  // namespace salut::load
