// Which local endpoint an active open takes: RFC 6056's algorithm 4 (double-hash port selection)
// over all addresses of an interface times the ports 1024..65535, in random order.
//
// Each destination has its own keyed permutation of the whole space (a Feistel network, applied
// until the value lies in the space) and a counter of the steps taken along it. A space of at most
// 2^32 has a network of 32-bit operations, of which a CPU with vectors does eight at once: each of
// the eight is a value of the permutation, so that knowing one gives no other. So candidates look
// random to everyone without the key, tell nothing about connections to other destinations, and
// come back only after the whole space: as late as possible, which is what a peer in TIME_WAIT
// needs. Destinations share 1,024 counters by hash; sharing skips candidates, it never repeats one.
//
// The bet against a bitmap of free ports: no memory per port, nothing to give back on close, and
// the flow table, which knows what is in use, is asked anyway. If a share u of the space is in use,
// a choice takes 1/(1-u) candidates on average. It gives up after 128, so that an exhausted space
// is an error at once and not a loop. In a space of at most 128 it tries each endpoint.
//
// Where several workers share an interface, set_home() gives each worker the ports whose replies
// are steered to it (steering.hpp). These sets do not overlap.
//
// A program that opens one connection to a destination often opens more. So the walk of the last
// destination is kept; from the second choice on its candidates are worked out eight at a time, and
// choose() takes those that peek() has computed.
//
// Threads: one. Cost: about 25 instructions per candidate of eight beside in_use(), 150 of one
// alone. 8 KiB.
//
//   ports.add_range(0, 0x0a000001, 16);                    // at start
//   ports.peek(addr, port, {.interface = 0}, 1);           // its bucket may be prefetched
//   if (!ports.choose(addr, port, {.interface = 0}, in_table, key)) return Errc::no_port;
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/hash.hpp"
#include "base/key.hpp"
#include "flow/steering.hpp"

namespace salut::flow {

// What the caller wants of the local end. Address and port in network order, 0 for any; a given
// port may be below 1024.
struct LocalWish {
  std::uint32_t interface = 0;
  std::uint32_t addr = 0;
  std::uint16_t port = 0;
  // IPv6 only: the whole addresses, the local one any (::) if `addr` is 0. `addr` and the caller's
  // remote address are then 32-bit stand-ins for them. Must live until the call returns.
  const AddressPair* whole = nullptr;
};

class SourcePorts {
 public:
  static constexpr std::uint32_t first_port = 1024;
  static constexpr std::uint32_t ports_per_address = 65536 - first_port;
  static constexpr unsigned max_tries = 128;
  static constexpr unsigned ahead_max = 8;

  explicit SourcePorts(std::uint64_t seed);

  // For set-up only: these allocate. Ranges of an interface must not overlap.
  void add_range(std::uint32_t interface, std::uint32_t first_addr_h, std::uint32_t count);
  // Gives each IPv6 address a number of its own, counted from 1, which stands for it in `addr`. If
  // 32 bits do not have `count` numbers left, the rest of the range is not used.
  void add_range6(std::uint32_t interface, const IpAddress& first, std::uint32_t count);
  // The address that a number stands for; :: if none.
  Address address6(std::uint32_t number) const;
  // `interface` has several workers, and this is `worker`. From now on choose() takes only ports
  // whose replies reach it, unless the wish names a port. `steering` must outlive this.
  void set_home(std::uint32_t interface, const Steering& steering, unsigned worker);

  // How many local endpoints satisfy the wish; 0 for an interface without addresses.
  std::uint64_t space(const LocalWish& wish) const;

  // Fills `out` with a key for which in_use(const Key&, step) is false. False: none was found. The
  // step is that at which peek() has the candidate, so that the caller may keep what it computed.
  template <class InUse>
  bool choose(std::uint32_t remote_addr, std::uint16_t remote_port, const LocalWish& wish,
              InUse&& in_use, Key& out) {
    Walk& walk = walk_to(remote_addr, remote_port, wish);
    const bool again = walk.again;
    walk.again = true;
    const auto tries = static_cast<unsigned>(std::min<std::uint64_t>(walk.space, max_tries));
    for (unsigned i = 0; i < tries; ++i) {
      const std::uint64_t step = counters_[walk.counter]++;
      const Key key = candidate(walk, step, again);
      if (!in_use(key, step)) {
        out = key;
        return true;
      }
    }
    return false;
  }

  // The candidate that choose() will try first (`ahead` 0) or later, for prefetching.
  // REQUIRES: space(wish) is not 0, ahead < ahead_max.
  Key peek(std::uint32_t remote_addr, std::uint16_t remote_port, const LocalWish& wish,
           unsigned ahead = 0) {
    Walk& walk = walk_to(remote_addr, remote_port, wish);
    return candidate(walk, counters_[walk.counter] + ahead, walk.again);
  }

