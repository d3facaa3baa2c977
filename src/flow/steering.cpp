#include "flow/steering.hpp"

#include <algorithm>
#include <memory>

#include "base/hash.hpp"

namespace salut::flow {

// Toeplitz: bit b of the tuple, if set, adds the 32 bits of the key that begin at bit b.
void Steering::fill(const SecretKey& key, unsigned entries, Contributions& adds) {
  const auto window = [&key](std::size_t bit) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      const std::size_t at = bit / 8 + i;
      bytes = bytes << 8 | (at < key.size() ? key[at] : 0u);
    }
    return static_cast<std::uint32_t>(bytes >> (8 - bit % 8));
  };
  for (std::size_t at = 0; at < tuple_bytes; ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      std::uint32_t hash = 0;
      for (std::size_t bit = 0; bit < 8; ++bit) {
        if ((value >> (7 - bit) & 1) != 0) hash ^= window(at * 8 + bit);
      }
      adds[at][value] = static_cast<std::uint16_t>(hash & (entries - 1));
    }
  }
}

std::size_t Steering::port_at(Input input, bool ip6) {
  if (input == Input::folded) return ip6 ? 16 : 4;
  return ip6 ? 34 : 10;
}

// Sorts the ports into classes. Returns the size of the smallest class.
std::uint32_t Steering::sort_ports(const Contributions& adds, std::size_t at, unsigned entries,
                                   Classes& classes) {
  constexpr std::uint32_t end = 65'536;
  const auto entry_of = [&](std::uint32_t port) {
    return adds[at][port >> 8] ^ adds[at + 1][port & 0xff];
  };
  std::vector<std::uint32_t> count(entries, 0);
  for (std::uint32_t port = first_port; port < end; ++port) ++count[entry_of(port)];
  classes.first.assign(entries, 0);
  for (unsigned entry = 1; entry < entries; ++entry) {
    classes.first[entry] = classes.first[entry - 1] + count[entry - 1];
  }
  std::vector<std::uint32_t> next = classes.first;
  classes.ports.resize(end - first_port);
  for (std::uint32_t port = first_port; port < end; ++port) {
    classes.ports[next[entry_of(port)]++] = net16(static_cast<std::uint16_t>(port));
  }
  return *std::min_element(count.begin(), count.end());
}

Steering::Steering(const SecretKey& key, Input input, std::span<const std::uint16_t> table,
                   unsigned workers)
    : input_(input), table_(table.begin(), table.end()), entries_of_(workers) {
  fill(key, entries(), adds_);
  per_class_ = std::min(sort_ports(adds_, port_at(input, false), entries(), classes_[0]),
                        sort_ports(adds_, port_at(input, true), entries(), classes_[1]));
  for (unsigned entry = 0; entry < entries(); ++entry) {
    entries_of_[table_[entry]].push_back(static_cast<std::uint16_t>(entry));
  }
}

bool Steering::usable(const SecretKey& key, Input input, unsigned entries) {
  const auto adds = std::make_unique<Contributions>();
  fill(key, entries, *adds);
  Classes classes;
  return sort_ports(*adds, port_at(input, false), entries, classes) > 0 &&
         sort_ports(*adds, port_at(input, true), entries, classes) > 0;
}

Steering::SecretKey Steering::make_key(std::uint64_t seed, Input input, unsigned entries) {
  SecretKey key = {};
  do {
    for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(expand(seed) >> 56);
  } while (!usable(key, input, entries));
  return key;
}

unsigned Steering::entry_v6(const Ends& ends) const {
  if (input_ == Input::folded) {
    return add(0, ends.remote.high ^ ends.local.high) ^ add(8, ends.remote.low ^ ends.local.low) ^
           add(16, static_cast<std::uint16_t>(ends.remote_port ^ ends.local_port));
  }
  return add(0, std::uint64_t{ends.remote.high}) ^ add(8, std::uint64_t{ends.remote.low}) ^
         add(16, std::uint64_t{ends.local.high}) ^ add(24, std::uint64_t{ends.local.low}) ^
         add(32, ends.remote_port) ^ add(34, ends.local_port);
}

}  // namespace salut::flow
