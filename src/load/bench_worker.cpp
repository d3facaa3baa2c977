#include "load/bench_worker.hpp"

#include <utility>

#include "app/application.hpp"
#include "host/tsc.hpp"

namespace salut::load {

BenchWorker::BenchWorker(const CommandSlot& slot, const WorkerRole& role)
    : slot_(slot), role_(role) {
  if (role.client) client_ = std::make_unique<LoadClient>(role.load);
  if (role.server) {
    server_ = std::make_unique<LoadServer>(role.listen, role.load.exchange, role.load.slots);
  }
}

Snapshot BenchWorker::snapshot(const Stack& stack, std::uint64_t now) const {
  return {now, stack.counters(), stack.loop_stats(),
          server_ ? server_->totals().bytes_in : client_->bytes()};
}

void BenchWorker::run(Stack& stack) {
  if (server_) {
    if (Result<void> started = server_->start(stack); !started) {
      error_ = std::move(started.error());
      status_.store(Status::failed, std::memory_order_release);
      return;
    }
  }
  status_.store(Status::running, std::memory_order_release);
  loop(stack);
  last_ = snapshot(stack, read_tsc());
  memory_ = stack.memory_use();
  if (server_) server_->stop(stack);
  app::send_rest(stack);
  status_.store(Status::finished, std::memory_order_release);
}

void BenchWorker::loop(Stack& stack) {
  while (true) {
    const std::span<const Event> events = stack.poll();
    const std::uint64_t now = read_tsc();
    const Command command = slot_.command.load(std::memory_order_acquire);
    if (command != command_) [[unlikely]] {
      apply(command, stack, now);
      if (command.phase == Command::Phase::finish) return;
    }
    dispatch(stack, events, now);
    if (!client_) continue;
    client_->on_turn(stack, read_tsc());
    // The client begins its window again when its first connection is over: so does ours.
    const std::uint64_t measured_from = client_->window().begin;
    if (command_.measuring && measured_from != begin_.tick) [[unlikely]]
      begin_ = snapshot(stack, measured_from);
  }
}

void BenchWorker::dispatch(Stack& stack, std::span<const Event> events, std::uint64_t now) {
  if (events.empty()) return;
  if (!server_) {
    if (client_) client_->on_events(events, now);
    return;
  }
  if (!client_) return server_->on_events(stack, events);
  client_events_.clear();
  server_events_.clear();
  for (const Event& event : events) {
    (event.user == LoadClient::user_tag ? client_events_ : server_events_).push_back(event);
  }
  client_->on_events(client_events_, now);
  server_->on_events(stack, server_events_);
}

void BenchWorker::apply(Command command, Stack& stack, std::uint64_t now) {
  if (command.measuring && !command_.measuring) {
    begin_ = snapshot(stack, now);
    if (client_) client_->begin_window(now);
  } else if (!command.measuring && command_.measuring) {
    end_ = snapshot(stack, now);
    if (client_) client_->end_window(now);
  }
  if (client_ && (command.phase != command_.phase || command.opening != command_.opening)) {
    switch (command.phase) {
      case Command::Phase::open:
        start_opening(now);
        break;
      case Command::Phase::release:
        client_->release();
        break;
      case Command::Phase::abort:
        client_->abort();
        break;
      default:
        client_->stop_opening(now);
        break;
    }
  }
  command_ = command;
  applied_.store(command, std::memory_order_release);
}

void BenchWorker::start_opening(std::uint64_t now) {
  if (role_.mode == LoadMode::rate || role_.mode == LoadMode::max) {
    client_->open_at_rate(slot_.rate.load(std::memory_order_relaxed), now);
  } else {
    client_->open_concurrent(role_.concurrency);
  }
}

}  // namespace salut::load
