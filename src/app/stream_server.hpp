// What echo, discard and http share: accept, read, and the three ways in which a connection ends.
//
// A server derives from StreamServer<Itself, Record> and has pump(connection, record), which does
// all that can be done now. It is called when bytes arrived, when a short write may go on, and when
// the application stops. pump() looks at input() until that is empty, and consume()s what it needs
// no more. waits_for(record) says what the peer is waited for after pump(); if pump() set
// record.progressed, that wait begins anew.
//
// Input stays where the stack has it until it is used up, so a server holds no bytes of a
// connection's: a peer that does not read its answers shuts its own window, and however many do so
// take nothing from the others but the stack's blocks, which the stack shares out.
//
// The ends. finish(): close(), after everything was read. linger(): sends our FIN and discards what
// the peer still sends until it closes too, for at most 2 s: a close() with unread bytes would be a
// reset (RFC 2525 §2.17), and the peer could lose our last bytes. drop(): reset.
//
// A silent peer does not hold its slot for ever (ServeConfig). One that takes what it is sent, but
// slowly, is not silent: what counts is the bytes that it acknowledged, which no event tells.
//
// Threads: the worker's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "app/application.hpp"
#include "app/wait_lists.hpp"
#include "salut/config.hpp"
#include "salut/connection_table.hpp"

namespace salut::app {

struct StreamState : Waiting {
  enum class Phase : std::uint8_t {
    serving,
    finishing,  // stop() was called: finishes what was begun, begins nothing new
    lingering,  // our FIN is out; input is discarded
    ended,      // close() or abort() was called; only `closed` is still to come
  };

  std::uint32_t generation = 0;
  Phase phase = Phase::serving;
  bool paused = false;             // a write was short: input stays unread until it goes on
  bool progressed = false;         // what was waited for came: the wait begins anew
  std::uint32_t written = 0;       // bytes, modulo 2^32
  std::uint32_t acknowledged = 0;  // of them, when the wait for the peer to take them began
  std::uint8_t quarters = 0;       // of that wait, which are over
};

struct ServerOptions {
  Endpoint local;                // with any address: listens on all
  std::uint32_t slots = 65'536;  // connections at once: StackConfig::connections
  ServeConfig timeouts = {};
};

template <typename Derived, typename Record>
class StreamServer : public Application {
 public:
  explicit StreamServer(const ServerOptions& options)
      : options_(options), table_(options.slots), waits_(table_, by_quarters(options.timeouts)) {
    lingering_.reserve(64);
  }

  Result<void> start(Stack& stack) override {
    Result<Listener> listener = stack.listen(options_.local);
    if (!listener) return tl::unexpected<Error>(std::move(listener.error()));
    listener_ = *listener;
    return {};
  }

  void on_events(Stack& stack, std::span<const Event> events) override {
    now_ = stack.now();
    for (const Event& event : events) on_event(event);
    if (lingered_ != lingering_.size()) end_lingering();
    end_silent();
  }

  void stop(Stack& stack) override {
    stack.unlisten(listener_);
    table_.for_each([this](Connection connection, Record& record) {
      if (record.phase != Phase::serving) return;
      record.phase = Phase::finishing;
      serve(connection, record);
    });
  }

  void abort(Stack&) override {
    table_.for_each([this](Connection connection, Record& record) {
      if (connection.abort() == Errc::ok) ++totals_.aborted;
      record.phase = Phase::ended;
    });
  }

 protected:
  using Phase = StreamState::Phase;

  // What has come and lies together, which may be less than all. Empty: there is nothing now, or
  // never again. Valid until consume(), and no longer than the turn.
  std::span<const std::byte> input(Connection connection, Record& record) {
    if (record.phase > Phase::finishing) return {};
    const auto bytes = connection.peek();
    if (!bytes) {
      if (bytes.error() == Errc::end_of_stream) finish(connection, record);
      return {};
    }
    if (bytes->empty() && record.phase == Phase::finishing) linger(connection, record);
    return *bytes;
  }
  void consume(Connection connection, std::size_t count) {
    connection.consume(count);
    totals_.bytes_in += count;
  }

  // Writes, or lends if `lent`: then the bytes must stay unchanged until they are acknowledged.
  // Returns how many were taken. An error drops the connection.
  std::size_t send(Connection connection, Record& record, std::span<const std::byte> bytes,
                   bool lent = false) {
    const auto count = lent ? connection.lend(bytes) : connection.write(bytes);
    if (!count) {
      drop(connection, record);
      return 0;
    }
    totals_.bytes_out += *count;
    record.written += static_cast<std::uint32_t>(*count);
    if (*count < bytes.size()) {
      pause(connection, record);
    } else {
      resume(connection, record);
    }
    return *count;
  }

  void finish(Connection connection, Record& record) {
    record.phase = Phase::ended;
    connection.close();
  }

  void linger(Connection connection, Record& record) {
    record.phase = Phase::lingering;
    connection.shutdown();
    resume(connection, record);
    lingering_.push_back({connection, now_ + linger_limit});
    discard(connection, record);
  }

  void drop(Connection connection, Record& record) {
    record.phase = Phase::ended;
    connection.abort();
  }

  static Wait waits_for(const Record&) { return Wait::idle; }
  // What a server has to say to who is too slow; nothing without requests.
  void on_header_timeout(Connection connection, Record& record) { finish(connection, record); }

