#include "tcp/icmp_input.hpp"

#include "ip/icmp.hpp"
#include "ip/ndp.hpp"
#include "tcp/addresses.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/path_mtu.hpp"
#include "wire/parse.hpp"

namespace salut::tcp {
namespace {

AddressPair ends_of(const wire::Segment& icmp, const Frame& frame) {
  if (const AddressPair* whole = whole_addresses(icmp, frame)) return *whole;
  const std::byte* addresses = wire::address_at(frame, icmp);
  return {Address::v4(wire::load<std::uint32_t>(addresses)),
          Address::v4(wire::load<std::uint32_t>(addresses + 4))};
}

// False: it quotes nothing of ours that is in flight.
bool input_error(Context& c, const ip::IcmpError& error) {
  using What = ip::IcmpError::What;
  const std::uint32_t index =
      find_connection(c, c.hash(error.key), error.key, error.ip6 ? &error.whole : nullptr);
  if (index == flow::Table::none || (index & time_wait_bit) != 0) return false;
  Tcb& t = c.tcbs[index];
  const Seq seq{error.seq};
  if (t.state == State::closed || t.ending != 0 || seq < t.snd_una || seq >= t.snd_nxt) {
    return false;
  }
  ++c.counters.icmp_errors;
  if (error.what == What::too_big) {
    narrow_path(c, index, path_mtu_of(error.mtu, error.quoted_length));
  } else if (error.what == What::hard && t.state == State::syn_sent) {
    const unsigned before = c.event_count;
    apply_event(c, index, StateEvent::retries_out, {.reason = Reason::unreachable});
    if (c.event_count > before) c.events[c.event_count - 1].icmp = error.type;
  } else if (owned(t) && !t.has(Flag::closed_reported)) {
    c.post_event(index, salut::Event::icmp_error);
    c.events[c.event_count - 1].icmp = error.type;
  }
  return true;
}

}  // namespace

void input_icmp(Context& c, const wire::Segment& icmp, Frame& frame) {
  if (ip::is_ndp(frame, icmp)) return c.interfaces.on_ndp(frame, icmp, c.clock.now);
  const AddressPair ends = ends_of(icmp, frame);
  if (!c.interfaces.is_local(ends.local)) {
    return c.interfaces.drop(frame, Drop::ip_not_for_us);
  }
  // RFC 1122 §3.2.1.3: an answer would go to nobody, or to a whole link.
  if (!c.interfaces.is_station(ends.remote)) return c.interfaces.drop(frame, Drop::ip_bad_source);
  if (c.interfaces.is_local(ends.remote) && c.interfaces.is_impostor(frame, ends.remote)) {
    return c.interfaces.drop(frame, Drop::ip_own_source);
  }
  if (ip::make_echo_reply(frame)) {
    // The request may have come to a group's MAC, which is nobody's to send from.
    wire::view<wire::EthernetHeader>(frame.data).source = c.interfaces.interface(frame.port).mac;
    return c.interfaces.stage(frame);
  }
  ip::IcmpError error;
  if (!ip::parse_icmp_error(frame, icmp, c.fold, error)) {
    return c.interfaces.drop(frame, Drop::icmp_ignored);
  }
  if (!input_error(c, error)) return c.interfaces.drop(frame, Drop::icmp_unmatched);
  c.interfaces.recycle(frame);
}

}  // namespace salut::tcp
