#include "tcp/window.hpp"

namespace salut::tcp {

// The window to offer. The right edge moves only by a worthwhile step (RFC 9293 §3.8.6.2.2, silly
// window avoidance) and never back.
std::uint16_t offer_worthwhile(const Context& c, Tcb& t) {
  const std::uint32_t queued = t.has(Flag::data_ready) ? t.recv.bytes : 0;
  const std::uint32_t buffer = recv_limit(c, t);
  const std::uint32_t room = buffer - std::min(buffer, queued);
  const Seq edge = t.rcv_nxt + room;
  const std::uint32_t step = std::min<std::uint32_t>(buffer / 2, t.mss);
  if (edge > t.rcv_adv && edge - t.rcv_adv >= step) t.rcv_adv = edge;
  return t.wnd_field();
}

// Of a buffer that is larger than a window can say, the peer never sees more than it can.
bool is_update_due(const Context& c, const Tcb& t) {
  const std::uint32_t buffer = recv_limit(c, t);
  const std::uint32_t most = std::min(buffer, 65'535u << t.rcv_scale());
  const std::uint32_t room = std::min(buffer - std::min(buffer, t.recv.bytes), most);
  const std::uint32_t shown = std::min(t.rcv_wnd(), most);
  const std::uint32_t gain = room - std::min(room, shown);
  return shown < most / 2 && gain >= std::min(most / 2, 2u * t.mss);
}

}  // namespace salut::tcp
