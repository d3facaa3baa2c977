// ARP and ICMP: read, answered, and refused.
#include <gtest/gtest.h>

#include "ip/arp.hpp"
#include "ip/icmp.hpp"
#include "wire/packets.hpp"
#include "wire/parse.hpp"

namespace salut::wire::test {
namespace {

TEST(Arp, request_is_read) {
  const Buffer buffer(arp_packet(1));
  ip::Arp arp;
  ASSERT_TRUE(ip::parse_arp(buffer.frame, arp));
  EXPECT_EQ(arp.op, arp_request);
  EXPECT_EQ(arp.sender_mac, peer_mac);
  EXPECT_EQ(arp.sender_ip, net32(peer_ip));
  EXPECT_EQ(arp.target_ip, net32(our_ip));
  EXPECT_TRUE(arp.target_mac.is_zero());
}

TEST(Arp, emitted_is_what_the_tests_builder_makes) {
  Buffer buffer(std::size_t{42});
  ip::emit_arp(buffer.frame,
               {.op = arp_request,
                .sender_mac = peer_mac,
                .sender_ip = net32(peer_ip),
                .target_ip = net32(our_ip),
                .target_mac = {}},
               broadcast_mac);
  EXPECT_EQ(buffer.bytes(), arp_packet(1));
}

TEST(Arp, reply_comes_back_as_sent) {
  Buffer buffer(std::size_t{60});
  const ip::Arp sent = {.op = arp_reply,
                        .sender_mac = our_mac,
                        .sender_ip = net32(our_ip),
                        .target_ip = net32(peer_ip),
                        .target_mac = peer_mac};
  ip::emit_arp(buffer.frame, sent, peer_mac);
  EXPECT_EQ(buffer.frame.length, 42);
  ip::Arp read;
  ASSERT_TRUE(ip::parse_arp(buffer.frame, read));
  EXPECT_EQ(read.op, arp_reply);
  EXPECT_EQ(read.sender_mac, our_mac);
  EXPECT_EQ(read.sender_ip, net32(our_ip));
  EXPECT_EQ(read.target_ip, net32(peer_ip));
  EXPECT_EQ(read.target_mac, peer_mac);
}

TEST(Arp, probe_without_a_sender_address_is_read) {
  Bytes bytes = arp_packet(1);
  put32(bytes, 28, 0);
  ip::Arp arp;
  EXPECT_TRUE(ip::parse_arp(Buffer(bytes).frame, arp));
}

TEST(Arp, sender_that_is_no_station_is_refused_and_nothing_written) {
  for (const Mac& sender : {Mac{}, broadcast_mac, Mac{{1, 0, 0x5e, 0, 0, 1}}}) {
    Bytes bytes = arp_packet(2);
    std::copy(sender.bytes.begin(), sender.bytes.end(), bytes.begin() + 22);
    ip::Arp arp;
    arp.sender_ip = 42;
    EXPECT_FALSE(ip::parse_arp(Buffer(bytes).frame, arp));
    EXPECT_EQ(arp.sender_ip, 42u);
  }
}

// The answer to echo_packet(size), byte by byte.
Bytes echo_answer(std::size_t size) {
  Bytes bytes = echo_packet(size);
  std::swap_ranges(bytes.begin(), bytes.begin() + 6, bytes.begin() + 6);
  bytes[22] = 64;
  put32(bytes, 26, our_ip);
  put32(bytes, 30, peer_ip);
  bytes[34] = 0;
  fix_checksums(bytes);
  return bytes;
}

TEST(Echo, reply_is_the_request_turned_round) {
  for (std::size_t size : {0, 1, 18, 56, 57, 1472}) {
    Buffer buffer(echo_packet(size));
    ASSERT_TRUE(ip::make_echo_reply(buffer.frame));
    EXPECT_EQ(buffer.bytes(), echo_answer(size)) << size;
  }
}

// The one message whose checksum RFC 1624's equation gets wrong: nothing but zeroes is left.
TEST(Echo, reply_of_zeroes_has_a_checksum_that_holds) {
  Bytes bytes = echo_packet(0);
  put32(bytes, 38, 0);  // identifier and sequence number
  fix_checksums(bytes);
  Buffer buffer(bytes);
  ASSERT_TRUE(ip::make_echo_reply(buffer.frame));
  Segment segment;
  EXPECT_EQ(parse(buffer.frame, {true, peer_mac}, segment).kind, Kind::icmp);
}

TEST(Echo, padding_is_cut_off) {
  Bytes bytes = echo_packet(2);
  bytes.resize(60, 0xee);
  Buffer buffer(bytes);
  ASSERT_TRUE(ip::make_echo_reply(buffer.frame));
  EXPECT_EQ(buffer.bytes(), echo_answer(2));
}

TEST(Echo, damaged_data_goes_back_damaged) {
  Bytes bytes = echo_packet(20);
  bytes[50] ^= 4;
  Buffer buffer(bytes);
  ASSERT_TRUE(ip::make_echo_reply(buffer.frame));
  Segment segment;
  EXPECT_EQ(parse(buffer.frame, {true, peer_mac}, segment).drop, Drop::icmp_malformed);
}

TEST(Echo, nothing_else_is_answered) {
  Bytes reply = echo_packet(8);
  reply[34] = 0;
  Bytes code = echo_packet(8);
  code[35] = 1;
  Bytes fragment = echo_packet(8);
  put16(fragment, 20, 0x2000);
  Bytes short_total = echo_packet(8);
  put16(short_total, 16, 27);
  Bytes long_total = echo_packet(8);
  put16(long_total, 16, 37);
  for (const Bytes& bytes : {reply, code, fragment, short_total, long_total, tcp_packet({}),
                             arp_packet(1), Bytes{}, ipv4(1, Bytes(16, 8), Bytes(4, 1))}) {
    Buffer buffer(bytes);
    EXPECT_FALSE(ip::make_echo_reply(buffer.frame));
    EXPECT_EQ(buffer.bytes(), bytes);
  }
}

}  // namespace
}  // namespace salut::wire::test
