// The protocol alone: a TCP stack without DPDK, without a thread, a clock or a system call.
//
//   salut::HeapMemory memory;
//   auto engine = salut::Engine::make({}, {interface}, pool, memory, seed, now);
//   engine->listen({salut::IpAddress{}, 7});
//   for (const salut::Event& event : engine->poll(now)) {
//     if (event.has(salut::Event::readable)) engine->read(event.connection, bytes);
//   }
//
// libsalut runs it on each worker. It is for programs that bring their own packets, memory and
// time: a simulation, a test, a program over another packet library. You implement FramePool and
// Device (salut/frame.hpp) and Memory (salut/memory.hpp; HeapMemory is often enough) and pass in
// the time. Link with `pkg-config --libs salut-core`; docs/examples/two_engines.cpp is a whole
// program.
//
// A Connection is a handle that its own engine understands: call engine.read(connection, ...).
// The handle's own methods (connection.read(...)) find the worker's stack by themselves; they are
// part of libsalut, and a program that links the protocol alone does not have them.
//
// Threads: one engine, one thread; two engines share nothing. Nothing blocks, and after make()
// nothing is allocated. Calls between two polls raise no events: the next poll() reports what they
// caused, and what they made ready to send leaves with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <tl/expected.hpp>
#include <vector>

#include "salut/address.hpp"
#include "salut/connection.hpp"
#include "salut/connection_options.hpp"
#include "salut/counters.hpp"
#include "salut/error.hpp"
#include "salut/event.hpp"
#include "salut/export.hpp"
#include "salut/frame.hpp"
#include "salut/memory.hpp"
#include "salut/stack_config.hpp"
#include "salut/state.hpp"
#include "salut/time.hpp"
#include "salut/timer.hpp"

namespace salut {

namespace stack {
class Engine;  // src/stack/engine.hpp
}

using MacAddress = std::array<std::uint8_t, 6>;  // in the order in which the wire carries it

// Destinations that are not behind the gateway. The longest prefix wins.
struct StaticRoute {
  Prefix to;
  IpAddress via;  // the next hop; any (0.0.0.0 or ::): the destinations are on the link
};

// A station whose MAC is given, so that the engine never asks for it.
struct StaticNeighbour {
  IpAddress address;
  MacAddress mac = {};
};

// One port of an engine. The engine does Ethernet, ARP and neighbour discovery itself.
struct Interface {
  Device* device = nullptr;          // outlives the engine
  MacAddress mac = {};               // unicast, not zero
  std::uint16_t mtu = 1500;          // 576..9000; IPv6 needs 1280
  std::uint16_t vlan = 0;            // 802.1Q tag of all its frames, 1..4094; 0: they have none
  bool completes_checksums = false;  // the device supports l4_checksum_left
  std::vector<Prefix> addresses;     // at least one
  std::vector<AddressRange> ranges;  // further local addresses; active opens come from them if any
  IpAddress gateway;                 // next hop for what is on no link and no route; any: none
  IpAddress gateway6 = IpAddress::any_v6();
  std::vector<StaticRoute> routes;
  std::vector<StaticNeighbour> neighbours;
};

class SALUT_API Engine {
 public:
  // Takes all the memory that the engine will ever use. `seed` feeds every hash, ISN and port
  // (config.seed is not read): an engine on a network needs one that nobody can guess. `id`, 0..63,
  // goes into the handles. `pool` needs many more frames than config.lent_frames and
  // config.neighbour_frames together: else bytes that nobody reads and stations that do not answer
  // leave none for what is received. Errors: one line about a value that is wrong, or
  // Errc::no_memory.
  static Result<Engine> make(const StackConfig& config, const std::vector<Interface>& interfaces,
                             FramePool& pool, Memory& memory, std::uint64_t seed, Instant start,
                             std::uint8_t id = 0);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();  // gives back every frame and all memory

  // One turn: sends what was made ready, takes a burst from each device, runs the timers that are
  // due, and returns what happened. The events are valid until the next poll(). `now` must never go
  // back.
  std::span<const Event> poll(Instant now);
  // Was there a frame, a timer, an event or anything to send in the last turn?
  bool last_poll_busy() const;
  // Nothing happens by itself before this instant; empty: nothing is pending at all. A simulation
  // jumps to it, and a program that sleeps wakes up at it.
  std::optional<Instant> next_timer() const;

  // Passive OPEN. 0.0.0.0 listens on all IPv4 addresses, :: on all of both families; port 0 on one
  // that is free. Errors are those of Stack::listen().
  tl::expected<Listener, Errc> listen(Endpoint local, const ListenOptions& options = {});
  // CLOSE on a listener: handshakes under way are reset, accepted connections stay.
  Errc unlisten(Listener listener);
  // Where it listens; invalid_argument for one that has ended.
  tl::expected<Endpoint, Errc> local_endpoint(Listener listener) const;
  // Active OPEN. `connected` or `closed` follows. Errors are those of Stack::connect().
  tl::expected<Connection, Errc> connect(Endpoint remote, Instant now,
                                         const ConnectOptions& options = {});

  // What the methods of Connection do (salut/connection.hpp), for connections of this engine.
  tl::expected<std::size_t, Errc> read(Connection connection, std::span<std::byte> to);
  tl::expected<std::span<const std::byte>, Errc> peek(Connection connection) const;
  Errc consume(Connection connection, std::size_t count);
  tl::expected<std::size_t, Errc> write(Connection connection, std::span<const std::byte> from);
  tl::expected<std::size_t, Errc> lend(Connection connection, std::span<const std::byte> from);
  Errc shutdown(Connection connection);
  Errc close(Connection connection);
  Errc abort(Connection connection);
  Errc close_gently(Connection connection, Duration limit);
  // As Stack::connections(): a walk over all of them, a piece at a time.
  std::size_t connections(std::uint32_t& cursor, std::span<Connection> to) const;
  tl::expected<ConnectionInfo, Errc> info(Connection connection) const;
  Errc set_options(Connection connection, const ConnectionOptions& options);
  Errc want(Connection connection, unsigned what);
  Errc set_user(Connection connection, std::uint64_t user);
  tl::expected<std::uint64_t, Errc> user(Connection connection) const;
  Errc set_timer(Connection connection, Duration after);
  Errc cancel_timer(Connection connection);

  // Event::timer with this `user` in `after` from the last poll(), or from make() before the first.
  // Stack::set_timer() says the rest.
  tl::expected<TimerId, Errc> set_timer(Duration after, std::uint64_t user = 0);
  Errc cancel_timer(TimerId timer);

  // From now on no new connection is accepted, and none is refused with a RST: Stack::drain().
  void drain();
  // The graceful end of all connections: Stack::finish().
  void finish(Duration limit);
  // Did the last poll() leave something to send or to receive for the next?
  bool saturated() const;
  // Sockets that are not CLOSED, LISTEN or TIME_WAIT; after finish() as Stack::open_connections().
  std::uint64_t open_connections() const;
  const Counters& counters() const;

 private:
  explicit Engine(std::unique_ptr<stack::Engine> impl);
  std::unique_ptr<stack::Engine> impl_;
};

}  // namespace salut
