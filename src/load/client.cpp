#include "load/client.hpp"

#include <algorithm>

namespace salut::load {

namespace {

constexpr std::uint64_t opens_per_turn = 128;    // bounds a turn, and so the wait of the others
constexpr std::uint64_t handshakes_max = 1'024;  // at once, where opening is not otherwise limited
constexpr std::uint64_t closing_max = 1'024;     // at once, when what was held is closed
constexpr double lag_s = 0.1;
constexpr double retry_s = 0.001;
constexpr double prime_s = 3;
constexpr std::uint32_t release_per_turn = 256;
constexpr std::size_t buffer_bytes = 64 * 1024;

}  // namespace

LoadTotals& LoadTotals::operator+=(const LoadTotals& other) {
  attempted += other.attempted;
  established += other.established;
  closed += other.closed;
  for (std::size_t i = 0; i < failure_count; ++i) failed[i] += other.failed[i];
  return *this;
}

LoadTotals& LoadTotals::operator-=(const LoadTotals& other) {
  attempted -= other.attempted;
  established -= other.established;
  closed -= other.closed;
  for (std::size_t i = 0; i < failure_count; ++i) failed[i] -= other.failed[i];
  return *this;
}

LoadClient::LoadClient(const LoadOptions& options)
    : options_(options),
      table_(options.slots),
      bytes_(buffer_bytes, std::byte{'s'}),
      pattern_(options.exchange.verify ? Pattern(buffer_bytes) : Pattern()),
      next_target_(options.first_target) {}

// ---- opening

void LoadClient::open_at_rate(double per_second, std::uint64_t now) {
  mode_ = Mode::rate;
  rate_ = per_second;
  const double wait = per_second > 0 ? options_.phase * options_.hz / per_second : 0;
  schedule_ = RateSchedule(now + static_cast<std::uint64_t>(wait), per_second, options_.hz);
  scheduled_ = 0;
  lag_max_ = static_cast<std::uint64_t>(per_second * lag_s) + opens_per_turn;
}

void LoadClient::open_concurrent(std::uint32_t connections) {
  mode_ = Mode::concurrency;
  concurrency_ = connections;
}

void LoadClient::stop_opening() {
  mode_ = Mode::idle;
  if (options_.exchange.stream) end_streams();
}

std::uint64_t LoadClient::wanted_by_rate(std::uint64_t now) {
  const std::uint64_t behind = schedule_.due(now) - scheduled_;
  if (behind > lag_max_) [[unlikely]] {
    const std::uint64_t given_up = std::min(behind - lag_max_, options_.limit - totals_.attempted);
    scheduled_ += behind - lag_max_;
    totals_.attempted += given_up;
    totals_.failures(Failure::overload) += given_up;
    return lag_max_;
  }
  return behind;
}

// How many connections to open now.
std::uint64_t LoadClient::wanted(std::uint64_t now, bool saturated) {
  if (mode_ == Mode::idle || totals_.attempted >= options_.limit) return 0;
  if (!primed_) [[unlikely]] {
    if (primed_by_ == 0) {
      primed_by_ = now + static_cast<std::uint64_t>(prime_s * options_.hz);
      return 1;
    }
    if (!answered_ && in_flight_ != 0 && now < primed_by_) return 0;
    primed_ = true;
    if (mode_ == Mode::rate) open_at_rate(rate_, now);  // the schedule starts here
  }
  std::uint64_t want = 0;
  if (mode_ == Mode::rate) {
    // Answers first: opening into a backlog makes it longer, and at some length all that wait in it
    // are sent again. The schedule goes on, and latencies count from it.
    want = wanted_by_rate(now);
    if (saturated) want = 0;
  } else if (now >= not_before_) {
    const std::uint64_t busy = options_.hold ? handshakes_ : in_flight_;
    const std::uint64_t room = options_.hold ? handshakes_max : concurrency_;
    want = room > busy ? room - busy : 0;
  }
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
    fail_to_open(connection.error());
    return false;
  }
  Record* record = table_.open(*connection);
  if (record == nullptr) [[unlikely]] {
    connection->abort();
    fail_to_open(Errc::overload);
    return false;
  }
  record->opened = due;
  record->to_write = options_.exchange.request;
  record->to_read = options_.exchange.response;
  ++in_flight_;
  ++handshakes_;
  return true;
}

