// Chains of blocks against the stupidest oracle there is: a std::string.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "io/sim/world.hpp"
#include "ip/interfaces.hpp"
#include "tcp/buffers.hpp"

namespace salut::tcp {
namespace {

constexpr std::uint32_t no_limit = 0x7fffffff;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string content(const Buffers& buffers, const Chain& chain) {
  std::string text(chain.bytes, '\0');
  EXPECT_EQ(buffers.peek(chain, std::as_writable_bytes(std::span(text))), chain.bytes);
  return text;
}

TEST(Buffers, empty_chain_has_no_block) {
  HeapMemory memory;
  Buffers buffers(memory, 4);
  Chain chain;
  EXPECT_EQ(content(buffers, chain), "");
  EXPECT_EQ(buffers.append(chain, {}, no_limit), 0u);
  EXPECT_EQ(buffers.available_blocks(), 4u);
  buffers.clear(chain);
  buffers.consume(chain, 0);
  EXPECT_EQ(buffers.available_blocks(), 4u);
}

TEST(Buffers, append_takes_what_fits_the_limit) {
  HeapMemory memory;
  Buffers buffers(memory, 4);
  Chain chain;
  EXPECT_EQ(buffers.append(chain, bytes_of("0123456789"), 7), 7u);
  EXPECT_EQ(buffers.append(chain, bytes_of("789"), 7), 0u);
  EXPECT_EQ(buffers.append(chain, bytes_of("789"), 5), 0u) << "a limit below what is there";
  EXPECT_EQ(content(buffers, chain), "0123456");
}

TEST(Buffers, append_takes_what_fits_the_pool) {
  HeapMemory memory;
  Buffers buffers(memory, 3);
  Chain first;
  Chain second;
  EXPECT_EQ(buffers.append(first, bytes_of("x"), no_limit), 1u);
  const std::string big(10 * block_bytes, 'y');
  EXPECT_EQ(buffers.append(second, bytes_of(big), no_limit), 2u * block_bytes);
  EXPECT_EQ(buffers.available_blocks(), 0u);
  EXPECT_EQ(buffers.append(first, bytes_of(big), no_limit), block_bytes - 1u) << "its own block";
  buffers.clear(second);
  EXPECT_EQ(buffers.available_blocks(), 2u);
  EXPECT_EQ(buffers.append(first, bytes_of("z"), no_limit), 1u);
  buffers.clear(first);
  EXPECT_EQ(buffers.available_blocks(), 3u);
}

TEST(Buffers, block_given_back_with_its_last_byte) {
  HeapMemory memory;
  Buffers buffers(memory, 4);
  Chain chain;
  buffers.append(chain, bytes_of(std::string(block_bytes + 1u, 'a')), no_limit);
  EXPECT_EQ(buffers.available_blocks(), 2u);
  buffers.consume(chain, block_bytes);
  EXPECT_EQ(buffers.available_blocks(), 3u);
  EXPECT_EQ(content(buffers, chain), "a");
  buffers.consume(chain, 1);
  EXPECT_EQ(buffers.available_blocks(), 4u);
  EXPECT_EQ(buffers.append(chain, bytes_of("anew"), no_limit), 4u);
  EXPECT_EQ(content(buffers, chain), "anew");
}

TEST(Buffers, cursor_walks_and_survives_consume_behind_it) {
  HeapMemory memory;
  Buffers buffers(memory, 8);
  Chain chain;
  std::string text;
  for (int i = 0; i < 3 * block_bytes; ++i) text += static_cast<char>('a' + i % 26);
  buffers.append(chain, bytes_of(text), no_limit);
  Cursor cursor;
  std::string part(block_bytes + 100u, '\0');
  const auto to = std::as_writable_bytes(std::span(part));
  EXPECT_EQ(buffers.copy(chain, cursor, 0, to), part.size());
  EXPECT_EQ(part, text.substr(0, part.size()));
  buffers.consume(chain, 500, &cursor);  // within the first block: the cursor is beyond
  const auto position = static_cast<std::uint32_t>(part.size() - 500);
  EXPECT_EQ(buffers.copy(chain, cursor, position, to), part.size());
  EXPECT_EQ(part, text.substr(part.size(), part.size()));
}

TEST(Buffers, cursor_at_the_end_sees_what_is_appended_later) {
  HeapMemory memory;
  Buffers buffers(memory, 8);
  for (const std::uint32_t size : {1u, block_bytes - 1u, unsigned{block_bytes}, 2u * block_bytes}) {
    Chain chain;
    Cursor cursor;
    const std::string text(size, 'a');
    buffers.append(chain, bytes_of(text), no_limit);
    std::string got(size, '\0');
    EXPECT_EQ(buffers.copy(chain, cursor, 0, std::as_writable_bytes(std::span(got))), size);
    buffers.append(chain, bytes_of("later"), no_limit);
    got.assign(5, '\0');
    EXPECT_EQ(buffers.copy(chain, cursor, size, std::as_writable_bytes(std::span(got))), 5u);
    EXPECT_EQ(got, "later");
    buffers.clear(chain);
  }
}

TEST(Buffers, cursor_is_set_back_when_all_is_consumed) {
  HeapMemory memory;
  Buffers buffers(memory, 8);
  Chain chain;
  Cursor cursor;
  for (int round = 0; round < 10; ++round) {
    const std::string text(1000, static_cast<char>('a' + round));
    buffers.append(chain, bytes_of(text), no_limit);
    std::string got(1000, '\0');
    EXPECT_EQ(buffers.copy(chain, cursor, 0, std::as_writable_bytes(std::span(got))), 1000u);
    EXPECT_EQ(got, text);
    buffers.consume(chain, 1000, &cursor);
    EXPECT_EQ(cursor.block, no_block);
  }
}

// Several chains out of one pool, each with a cursor that moves on as a sender's does.
struct Stream {
  Chain chain;
  Cursor cursor;
  std::uint32_t position = 0;  // of the cursor
  std::string oracle;
  std::size_t referred = 0;  // bytes of it that are lent
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      Stream& stream = streams_[pick(streams_.size())];
      switch (pick(10)) {
        case 0:
        case 1:
        case 2:
          append(stream);
          break;
        case 8:
          keep(stream);
          break;
        case 9:
          refer(stream);
          break;
        case 3:
        case 4:
          copy(stream);
          break;
        case 5:
        case 6:
          consume(stream);
          break;
        default:
          pick(10) == 0 ? clear(stream) : rewind(stream);
      }
      check(stream);
    }
    for (Stream& stream : streams_) clear(stream);
    EXPECT_EQ(buffers_.available_blocks(), blocks);
    EXPECT_EQ(buffers_.frames_kept(), 0u);
    interfaces_.release_spare();
    EXPECT_EQ(pool_.outstanding(), 0u);
  }

