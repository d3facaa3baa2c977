// The other end of the wire: a device that keeps what the engine sends, the segments that a test
// gives it, and words for both.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <string>

#include "base/tick.hpp"
#include "io/sim/world.hpp"
#include "salut/frame.hpp"
#include "wire/options.hpp"
#include "wire/packets.hpp"
#include "wire/segment.hpp"

namespace salut::test {

inline constexpr std::uint32_t near_wrap = 0xfffffffa;
inline constexpr std::uint16_t our_port = 80;
inline constexpr std::uint16_t peer_port = 40000;
// The grain of timers: a deadline is rounded up to the next tick, never down.
inline constexpr Duration tick = tick_length;

// The whole suite runs twice: over IPv4, and with SALUT_TEST_FAMILY=6 in the environment over IPv6.
inline bool over_ip6() {
  static const char* family = std::getenv("SALUT_TEST_FAMILY");
  static const bool ip6 = family != nullptr && std::string(family) == "6";
  return ip6;
}
inline IpAddress our_address() {
  return over_ip6() ? wire::test::our_ip6 : IpAddress::v4(wire::test::our_ip);
}
inline IpAddress peer_address() {
  return over_ip6() ? wire::test::peer_ip6 : IpAddress::v4(wire::test::peer_ip);
}
inline IpAddress any_address() { return over_ip6() ? IpAddress::any_v6() : IpAddress{}; }
// On no link of ours, and on ours but nobody's.
inline IpAddress far_address() {
  return over_ip6() ? IpAddress::v6(0xfd01'0000'0000'0000, 1) : IpAddress::v4(0x0b000001);
}
inline IpAddress free_address() {
  return over_ip6() ? IpAddress::v6(0xfd00'0000'0000'0000, 99) : IpAddress::v4(0x0a000063);
}
// With it a segment carries 1,460 bytes in either family.
inline std::uint16_t test_mtu() { return over_ip6() ? 1520 : 1500; }
inline std::uint16_t unsaid_mss() { return over_ip6() ? 1220 : 536; }

inline wire::test::Bytes test_packet(const wire::test::TcpSpec& spec) {
  return over_ip6() ? wire::test::tcp_packet_6(spec) : wire::test::tcp_packet(spec);
}
inline void fix_test_checksums(wire::test::Bytes& bytes) {
  over_ip6() ? wire::test::fix_checksums_6(bytes) : wire::test::fix_checksums(bytes);
}
// TOS of IPv4, which has a byte of its own; the traffic class of IPv6, which has not.
inline void set_traffic_class(wire::test::Bytes& bytes, unsigned value) {
  if (over_ip6()) {
    bytes[14] = static_cast<std::uint8_t>(0x60 | value >> 4);
    bytes[15] = static_cast<std::uint8_t>((bytes[15] & 0x0f) | (value << 4 & 0xf0));
  } else {
    bytes[15] = static_cast<std::uint8_t>(value);
  }
}
inline std::size_t tcp_offset() { return over_ip6() ? wire::tcp_at_6 : wire::tcp_at; }

// What comes in is queued by the test, what goes out is kept for it.
class CaptureDevice final : public Device {
 public:
  explicit CaptureDevice(FramePool& pool) : pool_(pool) {}
  unsigned receive(Frame* frames, unsigned count) override {
    unsigned n = 0;
    while (n < count && !inbox.empty() && pool_.acquire(&frames[n], 1)) {
      const wire::test::Bytes& bytes = inbox.front();
      std::memcpy(frames[n].data, bytes.data(), bytes.size());
      frames[n].length = static_cast<std::uint16_t>(bytes.size());
      frames[n].flags = says;
      inbox.pop_front();
      ++n;
    }
    return n;
  }
  unsigned transmit(const Frame* frames, unsigned count) override {
    const unsigned n = std::min(count, accept);
    for (unsigned i = 0; i < n; ++i) {
      completed += (frames[i].flags & l4_checksum_left) != 0 ? 1 : 0;
      sim::complete_checksum(frames[i]);
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(frames[i].data);
      outbox.emplace_back(bytes, bytes + frames[i].length);
      last = outbox.back();
    }
    pool_.release(frames, n);
    return n;
  }

  std::deque<wire::test::Bytes> inbox;
  std::deque<wire::test::Bytes> outbox;
  std::uint16_t says = 0;  // FrameFlag, of what it receives
  unsigned completed = 0;  // checksums that were left to the device
  wire::test::Bytes last;  // of the outbox, however long ago
  unsigned accept = ~0u;   // how many frames transmit() takes

 private:
  FramePool& pool_;
};

inline unsigned flag_bits(const char* text) {
  unsigned bits = 0;
  for (; *text != '\0'; ++text) {
    switch (*text) {
      case 'F':
        bits |= wire::fin;
        break;
      case 'S':
        bits |= wire::syn;
        break;
      case 'R':
        bits |= wire::rst;
        break;
      case 'P':
        bits |= wire::psh;
        break;
      case 'A':
        bits |= wire::ack;
        break;
      case 'U':
        bits |= wire::urg;
        break;
      case 'E':
        bits |= wire::ece;
        break;
      case 'C':
        bits |= wire::cwr;
        break;
      default:
        ADD_FAILURE() << "no such flag: " << *text;
    }
  }
  return bits;
}

// Edges in pairs, relative like all numbers here.
using Edges = std::vector<std::uint32_t>;

struct Stamps {
  std::optional<std::uint32_t> val = {};
  std::uint32_t ecr = 0;
};

// The peer's segment; what is not set is what the peer would correctly send next.
struct In {
  const char* flags = "A";
  std::optional<std::uint32_t> seq = {};
  std::optional<std::uint32_t> ack = {};
  std::uint16_t wnd = 0xffff;
  std::string payload = {};
  std::optional<unsigned> mss = {};
  std::optional<unsigned> wscale = {};
  bool sack_permitted = false;
  std::optional<Stamps> ts = {};
  Edges sack = {};                     // of our data, relative to our ISS
  wire::test::Bytes raw_options = {};  // instead of all these
  unsigned urgent = 0;
  unsigned tos = 0;  // the low two bits are ECN; 3 is CE
  std::uint16_t from_port = peer_port;
  std::uint16_t to_port = 0;  // the connection's, if 0
};

// What the engine must have sent; PSH is not compared.
struct Out {
  const char* flags = "A";
  std::uint32_t seq = 0;
  std::optional<std::uint32_t> ack = {};  // must be 0 in the header where A is not set
  std::uint32_t len = 0;                  // bytes of payload
  std::optional<std::uint16_t> wnd = {};
  std::optional<unsigned> mss = {};
  std::optional<std::string> payload = {};
  std::optional<Stamps> ts = {};
  std::optional<Edges> sack = {};  // of the peer's data, relative to its ISS
  std::optional<unsigned> wscale = {};
};

struct Seen {
  wire::Segment segment;
  std::string payload;
  Edges sack;

  Edges sack_relative(std::uint32_t irs) const {
    Edges edges = sack;
    for (std::uint32_t& edge : edges) edge -= irs;
    return edges;
  }
};

// The options of a segment of the peer, padded.
inline wire::test::Bytes option_bytes(const In& in, std::uint32_t iss) {
  wire::OptionBytes bytes;
  Edges edges = in.sack;
  for (std::uint32_t& edge : edges) edge += iss;
  const std::size_t size =
      wire::emit_options(bytes, {.mss = static_cast<std::uint16_t>(in.mss.value_or(0)),
                                 .sack_permitted = in.sack_permitted,
                                 .window_scale = in.wscale.has_value(),
                                 .wscale = static_cast<std::uint8_t>(in.wscale.value_or(0)),
                                 .timestamps = in.ts.has_value(),
                                 .tsval = in.ts ? in.ts->val.value_or(0) : 0,
                                 .tsecr = in.ts ? in.ts->ecr : 0,
                                 .sack = edges});
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return {first, first + size};
}

inline std::string words(unsigned flags) {
  std::string text;
  for (const char* f = "FSRPAUEC"; *f != '\0'; ++f) {
    const char one[2] = {*f, '\0'};
    if ((flags & flag_bits(one)) != 0) text += *f;
  }
  return text;
}
inline std::string describe_edges(const Edges& edges) {
  std::string text;
  for (std::size_t i = 0; i + 1 < edges.size(); i += 2) {
    text += " sack " + std::to_string(edges[i]) + ":" + std::to_string(edges[i + 1]);
  }
  return text;
}
inline std::string describe(const Seen& seen, std::uint32_t iss, std::uint32_t irs) {
  const wire::Segment& s = seen.segment;
  return words(s.flags) + " seq " + std::to_string(s.seq - iss) + " ack " +
         std::to_string((s.flags & wire::ack) != 0 ? s.ack - irs : s.ack) + " len " +
         std::to_string(s.payload_length) + " wnd " + std::to_string(s.wnd) + " mss " +
         std::to_string(s.mss) +
         ((s.options & wire::option_has_timestamps) != 0
              ? " ts " + std::to_string(s.tsval) + "/" + std::to_string(s.tsecr)
              : "") +
         describe_edges(seen.sack_relative(irs)) +
         ((s.options & wire::option_has_window_scale) != 0 ? " wscale " + std::to_string(s.wscale)
                                                           : "");
}
inline std::string describe(const Out& out) {
  return std::string(out.flags) + " seq " + std::to_string(out.seq) + " ack " +
         (out.ack ? std::to_string(*out.ack) : "?") + " len " + std::to_string(out.len) +
         (out.wnd ? " wnd " + std::to_string(*out.wnd) : "") +
         (out.mss ? " mss " + std::to_string(*out.mss) : "") +
         (out.ts ? " ts " + (out.ts->val ? std::to_string(*out.ts->val) : "?") + "/" +
                       std::to_string(out.ts->ecr)
                 : "") +
         (out.sack ? describe_edges(*out.sack) : "") +
         (out.wscale ? " wscale " + std::to_string(*out.wscale) : "");
}

}  // namespace salut::test
