#include "tcp/congestion/cubic.hpp"

#include <algorithm>

namespace salut::tcp {
namespace {

constexpr std::uint32_t t_max_ms = 100'000;

}  // namespace

std::uint32_t cube_root(std::uint64_t x) {
  std::uint64_t root = 0;
  for (int bit = 20; bit >= 0; --bit) {
    const std::uint64_t tried = root | std::uint64_t{1} << bit;
    if (tried * tried * tried <= x) root = tried;
  }
  return static_cast<std::uint32_t>(root);
}

void Cubic::begin(std::uint32_t cwnd, std::uint32_t mss, std::uint32_t now_us) {
  in_epoch_ = true;
  now_ms_ = 0;
  last_us_ = now_us;
  credit_ = est_credit_ = 0;
  w_est_ = cwnd;
  origin_ = std::max(cwnd, w_max_);
  // K in ms: cbrt(bytes / (0.4e-9 mss)).
  k_ms_ = cube_root(std::uint64_t{origin_ - cwnd} * 2'500'000'000 / mss);
}

std::uint32_t Cubic::window_at(std::uint32_t t_ms, std::uint32_t mss) const {
  const bool after = t_ms >= k_ms_;
  const std::uint64_t d = std::min(after ? t_ms - k_ms_ : k_ms_ - t_ms, t_max_ms);
  const std::uint64_t bytes = d * d * d / 1'000'000 * mss / 2'500;
  if (!after) return bytes < origin_ ? origin_ - static_cast<std::uint32_t>(bytes) : 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(origin_ + bytes, 1u << 30));
}

std::uint32_t Cubic::grow(std::uint32_t cwnd, std::uint32_t acked, std::uint32_t mss,
                          std::uint32_t srtt_us, std::uint32_t now_us) {
  if (!in_epoch_) begin(cwnd, mss, now_us);
  const std::uint32_t passed_ms = (now_us - last_us_) / 1'000;
  last_us_ += passed_ms * 1'000;
  now_ms_ = std::min(now_ms_ + passed_ms, 2 * t_max_ms);

  // §4.3: alpha is 3 (1 - 0.7) / (1 + 0.7) = 9/17 until the old window is reached, then 1.
  const std::uint32_t alpha = w_est_ >= cwnd_prior_ ? 17 : 9;
  const std::uint64_t est = std::uint64_t{acked} * mss * alpha + est_credit_;
  const std::uint64_t per_byte = std::uint64_t{cwnd} * 17;
  w_est_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(w_est_ + est / per_byte, 1u << 30));
  est_credit_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(est % per_byte, 0xffffffff));

  // §4.4, §4.5: the way to where the curve will be after a round trip, spread over a window.
  const std::uint32_t ahead = window_at(now_ms_ + srtt_us / 1'000, mss);
  const std::uint32_t target = std::clamp(ahead, cwnd, cwnd + cwnd / 2);
  const std::uint64_t step = std::uint64_t{target - cwnd} * acked + credit_;
  credit_ = static_cast<std::uint32_t>(step % cwnd);
  const auto next = static_cast<std::uint32_t>(cwnd + step / cwnd);
  return std::max(next, w_est_);
}

std::uint32_t Cubic::decrease(std::uint32_t cwnd, std::uint32_t flight, std::uint32_t mss) {
  // §4.7 fast convergence.
  w_max_ = cwnd < w_max_ ? static_cast<std::uint32_t>(std::uint64_t{cwnd} * 17 / 20) : cwnd;
  cwnd_prior_ = cwnd;
  in_epoch_ = false;
  return std::max(static_cast<std::uint32_t>(std::uint64_t{flight} * 7 / 10), 2 * mss);
}

}  // namespace salut::tcp
