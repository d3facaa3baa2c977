// The protocol alone: a TCP stack without DPDK, without a thread, a clock or a system call.
//
//   salut::HeapMemory memory;
//   auto engine = salut::Engine::make({}, {interface}, pool, memory, seed, now);
//   engine->listen({salut::IpAddress{}, 7});
//   for (const salut::Event& event : engine->poll(now)) {
//     if (event.has(salut::Event::readable)) engine->read(event.connection, bytes);
//   }
//
// It is what libsalut runs on each worker, for those who have packets, memory and time of their
// own: a simulation, a test, a program over another packet library. You implement FramePool and
// Device (salut/frame.hpp) and Memory (salut/memory.hpp; HeapMemory will often do) and say what
// time it is. Link with `pkg-config --libs salut-core`; docs/examples/two_engines.cpp is a whole
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

namespace salut {

namespace stack {
class Engine;  // src/stack/engine.hpp
}

using MacAddress = std::array<std::uint8_t, 6>;  // in the order in which it is written and sent

// Destinations that another station than the gateway leads to. The longest prefix wins.
struct StaticRoute {
  Prefix to;
  IpAddress via;  // the next hop; any: they are on the link
};

// A station whose MAC is given and never asked for.
struct StaticNeighbour {
  IpAddress address;
  MacAddress mac = {};
};

// One port of an engine. Ethernet, ARP and neighbour discovery are the engine's.
struct Interface {
  Device* device = nullptr;          // outlives the engine
  MacAddress mac = {};               // of a station: not zero, not multicast
  std::uint16_t mtu = 1500;          // 576..9000; IPv6 needs 1280
  std::uint16_t vlan = 0;            // 802.1Q tag of all its frames, 1..4094; 0: they have none
  bool completes_checksums = false;  // the device honours l4_checksum_left
  std::vector<Prefix> addresses;     // at least one
  std::vector<AddressRange> ranges;  // further local addresses; active opens come from them if any
  IpAddress gateway;                 // next hop for what is on no link and no route; any: none
  IpAddress gateway6 = IpAddress::any_v6();
  std::vector<StaticRoute> routes;
  std::vector<StaticNeighbour> neighbours;
};

class SALUT_API Engine {
 public:
  // Takes all memory that there will be. `seed` feeds every hash, ISN and port (config.seed is not
  // read): an engine on a network wants one that nobody can guess. `id`, 0..63, goes into the
  // handles. Error: a value that cannot be, in one line, or Errc::no_memory.
  static Result<Engine> make(const StackConfig& config, const std::vector<Interface>& interfaces,
                             FramePool& pool, Memory& memory, std::uint64_t seed, Instant start,
                             std::uint8_t id = 0);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();  // gives back every frame and all memory

  // One turn: sends what was made ready, takes a burst from each device, runs the timers that are
  // due, and returns what happened. The events are valid until the next poll(). `now` never goes
  // back.
  std::span<const Event> poll(Instant now);
  // Was there a frame, a timer, an event or anything to send in the last turn?
  bool last_poll_busy() const;
  // No earlier than this will anything happen of itself; nothing is due if empty. Virtual time
  // jumps to it, a program that sleeps wakes up at it.
  std::optional<Instant> next_timer() const;

  // Passive OPEN. Any address (0.0.0.0) listens on all.
  tl::expected<Listener, Errc> listen(Endpoint local, const ListenOptions& options = {});
  // CLOSE on a listener: handshakes under way are reset, accepted connections stay.
  Errc unlisten(Listener listener);
  // Active OPEN. `connected` or `closed` follows.
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
  tl::expected<ConnectionInfo, Errc> info(Connection connection) const;
  Errc set_options(Connection connection, const ConnectionOptions& options);
  Errc set_user(Connection connection, std::uint64_t user);

  // From now on no new connection is accepted, and none is reset for it: Stack::drain().
  void drain();
  // The last poll() left something to send or to receive for the next.
  bool saturated() const;
  // Sockets that are not CLOSED, LISTEN or TIME_WAIT.
  std::uint64_t open_connections() const;
  const Counters& counters() const;

 private:
  explicit Engine(std::unique_ptr<stack::Engine> impl);
  std::unique_ptr<stack::Engine> impl_;
};

}  // namespace salut
