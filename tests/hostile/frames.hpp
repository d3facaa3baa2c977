// Frames of stations that are no stack of ours: written field by field, with right checksums, and
// read as far as an attacker or a router needs it. Nothing here is shared with src/wire's emit and
// parse: what is wrong there must not be wrong here in the same way.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/mac.hpp"
#include "salut/address.hpp"

namespace salut::hostile {

inline constexpr std::uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16;

// One end of a segment.
struct Side {
  IpAddress address;
  std::uint16_t port = 0;  // host order
};

struct Link {
  Mac from;
  Mac to;
};

struct Tcp {
  Side from;
  Side to;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint16_t wnd = 65'535;
  std::uint8_t flags = 0;
  bool options = false;  // of a SYN: MSS, SACK, timestamps, window scale; else MSS alone
  std::span<const std::byte> payload = {};
};

// A frame that is being written. Each call begins anew and returns it whole.
class Writer {
 public:
  static constexpr std::size_t room = 1'600;
  using Bytes = std::span<std::byte>;

  Bytes tcp(const Link& link, const Tcp& segment);
  // Echo requests: `size` bytes behind the header.
  Bytes echo(const Link& link, const IpAddress& from, const IpAddress& to, std::size_t size);
  // An error of `type` and `code` that quotes a segment which `quoted` is said to have sent; `mtu`
  // goes where packet too big has it.
  Bytes icmp_error(const Link& link, const IpAddress& from, std::uint8_t type, std::uint8_t code,
                   std::uint16_t mtu, const Tcp& quoted);
  // A part of a datagram of TCP: at `offset` (a multiple of 8), with more to follow or not.
  Bytes fragment(const Link& link, const IpAddress& from, const IpAddress& to, std::uint32_t id,
                 std::uint16_t offset, bool more, std::size_t size);
  // "Who has `target`?" from `from`; by ARP, or by neighbour discovery with the link-layer option.
  Bytes who_has(const Mac& mac, const IpAddress& from, const IpAddress& target);
  // "`address` is at link.from", to whoever asked.
  Bytes is_at(const Link& link, const IpAddress& address, const IpAddress& asker);

 private:
  void ethernet(const Link& link, std::uint16_t type);
  // The IP header; what follows it begins there, `size` bytes of it.
  std::byte* ip(const Link& link, const IpAddress& from, const IpAddress& to, std::uint8_t protocol,
                std::size_t size, std::uint8_t hop_limit = 64);
  // Sums of TCP or ICMP behind the header that ip() wrote.
  void sum(std::byte* at, std::size_t size, std::size_t field);
  Bytes arp(const Link& link, std::uint16_t op, const IpAddress& sender, const Mac& target_mac,
            const IpAddress& target);
  std::size_t quote(std::byte* at, const Tcp& segment) const;

  std::array<std::byte, room> bytes_ = {};
  std::size_t length_ = 0;
  std::uint8_t protocol_ = 0;
};

// What came in.
struct Seen {
  enum class Kind : std::uint8_t { other, tcp, who_has };
  Kind kind = Kind::other;
  Mac mac;           // the sender's
  Side from, to;     // of TCP; from.address: who asks
  IpAddress target;  // of who_has
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint16_t wnd = 0;  // not scaled
  std::uint8_t flags = 0;
  std::span<const std::byte> payload;

  bool has(std::uint8_t bits) const { return (flags & bits) == bits; }
};

// REQUIRES: a frame of a stack of ours; lengths are believed.
Seen read(std::span<const std::byte> frame);

// Where the IP packet of a frame goes to; any if it is none.
IpAddress destination(std::span<const std::byte> frame);

}  // namespace salut::hostile