  // So much of a request's body, or of what is sent, is a sign of life.
  static constexpr std::uint32_t progress_bytes = 4'096;

  // Throws away what has come. False: the peer has closed, and so have we.
  bool discard(Connection connection, Record& record) {
    while (true) {
      const auto bytes = connection.peek();
      if (!bytes) {
        finish(connection, record);
        return false;
      }
      if (bytes->empty()) return true;
      consume(connection, bytes->size());
    }
  }

 private:
  static constexpr Duration linger_limit = std::chrono::seconds{2};
  static constexpr int silent_max = 256;

  struct Lingering {
    Connection connection;
    Instant until;
  };

  Derived& derived() { return static_cast<Derived&>(*this); }

  void on_event(const Event& event) {
    const Connection connection = event.connection;
    if (event.has(Event::accepted)) [[unlikely]] {
      ++totals_.connections;
      if (table_.open(connection) == nullptr) {
        ++totals_.refused;
        connection.abort();
        return;
      }
    }
    Record* record = table_.find(connection);
    if (record == nullptr) return;  // a handshake that failed before it was accepted
    if (event.has(Event::closed)) {
      waits_.begin(*record, Wait::none, now_);
      table_.close(*record);
    } else if (event.has(Event::readable | Event::writable | Event::peer_closed)) {
      if (record->phase <= Phase::finishing) {
        serve(connection, *record);
      } else if (record->phase == Phase::lingering) {
        discard(connection, *record);
      }
    } else {
      watch(connection, *record);
    }
  }

  void serve(Connection connection, Record& record) {
    derived().pump(connection, record);
    watch(connection, record);
  }

  // What is waited for now, and since when.
  void watch(Connection connection, Record& record) {
    const bool serving = record.phase <= Phase::finishing;
    const Wait wait = serving ? derived().waits_for(record) : Wait::none;
    if (wait != record.wait || record.progressed) begin_wait(connection, record, wait);
    record.progressed = false;
  }
  void begin_wait(Connection connection, Record& record, Wait wait) {
    const bool moved = waits_.begin(record, wait, now_);
    if (!moved || wait != Wait::send) return;
    record.acknowledged = record.written - queued(connection);
    record.quarters = 0;
  }
  // Bytes that were written and are not acknowledged.
  static std::uint32_t queued(Connection connection) {
    const auto info = connection.info();
    return info ? info->send_queued : 0;
  }

  // No event tells that a peer took something: it is looked at four times, so that one which took
  // its last byte just after a look is reset after 1.25 times its time at most.
  static ServeConfig by_quarters(ServeConfig timeouts) {
    timeouts.send_timeout = (timeouts.send_timeout + Duration{3}) / 4;
    return timeouts;
  }

  // A bounded number at a time; the rest in the next turns.
  void end_silent() {
    const std::uint32_t unit = WaitLists<Record>::unit_of(now_);
    if (unit == looked_at_) return;
    int left = silent_max;
    for (const Wait wait : {Wait::header, Wait::idle, Wait::send}) {
      while (Record* record = waits_.expired(wait, unit)) {
        if (record->phase <= Phase::finishing) {
          time_out(wait, table_.connection(*record), *record);
        }
        if (--left == 0) return;
      }
    }
    looked_at_ = unit;
  }

  void time_out(Wait wait, Connection connection, Record& record) {
    if (wait == Wait::header) {
      ++totals_.header_timeouts;
      derived().on_header_timeout(connection, record);
      return watch(connection, record);
    }
    const std::uint32_t left = queued(connection);
    if (left == 0 && derived().waits_for(record) != Wait::send) {
      ++totals_.idle_timeouts;
      return finish(connection, record);
    }
    // Of an idle connection that has not taken its last answer yet this wait begins only now.
    const std::uint32_t taken = record.written - left - record.acknowledged;
    if (wait == Wait::idle || left == 0 || taken >= progress_bytes) {
      return begin_wait(connection, record, Wait::send);
    }
    if (++record.quarters < 4) {
      waits_.begin(record, Wait::send, now_);
      return;
    }
    ++totals_.send_timeouts;
    drop(connection, record);
  }

  // `readable` would come with every poll().
  static void pause(Connection connection, Record& record) {
    if (record.paused) return;
    record.paused = true;
    connection.want(Event::writable);
  }
  static void resume(Connection connection, Record& record) {
    if (!record.paused) return;
    record.paused = false;
    connection.want(Event::readable | Event::writable);
  }

  // The list is in order of deadlines, because all wait for the same time; [0, lingered_) is done.
  void end_lingering() {
    for (; lingered_ < lingering_.size() && lingering_[lingered_].until <= now_; ++lingered_) {
      const Connection connection = lingering_[lingered_].connection;
      Record* record = table_.find(connection);
      if (record != nullptr && record->phase == Phase::lingering) finish(connection, *record);
    }
    if (2 * lingered_ >= lingering_.size()) {
      lingering_.erase(lingering_.begin(),
                       lingering_.begin() + static_cast<std::ptrdiff_t>(lingered_));
      lingered_ = 0;
    }
  }

  ServerOptions options_;
  ConnectionTable<Record> table_;
  WaitLists<Record> waits_;
  std::uint32_t looked_at_ = 0;  // the unit of time for which no wait is over any more
  std::vector<Lingering> lingering_;
  std::size_t lingered_ = 0;
  Listener listener_;
  Instant now_;
};

}  // namespace salut::app
