// The load generator of one worker: opens connections, exchanges bytes, closes, and counts.
//
// It opens connections in one of three ways, which its owner chooses and may change while it runs:
//   rate         open loop. The clock alone says when an open is due, however slow the answers are.
//                An open starts when it is due, or as soon after that as the stack is not
//                saturated. One that cannot start (no free slot, or the schedule is a tenth of a
//                second late) counts as attempted and as failed (no_slot, saturated, late, …).
//   concurrency  closed loop: so many connections at once
//   hold         opens up to the limit, a bounded number of handshakes at a time, and keeps them
// Streams (Exchange::stream) open as a closed loop and wait until release() lets all of them send.
// The very first connection goes alone, unless it is the only one: both ends then resolve each
// other's address. A burst would overflow the queues that wait for ARP, and the repeated SYNs would
// come a second later. The first connection counts in the totals and in no window.
//
// The first connection also shows whether the server sends bytes that were not asked for, as SMTP
// and SSH do: it half-closes and reads to the end. Data that comes after close() is answered with
// RST (RFC 1122 section 4.2.2.13). So with such a server all connections half-close; with others
// they need not.
//
// Time is in ticks that the caller passes in: one reading per batch of events and one per batch of
// opens. A latency begins with the reading before connect(), or in an open loop when the open was
// due, and ends with the reading after the poll() that brought the event. A window counts the
// connections that were opened (or due) and ended inside it, with their latencies.
//
// Threads: all on the worker; progress() may be read by another thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "load/back_off.hpp"
#include "load/exchange.hpp"
#include "load/histogram.hpp"
#include "load/pattern.hpp"
#include "load/rate.hpp"
#include "salut/connection_table.hpp"
#include "salut/stack.hpp"

namespace salut::load {

// The totals for other threads to read while the load runs.
struct alignas(64) LoadProgress {
  std::atomic<std::uint64_t> attempted = 0;
  std::atomic<std::uint64_t> established = 0;
  std::atomic<std::uint64_t> closed = 0;
  std::atomic<std::uint64_t> failed = 0;
  std::atomic<std::uint64_t> in_flight = 0;
  std::atomic<std::uint64_t> handshakes = 0;  // in flight and not yet established
  std::atomic<std::uint64_t> bytes = 0;       // written
  std::atomic<bool> primed = false;           // the first connection is over, and opening goes on
};

struct LoadWindow {
  std::uint64_t begin = 0;  // ticks
  std::uint64_t end = 0;
  std::uint64_t last_end = 0;   // ticks: when the last connection closed in the window
  std::uint64_t last_open = 0;  // ticks: when the last one was established in it
  std::uint64_t completed = 0;  // opened and closed inside
  LoadTotals totals;            // of all that happened inside
  Histogram handshake;          // ticks; connections opened inside
  Histogram lifetime;           // ticks; connections opened and closed inside
};

class LoadClient {
 public:
  // Event::user of its connections, which tells them from a server's on the same stack.
  static constexpr std::uint64_t user_tag = 1;

  explicit LoadClient(const LoadOptions& options);

  void open_at_rate(double per_second, std::uint64_t now);
  void open_concurrent(std::uint32_t connections);
  // Opens that were due and did not start count as failed.
  void stop_opening(std::uint64_t now);
  void release();  // hold: closes everything, a bounded number at a time; stream: sends
  void abort();    // resets what is left

  void on_events(std::span<const Event> events, std::uint64_t now);
  void on_turn(Stack& stack, std::uint64_t now);  // opens what is due

  void begin_window(std::uint64_t now);
  void end_window(std::uint64_t now);
  const LoadWindow& window() const { return window_; }

  const LoadTotals& totals() const { return totals_; }
  std::uint64_t in_flight() const { return in_flight_; }
  std::uint64_t bytes() const { return bytes_written_; }
  const LoadProgress& progress() const { return progress_; }

 private:
  enum class Mode : std::uint8_t { idle, rate, concurrency };
  enum class Phase : std::uint8_t { connecting, exchanging, held, half_closed, closing };

  struct Record {
    std::uint32_t generation = 0;
    Phase phase = Phase::connecting;
    Failure fault = Failure::count;  // why a connection that closed in order failed; count: did not
    std::uint8_t rested = 0;         // the slot's level in BackOff
    std::uint32_t to_read = 0;
    std::uint64_t to_write = 0;
    std::uint64_t opened = 0;
  };
  static_assert(sizeof(Record) == 32);

  void on_connected(Record& record, std::uint64_t now);
  void on_closed(Record& record, Reason reason, std::uint64_t now);
  Failure failure_of(const Record& record, Reason reason) const;
  void exchange(Connection connection, Record& record, unsigned what);
  void read(Connection connection, Record& record);
  void write(Connection connection, Record& record);
  void close(Connection connection, Record& record);
  void read_to_the_end(Connection connection, Record& record, unsigned what);

  bool is_primed(std::uint64_t now);
  std::uint64_t wanted(std::uint64_t now, bool saturated);
  std::uint64_t wanted_by_rate(std::uint64_t now, bool saturated);
  std::uint64_t wanted_at_once(std::uint64_t now);
  void give_up(std::uint64_t count);
  bool open(Stack& stack, std::uint64_t due);
  tl::expected<Connection, Errc> connect(Stack& stack, const ConnectOptions& how);
  void fail_to_open(Stack& stack, Errc why, std::uint64_t now);
  Failure find_full_table(Stack& stack, std::uint64_t now);
  void release_batch();
  void end_streams();
  void publish();

  LoadOptions options_;
  ConnectionTable<Record> table_;
  std::vector<std::byte> bytes_;
  Pattern pattern_;

  Mode mode_ = Mode::idle;
  bool answered_ = false;      // a connection has ended its handshake
  bool primed_ = false;        // the first connection is no longer waited for
  bool server_talks_ = false;  // the server sends bytes that were not asked for
  bool aborting_ = false;
  bool releasing_ = false;
  bool measuring_ = false;
  std::uint32_t release_cursor_ = 0;
  std::uint32_t concurrency_ = 0;
  double rate_ = 0;
  RateSchedule schedule_;
  std::uint64_t scheduled_ = 0;   // opens of the schedule that were started or given up
  std::uint64_t lag_max_ = 0;     // how many opens the schedule may be behind
  std::uint64_t together_ = 1;    // opens that are waited for, so that they leave together
  std::uint64_t patience_ = 0;    // ticks: how long the first of them waits at most
  bool held_back_ = false;        // the stack was saturated since the schedule is behind
  std::uint64_t not_before_ = 0;  // ticks: when a closed loop that could not open tries again
  std::uint64_t primed_by_ = 0;   // ticks: how long the first connection is waited for
  BackOff back_off_;
  Failure full_table_ = Failure::overload;  // the table that was full at the last failed open
  std::uint64_t full_table_at_ = 0;         // ticks: when that was found
  std::uint32_t next_local_ = 0;
  std::uint64_t next_target_ = 0;
  std::uint64_t of_target_ = 0;  // connections opened to this target in a row

  LoadTotals totals_;
  LoadTotals totals_at_begin_;
  std::uint64_t in_flight_ = 0;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t handshakes_ = 0;  // connections in flight that are not yet established
  std::uint64_t closing_ = 0;     // connections in flight that we have closed
  LoadWindow window_;
  LoadProgress progress_;
};

}  // namespace salut::load
