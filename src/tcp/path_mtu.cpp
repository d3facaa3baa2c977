#include "tcp/path_mtu.hpp"

#include <algorithm>

#include "tcp/mss.hpp"
#include "tcp/sender.hpp"
#include "tcp/timestamps.hpp"

namespace salut::tcp {
namespace {

// What packets of `mtu` bytes carry on this connection, beside its timestamps.
std::uint16_t mss_of(const Tcb& t, std::uint16_t mtu) {
  const unsigned options = t.has(Flag::timestamps) ? timestamps_size : 0u;
  return static_cast<std::uint16_t>(port_mss(mtu, t.has(Flag::ip6)) - options);
}

}  // namespace

std::uint32_t path_mtu_of(std::uint32_t said, std::uint16_t packet_length) {
  if (said != 0) return said;
  // RFC 1191 §7.1
  for (const std::uint32_t plateau : {32'000u, 17'914u, 8'166u, 4'352u, 2'002u, 1'492u, 1'006u}) {
    if (plateau < packet_length) return plateau;
  }
  return 508;
}

void narrow_path(Context& c, std::uint32_t index, std::uint32_t mtu) {
  Tcb& t = c.tcbs[index];
  const std::uint32_t floor = t.has(Flag::ip6) ? 1280 : 576;
  const auto mss = mss_of(t, static_cast<std::uint16_t>(std::clamp(mtu, floor, 65'535u)));
  // A handshake's segments are smaller than any path.
  if (mss >= t.mss || t.has(Flag::syn_unacked)) return;
  t.mss = mss;
  ++c.counters.path_mtu_lowered;
  if (!t.has(Flag::data_ready) || t.snd_una == t.snd_nxt) return;
  // Not congestion: the window stays (RFC 1191 §6.4).
  resend(c, index);
  c.queue_output(index);
}

void suspect_black_hole(Context& c, std::uint32_t index) {
  constexpr unsigned suspicious = 2;
  constexpr unsigned outage = 4;
  constexpr std::uint16_t mtu = 1280;
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  if (t.retries == suspicious) {
    const std::uint16_t mss = mss_of(t, mtu);
    const bool large = t.mss > mss && t.snd_nxt - t.snd_una > mss && t.snd_wnd > mss;
    stream.open_mss = large ? t.mss : std::uint16_t{0};
    if (!large) return;
    t.mss = mss;
    ++c.counters.path_mtu_lowered;
  } else if (t.retries == outage && stream.open_mss != 0) {
    t.mss = std::max(t.mss, stream.open_mss);
    stream.open_mss = 0;
  }
}

}  // namespace salut::tcp
