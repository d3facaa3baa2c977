// Is a packet that the engine sent well-formed? packetdrill verifies no checksum of what it gets
// from a plug-in, so a wrong one would pass. The sums are computed here by a routine that has
// nothing in common with wire/checksum.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace salut::packetdrill {

using Bytes = std::span<const std::byte>;

// The 16 bits at `at`, in network order.
std::uint32_t get16(Bytes bytes, std::size_t at);
// RFC 1071, word by word: adds to `sum`, folded to 16 bits.
std::uint32_t add_words(Bytes bytes, std::uint32_t sum = 0);

// What is wrong with an IP packet (lengths, IP or TCP or ICMP checksum); empty: nothing.
std::string fault_of(Bytes ip_packet);

}  // namespace salut::packetdrill
