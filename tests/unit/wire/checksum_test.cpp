// The checksum against the RFC's own loop, over every short length, random long ones, and every
// alignment; buffers end where the data ends.
#include "wire/checksum.hpp"

#include <gtest/gtest.h>

#include <random>

#include "packets.hpp"

namespace salut::wire::test {
namespace {

Bytes random_bytes(std::mt19937_64& rng, std::size_t length) {
  Bytes bytes(length);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng());
  return bytes;
}

void expect_as_naive(const Bytes& bytes, std::size_t from) {
  const Buffer buffer(bytes);
  const std::byte* data = buffer.frame.data + from;
  const std::size_t length = bytes.size() - from;
  const unsigned want = naive_checksum(naive_sum(bytes.data() + from, length));
  ASSERT_EQ(net16(internet_checksum(data, length)), want) << "length " << length;
  const std::size_t words = length / 4 * 4;
  const unsigned want_words = naive_checksum(naive_sum(bytes.data() + from, words));
  ASSERT_EQ(net16(complement(sum_words_scalar(data, length))), want_words) << "length " << length;
#ifdef __AVX2__
  if (length >= 4) {
    ASSERT_EQ(net16(complement(sum_words_avx2(data, length))), want_words) << "length " << length;
  }
#endif
}

TEST(Checksum, every_length_up_to_300_at_every_alignment) {
  std::mt19937_64 rng(1);
  for (std::size_t length = 0; length <= 300; ++length) {
    for (std::size_t from = 0; from < 8; ++from) {
      expect_as_naive(random_bytes(rng, length + from), from);
    }
  }
}

TEST(Checksum, random_lengths_up_to_a_jumbo_frame) {
  std::mt19937_64 rng(2);
  for (int i = 0; i < 2000; ++i) {
    const std::size_t from = rng() % 32;
    expect_as_naive(random_bytes(rng, from + rng() % 9000), from);
  }
}

TEST(Checksum, all_ones_and_64_kib_carry_to_the_end) {
  for (std::size_t length : {4, 20, 63, 64, 65, 1460, 65535}) {
    expect_as_naive(Bytes(length, 0xff), 0);
    expect_as_naive(Bytes(length, 0x00), 0);
  }
}

TEST(Checksum, fold_of_sums_with_carries_in_every_part) {
  EXPECT_EQ(fold(0), 0);
  EXPECT_EQ(fold(0xffff), 0xffff);
  EXPECT_EQ(fold(0x10000), 1);
  EXPECT_EQ(fold(0xffff'ffff), 0xffff);
  EXPECT_EQ(fold(0x1'0000'0000), 1);
  EXPECT_EQ(fold(0xffff'ffff'ffff'ffff), 0xffff);
  EXPECT_EQ(fold(0x0001'0002'0003'0004), 10);
  EXPECT_EQ(fold(0x8000'0000'8000'0000), 1);
}

TEST(Checksum, header_of_20_bytes) {
  std::mt19937_64 rng(3);
  for (int i = 0; i < 1000; ++i) {
    const Bytes bytes = random_bytes(rng, 20);
    const Buffer buffer(bytes);
    ASSERT_EQ(net16(complement(sum_20(buffer.frame.data))),
              naive_checksum(naive_sum(bytes.data(), 20)));
  }
}

TEST(Checksum, bytes_after_the_end_do_not_count) {
  std::mt19937_64 rng(4);
  for (std::size_t length = 0; length < 200; ++length) {
    Bytes bytes = random_bytes(rng, length + 64);
    const std::uint16_t before = internet_checksum(Buffer(bytes).frame.data, length);
    for (std::size_t i = length; i < bytes.size(); ++i) bytes[i] ^= 0xa5;
    ASSERT_EQ(internet_checksum(Buffer(bytes).frame.data, length), before);
  }
}

TEST(Checksum, of_a_tcp_segment_as_received_is_zero) {
  for (std::size_t size : {0, 1, 2, 3, 536, 1459, 1460}) {
    const Bytes frame = data_packet(size);
    const Buffer buffer(frame);
    EXPECT_EQ(tcp_checksum(net32(peer_ip), net32(our_ip), buffer.frame.data + 34, 20 + size), 0);
  }
}

TEST(Checksum, rfc_1624_update_is_the_checksum_made_anew) {
  std::mt19937_64 rng(5);
  for (int i = 0; i < 10000; ++i) {
    Bytes bytes = random_bytes(rng, 40);
    const std::size_t at = rng() % 20 * 2;
    const Buffer before(bytes);
    const std::uint16_t old_word = load<std::uint16_t>(before.frame.data + at);
    put16(bytes, at, static_cast<unsigned>(rng() & 0xffff));
    const Buffer after(bytes);
    const std::uint16_t new_word = load<std::uint16_t>(after.frame.data + at);
    ASSERT_EQ(update_checksum(internet_checksum(before.frame.data, 40), old_word, new_word),
              internet_checksum(after.frame.data, 40));
  }
}

// RFC 1624 §4: the example on which equation 2 of RFC 1141 goes wrong.
TEST(Checksum, rfc_1624_example) {
  EXPECT_EQ(update_checksum(net16(0xdd2f), net16(0x5555), net16(0x3285)), net16(0x0000));
}

}  // namespace
}  // namespace salut::wire::test
