#include "io/impaired_port.hpp"

#include <algorithm>
#include <cstring>

#include "base/hash.hpp"
#include "wire/headers.hpp"

namespace salut::io {
namespace {

std::uint64_t ticks(Duration duration, double per_second) {
  return static_cast<std::uint64_t>(std::chrono::duration<double>(duration).count() * per_second);
}

// Where the IP packet of a frame begins; 0: it has none.
std::size_t ip_offset(const Frame& frame) {
  std::size_t at = wire::ethernet_size;
  if (frame.length < at + wire::vlan_size) return 0;
  std::uint16_t type = net16(wire::load<std::uint16_t>(frame.data + at - 2));
  if (type == wire::ether_type_vlan) {
    at += wire::vlan_size;
    type = net16(wire::load<std::uint16_t>(frame.data + at - 2));
  }
  return type == wire::ether_type_ipv4 || type == wire::ether_type_ipv6 ? at : 0;
}

}  // namespace

ImpairedLane::ImpairedLane(const ImpairConfig& config, std::uint64_t seed, FramePool& pool,
                           double ticks_per_s, std::uint32_t held_max)
    : config_(config),
      pool_(pool),
      random_(seed),
      delay_(ticks(config.delay, ticks_per_s)),
      behind_(ticks(config.reorder_by, ticks_per_s)),
      straight_(std::max(held_max, 2u)),
      late_(std::max(held_max, 1u)) {}

ImpairedLane::~ImpairedLane() {
  while (!straight_.empty()) {
    const Frame frame = straight_.pop();
    pool_.release(&frame, 1);
  }
  while (!late_.empty()) {
    const Frame frame = late_.pop();
    pool_.release(&frame, 1);
  }
}

bool ImpairedLane::chance(double share) {
  return static_cast<double>(expand(random_) >> 11) * 0x1p-53 < share;
}

void ImpairedLane::admit(Frame frame, std::uint64_t now) {
  add(counts_.frames);
  // Each frame draws all numbers, so that its fate does not change that of the next one.
  const bool dropped = chance(config_.drop);
  const bool corrupted = chance(config_.corrupt);
  const bool duplicated = chance(config_.duplicate);
  const bool reordered = chance(config_.reorder);
  const std::uint64_t where = expand(random_);
  if (dropped) {
    add(counts_.dropped);
    pool_.release(&frame, 1);
    return;
  }
  if (corrupted) corrupt(frame, where);
  if (duplicated) repeat(frame, now + delay_);
  if (reordered) {
    add(counts_.reordered);
    late_.push(frame, now + delay_ + behind_);
  } else {
    straight_.push(frame, now + delay_);
  }
}

// Flips one bit of an IP packet, where a checksum or a length covers it. ARP is left alone: it has
// no checksum, and a wrong MAC would be believed for minutes. (On a real link the card drops the
// frame, because the Ethernet checksum is wrong.)
void ImpairedLane::corrupt(Frame& frame, std::uint64_t random) {
  const std::size_t at = ip_offset(frame);
  if (at == 0 || frame.length <= at) return;
  add(counts_.corrupted);
  const std::uint64_t bit = scale(random, (frame.length - at) * 8);
  frame.data[at + bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  // The device verified the checksums before the bit flipped: its verdict no longer holds.
  constexpr unsigned verified = ip_checksum_good | l4_checksum_good;
  frame.flags = static_cast<std::uint16_t>(frame.flags & ~verified);
}

void ImpairedLane::repeat(const Frame& frame, std::uint64_t due) {
  Frame copy;
  if (!pool_.acquire(&copy, 1)) return;
  if (copy.room < frame.length) {
    pool_.release(&copy, 1);
    return;
  }
  std::memcpy(copy.data, frame.data, frame.length);
  copy.length = frame.length;
  copy.flags = frame.flags;
  copy.port = frame.port;
  add(counts_.duplicated);
  straight_.push(copy, due);
}

unsigned ImpairedLane::take(Frame* frames, unsigned count, std::uint64_t now) {
  unsigned taken = 0;
  while (taken < count) {
    const bool straight = !straight_.empty() && straight_.front().due <= now;
    const bool late = !late_.empty() && late_.front().due <= now;
    if (!straight && !late) break;
    const bool late_first = late && (!straight || late_.front().due < straight_.front().due);
    frames[taken++] = late_first ? late_.pop() : straight_.pop();
  }
  return taken;
}

Impaired ImpairedLane::counts() const {
  constexpr auto relaxed = std::memory_order_relaxed;
  return {.frames = counts_.frames.load(relaxed),
          .dropped = counts_.dropped.load(relaxed),
          .duplicated = counts_.duplicated.load(relaxed),
          .reordered = counts_.reordered.load(relaxed),
          .corrupted = counts_.corrupted.load(relaxed)};
}

namespace {
std::uint64_t seed_of(std::uint64_t seed, std::uint64_t salt) {
  std::uint64_t state = seed + salt * 0x9e3779b97f4a7c15;
  return expand(state);
}
}  // namespace

ImpairedPort::ImpairedPort(Device& device, FramePool& pool, const ImpairConfig& config,
                           std::uint64_t salt, std::uint32_t held_max, Now now, double ticks_per_s)
    : device_(device),
      pool_(pool),
      now_(now),
      in_(config, seed_of(config.seed, 2 * salt), pool, ticks_per_s, held_max),
      out_(config, seed_of(config.seed, 2 * salt + 1), pool, ticks_per_s, held_max) {}

// Sends what was on its way out: the last ACK or RST of a run must still leave.
ImpairedPort::~ImpairedPort() {
  send_due(~std::uint64_t{0});
  if (leaving_count_ > 0) pool_.release(leaving_.data(), leaving_count_);
}

void ImpairedPort::send_due(std::uint64_t now) {
  for (;;) {
    leaving_count_ += out_.take(&leaving_[leaving_count_], burst - leaving_count_, now);
    if (leaving_count_ == 0) return;
    const unsigned sent = device_.transmit(leaving_.data(), leaving_count_);
    leaving_count_ -= sent;
    std::copy_n(leaving_.begin() + sent, leaving_count_, leaving_.begin());
    if (leaving_count_ != 0) return;  // the device is full
  }
}

unsigned ImpairedPort::receive(Frame* frames, unsigned count) {
  const std::uint64_t now = now_();
  send_due(now);
  std::array<Frame, burst> arrived;
  // Frames cannot go back to the device: take no more than there is room for.
  const unsigned want = std::min({count, burst, in_.room()});
  const unsigned got = device_.receive(arrived.data(), want);
  for (unsigned i = 0; i < got; ++i) in_.admit(arrived[i], now);
  return in_.take(frames, count, now);
}

unsigned ImpairedPort::transmit(const Frame* frames, unsigned count) {
  const std::uint64_t now = now_();
  unsigned taken = 0;
  while (taken < count) {
    const unsigned now_taken = std::min(count - taken, out_.room());
    if (now_taken == 0) break;  // the device is full, and so are the rings
    for (unsigned i = 0; i < now_taken; ++i) out_.admit(frames[taken++], now);
    send_due(now);
  }
  return taken;
}

}  // namespace salut::io
