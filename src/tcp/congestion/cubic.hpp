// CUBIC, RFC 9438: cwnd follows a cubic function of the time since the last loss, flat around the
// window at which it happened, so that it stays near what the path bears and then looks for more.
//
//   W_cubic(t) = C (t - K)^3 + W_max      C = 0.4 segments/s^3, t in seconds
//   K          = cbrt((W_max - cwnd_epoch) / C)
//   decrease   : ssthresh = 0.7 flight; W_max = cwnd, or 0.85 cwnd if it did not come up to the old
//                W_max (fast convergence: others have come, make room)
//   W_est      : what a Reno with the same mean would have; cwnd is never below it (§4.3)
//
// Here in integers: windows are bytes, times milliseconds, so that C (t - K)^3 is
// 0.4e-9 mss (ms)^3; |t - K| is held below 2^17 ms, with which the product stays in 63 bits. One
// division by cwnd per ACK, one cube root per epoch.
#pragma once

#include <cstdint>

namespace salut::tcp {

class Cubic {
 public:
  // cwnd after `acked` bytes more. srtt 0: unknown.
  std::uint32_t grow(std::uint32_t cwnd, std::uint32_t acked, std::uint32_t mss,
                     std::uint32_t srtt_us, std::uint32_t now_us);
  // ssthresh.
  std::uint32_t decrease(std::uint32_t cwnd, std::uint32_t flight, std::uint32_t mss);
  // The next grow() begins a new epoch from where cwnd is then.
  void pause() { in_epoch_ = false; }

  std::uint32_t w_max() const { return w_max_; }

 private:
  void begin(std::uint32_t cwnd, std::uint32_t mss, std::uint32_t now_us);
  std::uint32_t window_at(std::uint32_t t_ms, std::uint32_t mss) const;

  std::uint32_t w_max_ = 0;
  std::uint32_t cwnd_prior_ = 0;
  std::uint32_t w_est_ = 0;
  std::uint32_t k_ms_ = 0;
  std::uint32_t origin_ = 0;      // W_max of this epoch, or cwnd where that is more
  std::uint32_t now_ms_ = 0;      // since the epoch began
  std::uint32_t last_us_ = 0;     // when now_ms_ was true, less `rest_us_`
  std::uint32_t credit_ = 0;      // bytes acknowledged that did not make a byte of cwnd yet, scaled
  std::uint32_t est_credit_ = 0;  // the same of w_est_
  bool in_epoch_ = false;
};

// The largest n with n^3 <= x.
std::uint32_t cube_root(std::uint64_t x);

}  // namespace salut::tcp
