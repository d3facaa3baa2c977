#include "load/server.hpp"

#include <algorithm>
#include <utility>

namespace salut::load {

namespace {
constexpr std::size_t buffer_bytes = 64 * 1024;
}

LoadServer::LoadServer(const Targets& local, const Exchange& exchange, std::uint32_t slots,
                       bool serves_alone)
    : local_(local),
      exchange_(exchange),
      table_(exchange.bare() && !serves_alone ? 1 : slots),
      keeps_(serves_alone),
      bytes_(buffer_bytes, std::byte{'S'}),
      pattern_(exchange.verify ? Pattern(buffer_bytes) : Pattern()) {}

Result<void> LoadServer::start(Stack& stack) {
  for (std::uint32_t nth = 0; nth < local_.ports(); ++nth) {
    Result<Listener> listener = stack.listen(local_.listen_at(nth));
    if (!listener) return tl::unexpected<Error>(std::move(listener.error()));
    listeners_.push_back(*listener);
  }
  return {};
}

namespace {
constexpr std::size_t ahead = 4;  // records are prefetched so many events ahead
}

void LoadServer::on_events(Stack&, std::span<const Event> events) {
  if (exchange_.bare()) {
    if (keeps_) {
      for (const Event& event : events) remember(event);
    }
    for (const Event& event : events) on_bare_event(event);
  } else {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (i + ahead < events.size()) table_.prefetch(events[i + ahead].connection);
      on_event(events[i]);
    }
  }
}

// Keeps track of the connections that stop() has to close.
void LoadServer::remember(const Event& event) {
  if (event.has(Event::accepted)) table_.open(event.connection);
  if (!event.has(Event::closed)) return;
  if (Record* record = table_.find(event.connection)) ConnectionTable<Record>::close(*record);
}

void LoadServer::on_bare_event(const Event& event) {
  if (event.has(Event::accepted)) ++totals_.connections;
  const std::uint8_t farewell = exchange_.server_closes ? Event::accepted : Event::peer_closed;
  if (event.has(Event::readable)) [[unlikely]] {
    while (event.connection.read(bytes_).value_or(0) == bytes_.size()) {
    }
  }
  if (event.has(farewell) && !event.has(Event::closed)) event.connection.close();
}

void LoadServer::on_event(const Event& event) {
  if (event.has(Event::accepted)) {
    ++totals_.connections;
    Record* record = table_.open(event.connection);
    if (record == nullptr) {
      ++totals_.refused;
      event.connection.abort();
      return;
    }
    record->to_read = exchange_.request;
    record->to_write = exchange_.response;
  }
  Record* record = table_.find(event.connection);
  if (record == nullptr) return;
  if (event.has(Event::closed)) return ConnectionTable<Record>::close(*record);
  if (record->closing) return;

  if (event.has(Event::readable)) read(event.connection, *record);
  record->peer_closed = record->peer_closed || event.has(Event::peer_closed);
  if (record->to_read == 0) write(event.connection, *record);
  const bool done = record->to_read == 0 && record->to_write == 0;
  const bool mute = record->peer_closed && record->to_read != 0;  // the request will never be whole
  if (done ? exchange_.server_closes || stopped_ || record->peer_closed : mute) {
    record->closing = true;
    event.connection.close();
  }
}

// Reads all, also bytes beyond the request: unread bytes would turn our close into a reset.
void LoadServer::read(Connection connection, Record& record) {
  if (exchange_.lends()) return read_lent(connection, record);
  while (true) {
    const auto count = connection.read(bytes_);
    if (!count || *count == 0) return;
    take(record, {bytes_.data(), *count});
    if (*count < bytes_.size()) return;  // that was all
  }
}

void LoadServer::read_lent(Connection connection, Record& record) {
  while (true) {
    const auto bytes = connection.peek();
    if (!bytes || bytes->empty()) return;
    take(record, *bytes);
    connection.consume(bytes->size());
  }
}

void LoadServer::take(Record& record, std::span<const std::byte> bytes) {
  totals_.bytes_in += bytes.size();
  if (exchange_.verify) {
    const std::uint64_t position = exchange_.request - record.to_read;
    wrong_ += pattern_.matches(position, bytes) ? 0 : 1;
  }
  record.to_read -= std::min<std::uint64_t>(bytes.size(), record.to_read);
}

void LoadServer::write(Connection connection, Record& record) {
  while (record.to_write != 0) {
    const std::size_t offered = std::min<std::size_t>(record.to_write, bytes_.size());
    const auto taken = connection.write({bytes_.data(), offered});
    if (!taken) return;  // it is ending; `closed` follows
    totals_.bytes_out += *taken;
    record.to_write -= static_cast<std::uint32_t>(*taken);
    if (*taken < offered) return;  // `writable` follows
  }
}

void LoadServer::stop(Stack& stack) {
  for (const Listener listener : listeners_) stack.unlisten(listener);
  stopped_ = true;
  // A connection in the middle of an exchange finishes it. One that waits for a request, or for the
  // peer's FIN, is closed now.
  table_.for_each([this](Connection connection, Record& record) {
    const bool begun =
        record.to_read != 0 ? record.to_read != exchange_.request : record.to_write != 0;
    if (record.closing || (begun && !exchange_.bare())) return;
    record.closing = true;
    connection.close();
  });
}

void LoadServer::abort(Stack&) {
  table_.for_each([this](Connection connection, Record&) {
    if (connection.abort() == Errc::ok) ++totals_.aborted;
  });
}

}  // namespace salut::load
