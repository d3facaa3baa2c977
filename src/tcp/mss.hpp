// How much payload a segment of ours carries.
#pragma once

#include <algorithm>
#include <cstdint>

namespace salut::tcp {

// `ours` is what the port's MTU allows; `offered` the peer's MSS option, 0 if it sent none (then
// 536, RFC 9293 §3.7.1). A tiny offer is not followed below 64 bytes: a peer that asks for one byte
// per segment makes us do sixty times the work per byte and drowns the path in headers.
constexpr std::uint16_t peer_mss(std::uint16_t ours, std::uint16_t offered) {
  const std::uint16_t peer =
      offered == 0 ? std::uint16_t{536} : std::max<std::uint16_t>(offered, 64);
  return std::min(ours, peer);
}

}  // namespace salut::tcp
