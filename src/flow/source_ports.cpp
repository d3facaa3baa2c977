#include "flow/source_ports.hpp"

#include <bit>

namespace salut::flow {

SourcePorts::SourcePorts(std::uint64_t seed) : destination_(expand(seed)) {
  for (std::uint64_t& secret : secrets_) secret = expand(seed);
  // Random starts (RFC 6056 §3.3.4), far enough from the end that no counter ever wraps.
  for (std::uint64_t& counter : counters_) counter = expand(seed) >> 16;
}

void SourcePorts::add_range(std::uint32_t interface, std::uint32_t first_addr_h,
                            std::uint32_t count) {
  ranges_.push_back(Range{interface, first_addr_h, count});
  walk_.valid = false;
}

void SourcePorts::add_range6(std::uint32_t interface, const IpAddress& first, std::uint32_t count) {
  std::uint32_t number = 1;  // 0 means any
  for (const Range& range : ranges_) {
    if (range.first6.is_v6()) number = std::max(number, range.first_addr_h + range.count);
  }
  count = std::min(count, 0xffff'ffff - number);
  ranges_.push_back(Range{interface, number, count, first});
  walk_.valid = false;
}

Address SourcePorts::address6(std::uint32_t number) const {
  for (const Range& range : ranges_) {
    const std::uint32_t n = number - range.first_addr_h;
    if (range.first6.is_v6() && n < range.count) return Address::of(range.first6.plus(n));
  }
  return {};
}

void SourcePorts::set_home(std::uint32_t interface, const Steering& steering, unsigned worker) {
  homes_.push_back(Home{interface, &steering, worker});
  walk_.valid = false;
}

const SourcePorts::Home* SourcePorts::home_of(const LocalWish& wish) const {
  for (const Home& home : homes_) {
    if (home.interface == wish.interface) return &home;
  }
  return nullptr;
}

std::uint64_t SourcePorts::addresses(const LocalWish& wish) const {
  if (wish.addr != 0) return 1;
  std::uint64_t count = 0;
  for (const Range& range : ranges_) count += range.interface == wish.interface ? range.count : 0;
  return count;
}

// See Walk::first_addr.
std::uint32_t SourcePorts::first_in_a_row(const LocalWish& wish) const {
  if (wish.port != 0 || home_of(wish) != nullptr) return 0;
  if (wish.addr != 0) return net32(wish.addr);
  std::uint32_t first = 0;
  for (const Range& range : ranges_) {
    if (range.interface != wish.interface) continue;
    if (first != 0) return 0;
    first = range.first_addr_h;
  }
  return first;
}

std::uint64_t SourcePorts::space(const LocalWish& wish) const {
  return addresses(wish) * (wish.port != 0 ? 1 : ports_of(home_of(wish)));
}

void SourcePorts::begin_walk(std::uint32_t remote_addr, std::uint16_t remote_port,
                             const LocalWish& wish) {
  const std::uint64_t of_key = destination_(Key{remote_addr, wish.addr, remote_port, wish.port});
  const std::uint64_t hash = fold(of_key ^ secrets_[rounds], of_key + wish.interface);
  walk_.remote_addr = remote_addr;
  walk_.remote_port = remote_port;
  walk_.counter = static_cast<std::uint16_t>(hash % counter_count);
  walk_.wish = wish;
  walk_.valid = true;
  walk_.home = home_of(wish);
  walk_.ports = ports_of(walk_.home);
  if (wish.whole != nullptr) walk_.whole = *wish.whole;
  walk_.space = space(wish);
  walk_.start = scale(hash, walk_.space);
  walk_.tweak = hash;
  walk_.first_addr = first_in_a_row(wish);
  walk_.narrow = walk_.space <= std::uint64_t{1} << 32;
  walk_.again = false;
  const auto bits = std::max(static_cast<unsigned>(std::bit_width(walk_.space - 1)), 2u);
  walk_.low_bits = bits / 2;
  walk_.high_bits = bits - walk_.low_bits;
  for (unsigned round = 0; round < rounds; ++round) {
    const std::uint64_t key = fold(hash ^ secrets_[round], of_key ^ ~secrets_[round]);
    walk_.round_keys[round] = {static_cast<std::uint32_t>(key),
                               static_cast<std::uint32_t>(key >> 32) | 1};
  }
  walk_.steps.fill(~std::uint64_t{0});
}

template <std::size_t count>
void SourcePorts::work_out(Walk& walk, std::uint64_t first) const {
  std::array<std::uint64_t, count> nth;
  std::uint64_t value = (walk.start + first) % walk.space;
  for (std::uint64_t& n : nth) {
    n = value++;
    if (value == walk.space) value = 0;
  }
  if (walk.narrow) {
    std::array<std::uint32_t, count> values;
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<std::uint32_t>(nth[i]);
    permute(values, walk);
    for (std::size_t i = 0; i < count; ++i) nth[i] = values[i];
  } else {
    for (std::uint64_t& n : nth) n = permute_wide(n, walk);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = (first + i) % ahead_max;
    walk.steps[at] = first + i;
    if (walk.first_addr != 0) {
      const std::uint64_t addr = walk.first_addr + nth[i] / ports_per_address;
      const std::uint64_t port = first_port + nth[i] % ports_per_address;
      walk.keys[at] = Key{walk.remote_addr, net32(static_cast<std::uint32_t>(addr)),
                          walk.remote_port, net16(static_cast<std::uint16_t>(port))};
    } else {
      walk.keys[at] = key_of(walk, nth[i]);
    }
  }
}
template void SourcePorts::work_out<1>(Walk&, std::uint64_t) const;
template void SourcePorts::work_out<SourcePorts::ahead_max>(Walk&, std::uint64_t) const;

Key SourcePorts::key_of(const Walk& walk, std::uint64_t nth) const {
  const LocalWish& wish = walk.wish;
  std::uint32_t addr = wish.addr;
  std::uint16_t port = wish.port;
  if (port == 0) {
    if (addr == 0) addr = net32(address(wish.interface, nth / walk.ports));
    port = this->port(walk, addr, static_cast<std::uint32_t>(nth % walk.ports));
  } else if (addr == 0) {
    addr = net32(address(wish.interface, nth));
  }
  return Key{walk.remote_addr, addr, walk.remote_port, port};
}

std::uint16_t SourcePorts::port(const Walk& walk, std::uint32_t addr, std::uint32_t nth) const {
  if (walk.home == nullptr) return net16(static_cast<std::uint16_t>(first_port + nth));
  const bool ip6 = walk.wish.whole != nullptr;
  Ends ends{Address::v4(walk.remote_addr), Address::v4(addr), walk.remote_port, 0};
  if (ip6) {
    const Address& from = walk.whole.local;
    ends.remote = walk.whole.remote;
    ends.local = from.is_any() ? address6(net32(addr)) : from;
  }
  const Steering& steering = *walk.home->steering;
  return steering.port(walk.home->worker, steering.entry_of(ends), ip6, nth);
}

namespace {

// Upper bits of a keyed 32-bit hash. The loops over lanes become vector operations.
template <std::size_t count>
void mix(std::array<std::uint32_t, count>& to, const std::array<std::uint32_t, count>& from,
         std::uint32_t mask, std::uint32_t factor, unsigned bits) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t x = (from[i] ^ mask) * factor;
    x = (x ^ x >> 15) * 0x2c1b'3c6du;
    x = (x ^ x >> 13) * factor;
    to[i] ^= x >> (32 - bits);
  }
}

}  // namespace

