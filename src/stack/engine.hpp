// One stack: the whole path on one screen, see poll() in engine.cpp.
//
// The engine reads no clock, makes no system call and allocates nothing after its construction.
// Frames come from Devices, memory from a Memory, time from the caller, so that the same engine
// runs over DPDK (src/worker) and in a simulation in virtual time (src/io/sim).
//
// Threads: one. Calls between two polls raise no events; the next poll reports what they caused.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "salut/event.hpp"
#include "salut/stack.hpp"
#include "stack/active_opens.hpp"
#include "stack/ready_list.hpp"
#include "stack/unreachable.hpp"
#include "tcp/context.hpp"
#include "tcp/input.hpp"

namespace salut::stack {

class Engine final : private ip::UnreachableListener {
 public:
  // `seed` feeds every hash, ISN and port; `stack_id` (0..63) goes into the handles.
  Engine(const StackConfig& config, std::vector<ip::Interface> interfaces, FramePool& pool,
         Memory& memory, std::uint64_t seed, std::uint8_t stack_id, Instant start);
  ~Engine() override;
  Engine(const Engine&) = delete;

  // ISNs and timestamps go on where those of an earlier engine with this key left off; the seed
  // gives them no more. REQUIRES: no connection has been opened.
  void take_isn_key(const tcp::IsnKey& key) { c_.isn = tcp::IsnGenerator(key); }

  // One turn. The events are valid until the next.
  std::span<const Event> poll(Instant now);
  // Was there a frame, a timer, an event or anything to send in the last turn?
  bool last_poll_busy() const { return busy_; }
  // Nothing happens by itself before this instant; empty: nothing is pending at all. For virtual
  // time.
  std::optional<Instant> next_timer() const;

  tl::expected<std::uint16_t, Errc> listen(Endpoint local, std::uint32_t backlog,
                                           const ConnectionOptions& options = {});
  Errc unlisten(std::uint16_t listener);
  tl::expected<Endpoint, Errc> local_endpoint(std::uint16_t listener) const;
  tl::expected<Connection, Errc> connect(const Endpoint& remote, const Endpoint& local,
                                         std::uint64_t user, Instant now,
                                         const ConnectionOptions& options = {});
  // Active OPEN on a listener: ends it and returns its endpoint, from which connect() goes on.
  tl::expected<Endpoint, Errc> take_listener(std::uint16_t listener);

  tl::expected<std::size_t, Errc> read(Connection connection, std::span<std::byte> to);
  // As Connection::peek(), but it skips the first `offset` bytes.
  tl::expected<std::span<const std::byte>, Errc> peek(Connection connection,
                                                      std::size_t offset = 0);
  Errc consume(Connection connection, std::size_t count);
  tl::expected<std::size_t, Errc> write(Connection connection, std::span<const std::byte> from);
  tl::expected<std::size_t, Errc> lend(Connection connection, std::span<const std::byte> from);
  Errc shutdown(Connection connection);
  Errc close(Connection connection);
  Errc abort(Connection connection);
  Errc close_gently(Connection connection, Duration limit);
  // As Stack::connections().
  std::size_t connections(std::uint32_t& cursor, std::span<Connection> to) const;
  tl::expected<ConnectionInfo, Errc> info(Connection connection) const;
  Errc set_options(Connection connection, const ConnectionOptions& options);
  // Sets the options of the connections that the listener makes from now on.
  Errc set_options(std::uint16_t listener, const ConnectionOptions& options);
  Errc want(Connection connection, unsigned what);
  Errc set_user(Connection connection, std::uint64_t user);
  tl::expected<std::uint64_t, Errc> user(Connection connection) const;

  // The timer of a connection, of which each has one; and timers of the stack. Both kinds count
  // from the last poll(), or from a later set_now().
  Errc set_timer(Connection connection, Duration after);
  Errc cancel_timer(Connection connection);
  tl::expected<TimerId, Errc> set_timer(Duration after, std::uint64_t user) {
    return c_.app_timers.set(c_.wheel, c_.clock.now, after, user);
  }
  Errc cancel_timer(TimerId timer) { return c_.app_timers.cancel(timer); }
  // From now on calls count from this instant: for a caller that is long after the last poll().
  void set_now(Instant now) { c_.clock.set(std::max(c_.clock.now, now)); }

