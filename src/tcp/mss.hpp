// How much payload a segment of ours carries.
#pragma once

#include <algorithm>
#include <cstdint>

namespace salut::tcp {

// What a port's MTU leaves beside the headers of IP and TCP without options.
constexpr std::uint16_t port_mss(std::uint16_t mtu, bool ip6) {
  return static_cast<std::uint16_t>(mtu - (ip6 ? 60 : 40));
}

// `ours` is what the port's MTU allows; `offered` the peer's MSS option, 0 if it sent none (then
// 536, or 1220 of IPv6, RFC 9293 §3.7.1). A tiny offer is not followed below 64 bytes: a peer that
// asks for one byte per segment makes us do sixty times the work per byte and drowns the path in
// headers.
constexpr std::uint16_t peer_mss(std::uint16_t ours, std::uint16_t offered, bool ip6) {
  const std::uint16_t unsaid = ip6 ? 1220 : 536;
  const std::uint16_t peer = offered == 0 ? unsaid : std::max<std::uint16_t>(offered, 64);
  return std::min(ours, peer);
}

}  // namespace salut::tcp
