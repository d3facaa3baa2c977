// Turns a received frame into a Segment, an ARP or ICMP packet, or a drop with its reason.
//
// No length is trusted: each is checked before the bytes that it promises are read. The fast path
// (IPv4 without options or IPv6 without extension headers, whole, TCP, for our MAC) is one compare
// with what such frames have in common and a few exits OR-ed into a branch that nearly always goes
// the same way, then the checksums. They are computed in vectors (parse_vector.hpp), or word by
// word where the processor has no vectors or the buffer ends too soon. A frame that leaves the fast
// path is parsed again from the start by parse_step_by_step(), which knows every reason. All must
// agree on every frame; tests/unit/wire checks it.
//
// Whether the destination is an address of ours is left to the engine. For TCP parse() fills in
// Segment::key, with the source as remote; it folds IPv6 addresses (base/address.hpp), and the
// whole ones stay in the frame, at address_at().
//
// IPv6 extension headers (parse_ipv6.cpp): hop-by-hop and destination options are skipped if every
// option in them may be skipped, a routing header if it has no segments left and is not of type 0,
// a fragment header if it holds a whole packet (RFC 6946). At most eight headers are skipped; more,
// jumbograms and other headers are refused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "base/address.hpp"
#include "salut/counters.hpp"
#include "salut/frame.hpp"
#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::wire {

enum class Kind : std::uint8_t { tcp, arp, icmp, drop };

// The bytes that are equal in the first 32 bytes of every plain frame to one station.
class PlainHeader {
 public:
  static constexpr PlainHeader ip4(const Mac& station) {
    PlainHeader plain(station, ether_type_ipv4);
    plain.expect(ethernet_size, ipv4_plain);
    plain.expect(20, 0, ipv4_fragment_mask >> 8);
    plain.expect(21, 0, ipv4_fragment_mask & 0xff);
    plain.expect(23, protocol_tcp);
    return plain;
  }
  static constexpr PlainHeader ip6(const Mac& station) {
    PlainHeader plain(station, ether_type_ipv6);
    plain.expect(ethernet_size, 0x60, 0xf0);
    plain.expect(20, protocol_tcp);
    return plain;
  }
#ifdef __AVX2__
  bool matches(__m256i first) const {
    const auto at = [](const std::array<std::uint8_t, 32>& bytes) {
      return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes.data()));
    };
    return _mm256_testz_si256(_mm256_xor_si256(first, at(value_)), at(mask_)) != 0;
  }
#endif

 private:
  constexpr PlainHeader(const Mac& station, std::uint16_t type) {
    for (std::size_t i = 0; i < station.bytes.size(); ++i) expect(i, station.bytes[i]);
    expect(12, static_cast<std::uint8_t>(type >> 8));
    expect(13, static_cast<std::uint8_t>(type));
  }
  constexpr void expect(std::size_t at, unsigned value, unsigned mask = 0xff) {
    value_[at] = static_cast<std::uint8_t>(value);
    mask_[at] = static_cast<std::uint8_t>(mask);
  }

  alignas(32) std::array<std::uint8_t, 32> value_ = {};
  alignas(32) std::array<std::uint8_t, 32> mask_ = {};
};

// Made once for a port.
struct ParseOptions {
  // `station`: our MAC on the port of the frame.
  constexpr ParseOptions(bool verify = true, const Mac& station = {},
                         const AddressFold* address_fold = &unkeyed_fold)
      : verify_checksums(verify),
        mac(station),
        fold(address_fold),
        plain4(PlainHeader::ip4(station)),
        plain6(PlainHeader::ip6(station)) {}

  bool verify_checksums;  // of IP, TCP and ICMP, unless the device has done it
  Mac mac;
  const AddressFold* fold;  // folds IPv6 addresses into Segment::key
  PlainHeader plain4;
  PlainHeader plain6;
};

struct Parsed {
  Kind kind = Kind::drop;
  Drop drop = Drop::none;  // why, if `kind` is drop

  friend constexpr bool operator==(const Parsed&, const Parsed&) = default;
};

// What the result leaves in `out`:
// - tcp: every field except frame, hash and reserved, which it does not touch; a field of an option
//   only if the option is there.
// - icmp: ICMP, or ICMPv6 if ip6 is set: ip6, ip_offset, port; payload_* is the message.
// - arp and drop: nothing of use. An ARP packet is not checked yet; ip/arp.hpp reads it.
Parsed parse(const Frame& frame, const ParseOptions& options, Segment& out);

// The same answer as parse(), without the fast path.
Parsed parse_step_by_step(const Frame& frame, const ParseOptions& options, Segment& out);

// Where the source address of a parsed TCP or ICMP packet is; the destination follows it.
inline const std::byte* address_at(const Frame& frame, const Segment& segment) {
  return frame.data + segment.ip_offset +
         (segment.ip6 ? offsetof(Ipv6Header, source) : offsetof(Ipv4Header, source));
}

}  // namespace salut::wire