  // From now on no new connection is accepted, and none is refused with a RST: Stack::drain().
  void drain() { c_.draining = true; }
  bool draining() const { return c_.draining; }
  // As Stack::finish(), from the next turn on.
  void finish(Duration limit);

  // The interface was just opened, or its link came up: tells its neighbours our MAC.
  void announce(unsigned interface) {
    c_.interfaces.announce(static_cast<std::uint16_t>(interface), c_.clock.now);
  }

  // Whether `readable` and `writable` come again in each turn until they are used up. The public
  // faces say so; whoever looks at the engine after each turn itself (src/posix) does not.
  void repeat_events(bool on) { repeats_ = on; }

  // Did the last poll() leave something to send or to receive for the next?
  bool saturated() const { return saturated_; }
  // A device has not taken everything: it is asked again in the next turn.
  bool has_unsent() const { return c_.interfaces.has_staged(); }
  // As Stack::open_connections().
  std::uint64_t open_connections() const {
    const std::uint64_t open = c_.counters.open_connections();
    return open == 0 && finish_at_ && !all_told_ ? 1 : open;
  }
  const Counters& counters() const { return c_.counters; }
  const tcp::Context& context() const { return c_; }
  tcp::Context& context() { return c_; }

 private:
  // The slot that the handle names, or none.
  std::uint32_t find(Connection connection) const;
  static std::uint32_t slot_of(Connection connection) {
    return connection.slot() & ((1u << Connection::slot_bits) - 1);
  }
  tl::expected<std::uint32_t, Errc> find_reader(Connection connection);
  tl::expected<std::uint32_t, Errc> find_writer(Connection connection);
  void take(std::uint32_t index, std::size_t count);  // removes bytes that were read
  void written(std::uint32_t index, std::size_t taken, std::size_t offered);
  void on_unreachable(std::uint16_t hop) override { unreachable_.add(hop); }
  bool waits_in_vain(const tcp::Tcb& t) const;
  void tell_unreachable();
  bool receive();
  bool catches_up(Duration pause);
  void note_peaks();
  Errc close_sending(std::uint32_t index);
  std::uint16_t free_port();
  void finish_some();
  unsigned unused(std::uint32_t index) const;
  bool left_unused() const;
  void keep_unused();
  void tell_again();
  void drop_unwanted();
  bool name_events(Connection connection, std::uint64_t user);
  void end_listener(std::uint16_t listener, tcp::StateEvent event);

  tcp::Context c_;
  ActiveOpens active_opens_;
  tcp::ReceiveBurst burst_;
  Instant turn_at_;               // of the last poll(): calls move the clock on between two
  bool more_to_receive_ = false;  // a port gave a full burst, so that it may have more
  bool timers_ran_ = true;        // in the last turn
  Instant caught_up_by_;          // until then timers wait for what came while the loop stood still
  bool busy_ = false;
  bool saturated_ = false;
  Instant neighbours_due_;
  std::uint32_t next_port_;           // where listen() begins to look for a free one
  std::optional<Instant> finish_at_;  // of finish(): what is open then is aborted
  std::uint32_t finish_hand_ = 0;     // the slot that finish_some() looks at next
  bool none_found_ = true;            // it met no handle since slot 0
  bool all_told_ = false;             // nor in its last whole round
  ReadyList ready_;
  std::uint64_t told_in_vain_ = 0;  // were told again since anything was read, written or new
  unsigned told_ = 0;  // events of this turn that tell again, and `closed` of the calls before it
  bool repeats_ = false;
  bool filters_ = false;                  // want() was used
  std::uint64_t icmp_errors_before_ = 0;  // Counters::icmp_errors when this turn began
  Unreachable unreachable_;
};

}  // namespace salut::stack
