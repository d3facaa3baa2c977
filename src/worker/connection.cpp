// The methods of the Connection handle: each calls the engine that made the handle.
#include "salut/connection.hpp"

#include <cassert>

#include "worker/engines.hpp"

namespace salut {
namespace {

// The engine refuses a stale handle by its generation.
stack::Engine* engine_of(const Connection& connection) {
  const std::uint32_t worker = connection.slot() >> Connection::slot_bits;
  assert((!connection || is_here(worker)) && "call on the Stack's own thread");
  return connection ? engines[worker] : nullptr;
}

}  // namespace

tl::expected<std::size_t, Errc> Connection::read(std::span<std::byte> to) const {
  stack::Engine* engine = engine_of(*this);
  if (engine == nullptr) return tl::unexpected(Errc::not_connected);
  return engine->read(*this, to);
}

tl::expected<std::size_t, Errc> Connection::write(std::span<const std::byte> from) const {
  stack::Engine* engine = engine_of(*this);
  if (engine == nullptr) return tl::unexpected(Errc::not_connected);
  return engine->write(*this, from);
}

tl::expected<std::span<const std::byte>, Errc> Connection::peek() const {
  stack::Engine* engine = engine_of(*this);
  if (engine == nullptr) return tl::unexpected(Errc::not_connected);
  return engine->peek(*this);
}

Errc Connection::consume(std::size_t count) const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->consume(*this, count);
}

tl::expected<std::size_t, Errc> Connection::lend(std::span<const std::byte> from) const {
  stack::Engine* engine = engine_of(*this);
  if (engine == nullptr) return tl::unexpected(Errc::not_connected);
  return engine->lend(*this, from);
}

Errc Connection::shutdown() const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->shutdown(*this);
}

Errc Connection::close() const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->close(*this);
}

Errc Connection::close_gently(Duration limit) const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->close_gently(*this, limit);
}

Errc Connection::abort() const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->abort(*this);
}

tl::expected<ConnectionInfo, Errc> Connection::info() const {
  const stack::Engine* engine = engine_of(*this);
  if (engine == nullptr) return tl::unexpected(Errc::not_connected);
  return engine->info(*this);
}

Errc Connection::set_options(const ConnectionOptions& options) const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->set_options(*this, options);
}

Errc Connection::want(unsigned what) const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->want(*this, what);
}

Errc Connection::set_user(std::uint64_t user) const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->set_user(*this, user);
}

tl::expected<std::uint64_t, Errc> Connection::user() const {
  const stack::Engine* engine = engine_of(*this);
  if (engine == nullptr) return tl::unexpected(Errc::not_connected);
  return engine->user(*this);
}

Errc Connection::set_timer(Duration after) const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->set_timer(*this, after);
}

Errc Connection::cancel_timer() const {
  stack::Engine* engine = engine_of(*this);
  return engine == nullptr ? Errc::not_connected : engine->cancel_timer(*this);
}

}  // namespace salut
