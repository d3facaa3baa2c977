// Initial sequence numbers, RFC 6528, and the pseudo-random functions under them.
#include <cstring>
#include <set>

#include "harness.hpp"

namespace salut::test {
namespace {

using tcp::IsnGenerator;
using tcp::SipHash;

// The sixteenth vector of the SipHash paper's reference code: key 00..0f, message 00..0f.
TEST(SipHash24, known_vector) {
  std::uint8_t bytes[16];
  for (std::uint8_t i = 0; i < 16; ++i) bytes[i] = i;
  std::uint64_t words[2];
  std::memcpy(words, bytes, sizeof(words));
  EXPECT_EQ(SipHash(words[0], words[1])(words[0], words[1]), 0x3f2acc7f57c29bdbu);
}

// FIPS 197, appendix C.1: key 00..0f, block 00 11 .. ff, and the first half of its cipher.
TEST(AesBlock, known_vector) {
  if (!tcp::AesBlock::available()) GTEST_SKIP() << "this processor has no AES instructions";
  const tcp::AesBlock aes(0x0706050403020100, 0x0f0e0d0c0b0a0908);
  EXPECT_EQ(aes(0x7766554433221100, 0xffeeddccbbaa9988), 0x30047b6ad8e0c469u);
}

const Key key = make_key(peer_ip, peer_port, our_ip, our_port);

Seq isn_of(const IsnGenerator& isn, const Key& of, Instant now) { return isn.tuple(of).isn(now); }

TEST(Isn, isn_counts_about_4_us) {
  const IsnGenerator isn(1);
  const Instant start{1s};
  EXPECT_EQ(isn_of(isn, key, start), isn_of(isn, key, start));
  EXPECT_EQ(isn_of(isn, key, start + Duration{4096}) - isn_of(isn, key, start), 1u);
  EXPECT_NEAR(static_cast<double>(isn_of(isn, key, start + 1s) - isn_of(isn, key, start)), 244'140,
              1);
  // It wraps in 4.9 hours: far longer than a segment lives (RFC 9293 §3.4.1).
  const Duration turn{std::int64_t{1} << 44};
  EXPECT_EQ(isn_of(isn, key, start + turn), isn_of(isn, key, start));
  EXPECT_GT(turn, 4h);
}

TEST(Isn, isn_depends_on_every_part_of_the_tuple_and_on_the_key) {
  const Instant now{1s};
  std::set<std::uint32_t> seen;
  const auto add = [&](const IsnGenerator& isn, const Key& of) {
    seen.insert(isn_of(isn, of, now).value);
  };
  add(IsnGenerator(1), key);
  add(IsnGenerator(1), make_key(peer_ip + 1, peer_port, our_ip, our_port));
  add(IsnGenerator(1), make_key(peer_ip, peer_port + 1, our_ip, our_port));
  add(IsnGenerator(1), make_key(peer_ip, peer_port, our_ip + 1, our_port));
  add(IsnGenerator(1), make_key(peer_ip, peer_port, our_ip, our_port + 1));
  add(IsnGenerator(1), make_key(our_ip, our_port, peer_ip, peer_port));
  add(IsnGenerator(2), key);
  add(IsnGenerator(3), key);
  EXPECT_EQ(seen.size(), 8u);
}

TEST(Isn, isn_is_spread_over_the_whole_space) {
  const IsnGenerator isn(1);
  std::array<int, 16> buckets = {};
  for (std::uint16_t port = 0; port < 16'000; ++port) {
    const Key of = make_key(peer_ip, static_cast<std::uint16_t>(1024 + port), our_ip, 80);
    ++buckets[isn_of(isn, of, Instant{1s}).value >> 28];
  }
  for (const int n : buckets) EXPECT_NEAR(n, 1000, 150);
}

// A process whose Instants begin anew, with the key and the clock of an earlier one.
TEST(Isn, kept_clock_goes_on_for_isns_and_timestamps) {
  const AddressPair whole{Address{1, 2}, Address{3, 4}};
  for (const AddressPair* six : {static_cast<const AddressPair*>(nullptr), &whole}) {
    const IsnGenerator first(tcp::IsnKey{11, 22});
    const IsnGenerator second(tcp::IsnKey{11, 22, 100s});
    const Seq before = first.tuple(key, six).isn(Instant{100s + 5s});
    EXPECT_EQ(second.tuple(key, six).isn(Instant{5s}) - before, 1u);  // rounded up
    EXPECT_EQ(second.tuple(key, six).ts_offset - first.tuple(key, six).ts_offset, 100'000u);
    EXPECT_NE(IsnGenerator(tcp::IsnKey{11, 23}).tuple(key, six).ts_offset,
              first.tuple(key, six).ts_offset);
    EXPECT_NE(IsnGenerator(tcp::IsnKey{12, 22}).tuple(key, six).ts_offset,
              first.tuple(key, six).ts_offset);
  }
}

// An IPv6 key has its addresses folded with a secret of this start; ISNs must not change with it.
TEST(Isn, isn_of_ipv6_depends_on_its_whole_addresses_and_ports_alone) {
  const IsnGenerator isn(tcp::IsnKey{11, 22});
  const AddressPair whole{Address{1, 2}, Address{3, 4}};
  const auto of = [&](const Key& folded) { return isn.tuple(folded, &whole).isn_offset; };
  const std::uint32_t one = of(make_key(5, 80, 6, 90));
  EXPECT_EQ(of(make_key(7, 80, 8, 90)), one);
  EXPECT_NE(of(make_key(5, 81, 6, 90)), one);
  EXPECT_NE(of(make_key(5, 80, 6, 91)), one);
  std::set<std::uint32_t> seen{one};
  for (const AddressPair& changed :
       {AddressPair{Address{9, 2}, whole.local}, AddressPair{Address{1, 9}, whole.local},
        AddressPair{whole.remote, Address{9, 4}}, AddressPair{whole.remote, Address{3, 9}}}) {
    seen.insert(isn.tuple(make_key(5, 80, 6, 90), &changed).isn_offset);
  }
  EXPECT_EQ(seen.size(), 5u);
}

TEST(Isn, next_connection_of_a_tuple_begins_above_the_last) {
  Harness h;
  h.syn_received();
  const std::uint32_t first = h.iss;
  h.send({.flags = "R"});
  h.advance(10s);
  h.send({.flags = "S", .seq = 100});
  h.expect({.flags = "SA", .seq = 0, .ack = 101});
  EXPECT_NEAR(static_cast<double>(h.iss - first), 2'441'406, 1000);
}

}  // namespace
}  // namespace salut::test
