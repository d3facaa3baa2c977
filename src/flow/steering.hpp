// Which worker does a flow belong to? One function answers for a port and all of its workers, so
// that every packet of a connection reaches the one core that knows the connection, whichever queue
// it came in by.
//
// The function is Toeplitz (what network cards call RSS) under a key of 40 random bytes, and a
// table of 2^n entries that its low bits choose from. Where a card does it, `received` takes the
// tuple as the card does: remote address, local address, remote port, local port. Where software
// does it, `folded` takes remote ^ local instead, which is the same at both ends of a connection:
// two stacks of one process that are joined by a wire then choose the same worker, and no packet
// changes cores.
//
// Toeplitz is linear: the hash of a tuple is the hash without the local port, xor that of the port
// alone. So ports are sorted once by the entry that they add. An active open then knows, without
// trying, which local ports make the device steer the replies to our worker: for the base of a
// destination, the ports of worker w are the classes `entry ^ base` of the entries of w, as many as
// of every other destination. That is what rte_thash_get_complement() answers for one tuple at a
// time, and what makes exhaustion known at once.
//
// The key is a secret of this start, or a flood could be aimed at one core. It hides no more than
// that: the flow table has a hash of its own.
//
// Thread safety: immutable once made. Cost: a load of two bytes from 6 KiB (IPv4) per byte of the
// tuple: 12 as a card does it, 6 folded. 170 KiB.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.hpp"
#include "base/key.hpp"

namespace salut::flow {

// Both ends of a packet, as the one who received it has them. Ports in network order.
struct Ends {
  Address remote;
  Address local;
  std::uint16_t remote_port = 0;
  std::uint16_t local_port = 0;
};

class Steering {
 public:
  static constexpr std::size_t key_bytes = 40;  // 36 of the longest tuple, and four for its end
  static constexpr unsigned table_max = 2048;
  static constexpr std::uint32_t first_port = 1024;  // of those that active opens take

  enum class Input : std::uint8_t { received, folded };
  using SecretKey = std::array<std::uint8_t, key_bytes>;

  // `table`: entry to worker, a power of two of them, at most table_max; workers count from 0
  // within the port, and one without an entry owns nothing. A key must be usable().
  Steering(const SecretKey& key, Input input, std::span<const std::uint16_t> table,
           unsigned workers);

  // A key is usable if local ports alone reach every entry. Random keys nearly always are.
  static bool usable(const SecretKey& key, Input input, unsigned entries);
  // The first usable one from `seed`.
  static SecretKey make_key(std::uint64_t seed, Input input, unsigned entries);

  unsigned workers() const { return static_cast<unsigned>(entries_of_.size()); }
  unsigned entries() const { return static_cast<unsigned>(table_.size()); }
  Input input() const { return input_; }

  // The worker of an IPv4 flow; addresses in network order, as a connection of ours has them.
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

  // How many local ports, 1024 and above, steer the replies of one remote endpoint to `worker`. The
  // number is the same for all endpoints: a few ports of each entry are left unused for that.
  std::uint32_t ports_of(unsigned worker) const {
    return static_cast<std::uint32_t>(entries_of_[worker].size()) * per_class_;
  }
  // The nth of them, network order. `base`: entry_of() the ends with local port 0.
  // REQUIRES: nth < ports_of(worker).
  std::uint16_t port(unsigned worker, unsigned base, bool ip6, std::uint32_t nth) const {
    const unsigned entry = entries_of_[worker][nth / per_class_] ^ base;
    const Classes& classes = classes_[ip6 ? 1 : 0];
    return classes.ports[classes.first[entry] + nth % per_class_];
  }

 private:
  static constexpr std::size_t tuple_bytes = 36;
  // What a byte at a place of the tuple adds to the entry.
  using Contributions = std::array<std::array<std::uint16_t, 256>, tuple_bytes>;
  // Local ports by the entry that they add.
  struct Classes {
    std::vector<std::uint16_t> ports;  // network order
    std::vector<std::uint32_t> first;  // of each entry
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
