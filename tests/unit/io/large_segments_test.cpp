// Chains that a device in software cuts again must be the frames that they were made of, to the
// bit.
#include "io/dpdk/large_segments.hpp"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "../wire/packets.hpp"
#include "wire/checksum.hpp"
#include "wire/emit.hpp"

namespace salut::io {
namespace {

using wire::test::Bytes;
using wire::test::get16;
using wire::test::naive_checksum;
using wire::test::naive_sum;
using wire::test::put16;
using wire::test::put32;

constexpr LargeSegmentLimits limits = {LargeSegments::frames_max, false};
constexpr std::uint32_t near_wrap = 0xffffffff - 2'000;

// An mbuf and its memory, without a pool.
struct Buffer {
  Buffer() : memory(9'500), storage(sizeof(rte_mbuf) + RTE_CACHE_LINE_SIZE) {
    void* at = storage.data();
    std::size_t space = storage.size();
    mbuf = static_cast<rte_mbuf*>(std::align(RTE_CACHE_LINE_SIZE, sizeof(rte_mbuf), at, space));
    mbuf->buf_addr = memory.data();
    mbuf->buf_len = static_cast<std::uint16_t>(memory.size());
    mbuf->nb_segs = 1;
    rte_mbuf_refcnt_set(mbuf, 1);
  }
  Buffer(const Buffer&) = delete;
  std::vector<std::byte> memory;
  std::vector<std::byte> storage;
  rte_mbuf* mbuf;
};

struct Layout {
  std::size_t ip;
  std::size_t tcp;
  std::size_t payload;
  bool ip6;
};

Layout layout_of(const Bytes& frame) {
  const std::size_t ip = get16(frame, 12) == 0x8100 ? 18 : 14;
  const bool ip6 = get16(frame, ip - 2) == 0x86dd;
  const std::size_t tcp = ip + (ip6 ? 40 : 20);
  return {ip, tcp, tcp + std::size_t{frame[tcp + 12]} / 16 * 4, ip6};
}

void write_checksum_of_tcp(Bytes& frame) {
  const Layout at = layout_of(frame);
  const std::size_t length = frame.size() - at.tcp;
  put16(frame, at.tcp + 16, 0);
  const std::uint32_t sum = naive_sum(&frame[at.tcp], length) +
                            naive_sum(&frame[at.ip + (at.ip6 ? 8 : 12)], at.ip6 ? 32 : 8) + 6 +
                            static_cast<std::uint32_t>(length);
  put16(frame, at.tcp + 16, naive_checksum(sum));
}

void write_checksum_of_ip(Bytes& frame) {
  const Layout at = layout_of(frame);
  if (at.ip6) return;
  put16(frame, at.ip + 10, 0);
  put16(frame, at.ip + 10, naive_checksum(naive_sum(&frame[at.ip], 20)));
}

bool checksum_of_ip_is_right(const Bytes& frame) {
  Bytes other = frame;
  write_checksum_of_ip(other);
  return other == frame;
}

Bytes bytes_of(const std::byte* data, std::size_t size) {
  const auto* from = reinterpret_cast<const std::uint8_t*>(data);
  return {from, from + size};
}

// What a device that cuts makes of one packet (the rules are those of the large drivers and of
// Linux).
std::vector<Bytes> device(const rte_mbuf* head) {
  Bytes all;
  unsigned segments = 0;
  for (const rte_mbuf* m = head; m != nullptr; m = m->next, ++segments) {
    wire::test::append(all, bytes_of(rte_pktmbuf_mtod(m, std::byte*), m->data_len));
  }
  EXPECT_EQ(segments, head->nb_segs);
  EXPECT_EQ(all.size(), head->pkt_len);
  if ((head->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0) {
    EXPECT_EQ(head->nb_segs, 1);
    if ((head->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0) write_checksum_of_tcp(all);
    return {all};
  }
  const Layout at = layout_of(all);
  EXPECT_EQ(head->l2_len, at.ip);
  EXPECT_EQ(head->l2_len + head->l3_len, at.tcp);
  EXPECT_EQ(head->l2_len + head->l3_len + head->l4_len, at.payload);
  EXPECT_EQ(get16(all, at.ip + (at.ip6 ? 4 : 2)), all.size() - (at.ip6 ? at.tcp : at.ip));
  const bool asked = (head->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0;
  EXPECT_TRUE(asked || at.ip6 || checksum_of_ip_is_right(all));
  std::vector<Bytes> cut;
  std::uint32_t seq = 0;
  std::memcpy(&seq, &all[at.tcp + 4], 4);
  seq = net32(seq);
  for (std::size_t from = at.payload; from < all.size(); from += head->tso_segsz) {
    const std::size_t size = std::min<std::size_t>(head->tso_segsz, all.size() - from);
    const bool last = from + size == all.size();
    const auto nth = static_cast<unsigned>(cut.size());
    Bytes one(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(at.payload));
    wire::test::append(one, bytes_of(reinterpret_cast<const std::byte*>(&all[from]), size));
    put16(one, at.ip + (at.ip6 ? 4 : 2),
          static_cast<unsigned>(one.size() - (at.ip6 ? at.tcp : at.ip)));
    if (!at.ip6) put16(one, at.ip + 4, (get16(all, at.ip + 4) + nth) & 0xffff);
    put32(one, at.tcp + 4, seq + static_cast<std::uint32_t>(from - at.payload));
    if (!last) one[at.tcp + 13] = static_cast<std::uint8_t>(one[at.tcp + 13] & ~0x09);
    if (nth > 0) one[at.tcp + 13] = static_cast<std::uint8_t>(one[at.tcp + 13] & ~0x80);
    write_checksum_of_ip(one);
    write_checksum_of_tcp(one);
    cut.push_back(std::move(one));
  }
  return cut;
}

struct Words {
  std::uint16_t size = 1'448;
  std::uint8_t flags = wire::ack;
  bool ip6 = false;
  bool tagged = false;
  bool options = true;
  std::uint16_t port = 80;
  std::uint32_t ack = 77;
  bool left = true;
};

// Frames as the core emits them, one connection after the other.
struct Rig {
  Frame& add(const Words& words) {
    buffers.emplace_back();
    Frame frame;
    frame.handle = buffers.back().mbuf;
    frame.data = buffers.back().memory.data() + RTE_PKTMBUF_HEADROOM + (words.tagged ? 4 : 0);
    frame.room = 9'200;  // MTU 9,000, and the headers before it
    const std::array<std::byte, 12> stamps = {std::byte{1},  std::byte{1}, std::byte{8},
                                              std::byte{10}, std::byte{0}, std::byte{9}};
    AddressPair pair;
    pair.local = {1, 2};
    pair.remote = {3, 4};
    wire::TcpOut out;
    out.key = {net32(wire::test::peer_ip), net32(wire::test::our_ip), 4'000, words.port};
    out.ip6 = words.ip6 ? &pair : nullptr;
    out.src_mac = wire::test::our_mac;
    out.dst_mac = wire::test::peer_mac;
    out.seq = seq;
    out.ack = words.ack;
    out.wnd = 1'000;
    out.flags = words.flags;
    out.payload_length = words.size;
    out.leave_sum = words.left;
    if (words.options) out.options = stamps;
    std::byte* payload = wire::payload_at(frame, out.options.size(), words.ip6);
    for (unsigned i = 0; i < words.size; ++i) payload[i] = static_cast<std::byte>(random());
    seq += words.size;
    wire::emit_tcp(frame, out);
    if (with_id && !words.ip6) set_id(frame);
    if (words.tagged) {
      frame.data -= 4;
      std::memmove(frame.data, frame.data + 4, 12);
      const std::array<std::uint8_t, 4> tag = {0x81, 0x00, 0x00, 0x07};
      std::memcpy(frame.data + 12, tag.data(), 4);
      frame.length = static_cast<std::uint16_t>(frame.length + 4);
    }
    frame.flags = words.left ? l4_checksum_left : 0;
    frames.push_back(frame);
    return frames.back();
  }
  // As another host's packets have it, which are handed on.
  void set_id(Frame& frame) {
    auto& ip = wire::view<wire::Ipv4Header>(frame.data + wire::ethernet_size);
    const std::uint16_t next = net16(id++);
    ip.checksum = wire::update_checksum(ip.checksum, ip.id, next);
    ip.id = next;
  }
  void add_full(int count, Words words = {}) {
    for (int i = 0; i < count; ++i) add(words);
  }

  // What is on the wire if each frame leaves by itself.
  std::vector<Bytes> expected() const {
    std::vector<Bytes> all;
    for (const Frame& frame : frames) {
      all.push_back(bytes_of(frame.data, frame.length));
      if ((frame.flags & l4_checksum_left) != 0) write_checksum_of_tcp(all.back());
    }
    return all;
  }
  std::vector<Bytes> as_they_lie() const {
    std::vector<Bytes> all;
    for (const Frame& frame : frames) all.push_back(bytes_of(frame.data, frame.length));
    return all;
  }
  // Sends everything; returns how many packets it took, and compares.
  unsigned send(const LargeSegmentLimits& most = limits) {
    const std::vector<Bytes> wanted = expected();
    std::vector<Bytes> got;
    unsigned packets = 0;
    for (unsigned sent = 0; sent < frames.size();) {
      LargeSegments large(most);
      const unsigned built =
          large.build(&frames[sent], static_cast<unsigned>(frames.size()) - sent);
      for (unsigned i = 0; i < built; ++i) {
        for (Bytes& bytes : device(large.packets()[i])) got.push_back(std::move(bytes));
      }
      packets += built;
      const unsigned now = large.reclaim(built);
      EXPECT_GT(now, 0u);
      sent += now;
    }
    EXPECT_EQ(got.size(), wanted.size());
    for (std::size_t i = 0; i < std::min(got.size(), wanted.size()); ++i) {
      EXPECT_EQ(got[i], wanted[i]) << "frame " << i;
    }
    return packets;
  }
  bool all_alone() const {
    for (const Buffer& buffer : buffers) {
      if (buffer.mbuf->next != nullptr || buffer.mbuf->nb_segs != 1) return false;
    }
    return true;
  }

  std::deque<Buffer> buffers;
  std::vector<Frame> frames;
  std::uint32_t seq = near_wrap;
  std::uint16_t id = 0xfffe;
  bool with_id = true;  // without: as the stack sends
  std::minstd_rand random{1};
};

TEST(LargeSegments, run_of_full_segments_is_one_packet_and_the_same_on_the_wire) {
  for (const bool ip6 : {false, true}) {
    for (const bool tagged : {false, true}) {
      for (const bool options : {false, true}) {
        for (const bool completes_ip4 : {false, true}) {
          Rig rig;
          rig.add_full(5, {.ip6 = ip6, .tagged = tagged, .options = options});
          EXPECT_EQ(rig.send({16, completes_ip4}), 1u);
        }
      }
    }
  }
}

// RFC 6864: a datagram with DF needs no ID. A device that counts IDs up from 0 is right too.
TEST(LargeSegments, packets_without_an_id_are_one_run) {
  Rig rig;
  rig.with_id = false;
  rig.add_full(5);
  LargeSegments large(limits);
  EXPECT_EQ(large.build(rig.frames.data(), 5), 1u);
  EXPECT_EQ(large.reclaim(1), 5u);
}

TEST(LargeSegments, run_ends_with_a_smaller_one_and_its_push_and_fin) {
  for (const unsigned flags : {0x10u, 0x18u, 0x11u, 0x19u}) {
    Rig rig;
    rig.add_full(3);
    rig.add({.size = 300, .flags = static_cast<std::uint8_t>(flags)});
    EXPECT_EQ(rig.send(), 1u);
  }
}

TEST(LargeSegments, run_has_ece_in_all_of_it) {
  Rig rig;
  rig.add_full(3, {.flags = wire::ack | wire::ece});
  EXPECT_EQ(rig.send(), 1u);
}

// Each twist is one of a second frame that could have followed the first, with a third behind it.
TEST(LargeSegments, run_ends_before_what_no_device_would_cut) {
  const std::size_t ip = 14;
  const std::size_t tcp = 34;
  const std::vector<std::pair<const char*, std::function<void(Frame&)>>> twists = {
      {"destination MAC", [](Frame& f) { f.data[0] ^= std::byte{2}; }},
      {"source MAC", [](Frame& f) { f.data[6] ^= std::byte{2}; }},
      {"TOS", [&](Frame& f) { f.data[ip + 1] ^= std::byte{4}; }},
      {"ID", [&](Frame& f) { f.data[ip + 5] ^= std::byte{8}; }},
      {"DF", [&](Frame& f) { f.data[ip + 6] ^= std::byte{0x40}; }},
      {"TTL", [&](Frame& f) { f.data[ip + 8] ^= std::byte{1}; }},
      {"source address", [&](Frame& f) { f.data[ip + 15] ^= std::byte{1}; }},
      {"destination address", [&](Frame& f) { f.data[ip + 16] ^= std::byte{1}; }},
      {"source port", [&](Frame& f) { f.data[tcp] ^= std::byte{1}; }},
      {"destination port", [&](Frame& f) { f.data[tcp + 3] ^= std::byte{1}; }},
      {"sequence number", [&](Frame& f) { f.data[tcp + 7] ^= std::byte{1}; }},
      {"acknowledgement", [&](Frame& f) { f.data[tcp + 11] ^= std::byte{1}; }},
      {"ECE", [&](Frame& f) { f.data[tcp + 13] ^= std::byte{0x40}; }},
      {"CWR", [&](Frame& f) { f.data[tcp + 13] ^= std::byte{0x80}; }},
      {"SYN", [&](Frame& f) { f.data[tcp + 13] ^= std::byte{0x02}; }},
      {"RST", [&](Frame& f) { f.data[tcp + 13] ^= std::byte{0x04}; }},
      {"URG", [&](Frame& f) { f.data[tcp + 13] ^= std::byte{0x20}; }},
      {"window", [&](Frame& f) { f.data[tcp + 15] ^= std::byte{1}; }},
      {"urgent pointer", [&](Frame& f) { f.data[tcp + 19] ^= std::byte{1}; }},
      {"an option", [&](Frame& f) { f.data[tcp + 31] ^= std::byte{1}; }},
      {"its checksum is complete", [](Frame& f) { f.flags = 0; }},
  };
  for (const auto& [name, twist] : twists) {
    SCOPED_TRACE(name);
    Rig rig;
    rig.add_full(2);
    twist(rig.frames[1]);
    Bytes second = bytes_of(rig.frames[1].data, rig.frames[1].length);
    write_checksum_of_ip(second);
    std::memcpy(rig.frames[1].data, second.data(), second.size());
    EXPECT_EQ(rig.send(), 2u);
  }
}

TEST(LargeSegments, run_ends_after_push_fin_cwr_or_a_smaller_one) {
  for (const unsigned flags : {0x18u, 0x11u, 0x90u, 0x12u}) {
    Rig rig;
    rig.add_full(2, {.flags = static_cast<std::uint8_t>(flags)});
    EXPECT_EQ(rig.send(), 2u);
  }
  Rig smaller;
  smaller.add_full(2);
  smaller.add({.size = 1'000});
  smaller.add({.size = 1'000});
  smaller.add({.size = 1'000});
  EXPECT_EQ(smaller.send(), 2u);  // three, and then two of the smaller size
  Rig larger;
  larger.add({.size = 1'000});
  larger.add({.size = 1'448});
  EXPECT_EQ(larger.send(), 2u);
}

TEST(LargeSegments, run_of_acknowledgements_stays_what_it_is) {
  Rig rig;
  rig.add_full(5, {.size = 0, .left = false});
  rig.add_full(5, {.size = 100, .left = false});
  EXPECT_EQ(rig.send(), 10u);
}

TEST(LargeSegments, run_is_no_longer_than_the_device_takes) {
  const std::pair<unsigned, unsigned> packets[] = {{4, 3}, {2, 5}, {1, 10}, {0, 10}};
  for (const auto& [most, wanted] : packets) {
    Rig rig;
    rig.add_full(10);
    EXPECT_EQ(rig.send({most, false}), wanted);
  }
}

// 65,535 bytes of IP are the most that a length can say.
TEST(LargeSegments, run_of_jumbo_frames_fits_the_length_of_ip) {
  for (const bool ip6 : {false, true}) {
    Rig rig;
    rig.add_full(16, {.size = 8'928, .ip6 = ip6});
    EXPECT_EQ(rig.send(), 3u);  // 7, 7 and 2
  }
}

TEST(LargeSegments, run_is_longer_than_a_burst) {
  Rig rig;
  rig.add_full(100);
  EXPECT_EQ(rig.send(), 7u);  // 64 in four, 36 in three
}

TEST(LargeSegments, not_taken_is_what_it_was_and_leaves_later) {
  for (const bool ip6 : {false, true}) {
    for (unsigned taken = 0; taken <= 4; ++taken) {
      Rig rig;
      rig.add_full(3, {.ip6 = ip6});
      rig.add({.size = 400, .flags = wire::ack | wire::psh, .ip6 = ip6});
      rig.add_full(2, {.ip6 = ip6});
      rig.add({.size = 0, .ip6 = ip6, .left = false});
      rig.add_full(4, {.ip6 = ip6});
      const std::vector<Bytes> before = rig.as_they_lie();
      LargeSegments large(limits);
      ASSERT_EQ(large.build(rig.frames.data(), 11), 4u);
      const unsigned counts[] = {0, 4, 6, 7, 11};
      EXPECT_EQ(large.reclaim(taken), counts[taken]);
      const std::vector<Bytes> after = rig.as_they_lie();
      for (std::size_t i = counts[taken]; i < before.size(); ++i) {
        EXPECT_EQ(after[i], before[i]) << i;
        EXPECT_EQ(rig.buffers[i].mbuf->next, nullptr);
        EXPECT_EQ(rig.buffers[i].mbuf->nb_segs, 1);
      }
      if (taken == 0) {
        EXPECT_TRUE(rig.all_alone());
        EXPECT_EQ(rig.send(), 4u);
      }
    }
  }
}

// Bursts of three connections, mixed, with every size and flag that a sender has; a device that
// takes a part of them now and then.
TEST(LargeSegments, any_mix_is_the_same_on_the_wire) {
  const char* given = std::getenv("SALUT_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 7;
  SCOPED_TRACE("SALUT_SEED=" + std::to_string(seed));
  std::minstd_rand generator(seed);
  const auto random = [&] { return static_cast<unsigned>(generator()); };
  std::size_t chains = 0;
  for (int round = 0; round < 300; ++round) {
    Rig rig;
    rig.seq = random() | 0xffff0000;
    std::uint32_t seqs[3] = {rig.seq, rig.seq, rig.seq};
    unsigned of = 0;
    for (int i = 0; i < 50; ++i) {
      if (random() % 8 == 0) of = random() % 3;
      rig.seq = seqs[of];
      Words words;
      words.port = static_cast<std::uint16_t>(80 + of);
      words.ip6 = of == 2;
      if (random() % 10 == 0) words.size = static_cast<std::uint16_t>(random() % 1'449);
      if (random() % 10 == 0) words.flags |= static_cast<std::uint8_t>(1u << random() % 8);
      if (random() % 20 == 0) words.ack += 1;
      words.left = words.size >= 256;
      rig.add(words);
      seqs[of] = rig.seq + (random() % 30 == 0 ? 1u : 0u);
    }
    const std::vector<Bytes> wanted = rig.expected();
    std::vector<Bytes> got;
    for (unsigned sent = 0; sent < rig.frames.size();) {
      LargeSegments large({static_cast<unsigned>(2 + random() % 15), random() % 2 == 0});
      const unsigned built =
          large.build(&rig.frames[sent], static_cast<unsigned>(rig.frames.size()) - sent);
      const unsigned taken = random() % (built + 1);
      for (unsigned i = 0; i < taken; ++i) {
        chains += large.is_chain(i) ? 1 : 0;
        for (Bytes& bytes : device(large.packets()[i])) got.push_back(std::move(bytes));
      }
      const unsigned now = large.reclaim(taken);
      // As a driver does that looks at each buffer when it frees it.
      for (unsigned i = sent; i < sent + now; ++i) {
        rig.buffers[i].mbuf->next = nullptr;
        rig.buffers[i].mbuf->nb_segs = 1;
      }
      sent += now;
      ASSERT_TRUE(rig.all_alone());
    }
    ASSERT_EQ(got, wanted) << "round " << round;
  }
  EXPECT_GT(chains, 500u);
}

}  // namespace
}  // namespace salut::io
