// How fast a connection may send: NewReno (RFC 5681) and CUBIC (RFC 9438) behind four questions.
//
// Slow start is the same for both and stands here, inline, because it is all that a short
// connection ever meets; only after its first loss does a connection have a Recovery and with it a
// controller's variables. The choice between the two is a switch on one bit of the Stream: no
// pointer to follow, nothing virtual. Everything is integers: bytes, microseconds, milliseconds.
//
// What takes cwnd down to ssthresh after a loss is not here but in loss.cpp (PRR, RFC 6937).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "salut/stack_config.hpp"
#include "tcp/congestion/cubic.hpp"
#include "tcp/congestion/newreno.hpp"
#include "tcp/stream.hpp"

namespace salut::tcp {

inline constexpr std::uint32_t cwnd_max = 1u << 30;

inline Congestion controller_of(const Stream& stream) {
  return stream.has(controller_bit) ? Congestion::newreno : Congestion::cubic;
}
inline void set_controller(Stream& stream, Congestion controller) {
  stream.clear(controller_bit);
  if (controller == Congestion::newreno) stream.set(controller_bit);
}

// RFC 6928 (1), for any number of segments.
inline std::uint32_t initial_cwnd(std::uint32_t segments, std::uint32_t mss) {
  return std::min(segments * mss, std::max(2 * mss, segments * 1'460));
}

// Slow start counts bytes, not ACKs (RFC 3465). Its limit of two segments per ACK is left out, as
// in other stacks of today: receivers that join segments acknowledge dozens at once, and would be
// served at a crawl.
inline void slow_start(Stream& stream, std::uint32_t acked) {
  stream.cwnd = std::min({stream.cwnd + acked, cwnd_max, stream.ssthresh});
}
// After a timeout, one segment per ACK: an ACK may cover what was never lost (RFC 3465 §2.3).
inline void slow_start_again(Stream& stream, std::uint32_t acked, std::uint32_t mss) {
  slow_start(stream, std::min(acked, mss));
}

// The variables of a connection that has met a loss.
struct Controller {
  Cubic cubic;
  std::uint32_t credit = 0;  // NewReno: bytes acknowledged towards the next segment of cwnd
};

// Congestion avoidance: `acked` bytes arrived while cwnd was what held the sender back.
inline void avoid(Controller& controller, Stream& stream, std::uint32_t acked, std::uint32_t mss,
                  std::uint32_t now_us) {
  const std::uint32_t cwnd =
      controller_of(stream) == Congestion::cubic
          ? controller.cubic.grow(stream.cwnd, acked, mss, stream.srtt, now_us)
          : newreno_grow(controller.credit, stream.cwnd, acked, mss);
  stream.cwnd = std::min(cwnd, cwnd_max);
}

// ssthresh after a loss or a mark with `flight` bytes outstanding; remembers where it was.
inline std::uint32_t decrease(Controller& controller, const Stream& stream, std::uint32_t flight,
                              std::uint32_t mss) {
  return controller_of(stream) == Congestion::cubic
             ? controller.cubic.decrease(stream.cwnd, flight, mss)
             : newreno_decrease(controller.credit, flight, mss);
}

// The clock of growth stands still while nothing is sent, or while something else sets cwnd.
inline void pause(Controller& controller) {
  controller.cubic.pause();
  controller.credit = 0;
}

}  // namespace salut::tcp