  // All that peek() knows: calls f(const Key&, step) for each, `ahead` from 0 on.
  template <class F>
  void peek_all(std::uint32_t remote_addr, std::uint16_t remote_port, const LocalWish& wish,
                F&& f) {
    Walk& walk = walk_to(remote_addr, remote_port, wish);
    const std::uint64_t step = counters_[walk.counter];
    for (unsigned i = 0; i < ahead_max; ++i) f(candidate(walk, step + i, walk.again), step + i);
  }

  // The counter of the last destination: how many candidates were tried, plus a random start.
  std::uint64_t step() const { return counters_[walk_.counter]; }

 private:
  static constexpr unsigned rounds = 6;
  static constexpr std::size_t counter_count = 1024;

  struct Range {
    std::uint32_t interface;
    std::uint32_t first_addr_h;
    std::uint32_t count;
    IpAddress first6 = {};  // IPv6: the address whose number is first_addr_h
  };
  struct Home {
    std::uint32_t interface;
    const Steering* steering;
    unsigned worker;
  };
  // Of one round of a narrow network.
  struct RoundKey {
    std::uint32_t mask;
    std::uint32_t factor;  // odd
  };
  // The permutation for one destination.
  struct Walk {
    std::uint32_t remote_addr = 0;
    std::uint16_t remote_port = 0;
    std::uint16_t counter = 0;
    LocalWish wish;
    bool valid = false;
    std::uint64_t space = 0;
    std::uint64_t start = 0;
    std::uint64_t tweak = 0;
    std::array<RoundKey, rounds> round_keys = {};
    unsigned low_bits = 1;  // of the network's two halves
    unsigned high_bits = 1;
    bool narrow = false;  // the space has at most 2^32
    bool again = false;   // it was chosen from before
    // With a port of any number, and addresses in a row from this one on (host order); 0:
    // otherwise.
    std::uint32_t first_addr = 0;
    const Home* home = nullptr;
    std::uint32_t ports = ports_per_address;  // of each local address
    AddressPair whole;                        // IPv6 only
    // The candidates computed so far, by step % ahead_max; step ~0: none.
    std::array<std::uint64_t, ahead_max> steps;
    std::array<Key, ahead_max> keys;
  };

  std::uint64_t addresses(const LocalWish& wish) const;
  std::uint32_t first_in_a_row(const LocalWish& wish) const;
  const Home* home_of(const LocalWish& wish) const;
  std::uint32_t ports_of(const Home* home) const {
    return home != nullptr ? home->steering->ports_of(home->worker) : ports_per_address;
  }
  std::uint16_t port(const Walk& walk, std::uint32_t addr, std::uint32_t nth) const;
  Walk& walk_to(std::uint32_t remote_addr, std::uint16_t remote_port, const LocalWish& wish) {
    const LocalWish& last = walk_.wish;
    const bool same = walk_.valid & (walk_.remote_addr == remote_addr) &
                      (walk_.remote_port == remote_port) & (last.interface == wish.interface) &
                      (last.addr == wish.addr) & (last.port == wish.port);
    if (!same || (wish.whole != nullptr && !walks_between(wish))) [[unlikely]]
      begin_walk(remote_addr, remote_port, wish);
    return walk_;
  }
  // Two IPv6 addresses may have equal stand-ins, so this compares the whole addresses.
  bool walks_between(const LocalWish& wish) const {
    return walk_.whole.remote == wish.whole->remote &&
           (wish.addr == 0 || walk_.whole.local == wish.whole->local);
  }
  void begin_walk(std::uint32_t remote_addr, std::uint16_t remote_port, const LocalWish& wish);
  // `more`: with the others of its eight.
  Key candidate(Walk& walk, std::uint64_t step, bool more) const {
    const std::size_t at = step % ahead_max;
    const bool eight = more && walk.narrow;
    if (walk.steps[at] != step) [[unlikely]]
      eight ? work_out<ahead_max>(walk, step - at) : work_out<1>(walk, step);
    return walk.keys[at];
  }
  template <std::size_t count>
  void work_out(Walk& walk, std::uint64_t first) const;
  template <std::size_t count>
  void permute(std::array<std::uint32_t, count>& values, const Walk& walk) const;
  std::uint64_t permute_wide(std::uint64_t value, const Walk& walk) const;
  Key key_of(const Walk& walk, std::uint64_t nth) const;
  std::uint32_t address(std::uint32_t interface, std::uint64_t nth) const;

  Hasher destination_;
  std::array<std::uint64_t, rounds + 1> secrets_ = {};
  std::array<std::uint64_t, counter_count> counters_ = {};
  std::vector<Range> ranges_;
  std::vector<Home> homes_;
  Walk walk_;
};

}  // namespace salut::flow
