// A frame turned round is the answer of a station that does not exist, with its checksums right.
#include "wire/reflect.hpp"

#include <gtest/gtest.h>

#include "packets.hpp"
#include "wire/parse.hpp"

namespace salut::wire::test {
namespace {

const AddressFold fold{42};

Bytes turned(const Bytes& bytes) {
  const Buffer buffer(bytes);
  reflect(buffer.frame.data, buffer.frame.length);
  return buffer.bytes();
}

// To us from the peer, and turned round: to the peer from us.
void expect_answer(const Bytes& bytes) {
  const Buffer there(bytes);
  const Buffer back(turned(bytes));
  Segment sent;
  Segment came;
  ASSERT_EQ(parse(there.frame, {true, our_mac, &fold}, sent).kind, Kind::tcp);
  ASSERT_EQ(parse(back.frame, {true, peer_mac, &fold}, came), (Parsed{Kind::tcp, Drop::none}));
  EXPECT_EQ(came.key.remote_port, sent.key.local_port);
  EXPECT_EQ(came.key.local_port, sent.key.remote_port);
  EXPECT_EQ(came.seq, sent.seq);
  EXPECT_EQ(came.ack, sent.ack);
  if (sent.ip6) return;
  EXPECT_EQ(came.key.remote_addr, sent.key.local_addr);
  EXPECT_EQ(came.key.local_addr, sent.key.remote_addr);
}

TEST(Reflect, segment_of_either_family_keeps_its_checksums) {
  expect_answer(tcp_packet({.payload = {1, 2, 3}}));
  expect_answer(tcp_packet({.ip_options = {1, 1, 1, 0}}));
  expect_answer(tcp_packet_6({.payload = {1, 2, 3}}));
}

TEST(Reflect, tag_of_a_vlan_stays_in_its_place) {
  const Bytes plain = tcp_packet({});
  const auto tagged = [](const Bytes& frame) {
    Bytes with(frame.begin(), frame.begin() + 12);
    append(with, {0x81, 0x00, 0x00, 0x64});
    append(with, Bytes(frame.begin() + 12, frame.end()));
    return with;
  };
  EXPECT_EQ(turned(tagged(plain)), tagged(turned(plain)));
}

TEST(Reflect, of_arp_the_macs_alone) {
  const Bytes request = arp_packet(arp_request);
  const Bytes back = turned(request);
  EXPECT_TRUE(std::equal(request.begin(), request.begin() + 6, back.begin() + 6));
  EXPECT_TRUE(std::equal(request.begin() + 6, request.begin() + 12, back.begin()));
  EXPECT_TRUE(std::equal(request.begin() + 12, request.end(), back.begin() + 12));
}

// Bytes behind the end are never touched: the buffer is as long as the frame, for the sanitizers.
TEST(Reflect, cut_at_any_length_and_twice_is_as_it_was) {
  for (const Bytes& whole : {tcp_packet({}), tcp_packet_6({}), arp_packet(arp_request)}) {
    for (std::size_t length = 0; length <= whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      EXPECT_EQ(turned(turned(cut)), cut) << length;
    }
  }
}

}  // namespace
}  // namespace salut::wire::test
