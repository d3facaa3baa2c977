// TCP's options: what is read of a hostile list, what is written, and that one fits the other.
#include "wire/options.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "packets.hpp"
#include "wire/parse.hpp"

namespace salut::wire::test {
namespace {

struct Read {
  unsigned mss = 0;
  unsigned options = 0;
  unsigned wscale = 0;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  std::vector<std::uint32_t> sack;
  friend bool operator==(const Read&, const Read&) = default;
};

// By the whole path, in a buffer that ends with the packet.
Read read(const Bytes& options, unsigned flags) {
  Bytes padded = options;
  while (padded.size() % 4 != 0) padded.push_back(0);
  const Buffer buffer(tcp_packet({.flags = flags, .options = padded}));
  Segment segment;
  EXPECT_EQ(parse(buffer.frame, {true, our_mac}, segment), (Parsed{Kind::tcp, Drop::none}));
  Read out{segment.mss, segment.options, segment.wscale, segment.tsval, segment.tsecr, {}};
  if ((segment.options & option_has_window_scale) == 0) out.wscale = 0;
  if ((segment.options & option_has_timestamps) == 0) out.tsval = out.tsecr = 0;
  for (unsigned i = 0; i < 2u * segment.sack_count; ++i) {
    out.sack.push_back(sack_edge(buffer.frame.data, segment, i));
  }
  return out;
}
Read read_syn(const Bytes& options) { return read(options, flag_syn); }
Read read_ack(const Bytes& options) { return read(options, flag_ack); }

std::uint32_t word(const Bytes& bytes, std::size_t at) {
  return std::uint32_t{get16(bytes, at)} << 16 | get16(bytes, at + 2);
}

// The same by a map from kind to value, as the RFCs read.
Read read_simply(Bytes options, bool is_syn) {
  while (options.size() % 4 != 0) options.push_back(0);
  std::map<unsigned, Bytes> found;
  for (std::size_t at = 0; at < options.size() && options[at] != 0;) {
    if (options[at] == 1) {
      ++at;
      continue;
    }
    if (at + 1 == options.size()) break;
    const std::size_t size = options[at + 1];
    if (size < 2 || at + size > options.size()) break;
    const unsigned kind = options[at];
    const bool fits = (kind == 2 && is_syn && size == 4) || (kind == 3 && is_syn && size == 3) ||
                      (kind == 4 && is_syn && size == 2) || (kind == 8 && size == 10) ||
                      (kind == 5 && !is_syn && size > 2 && size % 8 == 2);
    // An MSS of 0 is none.
    const bool void_mss = kind == 2 && size == 4 && get16(options, at + 2) == 0;
    if (fits && !void_mss) {
      found.emplace(kind, Bytes(options.begin() + static_cast<std::ptrdiff_t>(at) + 2,
                                options.begin() + static_cast<std::ptrdiff_t>(at + size)));
    }
    at += size;
  }
  Read out;
  if (found.contains(2)) out.mss = get16(found[2], 0);
  if (found.contains(3)) {
    out.wscale = found[3][0];
    out.options |= option_has_window_scale;
  }
  if (found.contains(4)) out.options |= option_has_sack_permitted;
  if (found.contains(8)) {
    out.options |= option_has_timestamps;
    out.tsval = word(found[8], 0);
    out.tsecr = word(found[8], 4);
  }
  if (found.contains(5)) {
    for (std::size_t at = 0; at < found[5].size(); at += 4) out.sack.push_back(word(found[5], at));
  }
  return out;
}

TEST(Options, all_of_a_syn) {
  const Bytes options = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 9};
  EXPECT_EQ(read_syn(options),
            (Read{1460,
                  option_has_window_scale | option_has_sack_permitted | option_has_timestamps,
                  9,
                  0x01020304,
                  0x05060708,
                  {}}));
}

TEST(Options, those_of_a_syn_are_not_seen_elsewhere) {
  const Bytes options = {2, 4, 0x05, 0xb4, 4, 2, 3, 3, 9};
  EXPECT_EQ(read_ack(options), Read{});
  EXPECT_EQ(read(options, flag_syn | flag_ack), read_syn(options));
}

TEST(Options, sack_of_a_syn_is_not_seen) {
  const Bytes options = {5, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  EXPECT_EQ(read_syn(options), Read{});
  EXPECT_EQ(read_ack(options).sack, (std::vector<std::uint32_t>{1, 2}));
}

TEST(Options, timestamps_in_any_alignment) {
  for (unsigned before = 0; before < 8; ++before) {
    for (unsigned after = 0; after < 8; ++after) {
      Bytes options(before, 1);
      append(options, {8, 10, 0, 0, 0, 7, 0, 0, 0, 9});
      append(options, Bytes(after, 1));
      EXPECT_EQ(read_ack(options), (Read{0, option_has_timestamps, 0, 7, 9, {}}));
    }
  }
}

TEST(Options, timestamps_alone_on_a_syn_leave_mss_0) {
  EXPECT_EQ(read_syn({1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9}),
            (Read{0, option_has_timestamps, 0, 7, 9, {}}));
}

TEST(Options, sack_of_one_to_four_blocks) {
  for (unsigned blocks = 1; blocks <= 4; ++blocks) {
    Bytes options = {1, 1, 5, static_cast<std::uint8_t>(2 + 8 * blocks)};
    std::vector<std::uint32_t> edges;
    for (unsigned i = 0; i < 2 * blocks; ++i) {
      edges.push_back(0xfffffff0 + 5 * i);
      options.resize(options.size() + 4);
      put32(options, options.size() - 4, edges.back());
    }
    EXPECT_EQ(read_ack(options).sack, edges);
  }
}

TEST(Options, sack_of_a_wrong_length_is_skipped) {
  for (unsigned size = 2; size <= 24; ++size) {
    if (size % 8 == 2 && size > 2) continue;
    Bytes options = {5, static_cast<std::uint8_t>(size)};
    options.resize(size, 0xaa);
    append(options, {8, 10, 0, 0, 0, 7, 0, 0, 0, 9});
    EXPECT_EQ(read_ack(options), (Read{0, option_has_timestamps, 0, 7, 9, {}})) << size;
  }
}

TEST(Options, known_kind_of_a_wrong_length_is_skipped) {
  for (const unsigned kind : {2u, 3u, 4u, 8u}) {
    for (unsigned size = 2; size <= 14; ++size) {
      const unsigned right = kind == 2 ? 4 : kind == 3 ? 3 : kind == 4 ? 2 : 10;
      if (size == right) continue;
      Bytes options = {static_cast<std::uint8_t>(kind), static_cast<std::uint8_t>(size)};
      options.resize(size, 0xaa);
      append(options, {253, 2, 3, 3, 5});
      Read expected;
      expected.options = option_has_window_scale;
      expected.wscale = 5;
      EXPECT_EQ(read_syn(options), expected) << kind << " " << size;
    }
  }
}

TEST(Options, length_0_1_or_past_the_end_stops_the_walk) {
  for (const unsigned kind : {2u, 3u, 4u, 5u, 8u, 253u}) {
    for (const unsigned size : {0u, 1u, 9u, 41u, 255u}) {
      const Bytes options = {
          3, 3, 5, static_cast<std::uint8_t>(kind), static_cast<std::uint8_t>(size), 4, 2, 0};
      Read expected;
      expected.options = option_has_window_scale;
      expected.wscale = 5;
      EXPECT_EQ(read_syn(options), expected) << kind << " " << size;
    }
  }
}

TEST(Options, kind_in_the_last_byte_has_no_length) {
  for (const unsigned kind : {2u, 3u, 4u, 5u, 8u, 253u}) {
    Bytes options(40, 1);
    options[39] = static_cast<std::uint8_t>(kind);
    EXPECT_EQ(read_syn(options), Read{});
    EXPECT_EQ(read_ack(options), Read{});
  }
}

TEST(Options, nothing_counts_after_the_end_of_the_list) {
  EXPECT_EQ(read_syn({3, 3, 5, 0, 4, 2, 1, 1}), (Read{0, option_has_window_scale, 5, 0, 0, {}}));
}

TEST(Options, the_first_of_two_counts) {
  EXPECT_EQ(read_syn({3, 3, 5, 3, 3, 6, 2, 4, 1, 0, 2, 4, 2, 0}),
            (Read{256, option_has_window_scale, 5, 0, 0, {}}));
  EXPECT_EQ(read_ack({8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4}),
            (Read{0, option_has_timestamps, 0, 1, 2, {}}));
  EXPECT_EQ(read_ack({5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4}).sack,
            (std::vector<std::uint32_t>{1, 2}));
}

TEST(Options, random_lists_read_as_the_simple_reader_does) {
  std::mt19937_64 random(20);
  const auto draw = [&random](unsigned below) { return static_cast<unsigned>(random() % below); };
  constexpr std::uint8_t kinds[] = {0, 1, 1, 2, 3, 4, 5, 5, 8, 8, 30, 254};
  constexpr std::uint8_t sizes[] = {2, 3, 4, 10, 18, 26, 34};
  for (int i = 0; i < 200'000; ++i) {
    Bytes options(4 * draw(11));
    for (std::uint8_t& byte : options) {
      const unsigned what = draw(4);
      byte = what == 0   ? static_cast<std::uint8_t>(draw(256))
             : what == 1 ? sizes[draw(std::size(sizes))]
                         : kinds[draw(std::size(kinds))];
    }
    // Well-formed ones at the front, so that the walk goes far.
    if (options.size() >= 12 && draw(2) == 0) options[0] = 8, options[1] = 10;
    const unsigned flags = draw(2) == 0 ? flag_syn : flag_ack;
    ASSERT_EQ(read(options, flags), read_simply(options, flags == flag_syn))
        << "seed 20, list " << i;
  }
}

// --- written ----------------------------------------------------------------------------------

Bytes emitted(const OptionsOut& out) {
  OptionBytes options;
  options.fill(std::byte{0xee});
  const std::size_t size = emit_options(options, out);
  EXPECT_EQ(size % 4, 0u);
  EXPECT_LE(size, 40u);
  Bytes bytes(size);
  if (size > 0) std::memcpy(bytes.data(), options.data(), size);
  return bytes;
}

TEST(OptionsOut, every_combination_of_a_syn_reads_back) {
  for (unsigned bits = 0; bits < 16; ++bits) {
    OptionsOut out;
    Read expected;
    if ((bits & 1) != 0) out.mss = 1460, expected.mss = 1460;
    if ((bits & 2) != 0) {
      out.sack_permitted = true;
      expected.options |= option_has_sack_permitted;
    }
    if ((bits & 4) != 0) {
      out.window_scale = true;
      expected.wscale = out.wscale = 14;
      expected.options |= option_has_window_scale;
    }
    if ((bits & 8) != 0) {
      out.timestamps = true;
      expected.tsval = out.tsval = 0xfffffffe;
      expected.tsecr = out.tsecr = 0x80000001;
      expected.options |= option_has_timestamps;
    }
    const Bytes bytes = emitted(out);
    EXPECT_EQ(read_syn(bytes), expected);
    EXPECT_LE(bytes.size(), 20u);
  }
}

TEST(OptionsOut, timestamps_alone_have_the_form_that_everybody_sends) {
  EXPECT_EQ(emitted({.timestamps = true, .tsval = 0x01020304, .tsecr = 5}),
            (Bytes{1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 5}));
}

TEST(OptionsOut, sack_blocks_as_many_as_fit) {
  const std::vector<std::uint32_t> edges = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  for (std::size_t blocks = 0; blocks <= 5; ++blocks) {
    for (const bool timestamps : {false, true}) {
      const OptionsOut out{.timestamps = timestamps, .sack = {edges.data(), 2 * blocks}};
      const std::size_t fit = std::min<std::size_t>(blocks, timestamps ? 3 : 4);
      const Read back = read_ack(emitted(out));
      EXPECT_EQ(back.sack,
                std::vector<std::uint32_t>(edges.begin(),
                                           edges.begin() + static_cast<std::ptrdiff_t>(2 * fit)));
      EXPECT_EQ(back.options, timestamps ? option_has_timestamps : 0);
    }
  }
}

}  // namespace
}  // namespace salut::wire::test
