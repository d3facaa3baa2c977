// The protocol alone: two engines joined by arrays in one thread, opening and closing connections
// of five, six or seven packets. No device, no second core, no noise of either: cycles per
// connection and side are those of the path itself, with TIME_WAIT filling all the while.
//
// For instructions, which no shared machine can falsify: bench/run instructions. For
// mispredictions:
//   valgrind --tool=cachegrind --branch-sim=yes build/bench/connection_path --turns=N FILTER
// where FILTER is --benchmark_filter=bytes:0/bare_acks:0/ip6:0; the difference of two N has no
// start-up in it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <vector>

#include "direct_wire.hpp"
#include "host/tsc.hpp"
#include "io/sim/world.hpp"
#include "stack/engine.hpp"

namespace {

using namespace salut;
using sim::Pool;

struct Side {
  bench::DirectWire wire;
  std::unique_ptr<stack::Engine> engine;
  std::uint64_t cycles = 0;
};

// Of a family: the two ends, and where the client's connections come from.
struct Addresses {
  IpAddress client, server, sources;
  std::uint8_t prefix;
};
const Addresses v4{IpAddress::v4(0x0a000001), IpAddress::v4(0x0a000002), IpAddress::v4(0x0a010000),
                   24};
const Addresses v6{IpAddress::v6(0xfd00'0000'0000'0000, 1), IpAddress::v6(0xfd00'0000'0000'0000, 2),
                   IpAddress::v6(0xfd01'0000'0000'0000, 0), 64};

// The client's records of TIME_WAIT. A count of instructions needs no more than its turns fill.
std::uint32_t time_wait_records = 4'000'000;

StackConfig config_for(std::uint32_t time_wait, bool coalesce) {
  StackConfig config;
  config.connections = 4096;
  config.time_wait = time_wait;
  config.coalesce = coalesce;
  config.seed = 1;
  return config;
}

void set_up(Side& side, Pool& pool, Memory& memory, const Addresses& addresses, bool client,
            const StackConfig& config, std::uint8_t id) {
  ip::Interface interface;
  interface.device = &side.wire;
  interface.mac = Mac{{2, 0, 0, 0, 0, id}};
  interface.addresses = {Prefix{client ? addresses.client : addresses.server, addresses.prefix}};
  if (client) interface.ranges = {AddressRange{addresses.sources, 65'536}};
  if (!client) {
    (addresses.client.is_v4() ? interface.gateway : interface.gateway6) = addresses.client;
  }
  side.engine = std::make_unique<stack::Engine>(config, std::vector{interface}, pool, memory,
                                                id + 77u, id, Instant{});
  side.engine->repeat_events(true);  // as the public faces do
}

// The two applications. Their turns are functions of their own: bench/instructions.py counts what
// is executed in each.
struct Exchange {
  stack::Engine& client;
  stack::Engine& server;
  Endpoint remote;
  std::size_t bytes;  // of request and response
  std::array<std::byte, 2048> buffer = {};
  std::uint64_t closed = 0;
  std::uint64_t open = 0;

  [[gnu::noinline]] void client_turn(Instant now) {
    // The first one alone: it learns the other's MAC, for which few packets may wait.
    while (open < (closed > 0 ? 256u : 1u)) {
      if (!client.connect(remote, {}, 0, now)) break;
      ++open;
    }
    for (const Event& e : client.poll(now)) {
      if (e.has(Event::connected)) {
        if (bytes > 0) {
          client.write(e.connection, {buffer.data(), bytes});
        } else {
          client.close(e.connection);
        }
      }
      if (e.has(Event::readable)) {
        benchmark::DoNotOptimize(client.read(e.connection, buffer));
        client.close(e.connection);
      }
      if (e.has(Event::closed)) {
        ++closed;
        --open;
      }
    }
  }

  [[gnu::noinline]] void server_turn(Instant now) {
    for (const Event& e : server.poll(now)) {
      if (e.has(Event::readable)) {
        if (auto n = server.read(e.connection, buffer)) {
          server.write(e.connection, {buffer.data(), *n});
        }
      }
      if (e.has(Event::peer_closed)) server.close(e.connection);
    }
  }
};

// Arguments: bytes of request and response; whether every ACK is a packet of its own; IPv6.
void connections(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  const StackConfig config = config_for(time_wait_records, state.range(1) == 0);
  HeapMemory memory;
  Pool pool(16'384);
  Side client, server;
  client.wire.peer = &server.wire;
  server.wire.peer = &client.wire;
  const Addresses& addresses = state.range(2) == 0 ? v4 : v6;
  const Endpoint server_endpoint{addresses.server, 80};
  set_up(client, pool, memory, addresses, true, config, 1);
  set_up(server, pool, memory, addresses, false, config, 2);
  if (!server.engine->listen(server_endpoint, 4096)) return state.SkipWithError("listen");

  Exchange exchange{*client.engine, *server.engine, server_endpoint, bytes};
  Instant now{};
  for (auto _ : state) {
    now += std::chrono::microseconds{20};
    const std::uint64_t t0 = read_tsc();
    exchange.client_turn(now);
    const std::uint64_t t1 = read_tsc();
    exchange.server_turn(now);
    client.cycles += t1 - t0;
    server.cycles += read_tsc() - t1;
  }
  const std::uint64_t closed = exchange.closed;
  const auto per = [&](std::uint64_t sum) {
    return closed == 0 ? 0.0 : static_cast<double>(sum) / static_cast<double>(closed);
  };
  const auto& counters = client.engine->counters();
  state.counters["client_cycles"] = per(client.cycles);
  state.counters["server_cycles"] = per(server.cycles);
  state.counters["packets"] = per(counters.rx_frames + counters.tx_frames);
  state.counters["connections"] = static_cast<double>(closed);
  state.SetItemsProcessed(static_cast<std::int64_t>(closed));
}
}  // namespace

int main(int argc, char** argv) {
  // --turns=N: so many turns of each engine and no more, for a count that is the same in every run.
  std::int64_t turns = 0;
  const auto end = std::remove_if(argv + 1, argv + argc, [&](const char* word) {
    return std::sscanf(word, "--turns=%" SCNd64, &turns) == 1;
  });
  argc = static_cast<int>(end - argv);
  auto* all = benchmark::RegisterBenchmark("connections", connections)
                  ->ArgNames({"bytes", "bare_acks", "ip6"})
                  ->Args({0, 0, 0})
                  ->Args({0, 1, 0})
                  ->Args({64, 0, 0})
                  ->Args({0, 0, 1})
                  ->Args({64, 0, 1});
  if (turns > 0) {
    all->Iterations(turns);
    time_wait_records =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(32 * turns, 64'000, time_wait_records));
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
