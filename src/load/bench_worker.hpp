// One worker of a benchmark: a load client, a load server, or both on one stack, and the loop that
// carries out the commands of the controller (controller.hpp), which runs on the control thread.
//
// The two share a Command of four bytes. The worker reads it once per turn, applies it, and
// publishes it as applied. Once the worker has applied the command that ended a window, the
// controller may read what the worker measured in that window.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "load/client.hpp"
#include "load/server.hpp"
#include "salut/stack.hpp"

namespace salut::load {

enum class LoadMode : std::uint8_t { concurrency, rate, hold, max, stream };

struct Command {
  enum class Phase : std::uint8_t {
    wait,     // serve, open nothing
    open,     // open connections as LoadMode says
    release,  // close the held connections; streams: begin to send
    abort,    // reset the connections that are left
    finish,   // return
  };
  Phase phase = Phase::wait;
  bool measuring = false;
  std::uint16_t opening = 0;  // another number: start opening again, at the new rate

  friend bool operator==(const Command&, const Command&) = default;
};
static_assert(std::atomic<Command>::is_always_lock_free);

struct alignas(64) CommandSlot {
  std::atomic<Command> command = Command{};
  std::atomic<double> rate = 0;  // opens per second of each client
};

struct Snapshot {
  std::uint64_t tick = 0;
  Counters counters;
  LoopStats loop;
  std::uint64_t bytes = 0;  // read by the server; without a server, written by the client
};

struct WorkerRole {
  bool client = false;
  bool server = false;
  LoadMode mode = LoadMode::concurrency;
  std::uint32_t concurrency = 0;  // this worker's share
  LoadOptions load;               // with this worker's share of the limit
  Targets listen;
};

class BenchWorker {
 public:
  BenchWorker(const CommandSlot& slot, const WorkerRole& role);

  void run(Stack& stack);

  // The methods from here on are for the control thread.
  enum class Status : std::uint8_t { starting, running, failed, finished };
  Status status() const { return status_.load(std::memory_order_acquire); }
  bool has_applied(Command command) const {
    return applied_.load(std::memory_order_acquire) == command;
  }
  const LoadProgress* progress() const { return client_ ? &client_->progress() : nullptr; }

  // Valid once the worker has applied the command that ended the window (has_applied()), or has
  // finished.
  const WorkerRole& role() const { return role_; }
  const LoadClient* client() const { return client_.get(); }
  const LoadServer* server() const { return server_.get(); }
  const Snapshot& begin() const { return begin_; }
  const Snapshot& end() const { return end_; }
  const Snapshot& last() const { return last_; }
  const MemoryUse& memory() const { return memory_; }
  const Error& error() const { return error_; }

 private:
  Snapshot snapshot(const Stack& stack, std::uint64_t now) const;
  void loop(Stack& stack);
  void apply(Command command, Stack& stack, std::uint64_t now);
  void start_opening(std::uint64_t now);
  void dispatch(Stack& stack, std::span<const Event> events, std::uint64_t now);

  const CommandSlot& slot_;
  WorkerRole role_;
  std::unique_ptr<LoadClient> client_;
  std::unique_ptr<LoadServer> server_;
  std::vector<Event> client_events_;  // if the stack is client and server
  std::vector<Event> server_events_;

  Command command_;
  Snapshot begin_;
  Snapshot end_;
  Snapshot last_;
  MemoryUse memory_;
  Error error_;
  alignas(64) std::atomic<Status> status_ = Status::starting;
  std::atomic<Command> applied_ = Command{};
};

}  // namespace salut::load
