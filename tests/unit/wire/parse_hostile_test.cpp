// Packets that lie: cut anywhere, with any value in each length field, with any bit flipped, and
// of random bytes. None is read past its end (the sanitizers watch exact allocations), none is
// taken for what it is not, and both paths of parse() say the same.
#include <gtest/gtest.h>

#include <random>

#include "ip/arp.hpp"
#include "ip/icmp.hpp"
#include "ip/ndp.hpp"
#include "packets.hpp"
#include "wire/parse.hpp"
#include "wire/parse_both.hpp"

namespace salut::wire::test {
namespace {

struct Answer {
  Parsed parsed;
  Segment segment;
};

Answer parse_checked(const Bytes& bytes, bool verify, std::uint16_t flags = 0) {
  const Buffer buffer(bytes, flags);
  const ParseOptions options{verify, our_mac};
  Answer answer;
  answer.parsed = parse_both(buffer.frame, options, answer.segment);
  const Segment& segment = answer.segment;
  if (answer.parsed.kind == Kind::tcp) {
    EXPECT_LE(segment.options_offset + segment.options_length, segment.payload_offset);
    EXPECT_LE(segment.payload_offset + segment.payload_length, bytes.size());
  }
  if (answer.parsed.kind == Kind::icmp) {
    EXPECT_LE(segment.payload_offset + segment.payload_length, bytes.size());
  }
  EXPECT_EQ(answer.parsed.kind == Kind::drop, answer.parsed.drop != Drop::none);
  if (answer.parsed.kind == Kind::arp) {
    ip::Arp arp;
    if (!ip::parse_arp(buffer.frame, arp)) answer.parsed = {Kind::drop, Drop::arp_malformed};
  }
  return answer;
}

TEST(Hostile, every_truncation_of_a_valid_frame_is_dropped) {
  const Bytes options(40, 1);
  for (const Bytes& whole :
       {tcp_packet({}), syn_packet(), data_packet(100), syn_packet(options), echo_packet(30),
        tcp_packet({.options = options, .payload = {1, 2, 3}, .ip_options = options}),
        arp_packet(1), arp_packet(2, our_mac), tcp_packet_6({}),
        tcp_packet_6({.options = options, .payload = {1, 2, 3}}),
        tcp_packet_6({.payload = {1}}, {60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0}, 0),
        echo_packet_6(30), ndp_packet(135), ndp_packet(136)}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(parse_checked(cut, true).parsed.kind, Kind::drop) << size;
      EXPECT_EQ(parse_checked(cut, false).parsed.kind, Kind::drop) << size;
    }
    EXPECT_NE(parse_checked(whole, true).parsed.kind, Kind::drop);
  }
}

// What a total length must lead to, for a frame without IP options whose TCP header is `header`.
Drop want_of_total(std::size_t total, std::size_t room, std::size_t header) {
  if (total < 20) return Drop::ip_bad_header;
  if (total > room) return Drop::ip_truncated;
  if (total < 40) return Drop::tcp_truncated;
  if (total < 20 + header) return Drop::tcp_bad_offset;
  return Drop::none;
}

TEST(Hostile, every_value_of_the_total_length) {
  const Bytes good = tcp_packet({.options = Bytes(12, 1), .payload = Bytes(50, 3)});
  for (unsigned total = 0; total < 65536; ++total) {
    Bytes bytes = good;
    put16(bytes, 16, total);
    const Answer trusting = parse_checked(bytes, false);
    ASSERT_EQ(trusting.parsed.drop, want_of_total(total, good.size() - 14, 32)) << total;
    if (trusting.parsed.kind == Kind::tcp) {
      ASSERT_EQ(trusting.segment.payload_length, total - 52);
    }
    const bool right = total == good.size() - 14;
    ASSERT_EQ(parse_checked(bytes, true).parsed.kind == Kind::tcp, right) << total;
  }
}

TEST(Hostile, every_value_of_version_and_header_length) {
  const Bytes good = data_packet(30);  // 70 bytes of IP: an IHL of 15 is 60 and leaves 10
  for (unsigned value = 0; value < 256; ++value) {
    Bytes bytes = good;
    bytes[14] = static_cast<std::uint8_t>(value);
    const Drop drop = parse_checked(bytes, false).parsed.drop;
    if (value >> 4 != 4 || (value & 15) < 5) {
      EXPECT_EQ(drop, Drop::ip_bad_header) << value;
    } else if ((value & 15) > 12) {
      EXPECT_EQ(drop, Drop::tcp_truncated) << value;
    }
    EXPECT_EQ(parse_checked(bytes, true).parsed.kind == Kind::tcp, value == 0x45) << value;
    fix_checksums(bytes);
    parse_checked(bytes, true);
  }
}

TEST(Hostile, every_value_of_the_data_offset) {
  const Bytes good = data_packet(10);
  for (unsigned offset = 0; offset < 16; ++offset) {
    Bytes bytes = good;
    bytes[46] = static_cast<std::uint8_t>(offset << 4);
    const bool fits = offset >= 5 && offset * 4 <= 30;
    fix_checksums(bytes);
    const Answer answer = parse_checked(bytes, true);
    EXPECT_EQ(answer.parsed.drop, fits ? Drop::none : Drop::tcp_bad_offset) << offset;
    if (fits) {
      EXPECT_EQ(answer.segment.options_length, offset * 4 - 20);
      EXPECT_EQ(answer.segment.payload_length, 30 - offset * 4);
    }
  }
}

TEST(Hostile, every_value_of_an_options_length) {
  for (unsigned kind : {2u, 3u, 8u, 30u, 254u}) {
    for (unsigned length = 0; length < 256; ++length) {
      Bytes options(8, 1);
      options[0] = static_cast<std::uint8_t>(kind);
      options[1] = static_cast<std::uint8_t>(length);
      const Answer answer = parse_checked(syn_packet(options), true);
      ASSERT_EQ(answer.parsed.kind, Kind::tcp);
      ASSERT_EQ(answer.segment.mss, kind == 2 && length == 4 ? 0x0101 : 0);
    }
  }
}

TEST(Hostile, every_value_of_arps_lengths_and_types) {
  for (std::size_t at = 14; at < 22; ++at) {
    const Bytes good = arp_packet(1);
    for (unsigned value = 0; value < 256; ++value) {
      Bytes bytes = good;
      bytes[at] = static_cast<std::uint8_t>(value);
      const bool reply = at == 21 && value == 2;
      const Kind want = bytes == good || reply ? Kind::arp : Kind::drop;
      ASSERT_EQ(parse_checked(bytes, true).parsed.kind, want) << at << ' ' << value;
    }
  }
}

TEST(Hostile, every_bit_flipped_behind_the_ethernet_header_is_caught) {
  for (const Bytes& good : {tcp_packet({}), syn_packet(), data_packet(101), echo_packet(9)}) {
    for (std::size_t bit = 14 * 8; bit < good.size() * 8; ++bit) {
      Bytes bytes = good;
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      EXPECT_EQ(parse_checked(bytes, true).parsed.kind, Kind::drop) << "bit " << bit;
    }
  }
}

// IPv6 has no checksum of its own: traffic class, flow label and hop limit are nobody's to check.
TEST(Hostile, every_bit_flipped_behind_the_ethernet_header_is_caught_but_what_ipv6_leaves_open) {
  for (const Bytes& good : {tcp_packet_6({}), tcp_packet_6({.payload = Bytes(101, 7)}),
                            echo_packet_6(9), ndp_packet(135)}) {
    for (std::size_t bit = 14 * 8; bit < good.size() * 8; ++bit) {
      const std::size_t at = bit / 8;
      const bool open = (at == 14 && bit % 8 < 4) || (at > 14 && at < 18) || at == 21;
      Bytes bytes = good;
      bytes[at] ^= static_cast<std::uint8_t>(1 << bit % 8);
      EXPECT_EQ(parse_checked(bytes, true).parsed.kind == Kind::drop, !open) << "bit " << bit;
    }
  }
}

TEST(Hostile, every_value_of_the_payload_length) {
  const Bytes good = tcp_packet_6({.options = Bytes(12, 1), .payload = Bytes(50, 3)});
  for (unsigned length = 0; length < 65536; ++length) {
    Bytes bytes = good;
    put16(bytes, 18, length);
    const Answer trusting = parse_checked(bytes, false);
    const Drop want = length > good.size() - 54 ? Drop::ip_truncated
                      : length < 20             ? Drop::tcp_truncated
                      : length < 32             ? Drop::tcp_bad_offset
                                                : Drop::none;
    ASSERT_EQ(trusting.parsed.drop, want) << length;
    const bool right = length == good.size() - 54;
    ASSERT_EQ(parse_checked(bytes, true).parsed.kind == Kind::tcp, right) << length;
  }
}

TEST(Hostile, every_next_header_and_every_length_of_an_extension_header) {
  for (unsigned next = 0; next < 256; ++next) {
    for (unsigned length = 0; length < 256; ++length) {
      Bytes header = {
          static_cast<std::uint8_t>(next), static_cast<std::uint8_t>(length), 1, 4, 0, 0, 0, 0};
      const Bytes bytes = tcp_packet_6({.payload = Bytes(30, 1)}, header, 60);
      const Kind kind = parse_checked(bytes, true).parsed.kind;
      ASSERT_EQ(kind == Kind::tcp, next == 6 && length == 0) << next << ' ' << length;
    }
  }
}

TEST(Hostile, every_bit_flipped_in_the_ethernet_header) {
  const Bytes good = tcp_packet({});
  for (std::size_t bit = 0; bit < 14 * 8; ++bit) {
    Bytes bytes = good;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const bool source = bit / 8 >= 6 && bit / 8 < 12;  // nobody asks who sent it
    EXPECT_EQ(parse_checked(bytes, true).parsed.kind == Kind::tcp, source) << "bit " << bit;
  }
}

// Random bytes behind headers that are right to a random depth, so that each check is reached.
Bytes random_frame(std::mt19937_64& rng) {
  Bytes bytes(rng() % 120);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng());
  const Bytes shape = rng() % 4 == 0   ? arp_packet(1)
                      : rng() % 4 == 0 ? echo_packet(40)
                      : rng() % 4 == 0 ? ndp_packet(135 + static_cast<unsigned>(rng() % 2))
                      : rng() % 2 == 0 ? tcp_packet_6({}, {0, 0, 1, 4, 0, 0, 0, 0}, 0)
                                       : syn_packet();
  const std::size_t right = std::min({bytes.size(), shape.size(), std::size_t{rng() % 90}});
  std::copy_n(shape.begin(), right, bytes.begin());
  const bool ip6 = bytes.size() > 13 && bytes[12] == 0x86;
  if (rng() % 2 == 0 && bytes.size() >= 26) ip6 ? fix_checksums_6(bytes) : fix_checksums(bytes);
  return bytes;
}

TEST(Hostile, a_hundred_thousand_random_frames) {
  std::mt19937_64 rng(20240601);
  std::array<int, 4> kinds = {};
  for (int i = 0; i < 100'000; ++i) {
    const Bytes bytes = random_frame(rng);
    const auto flags = static_cast<std::uint16_t>(rng() % 3 == 0 ? rng() % 16 : 0);
    const Answer answer = parse_checked(bytes, rng() % 2 == 0, flags);
    ++kinds[static_cast<std::size_t>(answer.parsed.kind)];
    if (answer.parsed.kind == Kind::icmp) {
      const Buffer buffer(bytes);
      ip::Ndp ndp;
      ip::IcmpError error;
      ip::parse_ndp(buffer.frame, answer.segment, ndp);
      ip::parse_icmp_error(buffer.frame, answer.segment, unkeyed_fold, error);
    }
    Buffer reply(bytes);
    const bool turned = ip::make_echo_reply(reply.frame);
    EXPECT_LE(reply.frame.length, bytes.size());
    EXPECT_TRUE(turned || reply.bytes() == bytes);
  }
  for (int count : kinds) EXPECT_GT(count, 100) << "the generator misses a kind";
}

}  // namespace
}  // namespace salut::wire::test
