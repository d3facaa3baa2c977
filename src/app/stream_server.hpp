// What echo, discard and http share: accept, read, and the three ways in which a connection ends.
//
// A server derives from StreamServer<Itself, Record> and has pump(connection, record), which does
// all that can be done now. It is called when bytes arrived, when a short write may go on, when a
// block is free again, and when the application stops. pump() takes input with fill() and returns
// when that is false. waits_for(record) says what the peer is waited for after pump(); if pump()
// set record.progressed, that wait begins anew.
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

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "app/application.hpp"
#include "app/block_pool.hpp"
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
  std::uint32_t block = BlockPool::none;  // unsent input is [begin, end) of this block
  std::uint16_t begin = 0;
  std::uint16_t end = 0;
  Phase phase = Phase::serving;
  bool starved = false;            // in the list of connections that wait for a block
  bool paused = false;             // bytes stay unread until a write goes on, or a block is free
  bool progressed = false;         // what was waited for came: the wait begins anew
  std::uint32_t written = 0;       // bytes, modulo 2^32
  std::uint32_t acknowledged = 0;  // of them, when the wait for the peer to take them began
  std::uint8_t quarters = 0;       // of that wait, which are over

  bool has_input() const { return begin != end; }
};

struct ServerOptions {
  Endpoint local;                // with any address: listens on all
  std::uint32_t slots = 65'536;  // connections at once: StackConfig::connections
  std::uint32_t blocks = 4'096;  // for input that could not be sent yet, 16 KiB each
  ServeConfig timeouts = {};
};

template <typename Derived, typename Record>
class StreamServer : public Application {
 public:
  explicit StreamServer(const ServerOptions& options)
      : options_(options),
        table_(options.slots),
        waits_(table_, by_quarters(options.timeouts)),
        pool_(std::min(options.slots, options.blocks)),
        discarded_(BlockPool::block_size) {
    // Twice as many as can wait: then a sweep of a full list removes at least half.
    starved_.reserve(2 * std::size_t{options.slots});
    fed_.reserve(2 * std::size_t{options.slots});
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
    if (!starved_.empty() && !pool_.empty()) feed_starved();
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

  // Reads more input into a record that has none. False: there is none now, or never again.
  bool fill(Connection connection, Record& record) {
    if (record.phase > Phase::finishing) return false;
    resume(connection, record);
    if (record.block == BlockPool::none) {
      record.block = pool_.acquire();
      if (record.block == BlockPool::none) {
        starve(connection, record);
        return false;
      }
    }
    const auto count = connection.read(pool_.bytes(record.block));
    if (count && *count > 0) {
      record.begin = 0;
      record.end = static_cast<std::uint16_t>(*count);
      totals_.bytes_in += *count;
      return true;
    }
    pool_.release(record.block);
    if (!count) {
      if (count.error() == Errc::end_of_stream) finish(connection, record);
    } else if (record.phase == Phase::finishing) {
      linger(connection, record);
    }
    return false;
  }

  // The length of the list of connections that wait for a block.
  std::size_t starved() const { return starved_.size(); }

  std::span<const std::byte> input(const Record& record) {
    return pool_.bytes(record.block).subspan(record.begin, record.end - record.begin);
  }
  static void consume(Record& record, std::size_t count) {
    record.begin = static_cast<std::uint16_t>(record.begin + count);
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
    if (*count < bytes.size()) pause(connection, record);
    return *count;
  }

  void finish(Connection connection, Record& record) {
    forget_input(record);
    record.phase = Phase::ended;
    connection.close();
  }

  void linger(Connection connection, Record& record) {
    forget_input(record);
    record.phase = Phase::lingering;
    connection.shutdown();
    resume(connection, record);
    lingering_.push_back({connection, now_ + linger_limit});
    discard(connection, record);
  }

  void drop(Connection connection, Record& record) {
    forget_input(record);
    record.phase = Phase::ended;
    connection.abort();
  }

  static Wait waits_for(const Record&) { return Wait::idle; }
  // What a server has to say to who is too slow; nothing without requests.
  void on_header_timeout(Connection connection, Record& record) {
    close_silent(connection, record);
  }
  // What a starved connection has sent is unread.
  void close_silent(Connection connection, Record& record) {
    if (record.starved) return linger(connection, record);
    finish(connection, record);
  }

  // So much of a request's body, or of what is sent, is a sign of life.
  static constexpr std::uint32_t progress_bytes = 4'096;

  // Reads and throws away. False: the peer has closed, and so have we.
  bool discard(Connection connection, Record& record) {
    while (true) {
      const auto count = connection.read(discarded_);
      if (!count) {
        finish(connection, record);
        return false;
      }
      if (*count == 0) return true;
      totals_.bytes_in += *count;
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
      forget_input(*record);
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
      return close_silent(connection, record);
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

  void forget_input(Record& record) {
    pool_.release(record.block);
    record.begin = record.end = 0;
  }

  // A connection is in the list at most once. Before a full list would grow, connections that have
  // ended are removed from it.
  void starve(Connection connection, Record& record) {
    if (record.starved) return;
    if (starved_.size() == starved_.capacity()) {
      std::erase_if(starved_, [this](Connection one) { return table_.find(one) == nullptr; });
    }
    record.starved = true;
    pause(connection, record);
    starved_.push_back(connection);
  }

  // Lets the connections that wait for a block go on, first come, first served. One that finds no
  // block again waits at the end of the list.
  void feed_starved() {
    fed_.clear();
    fed_.swap(starved_);
    for (const Connection connection : fed_) {
      Record* record = table_.find(connection);
      if (record == nullptr) continue;
      record->starved = false;
      if (record->phase <= Phase::finishing && !record->has_input()) {
        serve(connection, *record);
      }
    }
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
  BlockPool pool_;
  std::vector<std::byte> discarded_;
  std::vector<Connection> starved_;  // some may have ended meanwhile
  std::vector<Connection> fed_;
  std::vector<Lingering> lingering_;
  std::size_t lingered_ = 0;
  Listener listener_;
  Instant now_;
};

}  // namespace salut::app
