// Sequence numbers: 32 bits that wrap (RFC 9293 §3.4). All modular arithmetic is here, so that no
// other file computes a signed difference.
#pragma once

#include <cstdint>

namespace salut {

struct Seq {
  std::uint32_t value = 0;

  friend constexpr bool operator==(Seq, Seq) = default;
  friend constexpr Seq operator+(Seq s, std::uint32_t n) { return Seq{s.value + n}; }
  friend constexpr Seq operator-(Seq s, std::uint32_t n) { return Seq{s.value - n}; }
  // How far `a` lies beyond `b`, modulo 2^32.
  friend constexpr std::uint32_t operator-(Seq a, Seq b) { return a.value - b.value; }
  constexpr Seq& operator+=(std::uint32_t n) {
    value += n;
    return *this;
  }

  // a < b: less than half of the space ahead (RFC 9293 §3.4, RFC 1982).
  friend constexpr bool operator<(Seq a, Seq b) {
    return static_cast<std::int32_t>(a.value - b.value) < 0;
  }
  friend constexpr bool operator>(Seq a, Seq b) { return b < a; }
  friend constexpr bool operator<=(Seq a, Seq b) { return !(b < a); }
  friend constexpr bool operator>=(Seq a, Seq b) { return !(a < b); }
};

// first <= s < first + length
constexpr bool in_window(Seq s, Seq first, std::uint32_t length) { return s - first < length; }

// RFC 9293 §3.10.7.4, first check: the four cases of table 6, `len` counting SYN and FIN.
constexpr bool acceptable(Seq seq, std::uint32_t len, Seq rcv_nxt, std::uint32_t rcv_wnd) {
  if (rcv_wnd == 0) return len == 0 && seq == rcv_nxt;
  if (in_window(seq, rcv_nxt, rcv_wnd)) return true;
  return len != 0 && in_window(seq + (len - 1), rcv_nxt, rcv_wnd);
}

static_assert(Seq{0xffffffff} < Seq{0} && Seq{5} > Seq{0xfffffff0});
static_assert(in_window(Seq{2}, Seq{0xfffffffe}, 5) && !in_window(Seq{3}, Seq{0xfffffffe}, 5));

}  // namespace salut
