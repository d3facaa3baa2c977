#include "load/client.hpp"

#include <algorithm>

namespace salut::load {

namespace {

constexpr std::uint64_t opens_per_turn = burst_max;
constexpr std::uint64_t handshakes_max = 1'024;  // at once with --hold, which has no other limit
constexpr std::uint64_t closing_max = 1'024;     // at once, when held connections are closed
// An open loop opens what falls due in so long together, if --burst does not say how many: 20 us
// later at most, where a turn and a burst of its own for each open is most of what an open costs.
constexpr double burst_s = 20e-6;
constexpr std::uint64_t default_burst_max = 64;
constexpr double lag_s = 0.1;
constexpr double retry_s = 0.001;
constexpr double prime_s = 1.5;     // a SYN that was lost is repeated after a second
constexpr double greet_s = 0.25;    // from the first connection's handshake until we go on
constexpr double reason_s = 0.001;  // a full table is taken to be full for so long
constexpr std::uint32_t release_per_turn = 256;
constexpr std::size_t buffer_bytes = 64 * 1024;

}  // namespace

LoadClient::LoadClient(const LoadOptions& options)
    : options_(options),
      table_(options.slots),
      bytes_(buffer_bytes, std::byte{'s'}),
      pattern_(options.exchange.verify ? Pattern(buffer_bytes) : Pattern()),
      primed_(options.limit <= 1),
      back_off_(options.hz),
      next_target_(options.first_target) {}

// ---- opening

void LoadClient::open_at_rate(double per_second, std::uint64_t now) {
  mode_ = Mode::rate;
  rate_ = per_second;
  const double wait = per_second > 0 ? options_.phase * options_.hz / per_second : 0;
  schedule_ = RateSchedule(now + static_cast<std::uint64_t>(wait), per_second, options_.hz);
  scheduled_ = 0;
  lag_max_ = static_cast<std::uint64_t>(per_second * lag_s) + opens_per_turn;
  const auto due = static_cast<std::uint64_t>(per_second * burst_s);
  together_ =
      options_.burst != 0 ? options_.burst : std::clamp<std::uint64_t>(due, 1, default_burst_max);
  patience_ =
      options_.burst != 0 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(burst_s * options_.hz);
}

void LoadClient::open_concurrent(std::uint32_t connections) {
  mode_ = Mode::concurrency;
  concurrency_ = connections;
}

void LoadClient::stop_opening(std::uint64_t now) {
  if (mode_ == Mode::rate && primed_ && !options_.search) {
    // Opens that fell due since the last turn are no failure, unless they are all that were left or
    // more than a turn's worth.
    const std::uint64_t behind = schedule_.due(now) - scheduled_;
    const bool whole = behind >= options_.limit - totals_.attempted;
    if (whole || behind > opens_per_turn) give_up(behind);
  }
  mode_ = Mode::idle;
  if (options_.exchange.stream) end_streams();
}

// Counts opens of the schedule that will not be made as failed.
void LoadClient::give_up(std::uint64_t count) {
  const std::uint64_t counted = std::min(count, options_.limit - totals_.attempted);
  scheduled_ += count;
  totals_.attempted += counted;
  totals_.failures(held_back_ ? Failure::saturated : Failure::late) += counted;
}

std::uint64_t LoadClient::wanted_by_rate(std::uint64_t now, bool saturated) {
  const std::uint64_t behind = schedule_.due(now) - scheduled_;
  if (behind == 0) {
    held_back_ = false;
    return 0;
  }
  // A turn for each open, with its burst of one, costs four times as much as one of sixteen.
  const std::uint64_t together = std::min(together_, options_.limit - totals_.attempted);
  if (behind < together && now - schedule_.at(scheduled_) < patience_) return 0;
  if (saturated) held_back_ = true;
  if (behind > lag_max_) [[unlikely]]
    give_up(behind - lag_max_);
  // Answers first: more opens make a backlog longer, and in a long one segments time out and are
  // sent again. The schedule goes on, and latencies count from when an open was due.
  return saturated ? 0 : std::min(behind, lag_max_);
}

std::uint64_t LoadClient::wanted_at_once(std::uint64_t now) {
  if (now < not_before_) return 0;
  const std::uint64_t busy = (options_.hold ? handshakes_ : in_flight_) + back_off_.resting(now);
  const std::uint64_t room = options_.hold ? handshakes_max : concurrency_;
  return room > busy ? room - busy : 0;
}

// Need the client no longer wait for its first connection? One that is held or streams does not
// end: then its handshake is enough.
bool LoadClient::is_primed(std::uint64_t now) {
  if (now >= primed_by_ || in_flight_ == 0) return true;
  return answered_ && (options_.hold || options_.exchange.stream);
}

// How many connections to open now.
std::uint64_t LoadClient::wanted(std::uint64_t now, bool saturated) {
  if (mode_ == Mode::idle || totals_.attempted >= options_.limit) return 0;
  if (!primed_) [[unlikely]] {
    if (primed_by_ == 0) {
      primed_by_ = now + static_cast<std::uint64_t>(prime_s * options_.hz);
      return 1;
    }
    if (!is_primed(now)) return 0;
    primed_ = true;
    if (measuring_) begin_window(now);
    if (mode_ == Mode::rate) open_at_rate(rate_, now);  // the schedule starts here
  }
  const std::uint64_t want =
      mode_ == Mode::rate ? wanted_by_rate(now, saturated) : wanted_at_once(now);
  return std::min({want, opens_per_turn, options_.limit - totals_.attempted});
}

void LoadClient::on_turn(Stack& stack, std::uint64_t now) {
  if (releasing_) [[unlikely]]
    release_batch();
  const std::uint64_t want = wanted(now, stack.saturated());
  for (std::uint64_t i = 0; i < want; ++i) {
    const std::uint64_t due = mode_ == Mode::rate ? schedule_.at(scheduled_++) : now;
    if (!open(stack, due) && mode_ != Mode::rate) {
      not_before_ = now + static_cast<std::uint64_t>(retry_s * options_.hz);
      break;
    }
  }
  publish();
}

bool LoadClient::open(Stack& stack, std::uint64_t due) {
  ConnectOptions how;
  how.user = user_tag;
  if (options_.local) {
    how.local.address = options_.local->first.plus(next_local_);
    if (++next_local_ == options_.local->count) next_local_ = 0;
  }
  ++totals_.attempted;
  const auto connection = connect(stack, how);
  if (!connection) [[unlikely]] {
    fail_to_open(stack, connection.error(), due);
    return false;
  }
  Record* record = table_.open(*connection);
  if (record == nullptr) [[unlikely]] {
    connection->abort();
    fail_to_open(stack, Errc::overload, due);
    return false;
  }
  record->opened = due;
  record->rested = back_off_.next_level();
  record->to_write = options_.exchange.request;
  record->to_read = options_.exchange.response;
  ++in_flight_;
  ++handshakes_;
  return true;
}

// Connects to the next target. A range may contain network and broadcast addresses, which no host
// has: they are skipped.
tl::expected<Connection, Errc> LoadClient::connect(Stack& stack, const ConnectOptions& how) {
  const std::uint64_t targets = options_.target.size();
  if (targets == 1) [[likely]]
    return stack.connect(options_.target.at(0), how);
  constexpr int neighbours_in_a_row = 2;  // a broadcast address, then the next network's address
  for (int passed = 0;; ++passed) {
    if (of_target_++ == Targets::block) {
      of_target_ = 1;
      if (++next_target_ == targets) next_target_ = 0;
    }
    auto connection = stack.connect(options_.target.at(next_target_), how);
    const bool nobody = !connection && connection.error() == Errc::invalid_argument;
    if (!nobody || passed == neighbours_in_a_row) return connection;
    // Go on to the next address, not to another port of this one.
    const std::uint64_t ports = options_.target.ports();
    next_target_ = (next_target_ / ports + 1) * ports - 1;
    of_target_ = Targets::block;
  }
}

void LoadClient::fail_to_open(Stack& stack, Errc why, std::uint64_t now) {
  const Failure failure = why == Errc::no_port    ? Failure::no_port
                          : why == Errc::no_route ? Failure::unreachable
                                                  : find_full_table(stack, now);
  ++totals_.failures(failure);
}

// Which table is full? counters() is a large copy, so the answer is kept for a millisecond.
Failure LoadClient::find_full_table(Stack& stack, std::uint64_t now) {
  if (full_table_at_ != 0 &&
      now - full_table_at_ < static_cast<std::uint64_t>(reason_s * options_.hz))
    return full_table_;
  full_table_at_ = now;
  const Counters counters = stack.counters();
  const std::uint64_t closed = counters.states[static_cast<std::size_t>(State::time_wait)];
  // A connection that finds no TIME_WAIT record spends TIME_WAIT in its slot.
  if (closed > options_.time_wait) {
    full_table_ = Failure::time_wait_full;
  } else if (stack.open_connections() >= options_.slots) {
    full_table_ = Failure::no_slot;
  } else {
    full_table_ = Failure::overload;
  }
  return full_table_;
}

// ---- the life of a connection

void LoadClient::on_events(std::span<const Event> events, std::uint64_t now) {
  constexpr std::size_t ahead = 4;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i + ahead < events.size()) table_.prefetch(events[i + ahead].connection);
    const Event& event = events[i];
    Record* record = table_.find(event.connection);
    if (record == nullptr) continue;
    if (event.has(Event::connected)) on_connected(*record, now);
    if (event.has(Event::closed)) {
      on_closed(*record, event.reason, now);
    } else if (record->phase == Phase::half_closed) {
      read_to_the_end(event.connection, *record, event.what);
    } else if (record->phase != Phase::closing) {
      exchange(event.connection, *record, event.what);
    }
  }
}

