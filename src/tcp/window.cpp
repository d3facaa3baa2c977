#include "tcp/window.hpp"

namespace salut::tcp {

std::uint32_t recv_limit_if_short(const Context& c, std::uint32_t buffer) {
  const std::uint32_t free = free_blocks(c);
  const std::uint32_t kept = c.config.buffer_blocks >> kept_for_small;
  const std::uint64_t share = std::uint64_t{free > kept ? free - kept : 0} * recv_per_block;
  const std::uint64_t least = blocks_least * block_bytes;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(buffer, std::max(share, least)));
}

// Of a buffer that is larger than a window can say, the peer never sees more than it can.
bool is_update_due(const Context& c, const Tcb& t) {
  const std::uint32_t buffer = recv_limit(c, t);
  if (t.rcv_wnd() >= buffer / 2) return false;
  const std::uint32_t most = std::min(buffer, 65'535u << t.rcv_scale());
  const std::uint32_t room = std::min(buffer - std::min(buffer, t.recv.bytes), most);
  const std::uint32_t shown = std::min(t.rcv_wnd(), most);
  const std::uint32_t gain = room - std::min(room, shown);
  return shown < most / 2 && gain >= std::min(most / 2, 2u * t.mss);
}

}  // namespace salut::tcp
