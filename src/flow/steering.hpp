// Which worker does a flow belong to? A port has one function that answers for all of its workers,
// so that every packet of a connection reaches the one core that knows the connection, whatever
// queue it came in on.
//
// The function is RSS as network cards do it: the Toeplitz hash under a key of 40 random bytes, and
// a table of 2^n entries, of which the low bits of the hash choose one. If a card computes it,
// `received` takes the tuple as the card does: remote address, local address, remote port, local
// port. If software computes it, `folded` takes remote ^ local instead, which is the same at both
// ends of a connection: two stacks of one process that are joined by a wire then choose the same
// worker, and no packet changes cores.
//
// Toeplitz is linear: the hash of a tuple is the hash without the local port, xor the hash of the
// port alone. So the ports are sorted once into classes, by the entry that they add. An active open
// then knows without a search which local ports make the device steer the replies to our worker.
// Let `base` be the entry of the tuple with local port 0: the ports of a worker are the classes
// `entry ^ base` of its entries, and their number is the same for every destination. So exhaustion
// is known at once; rte_thash_get_complement() would answer for one tuple at a time.
//
// The key is random at each start and secret, or a flood could be aimed at one core. Nothing else
// depends on it: the flow table has a hash of its own.
//
// Thread safety: immutable once made. Cost: a load of two bytes from 6 KiB (IPv4) per byte of the
// tuple: 12 as a card does it, 6 folded. Memory: below 300 KiB, most of it the sorted ports.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.hpp"
#include "base/key.hpp"

namespace salut::flow {

// Both ends of a packet, as its receiver sees them. Ports in network order.
struct Ends {
  Address remote;
  Address local;
  std::uint16_t remote_port = 0;
  std::uint16_t local_port = 0;
};

class Steering {
 public:
  static constexpr std::size_t key_bytes = 40;  // 36 bytes of the longest tuple and 4 more
  static constexpr unsigned table_max = 2048;
  static constexpr std::uint32_t first_port = 1024;  // active opens take it and all above

  enum class Input : std::uint8_t { received, folded };
  using SecretKey = std::array<std::uint8_t, key_bytes>;

  // `table`: the worker of each entry. Its size is a power of two, at most table_max. Workers are
  // numbered from 0 within the port; one without an entry gets no flows.
  // REQUIRES: usable(key, input, table.size()).
  Steering(const SecretKey& key, Input input, std::span<const std::uint16_t> table,
           unsigned workers);

  // A key is usable if local ports alone reach every entry. Random keys nearly always are.
  static bool usable(const SecretKey& key, Input input, unsigned entries);
  // The first usable key that `seed` leads to.
  static SecretKey make_key(std::uint64_t seed, Input input, unsigned entries);

  unsigned workers() const { return static_cast<unsigned>(entries_of_.size()); }
  unsigned entries() const { return static_cast<unsigned>(table_.size()); }
  Input input() const { return input_; }

  // The worker of a flow. A Key is for IPv4 only, and its local end is ours.
  unsigned worker_of(const Key& key) const { return table_[entry_v4(key)]; }
  unsigned worker_of(const Ends& ends) const { return table_[entry_of(ends)]; }
  unsigned entry_of(const Ends& ends) const {
    return ends.remote.is_v4()
               ? entry_v4({ends.remote.v4(), ends.local.v4(), ends.remote_port, ends.local_port})
               : entry_v6(ends);
  }

  unsigned worker_at(unsigned entry) const { return table_[entry]; }
  unsigned entries_of(unsigned worker) const {
    return static_cast<unsigned>(entries_of_[worker].size());
  }

  // How many local ports from 1024 on steer the replies of a remote endpoint to `worker`. It is the
  // same for all endpoints, because each class is cut to the size of the smallest.
  std::uint32_t ports_of(unsigned worker) const {
    return static_cast<std::uint32_t>(entries_of_[worker].size()) * per_class_;
  }
  // The nth of these ports, network order. `base`: entry_of() the tuple with local port 0.
  // REQUIRES: nth < ports_of(worker).
  std::uint16_t port(unsigned worker, unsigned base, bool ip6, std::uint32_t nth) const {
    const unsigned entry = entries_of_[worker][nth / per_class_] ^ base;
    const Classes& classes = classes_[ip6 ? 1 : 0];
    return classes.ports[classes.first[entry] + nth % per_class_];
  }

 private:
  static constexpr std::size_t tuple_bytes = 36;
  // The bits that each value of each byte of the tuple adds (xor) to the entry.
  using Contributions = std::array<std::array<std::uint16_t, 256>, tuple_bytes>;
  // The local ports, sorted by the entry that they add.
  struct Classes {
    std::vector<std::uint16_t> ports;  // network order
    std::vector<std::uint32_t> first;  // where the class of each entry begins in `ports`
  };

  static void fill(const SecretKey& key, unsigned entries, Contributions& adds);
  static std::size_t port_at(Input input, bool ip6);
  static std::uint32_t sort_ports(const Contributions& adds, std::size_t at, unsigned entries,
                                  Classes& classes);

  template <typename Word>
  unsigned add(std::size_t at, Word word) const {
    unsigned entry = 0;
    for (std::size_t i = 0; i < sizeof(word); ++i) {
      entry ^= adds_[at + i][static_cast<std::uint8_t>(word >> (8 * i))];
    }
    return entry;
  }
  unsigned entry_v4(const Key& key) const {
    if (input_ == Input::folded) {
      return add(0, key.remote_addr ^ key.local_addr) ^
             add(4, static_cast<std::uint16_t>(key.remote_port ^ key.local_port));
    }
    return add(0, key.remote_addr) ^ add(4, key.local_addr) ^ add(8, key.remote_port) ^
           add(10, key.local_port);
  }
  unsigned entry_v6(const Ends& ends) const;

  Input input_;
  std::uint32_t per_class_ = 0;
  std::vector<std::uint16_t> table_;
  std::vector<std::vector<std::uint16_t>> entries_of_;  // each worker's
  std::array<Classes, 2> classes_;                      // IPv4, IPv6
  Contributions adds_ = {};
};

}  // namespace salut::flow
