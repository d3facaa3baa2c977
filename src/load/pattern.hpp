// The bytes of a verified stream: each depends on its position only.
//
// The period is a prime, so that a segment at the wrong place is always seen: no power of two and
// no segment size is a multiple of it. Both ends have the same table. It is as long as one period
// and the largest piece, so that any piece is one span of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace salut::load {

class Pattern {
 public:
  static constexpr std::uint64_t period = 65'521;

  // Empty, for runs that do not verify; or for pieces of up to `piece` bytes.
  Pattern() = default;
  explicit Pattern(std::size_t piece) : bytes_(period + piece) {
    std::uint64_t x = 0x9e3779b97f4a7c15;
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      x = x * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
      bytes_[i] = i < period ? static_cast<std::byte>(x >> 56) : bytes_[i - period];
    }
  }

  std::span<const std::byte> at(std::uint64_t position, std::size_t count) const {
    return {bytes_.data() + position % period, count};
  }
  bool matches(std::uint64_t position, std::span<const std::byte> bytes) const {
    return std::memcmp(bytes_.data() + position % period, bytes.data(), bytes.size()) == 0;
  }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace salut::load
