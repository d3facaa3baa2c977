// Start here. A Stack is one worker's TCP: it opens, accepts and polls.
//
//   auto runtime = salut::Runtime::open("echo.toml");
//   runtime->run([](salut::Stack& stack) {
//     stack.listen({salut::IpAddress::any_v6(), 7});  // and IPv4
//     while (!stack.stopping()) {
//       for (const salut::Event& event : stack.poll()) {
//         if (!event.has(salut::Event::readable | salut::Event::peer_closed)) continue;
//         salut::Connection peer = event.connection;
//         auto bytes = peer.peek();  // a piece of what has come, where it lies
//         if (!bytes) {
//           peer.close();  // end_of_stream: the peer has closed, and all of it was read
//         } else if (auto taken = peer.write(*bytes)) {
//           peer.consume(*taken);  // what is left unread comes with the next poll()
//         }
//       }
//     }
//   });
//
// An application is a loop over batches of events. Each poll() sends what the application made
// ready since the last one, takes a burst from each of the worker's ports, runs the protocol over
// it as a batch, runs the timers that are due, and returns what happened. Nothing blocks. What an
// event tells of need not be dealt with at once: `readable` comes again as long as there is
// something to read, `writable` as long as a short write() may go on (salut/event.hpp).
//
// Threads: a Stack belongs to one lcore; every call is made there, except post(), stop(), drain(),
// finish() and the figures, which say so. Debug builds assert it; release builds do not look, and
// two threads at once corrupt the stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <tl/expected.hpp>

#include "salut/address.hpp"
#include "salut/connection.hpp"
#include "salut/connection_options.hpp"
#include "salut/counters.hpp"
#include "salut/error.hpp"
#include "salut/event.hpp"
#include "salut/export.hpp"
#include "salut/time.hpp"
#include "salut/timer.hpp"

namespace salut {

// How a worker's cycles were spent; busy turns are those in which a frame, a timer or an event was.
struct LoopStats {
  std::uint64_t turns = 0;
  std::uint64_t busy_turns = 0;
  std::uint64_t busy_cycles = 0;   // TSC cycles, the application's share of busy turns included
  std::uint64_t total_cycles = 0;  // TSC cycles since the loop started
  std::uint64_t slept_cycles = 0;  // TSC cycles of total_cycles that it slept
  std::uint64_t longest_turn_cycles = 0;  // without its sleep
};

class SALUT_API Stack {
 public:
  class SALUT_HIDDEN Impl;
  explicit Stack(std::unique_ptr<Impl> impl);
  ~Stack();
  Stack(Stack&&) noexcept;
  Stack(const Stack&) = delete;

  // Passive OPEN. 0.0.0.0 (IpAddress{}) listens on all addresses of IPv4, :: (IpAddress::any_v6())
  // on all of both families. On one port there may be all three kinds: a SYN goes to the listener
  // on its address, else to that on 0.0.0.0, else to that on ::. Port 0 listens on one of
  // 49,152..65,535 that is free: local_endpoint() says which. Errors: in_use, the pair has a
  // listener; no_route, the address is of no port of this stack; overload, 1,024 listen already;
  // no_port, of port 0; invalid_argument, a backlog of 0 or an option out of its range.
  Result<Listener> listen(Endpoint local, ListenOptions options = {});
  // Where it listens; invalid_argument for one that has ended.
  tl::expected<Endpoint, Errc> local_endpoint(Listener listener) const;
  // CLOSE on a listener: handshakes under way are reset, accepted connections stay.
  // invalid_argument for one that has ended.
  Errc unlisten(Listener listener);

  // Active OPEN. `connected` or `closed` (refused, reset, timed_out, unreachable) follows. What is
  // written meanwhile is kept and leaves once the handshake is complete. Errors: no_port, every
  // local address and port to that peer is taken, or the one that was asked for; overload, no free
  // slot, or no place in the table of neighbours; no_route, no port leads there or has that
  // address; invalid_argument, a remote that is no station (port 0, multicast, a network's own
  // address), an option out of its range, or a listener that has ended.
  tl::expected<Connection, Errc> connect(Endpoint remote, const ConnectOptions& options = {});

  // Event::timer with this `user`, and no connection, in `after` from now(), rounded up to a
  // millisecond (1.048576 ms, the stack's tick): never early, and late by what lies between two
  // polls. It fires once, and may be as far away as is wanted: months. Errc::overload: stack.timers
  // run already (1,024 unless configured), or timers were moved nearer more than a thousand times
  // in this turn; Errc::invalid_argument: below 0. O(1), as is cancel_timer(), which answers
  // Errc::not_found if the timer has fired: its event was in the last poll(), or before.
  tl::expected<TimerId, Errc> set_timer(Duration after, std::uint64_t user = 0);
  Errc cancel_timer(TimerId timer);