void LoadClient::on_connected(Record& record, std::uint64_t now) {
  record.phase = Phase::exchanging;
  ++totals_.established;
  --handshakes_;
  if (!answered_) {
    answered_ = true;
    primed_by_ = std::min(primed_by_, now + static_cast<std::uint64_t>(greet_s * options_.hz));
  }
  if (measuring_ && record.opened >= window_.begin) {
    window_.last_open = now;
    window_.handshake.record(now - record.opened);
  }
}

void LoadClient::on_closed(Record& record, Reason reason, std::uint64_t now) {
  if (record.phase == Phase::connecting) {
    --handshakes_;
    if (mode_ == Mode::concurrency) back_off_.rest(record.rested, now);
  }
  if (record.phase == Phase::closing || record.phase == Phase::half_closed) --closing_;
  --in_flight_;
  ConnectionTable<Record>::close(record);
  if (reason == Reason::closed && record.fault == Failure::count) [[likely]] {
    ++totals_.closed;
    window_.last_end = now;
    if (measuring_ && record.opened >= window_.begin) {
      ++window_.completed;
      window_.lifetime.record(now - record.opened);
    }
    return;
  }
  const Failure failure = failure_of(record, reason);
  if (failure == Failure::data_after_close) server_talks_ = true;
  ++totals_.failures(failure);
}