// A Feistel network over the next power of two, applied until the value lies in the space: fewer
// than two times on average. A round changes one half by a keyed hash of the other and is its own
// inverse. So the whole is a permutation, however weak the hash.
template <std::size_t count>
void SourcePorts::permute(std::array<std::uint32_t, count>& values, const Walk& walk) const {
  if (walk.space == 1) return;
  std::array<std::uint32_t, count> low;
  std::array<std::uint32_t, count> high;
  for (std::size_t i = 0; i < count; ++i) {
    low[i] = values[i] & ((1u << walk.low_bits) - 1);
    high[i] = values[i] >> walk.low_bits;
  }
  for (unsigned round = 0; round < rounds; round += 2) {
    const RoundKey& even = walk.round_keys[round];
    const RoundKey& odd = walk.round_keys[round + 1];
    mix(high, low, even.mask, even.factor, walk.high_bits);
    mix(low, high, odd.mask, odd.factor, walk.low_bits);
  }
  for (std::size_t i = 0; i < count; ++i) values[i] = high[i] << walk.low_bits | low[i];
  for (std::uint32_t& value : values) {
    while (value >= walk.space) {
      std::array<std::uint32_t, 1> again = {value};
      permute(again, walk);
      value = again[0];
    }
  }
}

// The same with 64 bits.
std::uint64_t SourcePorts::permute_wide(std::uint64_t value, const Walk& walk) const {
  do {
    std::uint64_t low = value & ((std::uint64_t{1} << walk.low_bits) - 1);
    std::uint64_t high = value >> walk.low_bits;
    for (unsigned round = 0; round < rounds; round += 2) {
      high ^= fold(low ^ secrets_[round], walk.tweak ^ secrets_[round]) >> (64 - walk.high_bits);
      low ^= fold(high ^ secrets_[round + 1], walk.tweak ^ secrets_[round + 1]) >>
             (64 - walk.low_bits);
    }
    value = high << walk.low_bits | low;
  } while (value >= walk.space);
  return value;
}

std::uint32_t SourcePorts::address(std::uint32_t interface, std::uint64_t nth) const {
  for (const Range& range : ranges_) {
    if (range.interface != interface) continue;
    if (nth < range.count) return range.first_addr_h + static_cast<std::uint32_t>(nth);
    nth -= range.count;
  }
  return 0;
}

}  // namespace salut::flow
