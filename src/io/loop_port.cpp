#include "io/loop_port.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace salut::io {
namespace {

constexpr unsigned burst = 64;

// A description has the handle in units of 64 bytes (42 bits), the offset of the frame's bytes from
// it in units of four (8 bits), and their number (14 bits).
constexpr unsigned handle_shift = 6;
constexpr unsigned begin_shift = 2;
constexpr unsigned begin_at = 14;
constexpr unsigned handle_at = 22;
constexpr std::uint64_t begin_most = 0xff << begin_shift;
constexpr std::uint64_t length_most = (1u << begin_at) - 1;
static_assert(9'000 + 14 + 4 <= length_most, "the largest MTU, an Ethernet header and a VLAN tag");

constexpr std::uint64_t word_of(std::uint64_t handle, std::uint64_t begin, std::uint64_t length) {
  return handle >> handle_shift << handle_at | begin >> begin_shift << begin_at | length;
}

// A device may have put the bytes at an offset that eight bits cannot hold: moves them to one that
// they can.
std::uint64_t move_and_describe(const Frame& frame) {
  auto* handle = static_cast<std::byte*>(frame.handle);
  const auto begin =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(frame.data - handle), begin_most) & ~3ull;
  std::memmove(handle + begin, frame.data, frame.length);
  return word_of(reinterpret_cast<std::uintptr_t>(handle), begin, frame.length);
}

std::uint64_t describe(const Frame& frame) {
  const auto handle = reinterpret_cast<std::uintptr_t>(frame.handle);
  const auto begin = reinterpret_cast<std::uintptr_t>(frame.data) - handle;
  assert((handle & 63) == 0 && frame.length <= length_most);
  if ((begin & ~begin_most) != 0) [[unlikely]]
    return move_and_describe(frame);
  return word_of(handle, begin, frame.length);
}

}  // namespace

unsigned LoopPort::Wire::push(const Frame* frames, unsigned count) {
  std::array<std::uint64_t, burst> words;
  unsigned sent = 0;
  while (sent < count) {
    // Touch only frames that the wire takes: the caller offers the rest again, unchanged.
    const auto now = static_cast<unsigned>(
        std::min<std::size_t>({count - sent, burst, words_.write_available()}));
    if (now == 0) break;
    for (unsigned i = 0; i < now; ++i) words[i] = describe(frames[sent + i]);
    words_.push(words.data(), now);
    sent += now;
  }
  return sent;
}

// flags and port are 0: nobody has verified a checksum on the way, and the sender's port index
// means nothing here.
unsigned LoopPort::Wire::pop(Frame* frames, unsigned count) {
  std::array<std::uint64_t, burst> words;
  const auto got = static_cast<unsigned>(words_.pop(words.data(), std::min(count, burst)));
  for (unsigned i = 0; i < got; ++i) {
    const std::uint64_t word = words[i];
    const std::uint64_t begin = word >> begin_at << begin_shift & begin_most;
    auto* handle = reinterpret_cast<std::byte*>(word >> handle_at << handle_shift);
    frames[i].data = handle + begin;
    frames[i].handle = handle;
    // length, room, flags and port, in this order, as one word (salut/frame.hpp says why).
    const std::uint64_t rest = (word & length_most) | (extent_ - begin) << 16;
    std::memcpy(reinterpret_cast<std::byte*>(&frames[i]) + offsetof(Frame, length), &rest,
                sizeof(rest));
  }
  return got;
}

void LoopPort::drain(FramePool& pool) {
  std::array<Frame, burst> frames;
  while (const unsigned got = receive(frames.data(), burst)) pool.release(frames.data(), got);
}

}  // namespace salut::io
