// The routes of both families: the longest configured prefix that contains the destination.
//
// At start the address space is cut at both ends of every prefix. Each interval between two cuts
// then has one prefix that wins in it. So a look-up is one binary search without a branch that
// depends on the address: two steps for a host with one link and a gateway, eleven for a thousand
// routes. The bet against a trie: routes do not change after the start, and a host has so few that
// they fit one cache line.
//
// Intervals answer "which of these ranges is it in?" for other ranges too: Interfaces keeps the
// local addresses in one.
//
// Threads: immutable after the start, where it allocates.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.hpp"
#include "base/key.hpp"
#include "salut/address.hpp"

namespace salut::ip {

// The address as a number, whose order is that of the addresses.
constexpr Wide number_of(const Address& address) {
  return Wide{__builtin_bswap64(address.high)} << 64 | __builtin_bswap64(address.low);
}
constexpr Wide number_of(const IpAddress& address) {
  return Wide{address.high()} << 64 | address.low();
}

// A map from ranges of numbers to values. Word: std::uint32_t for IPv4, Wide for IPv6.
template <class Word>
class Intervals {
 public:
  static constexpr std::uint32_t none = 0xffff'ffff;

  // Where ranges overlap the highest rank wins; of equal ranks the one added first. find() sees a
  // range only after build().
  void add(Word first, Word last, unsigned rank, std::uint32_t value) {
    ranges_.push_back(Range{first, last, rank, value});
  }

  void build() {
    std::vector<Word> cuts = {Word{0}};
    for (const Range& range : ranges_) {
      cuts.push_back(range.first);
      if (range.last != static_cast<Word>(~Word{0})) cuts.push_back(range.last + 1);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    pieces_.clear();
    for (const Word cut : cuts) {
      const Range* best = nullptr;
      for (const Range& range : ranges_) {
        const bool inside = range.first <= cut && cut <= range.last;
        if (inside && (best == nullptr || range.rank > best->rank)) best = &range;
      }
      const std::uint32_t value = best != nullptr ? best->value : none;
      if (pieces_.empty() || pieces_.back().value != value) pieces_.push_back(Piece{cut, value});
    }
  }

  std::uint32_t find(Word number) const {
    const Piece* base = pieces_.data();
    for (std::size_t n = pieces_.size(); n > 1;) {
      const std::size_t half = n / 2;
      base += base[half].first <= number ? half : 0;
      n -= half;
    }
    return base->value;
  }

 private:
  struct Range {
    Word first;
    Word last;
    unsigned rank;
    std::uint32_t value;
  };
  struct Piece {
    Word first;  // ends before the next piece's first
    std::uint32_t value;
  };

  std::vector<Range> ranges_;
  std::vector<Piece> pieces_ = {Piece{Word{0}, none}};
};

struct Route {
  std::uint16_t port = 0;
  Address next_hop;
};

class Routes {
 public:
  // `gateway`: the next hop for the whole prefix; any: the prefix is on the link of `port`. Of two
  // equal prefixes the one added first wins. For set-up only; build() must follow.
  void add(const Prefix& prefix, std::uint16_t port, const IpAddress& gateway);
  void build() {
    v4_.build();
    v6_.build();
  }

  std::optional<Route> find(const Address& destination) const {
    const std::uint32_t hop =
        destination.is_v4() ? v4_.find(net32(destination.v4())) : v6_.find(number_of(destination));
    if (hop == Intervals<std::uint32_t>::none) return std::nullopt;
    const Hop& via = hops_[hop];
    return Route{via.port, via.gateway.is_any() ? destination : via.gateway};
  }

 private:
  struct Hop {
    Address gateway;
    std::uint16_t port;
  };
  Intervals<std::uint32_t> v4_;
  Intervals<Wide> v6_;
  std::vector<Hop> hops_;
};

}  // namespace salut::ip
