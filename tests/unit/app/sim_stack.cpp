#include "sim_stack.hpp"

#include <utility>

#include "worker/engines.hpp"

namespace salut {

Stack::Stack(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stack::~Stack() = default;

Result<Listener> Stack::listen(Endpoint local, ListenOptions options) {
  const auto index = impl_->host.engine->listen(local, options.backlog);
  if (!index) return fail(index.error(), "listen");
  return Listener{*index};
}
Errc Stack::unlisten(Listener listener) { return impl_->host.engine->unlisten(listener.index); }

tl::expected<Connection, Errc> Stack::connect(Endpoint remote, const ConnectOptions& options) {
  return impl_->host.engine->connect(remote, options.local, options.user, impl_->world.now());
}

// The world's next step, in which every host has its turn; a millisecond if nothing happens.
std::span<const Event> Stack::poll() {
  impl_->events.clear();
  const Instant until = impl_->world.now() + std::chrono::milliseconds{1};
  impl_->host.wake_at = until;
  impl_->world.step(until);
  return impl_->events;
}

Instant Stack::now() const { return impl_->world.now(); }
bool Stack::stopping() const { return impl_->stopping; }
std::uint64_t Stack::open_connections() const { return impl_->host.engine->open_connections(); }
bool Stack::saturated() const { return impl_->host.engine->saturated(); }
Counters Stack::counters() const { return impl_->host.engine->counters(); }
LoopStats Stack::loop_stats() const { return {}; }
MemoryUse Stack::memory_use() const { return {}; }
std::uint32_t Stack::worker() const { return 0; }

namespace app {

StackConfig Pair::small_config() {
  StackConfig config;
  config.connections = 4'096;
  config.time_wait = 65'536;
  config.buffer_blocks = 8'192;
  config.msl = std::chrono::seconds{1};
  return config;
}

Pair::Pair(std::uint64_t seed, const sim::Conditions& conditions, const StackConfig& config)
    : world_(seed) {
  sim::Host& a = world_.add_host(client_ip, config);
  sim::Host& b = world_.add_host(server_ip, config);
  world_.join(a, b, conditions);
  engines[0] = a.engine.get();
  engines[1] = b.engine.get();
  for (auto* engine : {a.engine.get(), b.engine.get()}) engine->repeat_events(true);
  client_ = std::make_unique<Stack>(std::make_unique<Stack::Impl>(world_, a));
  server_ = std::make_unique<Stack>(std::make_unique<Stack::Impl>(world_, b));
  const auto take_turn = [](Stack& stack, const Turn& turn, std::span<const Event> events) {
    stack.impl().events.assign(events.begin(), events.end());
    turn(stack, stack.impl().events);
  };
  a.on_events = [this, take_turn](std::span<const Event> events) {
    take_turn(*client_, client_turn_, events);
  };
  b.on_events = [this, take_turn](std::span<const Event> events) {
    take_turn(*server_, server_turn_, events);
  };
}

Pair::~Pair() { engines = {}; }

bool Pair::run_until(const std::function<bool()>& condition, Duration limit) {
  const Instant end = world_.now() + limit;
  while (!condition()) {
    if (world_.now() >= end) return false;
    client_->poll();
  }
  return true;
}

void Pair::run_for(Duration duration) {
  const Instant end = world_.now() + duration;
  while (world_.now() < end) client_->poll();
}

}  // namespace app
}  // namespace salut