  // Runs `function` on this stack's lcore, in its next poll() and before the packets: how another
  // thread reaches the connections of this one. It may call everything but poll(); what it throws
  // comes out of poll(). Those of one thread run in the order in which it posted them, at most 64
  // of all in one poll(). Before Runtime::start() they wait for it. Any thread, but not a signal
  // handler; takes no lock. Errc::overload: posts_max wait already. Errc::stopped: the application
  // has returned, and its captures may be gone: functions that have not run by then are destroyed
  // without having run, on the lcore or, at the latest, with the Runtime.
  static constexpr std::size_t posts_max = 1'024;
  Errc post(std::function<void(Stack&)> function);

  // One turn. The span is valid until the next poll().
  // What a turn does that finds nothing is workers.idle of the configuration: with "sleep" it waits
  // as poll(max_wait) does, for a millisecond at most, or 100 us where no interrupt ends that.
  std::span<const Event> poll();

  // Turns until there are events, a function of post() ran, stop() or drain() was called, or
  // max_wait is over; then the span may be empty. Where a turn finds nothing to do it sleeps, never
  // beyond the next timer. Ports wake it that have interrupts, if workers.idle is "sleep": a TAP,
  // or a card whose driver has them, that this worker alone polls, without impair. Else it looks
  // again after 1 us, 2, 4, up to 100. Not above 0: one turn, and no rest whatever workers.idle is.
  std::span<const Event> poll(Duration max_wait);

  // The instant of the last poll().
  Instant now() const;
  // The worker that this stack is on, from 0.
  std::uint32_t worker() const;
  // True once Runtime::stop() was called: close what is open and return from the loop.
  bool stopping() const;

  // The beginning of a graceful end, before stop(): from its next poll() on the stack accepts no
  // new connection and resets none. A SYN, to a listener or not, is handed to a sibling
  // (PortConfig::siblings) or dropped in silence (Drop::syn_draining): the peer repeats it, and by
  // then the route leads to another instance. Nothing else changes: handshakes that were answered,
  // by cookie too, complete and are accepted, listeners stay (unlisten() would reset handshakes
  // under way), connect() goes on. When open_connections() is 0 nobody is cut off by a stop. There
  // is no way back. Any thread, any number of times.
  void drain();
  bool draining() const;

  // The graceful end whole: drain(), and from the next poll() on Connection::close_gently(limit)
  // for every open connection, those too whose handshake completes yet; what is left after `limit`
  // (24 h at most) is reset. A piece of the walk over all connections is part of each poll(), and
  // `closed` comes for each, those too that only unread bytes kept in CLOSED or TIME_WAIT. Until it
  // has come for all open_connections() is not 0:
  //
  //   stack.finish(std::chrono::seconds{10});
  //   while (stack.open_connections() != 0) stack.poll();
  //
  // Who has requests to finish first closes connections itself after drain(). Any thread; again:
  // the last limit counts.
  void finish(Duration limit);

  // A walk over all connections that have a handle, a piece at a time: writes those from slot
  // `cursor` on into `to` and returns how many there were. `cursor`, 0 at first, is then where the
  // next call goes on, and 0 when all were seen. At most 1,024 slots are looked at in one call, so
  // that 0 does not mean the end. Those that come and go meanwhile may be seen or not.
  std::size_t connections(std::uint32_t& cursor, std::span<Connection> to) const;

  // Sockets that are not CLOSED, LISTEN or TIME_WAIT: what a graceful stop waits for. After
  // finish() it is at least 1 until `closed` has come for every connection. On this stack's lcore,
  // and while it does not run; other threads have counters().
  std::uint64_t open_connections() const;

  // The last poll() left frames to receive, or segments to send, for the next: whoever opens more
  // connections now makes those that are open wait. A server may serve first, a load generator has
  // to say that it is late.
  bool saturated() const;

  // The figures, any thread. On this stack's lcore, and while it does not run, they are of now.
  // Elsewhere they are a snapshot that the lcore leaves from within poll() every 10 ms: that old at
  // most while the application polls, and as old as its last poll() while it does something else.
  Counters counters() const;
  LoopStats loop_stats() const;
  MemoryUse memory_use() const;  // does not change

  // For this library alone; a program has no use for it.
  Impl& impl() { return *impl_; }
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace salut
