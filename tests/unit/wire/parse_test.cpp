// What parse() makes of good packets, and each reason for which it drops bad ones.
#include "wire/parse.hpp"
#include "wire/options.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "packets.hpp"
#include "wire/parse_both.hpp"

namespace salut::wire::test {
namespace {

const ParseOptions verifying(true, our_mac);
const ParseOptions trusting(false, our_mac);

Segment parse_good(const Bytes& bytes) {
  const Buffer buffer(bytes);
  Segment segment;
  EXPECT_EQ(parse_both(buffer.frame, verifying, segment), (Parsed{Kind::tcp, Drop::none}));
  return segment;
}

std::string drop_of(const Bytes& bytes, std::uint16_t flags = 0,
                    const ParseOptions& options = verifying) {
  const Buffer buffer(bytes, flags);
  Segment segment;
  const Parsed parsed = parse_both(buffer.frame, options, segment);
  return parsed.kind == Kind::drop ? std::string(name(parsed.drop)) : "";
}

TEST(Parse, ack_without_options) {
  const Segment segment = parse_good(tcp_packet({}));
  EXPECT_EQ(segment.key, make_key(peer_ip, 40000, our_ip, 80));
  EXPECT_EQ(segment.seq, 0xfffffff0u);
  EXPECT_EQ(segment.ack, 0x01020304u);
  EXPECT_EQ(segment.wnd, 0xfedc);
  EXPECT_EQ(segment.flags, ack);
  EXPECT_EQ(segment.payload_offset, 54);
  EXPECT_EQ(segment.payload_length, 0);
  EXPECT_EQ(segment.options_offset, 54);
  EXPECT_EQ(segment.options_length, 0);
  EXPECT_EQ(segment.mss, 0);
}

TEST(Parse, port_of_the_frame_and_what_parse_leaves_alone) {
  Buffer buffer(tcp_packet({}));
  buffer.frame.port = 7;
  Segment segment;
  segment.frame = 31;
  segment.hash = 0x123456789;
  ASSERT_EQ(parse(buffer.frame, verifying, segment).kind, Kind::tcp);
  EXPECT_EQ(segment.port, 7);
  EXPECT_EQ(segment.frame, 31);
  EXPECT_EQ(segment.hash, 0x123456789u);
}

TEST(Parse, payload_ends_with_the_total_length_and_not_with_the_frame) {
  Bytes bytes = data_packet(3);
  bytes.resize(60, 0xee);  // what Ethernet pads to
  const Segment segment = parse_good(bytes);
  EXPECT_EQ(segment.payload_offset, 54);
  EXPECT_EQ(segment.payload_length, 3);
}

TEST(Parse, payload_after_options) {
  const Bytes timestamps = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  const Segment segment = parse_good(tcp_packet({.options = timestamps, .payload = Bytes(100, 9)}));
  EXPECT_EQ(segment.options_offset, 54);
  EXPECT_EQ(segment.options_length, 12);
  EXPECT_EQ(segment.payload_offset, 66);
  EXPECT_EQ(segment.payload_length, 100);
}

TEST(Parse, ip_options_leave_the_fast_path_and_arrive) {
  const Segment segment =
      parse_good(tcp_packet({.flags = flag_syn, .options = mss_1460, .ip_options = Bytes(40, 1)}));
  EXPECT_EQ(segment.key, make_key(peer_ip, 40000, our_ip, 80));
  EXPECT_EQ(segment.options_offset, 94);
  EXPECT_EQ(segment.payload_offset, 98);
  EXPECT_EQ(segment.mss, 1460);
}

TEST(Parse, segment_length_counts_syn_and_fin) {
  EXPECT_EQ(parse_good(syn_packet()).len(), 1u);
  EXPECT_EQ(parse_good(tcp_packet({.flags = flag_fin | flag_ack, .payload = {1, 2}})).len(), 3u);
}

TEST(Parse, reserved_bits_and_dont_fragment_are_no_matter) {
  Bytes bytes = tcp_packet({});
  bytes[46] |= 0x0f;
  put16(bytes, 20, 0x8000);
  fix_checksums(bytes);
  EXPECT_EQ(drop_of(bytes), "");
}

TEST(Parse, class_e_source_takes_the_slow_path) {
  Bytes bytes = tcp_packet({});
  put32(bytes, 26, 0xf0000001);
  fix_checksums(bytes);
  EXPECT_EQ(drop_of(bytes), "");
}

TEST(ParseMss, first_option_of_a_syn) { EXPECT_EQ(parse_good(syn_packet()).mss, 1460); }

TEST(ParseMss, later_option_of_a_syn) {
  EXPECT_EQ(parse_good(syn_packet({1, 1, 4, 2, 2, 4, 0x02, 0x18})).mss, 536);
}

TEST(ParseMss, only_on_a_syn) {
  EXPECT_EQ(parse_good(tcp_packet({.options = mss_1460})).mss, 0);
  EXPECT_EQ(parse_good(syn_packet({})).mss, 0);
}

TEST(ParseMss, options_without_one) {
  EXPECT_EQ(parse_good(syn_packet({1, 1, 4, 2})).mss, 0);
  EXPECT_EQ(parse_good(syn_packet({3, 3, 7, 0})).mss, 0);
}

std::uint16_t mss_of(const Bytes& options) {
  const Buffer buffer(options);
  Segment segment;
  segment.flags = syn;
  segment.options_length = static_cast<std::uint8_t>(options.size());
  parse_options(buffer.frame.data, segment);
  return segment.mss;
}

TEST(ParseMss, walks_over_unknown_options) {
  EXPECT_EQ(mss_of({0xfe, 4, 9, 9, 253, 2, 2, 4, 0x12, 0x34}), 0x1234);
  EXPECT_EQ(mss_of({2, 3, 9, 2, 4, 0x12, 0x34}), 0x1234);  // kind 2 of a wrong length is unknown
}

TEST(ParseMss, the_first_one_counts) { EXPECT_EQ(mss_of({2, 4, 0, 9, 2, 4, 0, 10}), 9); }

TEST(ParseMss, malformed_lengths_end_the_walk) {
  EXPECT_EQ(mss_of({9, 0, 2, 4, 0x05, 0xb4}), 0);
  EXPECT_EQ(mss_of({9, 1, 2, 4, 0x05, 0xb4}), 0);
  EXPECT_EQ(mss_of({9, 7, 2, 4, 0x05, 0xb4}), 0);
  EXPECT_EQ(mss_of({1, 1, 2}), 0);
  EXPECT_EQ(mss_of({1, 2, 4, 0x05}), 0);
  EXPECT_EQ(mss_of({0, 0, 2, 4, 0x05, 0xb4}), 0);  // after the end of the list
  EXPECT_EQ(mss_of({}), 0);
}

TEST(ParseMss, two_bytes_of_any_value_are_safe_in_any_place) {
  for (unsigned length = 1; length <= 40; ++length) {
    for (unsigned pair = 0; pair < 65536; pair += 3) {
      Bytes options(length, 1);
      options[length / 2] = static_cast<std::uint8_t>(pair >> 8);
      if (length > 1) options[length / 2 + (length > 2 ? 1 : 0)] = static_cast<std::uint8_t>(pair);
      mss_of(options);
    }
  }
}

TEST(Parse, arp_to_us_and_to_all) {
  for (const Mac& to : {our_mac, broadcast_mac, Mac{{1, 0, 0x5e, 0, 0, 1}}}) {
    const Buffer buffer(arp_packet(1, to));
    Segment segment;
    EXPECT_EQ(parse_both(buffer.frame, verifying, segment), (Parsed{Kind::arp, Drop::none}));
  }
  EXPECT_EQ(drop_of(arp_packet(1, other_mac)), "ether_not_for_us");
}

TEST(Parse, icmp_gives_its_addresses_and_its_place) {
  Bytes bytes = echo_packet(5);
  bytes.resize(60);
  const Buffer buffer(bytes);
  Segment segment;
  EXPECT_EQ(parse_both(buffer.frame, verifying, segment), (Parsed{Kind::icmp, Drop::none}));
  EXPECT_EQ(load<std::uint32_t>(address_at(buffer.frame, segment)), net32(peer_ip));
  EXPECT_EQ(load<std::uint32_t>(address_at(buffer.frame, segment) + 4), net32(our_ip));
  EXPECT_FALSE(segment.ip6);
  EXPECT_EQ(segment.payload_offset, 34);
  EXPECT_EQ(segment.payload_length, 13);
}

TEST(Parse, checksums_are_the_devices_word_where_it_has_one) {
  Bytes ip_wrong = tcp_packet({});
  ip_wrong[24] ^= 1;
  Bytes tcp_wrong = tcp_packet({});
  tcp_wrong[50] ^= 1;
  EXPECT_EQ(drop_of(ip_wrong), "ip_bad_checksum");
  EXPECT_EQ(drop_of(ip_wrong, l4_checksum_good), "ip_bad_checksum");
  EXPECT_EQ(drop_of(ip_wrong, ip_checksum_good), "");
  EXPECT_EQ(drop_of(tcp_wrong), "tcp_bad_checksum");
  EXPECT_EQ(drop_of(tcp_wrong, ip_checksum_good), "tcp_bad_checksum");
  EXPECT_EQ(drop_of(tcp_wrong, l4_checksum_good), "");
  EXPECT_EQ(drop_of(ip_wrong, 0, trusting), "");
  EXPECT_EQ(drop_of(tcp_wrong, 0, trusting), "");
}

TEST(Parse, a_device_that_found_a_bad_checksum_is_believed) {
  Bytes ip_wrong = tcp_packet({});
  ip_wrong[24] ^= 1;
  for (const ParseOptions& options : {verifying, trusting}) {
    EXPECT_EQ(drop_of(tcp_packet({}), checksum_bad, options), "tcp_bad_checksum");
    EXPECT_EQ(drop_of(ip_wrong, checksum_bad, options), "ip_bad_checksum");
    EXPECT_EQ(drop_of(echo_packet(0), checksum_bad, options), "icmp_malformed");
  }
}

TEST(Parse, source_addresses_that_nobody_sends_from) {
  for (std::uint32_t source :
       {0u, 0x00000001u, 0x7f000001u, 0x7fffffffu, 0xe0000001u, 0xefffffffu, 0xffffffffu}) {
    Bytes bytes = tcp_packet({});
    put32(bytes, 26, source);
    fix_checksums(bytes);
    EXPECT_EQ(drop_of(bytes), "ip_bad_source") << std::hex << source;
  }
  for (std::uint32_t source : {0x01000000u, 0x7effffffu, 0x80000000u, 0xdfffffffu}) {
    Bytes bytes = tcp_packet({});
    put32(bytes, 26, source);
    fix_checksums(bytes);
    EXPECT_EQ(drop_of(bytes), "") << std::hex << source;
  }
}

TEST(Parse, fragments_first_middle_and_last) {
  for (unsigned field : {0x2000u, 0x2001u, 0x0001u, 0x1fffu, 0x6000u}) {
    Bytes bytes = tcp_packet({});
    put16(bytes, 20, field);
    fix_checksums(bytes);
    EXPECT_EQ(drop_of(bytes), "ip_fragment") << std::hex << field;
  }
}

// One change to a good packet for each reason.
struct Fault {
  const char* reason;
  Bytes bytes;
  std::function<void(Bytes&)> damage = [](Bytes&) {};
  bool fix = false;  // checksums after the damage
  std::uint16_t flags = 0;
};

std::vector<Fault> faults() {
  const Bytes good = tcp_packet({});
  const auto set = [](std::size_t at, std::uint8_t value) {
    return [at, value](Bytes& bytes) { bytes[at] = value; };
  };
  const auto cut = [](std::size_t size) { return [size](Bytes& bytes) { bytes.resize(size); }; };
  return {
      {"frame_too_short", good, cut(13)},
      {"frame_too_short", good, cut(0)},
      {"frame_scattered", good, set(0, 2), false, scattered},
      {"ether_type_unknown", good, set(12, 0x86)},
      {"ether_type_unknown", ethernet(broadcast_mac, peer_mac, 0x88cc)},
      {"ether_not_for_us", ethernet(broadcast_mac, peer_mac, 0x86dd)},
      {"ether_not_for_us", good, set(5, 9)},
      {"ether_not_for_us", good, set(0, 3)},  // TCP to a multicast MAC
      {"ip_truncated", good, cut(33)},
      {"ip_truncated", good, cut(53)},
      {"ip_bad_header", good, set(14, 0x65), true},
      {"ip_bad_header", good, set(14, 0x44), true},
      {"ip_bad_header", good, set(17, 19), true},
      {"ip_bad_checksum", good, set(22, 62)},
      {"ip_bad_source", good, set(26, 127), true},
      {"ip_fragment", good, set(20, 0x20), true},
      {"ip_protocol_unknown", good, set(23, 17), true},
      {"icmp_malformed", ipv4(1, Bytes(7))},
      {"icmp_malformed", echo_packet(4), set(45, 99)},
      {"tcp_truncated", ipv4(6, Bytes(19, 0x50))},
      {"tcp_bad_offset", good, set(46, 0x40), true},
      {"tcp_bad_offset", good, set(46, 0x60), true},
      {"tcp_bad_checksum", good, set(40, 0)},
      {"tcp_bad_port", tcp_packet({.source_port = 0})},
      {"tcp_bad_port", tcp_packet({.destination_port = 0})},
  };
}

TEST(Parse, every_drop_by_its_name) {
  std::set<std::string> seen;
  for (Fault& fault : faults()) {
    fault.damage(fault.bytes);
    if (fault.fix) fix_checksums(fault.bytes);
    EXPECT_EQ(drop_of(fault.bytes, fault.flags), fault.reason);
    seen.insert(fault.reason);
  }
  EXPECT_EQ(seen.size(), 15u) << "a reason of parse() has no fault here";
}

}  // namespace
}  // namespace salut::wire::test
