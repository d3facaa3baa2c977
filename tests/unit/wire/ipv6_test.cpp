// IPv6: what parse() makes of good packets and why it drops bad ones, what emit_tcp() writes,
// neighbour discovery, echo, and errors of both families.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "ip/arp.hpp"
#include "ip/icmp.hpp"
#include "ip/ndp.hpp"
#include "packets.hpp"
#include "wire/emit.hpp"
#include "wire/parse.hpp"
#include "wire/parse_both.hpp"

namespace salut::wire::test {
namespace {

const AddressFold fold{42};
const ParseOptions verifying(true, our_mac, &fold);

std::string drop_of(const Bytes& bytes, std::uint16_t flags = 0) {
  const Buffer buffer(bytes, flags);
  Segment segment;
  const Parsed parsed = parse_both(buffer.frame, verifying, segment);
  return parsed.kind == Kind::drop ? std::string(name(parsed.drop)) : "";
}

AddressPair pair_of(const IpAddress& remote, const IpAddress& local) {
  return {Address::of(remote), Address::of(local)};
}

TEST(Ipv6, segment_with_options_and_payload) {
  Bytes bytes = tcp_packet_6({.flags = flag_syn, .options = mss_1460, .payload = {1, 2, 3}});
  bytes[14] = 0x6b;  // traffic class b8
  bytes[15] = 0x8f;
  bytes.resize(bytes.size() + 4, 0xee);  // padding
  const Buffer buffer(bytes);
  Segment segment;
  ASSERT_EQ(parse_both(buffer.frame, verifying, segment), (Parsed{Kind::tcp, Drop::none}));
  EXPECT_EQ(segment.key, fold.key(pair_of(peer_ip6, our_ip6), net16(40000), net16(80)));
  EXPECT_TRUE(segment.ip6);
  EXPECT_EQ(segment.ip_offset, 14);
  EXPECT_EQ(segment.traffic_class, 0xb8);
  EXPECT_EQ(segment.seq, 0xfffffff0u);
  EXPECT_EQ(segment.mss, 1460);
  EXPECT_EQ(segment.options_offset, 74);
  EXPECT_EQ(segment.payload_offset, 78);
  EXPECT_EQ(segment.payload_length, 3);
  EXPECT_EQ(AddressPair::read(address_at(buffer.frame, segment)), pair_of(peer_ip6, our_ip6));
}

// Each header says what follows it; the last one here is followed by TCP.
const Bytes hop_options = {60, 0, 5, 2, 0, 0, 1, 0};  // router alert, PadN of nothing
const Bytes destination = {43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes routing_done = {44, 0, 4, 0, 0, 0, 0, 0};  // segment routing, none left
const Bytes atomic = {6, 0, 0, 0, 1, 2, 3, 4};         // a fragment that is the whole

Bytes join(std::initializer_list<Bytes> all) {
  Bytes out;
  for (const Bytes& one : all) append(out, one);
  return out;
}

TEST(Ipv6, extension_headers_are_skipped) {
  const Bytes headers = join({hop_options, destination, routing_done, atomic});
  const Bytes bytes = tcp_packet_6({.payload = {9}}, headers, 0);
  const Buffer buffer(bytes);
  Segment segment;
  ASSERT_EQ(parse_both(buffer.frame, verifying, segment), (Parsed{Kind::tcp, Drop::none}));
  EXPECT_EQ(segment.ip_offset, 14);
  EXPECT_EQ(segment.payload_offset, 74 + headers.size());
  EXPECT_EQ(segment.payload_length, 1);
  EXPECT_EQ(segment.key, fold.key(pair_of(peer_ip6, our_ip6), net16(40000), net16(80)));
}

struct Fault {
  const char* reason;
  Bytes bytes;
  std::function<void(Bytes&)> damage = [](Bytes&) {};
  bool fix = false;
};

TEST(Ipv6, every_drop_by_its_name) {
  const Bytes good = tcp_packet_6({});
  const auto set = [](std::size_t at, std::uint8_t value) {
    return [at, value](Bytes& bytes) { bytes[at] = value; };
  };
  const auto source = [](std::initializer_list<std::uint8_t> head, std::uint8_t last) {
    return [head = Bytes(head), last](Bytes& bytes) {
      std::fill_n(bytes.begin() + 22, 16, std::uint8_t{0});
      std::copy(head.begin(), head.end(), bytes.begin() + 22);
      bytes[37] = last;
    };
  };
  const auto with = [](const Bytes& headers, unsigned first) {
    return tcp_packet_6({}, headers, first);
  };
  Bytes nine;
  for (int i = 0; i < 8; ++i) append(nine, {60, 0, 1, 4, 0, 0, 0, 0});
  append(nine, {6, 0, 1, 4, 0, 0, 0, 0});
  Bytes many_options = {6, 8};
  for (int i = 0; i < 35; ++i) append(many_options, {3, 0});
  const Fault faults[] = {
      {"ip_truncated", good, [](Bytes& b) { b.resize(53); }},
      {"ip_truncated", good, [](Bytes& b) { b.resize(73); }},
      {"ip_bad_header", good, set(14, 0x40)},
      {"ip_bad_source", good, source({0xff, 2}, 1), true},  // multicast
      {"ip_bad_source", good, source({}, 1), true},         // ::1
      {"ip_bad_source", good, source({}, 0), true},         // ::
      {"ip_bad_source", good, source({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 1), true},
      {"ether_not_for_us", good, set(5, 9)},
      {"ether_not_for_us", good, [](Bytes& b) { b[0] = 0x33, b[1] = 0x33; }},  // TCP to a group
      {"ether_not_for_us", echo_packet_6(1), [](Bytes& b) { std::fill_n(b.begin(), 6, 0xff); }},
      {"ip_protocol_unknown", good, set(20, 17)},
      {"ip_protocol_unknown", good, set(20, 59)},  // nothing follows
      {"ip_protocol_unknown", good, set(20, 51)},  // authentication, not checked
      {"ip_fragment", with({6, 0, 0, 1, 0, 0, 0, 1}, 44)},
      {"ip_fragment", with({6, 0, 0, 8, 0, 0, 0, 1}, 44)},
      {"ip_fragment", with({17, 0, 0xff, 0xf8, 0, 0, 0, 1}, 44)},
      {"ip_bad_extension", with({6, 0, 0, 0, 0, 0, 0, 0}, 43)},     // routing, type 0
      {"ip_bad_extension", with({6, 0, 4, 1, 0, 0, 0, 0}, 43)},     // segments left
      {"ip_bad_extension", with({6, 0, 0xc2, 4, 0, 1, 0, 0}, 0)},   // jumbo payload
      {"ip_bad_extension", with({6, 0, 0x41, 4, 0, 0, 0, 0}, 60)},  // must not be skipped
      {"ip_bad_extension", with({6, 0, 1, 5, 0, 0, 0, 0}, 60)},     // runs past the header
      {"ip_bad_extension", with({6, 0, 1, 3, 0, 0, 0, 1}, 60)},     // option without a length
      {"ip_bad_extension", with(join({{0, 0, 1, 4, 0, 0, 0, 0}, {6, 0, 1, 4, 0, 0, 0, 0}}), 60)},
      {"ip_bad_extension", with(nine, 60)},
      {"ip_bad_extension", with(many_options, 60)},
      {"ip_bad_extension", with({6, 200, 1, 4, 0, 0, 0, 0}, 60)},  // longer than the packet
      {"ip_bad_extension", ipv6(60, {6, 0, 1})},
      {"icmp_malformed", ipv6(58, Bytes(7))},
      {"icmp_malformed", echo_packet_6(4), set(64, 99)},
      {"tcp_truncated", ipv6(6, Bytes(19, 0x50))},
      {"tcp_bad_offset", good, set(66, 0x40), true},
      {"tcp_bad_offset", good, set(66, 0x60), true},
      {"tcp_bad_checksum", good, set(60, 0)},
      {"tcp_bad_port", tcp_packet_6({.source_port = 0})},
      {"tcp_bad_port", tcp_packet_6({.destination_port = 0})},
  };
  int n = 0;
  for (Fault fault : faults) {
    fault.damage(fault.bytes);
    if (fault.fix) fix_checksums_6(fault.bytes);
    EXPECT_EQ(drop_of(fault.bytes), fault.reason) << "fault " << n;
    ++n;
  }
}

TEST(Ipv6, device_word_on_the_checksum_is_believed) {
  Bytes wrong = tcp_packet_6({});
  wrong[60] ^= 1;
  EXPECT_EQ(drop_of(wrong, l4_checksum_good), "");
  EXPECT_EQ(drop_of(tcp_packet_6({}), checksum_bad), "tcp_bad_checksum");
}

TEST(Ipv6, emitted_is_byte_for_byte_what_the_tests_builder_makes) {
  for (const std::size_t size : {0u, 1u, 2u, 3u, 100u, 1440u}) {
    const TcpSpec spec{
        .flags = flag_syn | flag_ack, .options = mss_1460, .payload = Bytes(size, 7)};
    Bytes want = tcp_packet_6(spec);
    want[14] = 0x60 | 0xb8 >> 4;                               // traffic class
    want[15] = 0x80 | 0x01, want[16] = 0x23, want[17] = 0x45;  // the flow label
    Buffer buffer(want.size());
    // The peer is the sender.
    const AddressPair whole = pair_of(our_ip6, peer_ip6);
    std::array<std::byte, 4> options;
    for (std::size_t i = 0; i < 4; ++i) options[i] = std::byte{mss_1460[i]};
    std::fill_n(payload_at(buffer.frame, 4, true), size, std::byte{7});
    TcpOut out;
    out.key = fold.key(whole, net16(80), net16(40000));
    out.ip6 = &whole;
    out.flow_label = 0x12345;
    out.traffic_class = 0xb8;
    out.src_mac = peer_mac;
    out.dst_mac = our_mac;
    out.seq = spec.seq;
    out.ack = spec.ack;
    out.wnd = static_cast<std::uint16_t>(spec.window);
    out.flags = flag_syn | flag_ack;
    out.ttl = 61;
    out.payload_length = static_cast<std::uint16_t>(size);
    out.options = options;
    emit_tcp(buffer.frame, out);
    EXPECT_EQ(buffer.bytes(), want);
  }
}

TEST(Ipv6, folds_have_a_key_and_tell_addresses_apart) {
  const AddressFold other{43};
  std::set<std::uint32_t> seen;
  for (std::uint64_t i = 0; i < 4096; ++i) {
    seen.insert(fold(Address::of(IpAddress::v6(0xfd00'0000'0000'0000 + (i << 16), 1))));
    seen.insert(fold(Address::of(IpAddress::v6(0xfd00'0000'0000'0000, i << 32))));
  }
  EXPECT_GE(seen.size(), 8191u - 2);  // one is in both
  EXPECT_NE(fold(Address::of(our_ip6)), other(Address::of(our_ip6)));
}

// --- neighbour discovery ------------------------------------------------------------------------

bool read_ndp(const Bytes& bytes, ip::Ndp& out) {
  const Buffer buffer(bytes);
  Segment segment;
  EXPECT_EQ(parse_both(buffer.frame, verifying, segment).kind, Kind::icmp);
  return ip::parse_ndp(buffer.frame, segment, out);
}

TEST(Ndp, solicitation_and_advertisement_are_read) {
  ip::Ndp ndp;
  ASSERT_TRUE(read_ndp(ndp_packet(135), ndp));
  EXPECT_FALSE(ndp.advertisement);
  EXPECT_TRUE(ndp.has_mac);
  EXPECT_EQ(ndp.mac, peer_mac);
  EXPECT_EQ(ndp.source.ip(), peer_ip6);
  EXPECT_EQ(ndp.target.ip(), our_ip6);
  EXPECT_EQ(ndp.destination, ip::solicited_node(ndp.target));
  EXPECT_EQ(ndp.destination.ip().to_string(), "ff02::1:ff00:1");
  ASSERT_TRUE(read_ndp(ndp_packet(136), ndp));
  EXPECT_TRUE(ndp.advertisement && ndp.solicited && ndp.override);
  EXPECT_EQ(ndp.target.ip(), peer_ip6);
  ASSERT_TRUE(read_ndp(ndp_packet(135, false), ndp));
  EXPECT_FALSE(ndp.has_mac);
  EXPECT_EQ(ip::solicited_node(Address::of(*IpAddress::parse("fe80::1:2:abcd:ef01"))).ip(),
            *IpAddress::parse("ff02::1:ffcd:ef01"));
  EXPECT_EQ(ip::all_nodes().ip(), *IpAddress::parse("ff02::1"));
}

TEST(Ndp, emitted_is_what_the_tests_builder_makes) {
  Buffer buffer(std::size_t{ip::ndp_frame_size});
  ip::Ndp ndp;
  ndp.mac = peer_mac;
  ndp.source = Address::of(peer_ip6);
  ndp.target = Address::of(our_ip6);
  ndp.destination = ip::solicited_node(ndp.target);
  ip::emit_ndp(buffer.frame, ndp, multicast_mac(ndp.destination));
  EXPECT_EQ(buffer.bytes(), ndp_packet(135));
  ndp.advertisement = ndp.solicited = ndp.override = true;
  ndp.target = ndp.source;
  ndp.destination = Address::of(our_ip6);
  ip::emit_ndp(buffer.frame, ndp, our_mac);
  EXPECT_EQ(buffer.bytes(), ndp_packet(136));
}

// RFC 4861 §7.1.1, §7.1.2.
TEST(Ndp, what_a_router_passed_on_or_that_is_malformed_is_refused) {
  const auto refused = [](Bytes bytes, std::size_t at, std::uint8_t value) {
    bytes[at] = value;
    fix_checksums_6(bytes);
    ip::Ndp ndp;
    ndp.mac = other_mac;
    const bool taken = read_ndp(bytes, ndp);
    EXPECT_TRUE(taken || ndp.mac == other_mac) << "written all the same";
    return !taken;
  };
  for (const unsigned type : {135u, 136u}) {
    const Bytes good = ndp_packet(type);
    EXPECT_TRUE(refused(good, 21, 254)) << "hop limit";
    EXPECT_TRUE(refused(good, 55, 1)) << "code";
    EXPECT_TRUE(refused(good, 62, 0xff)) << "a target that is a group";
    EXPECT_TRUE(refused(good, 79, 0)) << "option of length 0";
    EXPECT_TRUE(refused(good, 79, 2)) << "option past the end";
    EXPECT_TRUE(refused(good, 80, 0x01)) << "MAC of a group";
    EXPECT_FALSE(refused(good, 78, 99)) << "an option that nobody knows is skipped";
    Bytes cut = good;
    cut.resize(54 + 23);
    put16(cut, 18, 23);
    EXPECT_TRUE(refused(cut, 55, 0));
    Bytes mapped = good;
    const Bytes ours = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
    std::copy(ours.begin(), ours.end(), mapped.begin() + 62);
    EXPECT_TRUE(refused(mapped, 55, 0)) << "IPv4 in disguise";
  }
  Bytes detection = ndp_packet(135, false);  // is the address free?
  std::fill_n(detection.begin() + 22, 16, std::uint8_t{0});
  EXPECT_FALSE(refused(detection, 55, 0));
  EXPECT_TRUE(refused(detection, 53, 2)) << "not to its solicited-node address";
  Bytes with_mac = ndp_packet(135);
  std::fill_n(with_mac.begin() + 22, 16, std::uint8_t{0});
  EXPECT_TRUE(refused(with_mac, 55, 0)) << "no source, yet a MAC of it";
  Bytes nobody = ndp_packet(136);
  std::fill_n(nobody.begin() + 22, 16, std::uint8_t{0});
  EXPECT_TRUE(refused(nobody, 55, 0));
}

// --- echo and errors ----------------------------------------------------------------------------

TEST(Icmp6, echo_request_is_turned_round) {
  Buffer buffer(echo_packet_6(5));
  ASSERT_TRUE(ip::make_echo_reply(buffer.frame));
  Bytes want = echo_packet_6(5);
  std::copy_n(peer_mac.bytes.begin(), 6, want.begin());
  std::copy_n(our_mac.bytes.begin(), 6, want.begin() + 6);
  std::swap_ranges(want.begin() + 22, want.begin() + 38, want.begin() + 38);
  want[21] = 64;
  want[54] = 129;
  fix_checksums_6(want);
  EXPECT_EQ(buffer.bytes(), want);
  EXPECT_FALSE(ip::make_echo_reply(buffer.frame)) << "a reply is not answered";
}

bool read_error(const Bytes& bytes, ip::IcmpError& out) {
  const Buffer buffer(bytes);
  Segment segment;
  EXPECT_EQ(parse_both(buffer.frame, verifying, segment).kind, Kind::icmp);
  return ip::parse_icmp_error(buffer.frame, segment, fold, out);
}

// An error of the peer's about a segment from our port 80 to its port 40000.
Bytes error_packet(bool ip6, unsigned type, unsigned code, std::uint32_t rest, std::size_t quoted) {
  Bytes icmp(8);
  icmp[0] = static_cast<std::uint8_t>(type);
  icmp[1] = static_cast<std::uint8_t>(code);
  put32(icmp, 4, rest);
  Bytes frame = ip6 ? tcp_packet_6({.source_port = 80, .destination_port = 40000, .seq = 77})
                    : tcp_packet({.source_port = 80, .destination_port = 40000, .seq = 77});
  // As we sent it: from us to the peer.
  if (ip6) {
    std::swap_ranges(frame.begin() + 22, frame.begin() + 38, frame.begin() + 38);
  } else {
    std::swap_ranges(frame.begin() + 26, frame.begin() + 30, frame.begin() + 30);
  }
  append(icmp, Bytes(frame.begin() + 14, frame.begin() + 14 + static_cast<std::ptrdiff_t>(quoted)));
  return ip6 ? ipv6(58, icmp) : ipv4(1, icmp);
}

TEST(IcmpError, says_what_it_means_and_whom) {
  using What = ip::IcmpError::What;
  struct Case {
    bool ip6;
    unsigned type;
    unsigned code;
    What what;
  };
  for (const Case& one :
       {Case{false, 3, 0, What::soft}, Case{false, 3, 1, What::soft}, Case{false, 3, 2, What::hard},
        Case{false, 3, 3, What::hard}, Case{false, 3, 4, What::too_big},
        Case{false, 3, 13, What::hard}, Case{false, 11, 0, What::soft},
        Case{false, 12, 0, What::soft}, Case{true, 1, 0, What::soft}, Case{true, 1, 1, What::hard},
        Case{true, 1, 3, What::soft}, Case{true, 1, 4, What::hard}, Case{true, 2, 0, What::too_big},
        Case{true, 3, 0, What::soft}, Case{true, 4, 0, What::soft}, Case{true, 4, 1, What::hard}}) {
    ip::IcmpError error;
    ASSERT_TRUE(
        read_error(error_packet(one.ip6, one.type, one.code, 1400, one.ip6 ? 60 : 40), error));
    EXPECT_EQ(error.what, one.what) << one.type << ' ' << one.code;
    EXPECT_EQ(error.ip6, one.ip6);
    EXPECT_EQ(error.mtu, 1400u);
    EXPECT_EQ(error.seq, 77u);
    EXPECT_EQ(error.quoted_length, one.ip6 ? 60 : 40);
    if (one.ip6) {
      EXPECT_EQ(error.whole, pair_of(peer_ip6, our_ip6));
      EXPECT_EQ(error.key, fold.key(error.whole, net16(40000), net16(80)));
    } else {
      EXPECT_EQ(error.key, make_key(peer_ip, 40000, our_ip, 80));
    }
  }
}

TEST(IcmpError, quote_that_is_cut_or_no_tcp_is_refused) {
  for (const bool ip6 : {false, true}) {
    const std::size_t header = ip6 ? 40 : 20;
    const unsigned type = ip6 ? 1 : 3;
    ip::IcmpError error;
    for (std::size_t quoted = 0; quoted < header + 20; ++quoted) {
      EXPECT_EQ(read_error(error_packet(ip6, type, 1, 0, quoted), error), quoted >= header + 8);
    }
    Bytes udp = error_packet(ip6, type, 1, 0, header + 20);
    udp[(ip6 ? 54u + 8 + 6 : 34u + 8 + 9)] = 17;
    ip6 ? fix_checksums_6(udp) : fix_checksums(udp);
    EXPECT_FALSE(read_error(udp, error));
    Bytes version = error_packet(ip6, type, 1, 0, header + 20);
    version[(ip6 ? 54u : 34u) + 8] = 0x55;
    ip6 ? fix_checksums_6(version) : fix_checksums(version);
    EXPECT_FALSE(read_error(version, error));
    EXPECT_FALSE(read_error(error_packet(ip6, ip6 ? 129 : 0, 0, 0, header + 20), error));
  }
}

}  // namespace
}  // namespace salut::wire::test
