// The public Stack: each method calls its Impl (worker.hpp).
#include "salut/stack.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "flow/listeners.hpp"
#include "tcp/socket_options.hpp"
#include "worker/worker.hpp"

namespace salut {

namespace {
// Why it cannot listen, and what would be right.
std::string listen_problem(Errc code, const ListenOptions& options) {
  const auto wrong = tcp::wrong_option(options.options);
  switch (code) {
    case Errc::invalid_argument:
      if (options.backlog == 0) return "backlog = 0: out of range; want at least 1";
      if (!wrong) break;
      return fmt::format("{} = {}: out of range; want {}", wrong->name, wrong->value,
                         wrong->want());
    case Errc::in_use:
      return "it has a listener; want another address or port";
    case Errc::no_route:
      return "no port of this stack has that address; want one that has, 0.0.0.0 or ::";
    case Errc::no_port:
      return "all of 49152..65535 have listeners; want another port";
    case Errc::overload:
      return fmt::format("there are {} listeners; want unlisten() of one first",
                         flow::Listeners::capacity);
    default:
      break;
  }
  return std::string(describe(code));
}
}  // namespace

Stack::Stack(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stack::~Stack() = default;
Stack::Stack(Stack&&) noexcept = default;

Result<Listener> Stack::listen(Endpoint local, ListenOptions options) {
  impl_->assert_here();
  const auto index = impl_->engine().listen(local, options.backlog, options.options);
  if (index) return Listener{*index};
  return fail(index.error(), fmt::format("listen on {}: {}", local.to_string(),
                                         listen_problem(index.error(), options)));
}

Errc Stack::unlisten(Listener listener) {
  impl_->assert_here();
  return impl_->engine().unlisten(listener.index);
}

tl::expected<Endpoint, Errc> Stack::local_endpoint(Listener listener) const {
  return impl_->engine().local_endpoint(listener.index);
}

tl::expected<Connection, Errc> Stack::connect(Endpoint remote, const ConnectOptions& options) {
  impl_->assert_here();
  Endpoint local = options.local;
  if (options.listener) {
    const auto endpoint = impl_->engine().take_listener(options.listener->index);
    if (!endpoint) return tl::unexpected(endpoint.error());
    local = *endpoint;
  }
  return impl_->engine().connect(remote, local, options.user, impl_->now(), options.options);
}

tl::expected<TimerId, Errc> Stack::set_timer(Duration after, std::uint64_t user) {
  return impl_->engine().set_timer(after, user);
}
Errc Stack::cancel_timer(TimerId timer) { return impl_->engine().cancel_timer(timer); }

Errc Stack::post(std::function<void(Stack&)> function) { return impl_->post(std::move(function)); }

std::span<const Event> Stack::poll() { return impl_->poll(*this); }
std::span<const Event> Stack::poll(Duration max_wait) { return impl_->poll(*this, max_wait); }
Instant Stack::now() const { return impl_->now(); }
std::uint32_t Stack::worker() const { return impl_->worker(); }
bool Stack::stopping() const { return impl_->stopping(); }
void Stack::drain() { impl_->drain(); }
void Stack::finish(Duration limit) { impl_->finish(limit); }
std::size_t Stack::connections(std::uint32_t& cursor, std::span<Connection> to) const {
  impl_->assert_here();
  return impl_->engine().connections(cursor, to);
}
bool Stack::draining() const { return impl_->draining(); }
bool Stack::saturated() const { return impl_->engine().saturated(); }
std::uint64_t Stack::open_connections() const { return impl_->engine().open_connections(); }
Counters Stack::counters() const { return impl_->counters(); }
LoopStats Stack::loop_stats() const { return impl_->loop_stats(); }
MemoryUse Stack::memory_use() const { return impl_->memory_use(); }

}  // namespace salut