 private:
  static constexpr std::uint32_t blocks = 40;
  static constexpr std::uint32_t frames_most = 6;

  std::size_t pick(std::size_t n) { return random_() % n; }
  std::size_t size() { return pick(3) == 0 ? pick(3 * block_bytes) : pick(200); }

  void append(Stream& s) {
    std::string text(size(), '\0');
    for (char& c : text) c = static_cast<char>(pick(256));
    const auto limit = static_cast<std::uint32_t>(8 * block_bytes);
    const std::size_t taken = buffers_.append(s.chain, bytes_of(text), limit);
    const std::size_t room = limit - std::min<std::size_t>(limit, s.oracle.size());
    EXPECT_LE(taken, std::min(text.size(), room));
    EXPECT_TRUE(taken == std::min(text.size(), room) || buffers_.available_blocks() == 0);
    s.oracle += text.substr(0, taken);
  }
  std::string any_text(std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(pick(256));
    return text;
  }
  void keep(Stream& s) {
    interfaces_.release_spare();
    Frame frame;
    ASSERT_TRUE(pool_.acquire(&frame, 1));
    const std::string text =
        any_text(pick(4) == 0 ? pick(lent_least + 2u) : lent_least + pick(400));
    const std::size_t at = pick(100);
    std::memcpy(frame.data + at, text.data(), text.size());
    const std::uint32_t before = buffers_.frames_kept();
    const bool free = buffers_.available_blocks() > 0;
    const auto limit = static_cast<std::uint32_t>(8 * block_bytes);
    const bool kept = buffers_.keep(s.chain, frame, {frame.data + at, text.size()}, limit);
    EXPECT_EQ(kept, text.size() >= lent_least && before < frames_most && free &&
                        text.size() + s.oracle.size() <= limit);
    EXPECT_EQ(buffers_.frames_kept(), before + (kept ? 1u : 0u));
    if (kept) {
      s.oracle += text;
    } else {
      pool_.release(&frame, 1);
    }
  }
  void refer(Stream& s) {
    lent_.push_back(any_text(pick(8) == 0 ? pick(70'000) : pick(2'000)));
    const std::string& text = lent_.back();
    const std::size_t taken =
        buffers_.refer(s.chain, bytes_of(text), static_cast<std::uint32_t>(pick(4)), no_limit);
    EXPECT_LE(taken, text.size());
    s.referred += taken;
    s.oracle += text.substr(0, taken);
  }
  void copy(Stream& s) {
    std::string got(size(), '\0');
    const std::size_t n =
        buffers_.copy(s.chain, s.cursor, s.position, std::as_writable_bytes(std::span(got)));
    EXPECT_EQ(n, std::min(got.size(), s.oracle.size() - s.position));
    EXPECT_EQ(got.substr(0, n), s.oracle.substr(s.position, n));
    s.position += static_cast<std::uint32_t>(n);
    if (s.cursor.block == no_block || pick(3) != 0) return;
    const auto more = static_cast<std::uint32_t>(pick(s.oracle.size() - s.position + 1));
    buffers_.skip(s.chain, s.cursor, more);
    s.position += more;
  }
  // An ACK takes no more than was sent.
  void consume(Stream& s) {
    const auto n = static_cast<std::uint32_t>(pick(s.position + 1));
    const std::uint32_t returned = buffers_.consume(s.chain, n, &s.cursor);
    EXPECT_LE(returned, s.referred);
    s.referred -= returned;
    EXPECT_TRUE(n < s.oracle.size() || s.referred == 0) << "nothing is left, nothing is lent";
    s.oracle.erase(0, n);
    s.position -= n;
  }
  void rewind(Stream& s) {
    s.cursor = Cursor{};
    s.position = static_cast<std::uint32_t>(pick(s.oracle.size() + 1));
  }
  void clear(Stream& s) {
    buffers_.clear(s.chain);
    s = Stream{};
  }
  void check(const Stream& s) {
    EXPECT_EQ(s.chain.bytes, s.oracle.size());
    std::string got(pick(2) == 0 ? 64 : s.oracle.size(), '\0');
    const std::size_t n = buffers_.peek(s.chain, std::as_writable_bytes(std::span(got)));
    EXPECT_EQ(got.substr(0, n), s.oracle.substr(0, got.size()));
    const std::span<const std::byte> first = buffers_.first(s.chain);
    EXPECT_EQ(first.empty(), s.oracle.empty());
    const std::string run(reinterpret_cast<const char*>(first.data()), first.size());
    EXPECT_EQ(run, s.oracle.substr(0, run.size()));
  }

  std::mt19937_64 random_;
  HeapMemory memory_;
  sim::Pool pool_{64};
  Counters counters_;
  ip::Interfaces interfaces_{{}, pool_, memory_, counters_};
  Buffers buffers_{memory_, blocks, &interfaces_, frames_most};
  std::deque<std::string> lent_;
  std::vector<Stream> streams_{5};
};

TEST(Buffers, random_operations_agree_with_a_string) {
  const char* from = std::getenv("SALUT_SEED");
  const std::uint64_t first = from != nullptr ? std::strtoull(from, nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed < first + 20; ++seed) {
    SCOPED_TRACE("SALUT_SEED=" + std::to_string(seed));
    Random(seed).run(3000);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace salut::tcp
