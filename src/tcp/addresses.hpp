// The addresses of a connection and of a received segment, of either family: the one place that
// knows where the whole ones of IPv6 stand.
//
// A pointer to an AddressPair means IPv6 and null means IPv4, whose addresses are in the key; what
// takes a key takes such a pointer beside it. Keys of IPv6 are folded (base/address.hpp), so that
// same_connection() is what decides who a segment is for, and comparing keys alone never is.
#pragma once

#include "salut/frame.hpp"
#include "tcp/context.hpp"
#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// Source as remote, destination as local; a view of the frame.
inline const AddressPair* whole_addresses(const wire::Segment& segment, const Frame& frame) {
  if (!segment.ip6) [[likely]]
    return nullptr;
  return &wire::view<AddressPair>(frame.data + segment.ip_offset +
                                  offsetof(wire::Ipv6Header, source));
}

inline const AddressPair* whole_addresses(const Context& c, const Tcb& tcb) {
  return tcb.has(Flag::ip6) ? &c.addresses6[c.tcbs.index_of(tcb)] : nullptr;
}

inline Address remote_address(const Key& key, const AddressPair* whole) {
  return whole != nullptr ? whole->remote : Address::v4(key.remote_addr);
}
inline Address local_address(const Key& key, const AddressPair* whole) {
  return whole != nullptr ? whole->local : Address::v4(key.local_addr);
}

// Is the entry `index` of the flow table (a TCB's slot, or a TIME_WAIT record with time_wait_bit)
// the connection with this key and these addresses?
inline bool same_connection(const Context& c, std::uint32_t index, const Key& key,
                            const AddressPair* whole) {
  if ((index & time_wait_bit) != 0) {
    const std::uint32_t at = index & ~time_wait_bit;
    const flow::Record& record = c.time_wait[at];
    return record.key == key && ((record.flags & flow::record_ip6) != 0) == (whole != nullptr) &&
           (whole == nullptr || c.time_wait6[at] == *whole);
  }
  const Tcb& tcb = c.tcbs[index];
  return tcb.key == key && tcb.has(Flag::ip6) == (whole != nullptr) &&
         (whole == nullptr || c.addresses6[index] == *whole);
}

// Its entry in the flow table, or flow::Table::none.
inline std::uint32_t find_connection(const Context& c, std::uint64_t hash, const Key& key,
                                     const AddressPair* whole) {
  return c.flows.find(hash,
                      [&](std::uint32_t index) { return same_connection(c, index, key, whole); });
}

}  // namespace salut::tcp
