// Which worker is a frame for? Every kind of packet, and every way to cut one short.
#include "wire/classify.hpp"

#include <gtest/gtest.h>

#include <random>

#include "packets.hpp"

namespace salut::wire {
namespace {

using namespace test;

struct Answer {
  Recipient whose;
  flow::Ends ends;
};

Answer ask(const Bytes& bytes) {
  const Buffer buffer(bytes);
  Answer answer;
  answer.whose = classify(buffer.frame, answer.ends);
  return answer;
}

void expect_flow(const Answer& answer, Recipient whose, const Address& remote,
                 const Address& local) {
  EXPECT_EQ(answer.whose, whose);
  EXPECT_EQ(answer.ends.remote, remote);
  EXPECT_EQ(answer.ends.local, local);
  EXPECT_EQ(answer.ends.remote_port, net16(40'000));
  EXPECT_EQ(answer.ends.local_port, net16(80));
}

const Address remote4 = Address::v4(net32(peer_ip));
const Address local4 = Address::v4(net32(our_ip));
const Address remote6 = Address::of(peer_ip6);
const Address local6 = Address::of(our_ip6);

Bytes tagged(Bytes frame) {
  const Bytes tag = {0x81, 0x00, 0x00, 0x64};
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  return frame;
}

// An ICMP error of `type` about a segment of ours to the peer.
Bytes error_about(const Bytes& quoted, unsigned type, bool ip6) {
  Bytes icmp = {static_cast<std::uint8_t>(type), 0, 0, 0, 0, 0, 0, 0};
  icmp.insert(icmp.end(), quoted.begin() + 14, quoted.end());
  return ip6 ? ipv6(58, icmp) : ipv4(1, icmp);
}

// What we sent: the ends of tcp_packet() the other way round.
Bytes ours(bool ip6) {
  const TcpSpec spec{.source_port = 80, .destination_port = 40'000};
  Bytes frame = ip6 ? tcp_packet_6(spec) : tcp_packet(spec);
  const std::size_t size = ip6 ? 16 : 4;
  const auto source = frame.begin() + (ip6 ? 22 : 26);
  std::swap_ranges(source, source + static_cast<std::ptrdiff_t>(size),
                   source + static_cast<std::ptrdiff_t>(size));
  return frame;
}

TEST(Recipient, segments_of_both_families_and_tagged_ones) {
  expect_flow(ask(tcp_packet({})), Recipient::flow, remote4, local4);
  expect_flow(ask(tcp_packet({.ip_options = {1, 1, 1, 1}})), Recipient::flow, remote4, local4);
  expect_flow(ask(tcp_packet_6({})), Recipient::flow, remote6, local6);
  expect_flow(ask(tagged(tcp_packet({}))), Recipient::flow, remote4, local4);
  expect_flow(ask(tagged(tcp_packet_6({}))), Recipient::flow, remote6, local6);
}

TEST(Recipient, what_is_no_whole_tcp_header_is_odd) {
  for (const unsigned length : {20u, 24u, 39u, 41u + 0xf000u}) {
    Bytes frame = tcp_packet({});
    put16(frame, 16, length);
    EXPECT_EQ(ask(frame).whose, Recipient::odd_flow) << length;
  }
  Bytes frame = tcp_packet_6({});
  put16(frame, 18, 19);
  EXPECT_EQ(ask(frame).whose, Recipient::odd_flow);
}

TEST(Recipient, extension_headers_make_a_flow_odd) {
  const Bytes hop_by_hop = {6, 0, 1, 4, 0, 0, 0, 0};
  expect_flow(ask(tcp_packet_6({}, hop_by_hop, 0)), Recipient::odd_flow, remote6, local6);
  const Bytes whole_fragment = {6, 0, 0, 0, 0, 0, 0, 1};
  expect_flow(ask(tcp_packet_6({}, whole_fragment, 44)), Recipient::odd_flow, remote6, local6);
  const Bytes first_of_two = {6, 0, 0, 1, 0, 0, 0, 1};
  EXPECT_EQ(ask(tcp_packet_6({}, first_of_two, 44)).whose, Recipient::here);
}

TEST(Recipient, fragments_stay_where_they_are) {
  Bytes frame = tcp_packet({});
  put16(frame, 20, 0x2000);
  EXPECT_EQ(ask(frame).whose, Recipient::here);
  put16(frame, 20, 0x0007);
  EXPECT_EQ(ask(frame).whose, Recipient::here);
  put16(frame, 20, 0x4000);
  EXPECT_EQ(ask(frame).whose, Recipient::flow);
}

TEST(Recipient, an_icmp_error_goes_where_its_segment_came_from) {
  for (const unsigned type : {3u, 11u, 12u}) {
    expect_flow(ask(error_about(ours(false), type, false)), Recipient::odd_flow, remote4, local4);
  }
  for (const unsigned type : {1u, 2u, 3u, 4u}) {
    expect_flow(ask(error_about(ours(true), type, true)), Recipient::odd_flow, remote6, local6);
  }
  EXPECT_EQ(ask(error_about(ours(false), 5, false)).whose, Recipient::here);  // a redirect
  EXPECT_EQ(ask(echo_packet(20)).whose, Recipient::here);
  EXPECT_EQ(ask(echo_packet_6(20)).whose, Recipient::here);
}

TEST(Recipient, what_teaches_a_neighbour_is_for_everyone) {
  EXPECT_EQ(ask(arp_packet(2, our_mac)).whose, Recipient::everyone);
  EXPECT_EQ(ask(arp_packet(1)).whose, Recipient::everyone);
  EXPECT_EQ(ask(ndp_packet(136)).whose, Recipient::everyone);
  EXPECT_EQ(ask(ndp_packet(135)).whose, Recipient::everyone);
}

// Each copy costs a buffer and room in a mailbox: a host far away may not ask for them.
TEST(Recipient, discovery_from_beyond_the_link_is_not_copied) {
  for (const unsigned type : {135u, 136u}) {
    Bytes far = ndp_packet(type);
    far[21] = 254;  // hop limit
    EXPECT_EQ(ask(far).whose, Recipient::here);
  }
}

// The buffer is as long as the frame: the sanitizers see a byte too many. What was cut before its
// ports is nobody's flow.
TEST(Recipient, cut_anywhere_nothing_is_read_past_the_end) {
  const Bytes all[] = {tcp_packet({}),
                       tagged(tcp_packet({})),
                       tcp_packet_6({}),
                       tcp_packet_6({}, {6, 0, 1, 4, 0, 0, 0, 0}, 0),
                       error_about(ours(false), 3, false),
                       error_about(ours(true), 2, true),
                       arp_packet(2, our_mac),
                       ndp_packet(136)};
  for (const Bytes& whole : all) {
    const Recipient uncut = ask(whole).whose;
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const auto end = whole.begin() + static_cast<std::ptrdiff_t>(length);
      const Recipient cut = ask(Bytes(whole.begin(), end)).whose;
      EXPECT_TRUE(cut == uncut || cut == Recipient::here || cut == Recipient::odd_flow) << length;
    }
  }
}

TEST(Recipient, random_damage_is_harmless) {
  std::mt19937 random(20);
  const Bytes seeds[] = {tcp_packet({}), tcp_packet_6({}, {6, 0, 1, 4, 0, 0, 0, 0}, 0),
                         error_about(ours(true), 2, true), error_about(ours(false), 3, false)};
  for (int round = 0; round < 200'000; ++round) {
    Bytes frame = seeds[random() % 4];
    for (unsigned n = random() % 4 + 1; n > 0; --n) {
      frame[12 + random() % (frame.size() - 12)] = static_cast<std::uint8_t>(random());
    }
    frame.resize(random() % (frame.size() + 1));
    ask(frame);
  }
}

}  // namespace
}  // namespace salut::wire