// To the target whose turn it is. The address of a network or its broadcast, which a range may have
// at its ends, is nobody's and passed over.
tl::expected<Connection, Errc> LoadClient::connect(Stack& stack, const ConnectOptions& how) {
  const std::uint64_t targets = options_.target.size();
  if (targets == 1) [[likely]]
    return stack.connect(options_.target.at(0), how);
  constexpr int neighbours_in_a_row = 2;  // the broadcast of one network, then the next one's own
  for (int passed = 0;; ++passed) {
    if (of_target_++ == Targets::block) {
      of_target_ = 1;
      if (++next_target_ == targets) next_target_ = 0;
    }
    auto connection = stack.connect(options_.target.at(next_target_), how);
    const bool nobody = !connection && connection.error() == Errc::invalid_argument;
    if (!nobody || passed == neighbours_in_a_row) return connection;
    // On to the next address, past its other ports.
    const std::uint64_t ports = options_.target.ports();
    next_target_ = (next_target_ / ports + 1) * ports - 1;
    of_target_ = Targets::block;
  }
}

void LoadClient::fail_to_open(Errc why) {
  const Failure failure = why == Errc::no_port    ? Failure::no_port
                          : why == Errc::no_route ? Failure::unreachable
                                                  : Failure::overload;
  ++totals_.failures(failure);
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
    } else if (record->phase != Phase::closing) {
      exchange(event.connection, *record, event.what);
    }
  }
}

void LoadClient::on_connected(Record& record, std::uint64_t now) {
  record.phase = Phase::exchanging;
  ++totals_.established;
  --handshakes_;
  answered_ = true;
  if (measuring_ && record.opened >= window_.begin) {
    window_.last_open = now;
    window_.handshake.record(now - record.opened);
  }
}

void LoadClient::on_closed(Record& record, Reason reason, std::uint64_t now) {
  if (record.phase == Phase::connecting) --handshakes_;
  if (record.phase == Phase::closing) --closing_;
  --in_flight_;
  app::ConnectionTable<Record>::close(record);
  if (reason == Reason::closed && !record.cut_short) [[likely]] {
    ++totals_.closed;
    window_.last_end = now;
    if (measuring_ && record.opened >= window_.begin) {
      ++window_.completed;
      window_.lifetime.record(now - record.opened);
    }
    return;
  }
  switch (reason) {
    case Reason::closed:
      ++totals_.failures(Failure::cut_short);
      break;
    case Reason::refused:
      ++totals_.failures(Failure::refused);
      break;
    case Reason::reset:
      ++totals_.failures(Failure::reset);
      break;
    case Reason::unreachable:
      ++totals_.failures(Failure::unreachable);
      break;
    case Reason::overload:
      ++totals_.failures(Failure::overload);
      break;
    case Reason::aborted:
      ++totals_.failures(Failure::unfinished);
      break;
    default:
      ++totals_.failures(Failure::timed_out);
      break;
  }
}

void LoadClient::exchange(Connection connection, Record& record, std::uint8_t what) {
  const bool waits = options_.exchange.stream && !releasing_;
  if (record.to_write != 0 && !waits) write(connection, record);
  if ((what & Event::readable) != 0) read(connection, record);
  if (record.phase == Phase::closing) return;
  const bool whole = record.to_write == 0 && record.to_read == 0;
  if ((what & Event::peer_closed) != 0) {
    record.cut_short = !whole;
    close(connection, record);
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
    // Neither changes for as long as we are there: no need to ask what was returned.
    const auto taken = options_.exchange.lends() ? connection.lend(piece) : connection.write(piece);
    if (!taken) return;  // it is ending; `closed` says why
    record.to_write -= *taken;
    bytes_written_ += *taken;
    if (*taken < offered) return;  // `writable` follows
  }
}

// Bytes beyond the response are read too: left unread they would turn our close into a reset.
void LoadClient::read(Connection connection, Record& record) {
  while (true) {
    const auto count = connection.read(bytes_);
    if (!count || *count == 0) return;
    record.to_read -= static_cast<std::uint32_t>(std::min<std::size_t>(*count, record.to_read));
  }
}

void LoadClient::close(Connection connection, Record& record) {
  record.phase = Phase::closing;
  ++closing_;
  connection.close();
}

// ---- the end of a run

void LoadClient::release() {
  mode_ = Mode::idle;
  releasing_ = true;
  release_cursor_ = 0;
}

// Streams begin: from here on events carry them on.
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

// Ends by close(): what was written still arrives, and the peer sees how much it was.
void LoadClient::end_streams() {
  table_.for_each([this](Connection connection, Record& record) {
    if (record.phase != Phase::exchanging) return;
    record.to_write = 0;
    close(connection, record);
  });
}

void LoadClient::abort() {
  mode_ = Mode::idle;
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
  progress_.bytes.store(bytes_written_, relaxed);
  progress_.primed.store(primed_, relaxed);
}

}  // namespace salut::load
