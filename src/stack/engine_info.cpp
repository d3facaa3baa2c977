// Engine::info(): the state of one connection.
#include "stack/engine.hpp"
#include "tcp/addresses.hpp"
#include "tcp/congestion/congestion.hpp"
#include "tcp/loss.hpp"
#include "tcp/mss.hpp"
#include "tcp/options.hpp"
#include "tcp/recovery.hpp"
#include "tcp/timers.hpp"

namespace salut::stack {
namespace {

using tcp::Context;
using tcp::Flag;
using tcp::Tcb;

Phase phase_of(tcp::Mode mode) {
  switch (mode) {
    case tcp::Mode::open:
      return Phase::open;
    case tcp::Mode::reduced:
      return Phase::reduced;
    case tcp::Mode::recovery:
      return Phase::recovery;
    case tcp::Mode::timed_out:
      return Phase::loss;
  }
  return Phase::open;
}

void tell_agreed(const Tcb& t, ConnectionInfo& info) {
  info.timestamps = t.has(Flag::timestamps);
  info.sack = t.has(Flag::sack);
  info.ecn = t.has(Flag::ecn);
  info.scaling = t.has(Flag::scaling);
  info.snd_scale = static_cast<std::uint8_t>(t.snd_scale());
  info.rcv_scale = static_cast<std::uint8_t>(t.rcv_scale());
}

void tell_bytes(const Context& c, std::uint32_t index, ConnectionInfo& info) {
  const tcp::Places from = c.origins[index];
  const tcp::Places to = tcp::moved_to(c.tcbs[index]);
  info.bytes_acked = to.sent - from.sent;
  info.bytes_received = to.received - from.received;
}

void tell_sender(const Context& c, const Tcb& t, ConnectionInfo& info) {
  const tcp::Stream& stream = c.stream(t);
  info.send_queued = t.send.bytes;
  info.send_lent = stream.lent;
  info.recv_queued = t.recv.bytes;
  info.congestion = tcp::controller_of(stream);
  info.cwnd = stream.cwnd;
  info.ssthresh = stream.ssthresh == 0xffff'ffff ? 0 : stream.ssthresh;
  info.backoff = stream.backoff;
  info.srtt_us = stream.srtt;
  info.rttvar_us = stream.rttvar;
  info.min_rtt_us = stream.min_rtt;
  info.total_retransmits = stream.retransmits;
  if (stream.recovery == tcp::no_recovery) return;
  const tcp::Recovery& r = c.recoveries[stream.recovery];
  info.phase = phase_of(r.mode);
  if (!r.board.active()) return;
  info.sacked = r.board.sacked();
  for (std::uint32_t i = r.board.first(); i != tcp::no_range; i = c.ranges[i].next) {
    const tcp::Range& range = c.ranges[i];
    const bool lost = (range.bits & (tcp::range_lost | tcp::range_again)) != 0;
    if (lost && (range.bits & tcp::range_sacked) == 0) info.lost += range.size();
  }
}

}  // namespace

tl::expected<ConnectionInfo, Errc> Engine::info(Connection connection) const {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return tl::unexpected(Errc::not_connected);
  const Tcb& t = c_.tcbs[index];
  ConnectionInfo info;
  info.state = t.state;
  const AddressPair* whole = tcp::whole_addresses(c_, t);
  info.local = {tcp::local_address(t.key, whole).ip(), net16(t.key.local_port)};
  info.remote = {tcp::remote_address(t.key, whole).ip(), net16(t.key.remote_port)};
  info.mss = t.mss;
  const auto port = c_.interfaces.neighbours().port(t.neighbour);
  info.recv_mss =
      tcp::offered_mss(c_, t, tcp::port_mss(c_.interfaces.interface(port).mtu, t.has(Flag::ip6)));
  info.snd_wnd = t.snd_wnd;
  info.rcv_wnd = t.rcv_wnd();
  info.congestion = c_.config.congestion;
  info.in_flight = t.snd_nxt - t.snd_una;
  info.rto_ms = static_cast<std::uint32_t>(tcp::rto(c_, t).count() / 1'000'000);
  info.backoff = tcp::backoff_of(c_, t);
  info.retransmits = t.retries;
  tell_agreed(t, info);
  if (t.has(Flag::data_ready)) {
    tell_sender(c_, t, info);
    tell_bytes(c_, index, info);
  }
  return info;
}

}  // namespace salut::stack
