// The application's calls that move bytes from and to a connection's buffers.
#include "stack/engine.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/stream_setup.hpp"
#include "tcp/timers.hpp"
#include "tcp/window.hpp"

namespace salut::stack {

using tcp::Flag;
using tcp::Tcb;

// The connection's slot, if the application may still read from it.
tl::expected<std::uint32_t, Errc> Engine::find_reader(Connection connection) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return tl::unexpected(Errc::not_connected);
  const Tcb& t = c_.tcbs[index];
  if (t.has(Flag::user_closed)) return tl::unexpected(Errc::not_connected);
  const bool unread = t.has(Flag::data_ready) && t.recv.bytes > 0;
  if (!unread && t.has(Flag::fin_received)) {
    if (t.has(Flag::data_ready)) c_.stream(t).set(tcp::end_told);
    return tl::unexpected(Errc::end_of_stream);
  }
  return index;
}

void Engine::take(std::uint32_t index, std::size_t count) {
  if (count == 0) return;
  told_in_vain_ = 0;
  Tcb& t = c_.tcbs[index];
  {
    const tcp::BlockCount counted(c_.buffers, c_.stream(t).recv_blocks);
    c_.buffers.consume(t.recv, static_cast<std::uint32_t>(count));
  }
  const bool over = t.state == State::closed || t.state == State::time_wait;
  // Tell the peer about the room if it may be waiting for it (RFC 9293 §3.8.6.2.2).
  if (!t.has(Flag::fin_received) && tcp::is_update_due(c_, t)) t.set(Flag::window_update);
  if ((over && t.recv.bytes == 0) || t.has(Flag::window_update)) c_.queue_output(index);
}

tl::expected<std::size_t, Errc> Engine::read(Connection connection, std::span<std::byte> to) {
  const auto index = find_reader(connection);
  if (!index) return tl::unexpected(index.error());
  const Tcb& t = c_.tcbs[*index];
  const std::size_t n = t.has(Flag::data_ready) ? c_.buffers.peek(t.recv, to) : 0;
  take(*index, n);
  return n;
}

tl::expected<std::span<const std::byte>, Errc> Engine::peek(Connection connection,
                                                            std::size_t offset) {
  const auto index = find_reader(connection);
  if (!index) return tl::unexpected(index.error());
  const Tcb& t = c_.tcbs[*index];
  if (!t.has(Flag::data_ready)) return std::span<const std::byte>{};
  return offset == 0 ? c_.buffers.first(t.recv) : c_.buffers.run_at(t.recv, offset);
}

Errc Engine::consume(Connection connection, std::size_t count) {
  const auto index = find_reader(connection);
  if (!index) return index.error();
  const Tcb& t = c_.tcbs[*index];
  if (count > (t.has(Flag::data_ready) ? t.recv.bytes : 0)) return Errc::invalid_argument;
  take(*index, count);
  return Errc::ok;
}

tl::expected<std::uint32_t, Errc> Engine::find_writer(Connection connection) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return tl::unexpected(Errc::not_connected);
  Tcb& t = c_.tcbs[index];
  if (t.has(Flag::fin_wanted)) return tl::unexpected(Errc::not_writable);
  tcp::prepare_data(c_, t);
  return index;
}

void Engine::written(std::uint32_t index, std::size_t taken, std::size_t offered) {
  Tcb& t = c_.tcbs[index];
  c_.stream(t).clear(tcp::writable_told);
  if (taken < offered) {
    t.set(Flag::write_blocked);
    if (t.send.bytes == 0) tcp::start_timer(c_, index);
  }
  if (taken == 0) return;
  told_in_vain_ = 0;
  c_.queue_output(index);
}

tl::expected<std::size_t, Errc> Engine::write(Connection connection,
                                              std::span<const std::byte> from) {
  const auto index = find_writer(connection);
  if (!index) return tl::unexpected(index.error());
  Tcb& t = c_.tcbs[*index];
  const std::size_t room = c_.buffers.room(t.send, tcp::blocks_for_sending(c_, t));
  const std::uint32_t limit = tcp::send_buffer(c_, t);
  const std::size_t wanted = std::min({from.size(), room, std::size_t{limit}});
  tcp::make_room(c_, t.send, wanted, limit);
  std::size_t n = 0;
  {
    const tcp::BlockCount counted(c_.buffers, c_.stream(t).send_blocks);
    n = c_.buffers.append(t.send, from.first(wanted), limit);
  }
  written(*index, n, from.size());
  return n;
}

tl::expected<std::size_t, Errc> Engine::lend(Connection connection,
                                             std::span<const std::byte> from) {
  const auto index = find_writer(connection);
  if (!index) return tl::unexpected(index.error());
  Tcb& t = c_.tcbs[*index];
  const std::uint32_t most = tcp::blocks_for_sending(c_, t);
  const std::uint32_t limit = tcp::send_buffer(c_, t);
  if (c_.island_blocks > 0) [[unlikely]] {
    const std::size_t wanted =
        std::min<std::size_t>(from.size(), limit - std::min(limit, t.send.bytes));
    const std::uint32_t blocks = c_.buffers.blocks_to_refer(t.send, from.first(wanted));
    tcp::drop_oldest_islands(c_, std::min(most, blocks));
  }
  std::size_t n = 0;
  {
    const tcp::BlockCount counted(c_.buffers, c_.stream(t).send_blocks);
    n = c_.buffers.refer(t.send, from, most, limit);
  }
  c_.stream(t).lent += static_cast<std::uint32_t>(n);
  written(*index, n, from.size());
  return n;
}

}  // namespace salut::stack
