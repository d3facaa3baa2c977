// What emit_tcp() writes: against bytes made by hand, and read back by parse() from a seed.
#include "wire/emit.hpp"
#include "wire/checksum.hpp"
#include "wire/options.hpp"

#include <gtest/gtest.h>

#include <random>

#include "packets.hpp"
#include "wire/parse.hpp"

namespace salut::wire::test {
namespace {

std::vector<std::byte> as_bytes(const Bytes& from) {
  std::vector<std::byte> out;
  for (std::uint8_t byte : from) out.push_back(std::byte{byte});
  return out;
}

// As tcp_packet() has it: the peer is the sender.
TcpOut like(const TcpSpec& spec, std::span<const std::byte> options) {
  TcpOut out;
  out.key = make_key(our_ip, static_cast<std::uint16_t>(spec.destination_port), peer_ip,
                     static_cast<std::uint16_t>(spec.source_port));
  out.src_mac = peer_mac;
  out.dst_mac = our_mac;
  out.seq = spec.seq;
  out.ack = spec.ack;
  out.wnd = static_cast<std::uint16_t>(spec.window);
  out.flags = static_cast<std::uint8_t>(spec.flags);
  out.ttl = 61;
  out.options = options;
  out.payload_length = static_cast<std::uint16_t>(spec.payload.size());
  return out;
}

// The builder gives each packet the same IP ID; ours have none.
Bytes without_id(Bytes packet) {
  put16(packet, 18, 0);
  fix_checksums(packet);
  return packet;
}

Bytes emitted(const TcpSpec& spec) {
  const auto options = as_bytes(spec.options);
  Buffer buffer(54 + options.size() + spec.payload.size());
  const auto payload = as_bytes(spec.payload);
  std::copy(payload.begin(), payload.end(), payload_at(buffer.frame, options.size(), false));
  emit_tcp(buffer.frame, like(spec, options));
  return buffer.bytes();
}

TEST(Emit, is_byte_for_byte_what_the_tests_builder_makes) {
  const Bytes timestamps = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  for (const TcpSpec& spec :
       {TcpSpec{}, TcpSpec{.flags = flag_syn, .options = mss_1460},
        TcpSpec{.flags = flag_fin | flag_ack, .options = timestamps},
        TcpSpec{.flags = flag_psh | flag_ack, .payload = Bytes(1460, 0xff)},
        TcpSpec{.options = Bytes(40, 1), .payload = {1, 2, 3}}, TcpSpec{.payload = {0x80}}}) {
    EXPECT_EQ(emitted(spec), without_id(tcp_packet(spec)));
  }
}

TEST(Emit, options_may_already_lie_in_the_frame) {
  Buffer buffer(std::size_t{58});
  OptionBytes options;
  const std::size_t size = emit_options(options, {.mss = 1460});
  std::memcpy(buffer.frame.data + tcp_frame_min, options.data(), size);
  emit_tcp(buffer.frame, like({.flags = flag_syn}, {buffer.frame.data + tcp_frame_min, size}));
  EXPECT_EQ(buffer.bytes(), without_id(syn_packet()));
}

Bytes options_of(const OptionsOut& out) {
  OptionBytes options;
  const std::size_t size = emit_options(options, out);
  Bytes bytes(size);
  std::memcpy(bytes.data(), options.data(), size);
  return bytes;
}

// The bytes that Linux sends: what inspects SYNs on the way has seen this order.
TEST(Emit, options_of_a_syn_stand_in_the_usual_order) {
  EXPECT_EQ(options_of({.mss = 1460, .sack_permitted = true, .window_scale = true, .wscale = 8}),
            (Bytes{2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 8}));
  EXPECT_EQ(options_of({.mss = 1460,
                        .sack_permitted = true,
                        .window_scale = true,
                        .wscale = 7,
                        .timestamps = true,
                        .tsval = 0x01020304,
                        .tsecr = 0x05060708}),
            (Bytes{2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7}));
  EXPECT_EQ(options_of({.mss = 1460, .window_scale = true, .wscale = 0}),
            (Bytes{2, 4, 5, 180, 1, 3, 3, 0}));
}

TEST(Emit, leaves_the_frame_behind_it_alone) {
  for (std::size_t options : {0, 4, 8}) {
    Buffer buffer(std::size_t{100});
    std::fill_n(buffer.frame.data, 100, std::byte{0x77});
    const std::vector<std::byte> nops(options, std::byte{1});
    emit_tcp(buffer.frame, like({}, nops));
    for (std::size_t i = 54 + options; i < 100; ++i) {
      ASSERT_EQ(buffer.frame.data[i], std::byte{0x77}) << i;
    }
  }
}

TEST(Emit, random_segments_come_back_from_parse) {
  std::mt19937_64 rng(7);
  for (int i = 0; i < 20'000; ++i) {
    TcpSpec spec;
    spec.source_port = 1 + static_cast<unsigned>(rng() % 65535);
    spec.destination_port = 1 + static_cast<unsigned>(rng() % 65535);
    spec.seq = static_cast<std::uint32_t>(rng());
    spec.ack = static_cast<std::uint32_t>(rng());
    spec.flags = static_cast<unsigned>(rng() % 256);
    spec.window = static_cast<unsigned>(rng() % 65536);
    spec.options.resize(rng() % 11 * 4);
    for (std::uint8_t& byte : spec.options) byte = static_cast<std::uint8_t>(rng());
    spec.payload.resize(rng() % 4 == 0 ? rng() % 1461 : 0);
    for (std::uint8_t& byte : spec.payload) byte = static_cast<std::uint8_t>(rng());

    const Bytes bytes = emitted(spec);
    ASSERT_EQ(bytes, without_id(tcp_packet(spec)));
    const Buffer buffer(bytes);
    Segment segment;
    ASSERT_EQ(parse(buffer.frame, {true, our_mac}, segment).kind, Kind::tcp);
    ASSERT_EQ(segment.key, make_key(peer_ip, static_cast<std::uint16_t>(spec.source_port), our_ip,
                                    static_cast<std::uint16_t>(spec.destination_port)));
    ASSERT_EQ(segment.seq, spec.seq);
    ASSERT_EQ(segment.ack, spec.ack);
    ASSERT_EQ(segment.flags, spec.flags);
    ASSERT_EQ(segment.wnd, spec.window);
    ASSERT_EQ(segment.options_length, spec.options.size());
    ASSERT_EQ(segment.payload_length, spec.payload.size());
  }
}

TEST(Emit, layers_are_found_in_both_families_tagged_or_not) {
  const Bytes v4 = tcp_packet({.options = mss_1460, .payload = {1, 2, 3}});
  const Bytes v6 = tcp_packet_6({.options = mss_1460, .payload = {1, 2, 3}});
  for (const bool ip6 : {false, true}) {
    for (const bool tagged : {false, true}) {
      Bytes bytes = ip6 ? v6 : v4;
      const Bytes tag = {0x81, 0, 0, 100};
      if (tagged) bytes.insert(bytes.begin() + 12, tag.begin(), tag.end());
      const Layers layers = layers_of(as_bytes(bytes).data());
      EXPECT_EQ(layers.l2, tagged ? 18u : 14u);
      EXPECT_EQ(layers.l3, ip6 ? 40u : 20u);
      EXPECT_EQ(layers.l4, tcp_size + mss_1460.size());
      EXPECT_EQ(layers.ip6, ip6);
      // There the TCP header is: its ports.
      EXPECT_EQ(get16(bytes, layers.tcp()), TcpSpec{}.source_port);
    }
  }
}

// The sum of the pseudo-header is in its place, and the device goes on from there.
TEST(Emit, sum_that_is_left_is_completed_by_summing_what_is_there) {
  for (const std::size_t size : {1u, 256u, 257u, 1460u}) {
    const TcpSpec spec{.options = mss_1460, .payload = Bytes(size, 0x5a)};
    const auto options = as_bytes(spec.options);
    Buffer buffer(54 + options.size() + size);
    const auto payload = as_bytes(spec.payload);
    std::copy(payload.begin(), payload.end(), payload_at(buffer.frame, options.size(), false));
    TcpOut out = like(spec, options);
    out.leave_sum = true;
    emit_tcp(buffer.frame, out);
    EXPECT_NE(buffer.bytes(), without_id(tcp_packet(spec)));
    std::byte* tcp = buffer.frame.data + tcp_at;
    store(tcp + 16, internet_checksum(tcp, buffer.frame.length - tcp_at));
    EXPECT_EQ(buffer.bytes(), without_id(tcp_packet(spec)));
  }
}

}  // namespace
}  // namespace salut::wire::test