Failure LoadClient::failure_of(const Record& record, Reason reason) const {
  switch (reason) {
    case Reason::closed:
      return record.fault;
    case Reason::refused:
      return Failure::refused;
    case Reason::reset:
      return Failure::reset;
    case Reason::unreachable:
      return Failure::unreachable;
    case Reason::overload:
      return Failure::overload;
    case Reason::aborted:
      return aborting_ ? Failure::unfinished : Failure::data_after_close;
    default:
      return Failure::timed_out;
  }
}

void LoadClient::exchange(Connection connection, Record& record, unsigned what) {
  // Read first, so that bytes which come before the request are not taken for the response.
  if ((what & Event::readable) != 0) read(connection, record);
  const bool waits = options_.exchange.stream && !releasing_;
  if (record.to_write != 0 && !waits) write(connection, record);
  const bool whole = record.to_write == 0 && record.to_read == 0;
  if ((what & Event::peer_closed) != 0) {
    if (!whole) {
      record.fault = Failure::cut_short;
    } else if (options_.hold && !releasing_) {
      record.fault = Failure::closed_while_held;
    }
    record.phase = Phase::closing;
    ++closing_;
    connection.close();
  } else if (whole && options_.hold && !releasing_) {
    record.phase = Phase::held;
  } else if (whole && !options_.exchange.server_closes) {
    close(connection, record);
  }
}

