// The listeners, found by local port: a SYN reaches the first listener on its port in one load.
//
// Listeners on the same port with different addresses are chained, the most exact address first:
// one address, then all of IPv4 (0.0.0.0), then all of both families (::).
// Threads: the stack's lcore.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/address.hpp"
#include "base/memory.hpp"

namespace salut::flow {

struct ListenerSlot {
  Address address;              // 0.0.0.0: any of IPv4; :: any of both families
  std::uint16_t port = 0;       // network order
  std::uint16_t next = 0xffff;  // the next listener on this port
  std::uint32_t half_open = 0;  // children in SYN_RECEIVED
  std::uint32_t backlog = 0;
  bool open = false;
};

class Listeners {
 public:
  static constexpr std::uint16_t none = 0xffff;
  static constexpr std::uint16_t capacity = 1024;

  explicit Listeners(Memory& memory)
      : slots_(memory, capacity, Use::tcb), by_port_(memory, 65'536, Use::tcb) {
    std::fill_n(by_port_.data(), by_port_.size(), none);
  }

  // The listener that takes a SYN to this address and port (network order), or none.
  std::uint16_t find(const Address& address, std::uint16_t port) const {
    std::uint16_t index = by_port_[port];
    while (index != none && !takes(slots_[index].address, address)) index = slots_[index].next;
    return index;
  }
  // The listener with exactly this address and port, or none.
  std::uint16_t find_exact(const Address& address, std::uint16_t port) const {
    std::uint16_t index = by_port_[port];
    while (index != none && slots_[index].address != address) index = slots_[index].next;
    return index;
  }

  // The new listener's index, or none if the table is full.
  // REQUIRES: find_exact() of the pair is none.
  std::uint16_t add(const Address& address, std::uint16_t port, std::uint32_t backlog) {
    for (std::uint16_t i = 0; i < capacity; ++i) {
      if (slots_[i].open || slots_[i].half_open != 0) continue;
      slots_[i] = ListenerSlot{address, port, none, 0, backlog, true};
      std::uint16_t* link = &by_port_[port];
      while (*link != none && width(slots_[*link].address) < width(address)) {
        link = &slots_[*link].next;
      }
      slots_[i].next = *link;
      *link = i;
      ++count_;
      return i;
    }
    return none;
  }

  void remove(std::uint16_t index) {
    std::uint16_t* link = &by_port_[slots_[index].port];
    while (*link != index) link = &slots_[*link].next;
    *link = slots_[index].next;
    slots_[index].open = false;
    --count_;
  }

  ListenerSlot& operator[](std::uint16_t index) { return slots_[index]; }
  const ListenerSlot& operator[](std::uint16_t index) const { return slots_[index]; }
  // Does nobody listen on the port, in network order, at any address?
  bool is_free(std::uint16_t port) const { return by_port_[port] == none; }
  bool valid(std::uint16_t index) const { return index < capacity && slots_[index].open; }
  std::uint32_t count() const { return count_; }

 private:
  static bool takes(const Address& listener, const Address& address) {
    return listener == address || (listener.is_any() && (!listener.is_v4() || address.is_v4()));
  }
  // Listeners on a port are chained by width: the narrowest that matches takes the SYN.
  static unsigned width(const Address& address) {
    return !address.is_any() ? 0 : address.is_v4() ? 1 : 2;
  }

  FixedArray<ListenerSlot> slots_;
  FixedArray<std::uint16_t> by_port_;
  std::uint32_t count_ = 0;
};

}  // namespace salut::flow