void LoadClient::write(Connection connection, Record& record) {
  while (record.to_write != 0) {
    const std::size_t offered = std::min<std::size_t>(record.to_write, bytes_.size());
    const auto piece = options_.exchange.verify
                           ? pattern_.at(options_.exchange.request - record.to_write, offered)
                           : std::span<const std::byte>{bytes_.data(), offered};
    // Neither memory ever changes, so that lent bytes need no `returned`.
    const auto taken = options_.exchange.lends() ? connection.lend(piece) : connection.write(piece);
    if (!taken) return;  // it is ending; `closed` says why
    record.to_write -= *taken;
    bytes_written_ += *taken;
    if (*taken < offered) return;  // `writable` follows
  }
}

// Reads all, also bytes that were not asked for: unread bytes would turn our close into a reset.
void LoadClient::read(Connection connection, Record& record) {
  const std::uint64_t request = options_.exchange.request;
  const bool asked = record.to_write != request || request == 0;
  while (true) {
    const auto count = connection.read(bytes_);
    if (!count || *count == 0) return;
    const std::size_t answer = asked ? std::min<std::size_t>(*count, record.to_read) : 0;
    record.to_read -= static_cast<std::uint32_t>(answer);
    if (*count != answer) [[unlikely]] {
      totals_.unexpected_bytes += *count - answer;
      server_talks_ = true;
    }
    if (*count < bytes_.size()) return;  // that was all
  }
}

void LoadClient::close(Connection connection, Record& record) {
  ++closing_;
  if (server_talks_ || !primed_) [[unlikely]] {
    record.phase = Phase::half_closed;
    connection.shutdown();
    return;
  }
  record.phase = Phase::closing;
  connection.close();
}

// After our half-close: reads until the server closes too.
void LoadClient::read_to_the_end(Connection connection, Record& record, unsigned what) {
  if ((what & Event::readable) != 0) read(connection, record);
  if ((what & Event::peer_closed) == 0) return;
  record.phase = Phase::closing;
  connection.close();
}

// ---- the end of a run

void LoadClient::release() {
  mode_ = Mode::idle;
  releasing_ = true;
  release_cursor_ = 0;
}

// Streams begin to send; from then on events drive them. Held connections are closed, some per
// turn.
void LoadClient::release_batch() {
  if (options_.exchange.stream) {
    for (; release_cursor_ < table_.used(); ++release_cursor_) {
      Record* record = table_.at(release_cursor_);
      if (record == nullptr || record->phase != Phase::exchanging) continue;
      exchange(table_.connection(*record), *record, 0);
    }
    return;
  }
  for (std::uint32_t seen = 0; release_cursor_ < table_.used(); ++release_cursor_) {
    if (closing_ >= closing_max || ++seen > release_per_turn) return;
    Record* record = table_.at(release_cursor_);
    if (record == nullptr || record->phase != Phase::held) continue;
    close(table_.connection(*record), *record);
  }
}

// Ends streams by close(): the bytes that were written still arrive.
void LoadClient::end_streams() {
  table_.for_each([this](Connection connection, Record& record) {
    if (record.phase != Phase::exchanging) return;
    record.to_write = 0;
    close(connection, record);
  });
}

void LoadClient::abort() {
  mode_ = Mode::idle;
  aborting_ = true;
  table_.for_each([](Connection connection, Record&) { connection.abort(); });
}

// ---- counting

void LoadClient::begin_window(std::uint64_t now) {
  window_ = LoadWindow{};
  window_.begin = now;
  totals_at_begin_ = totals_;
  measuring_ = true;
}

void LoadClient::end_window(std::uint64_t now) {
  window_.end = now;
  window_.totals = totals_;
  window_.totals -= totals_at_begin_;
  measuring_ = false;
}

void LoadClient::publish() {
  constexpr auto relaxed = std::memory_order_relaxed;
  progress_.attempted.store(totals_.attempted, relaxed);
  progress_.established.store(totals_.established, relaxed);
  progress_.closed.store(totals_.closed, relaxed);
  progress_.failed.store(totals_.all_failures(), relaxed);
  progress_.in_flight.store(in_flight_, relaxed);
  progress_.handshakes.store(handshakes_, relaxed);
  progress_.bytes.store(bytes_written_, relaxed);
  progress_.primed.store(primed_, relaxed);
}

}  // namespace salut::load
