// The scoreboard against an oracle that has a state for every byte.
#include "tcp/scoreboard.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace salut::tcp {
namespace {

constexpr Seq start{0xfffff000};  // the wrap is in the flight

class Oracle {
 public:
  explicit Oracle(std::uint32_t extra) : tight_(extra < 100), ranges_(memory_, 4, 4, extra) {}

  void begin(std::uint32_t size) {
    board.start(ranges_, una_, una_ + size, now_);
    put(una_, size, 0);
    nxt_ = una_ + size;
  }
  void append(std::uint32_t size) {
    board.append(ranges_, nxt_ + size, ++now_, true);
    put(nxt_, size, 0);
    nxt_ += size;
    if (tight_) resync();
  }
  void advance(std::uint32_t size) {
    Delivery delivery{.now = ++now_};
    std::uint32_t fresh = 0;
    for (std::uint32_t i = 0; i < size; ++i)
      fresh += bytes_[(una_ + i).value] & range_sacked ? 0 : 1;
    board.advance(ranges_, una_ + size, delivery);
    for (std::uint32_t i = 0; i < size; ++i) bytes_.erase((una_ + i).value);
    una_ += size;
    EXPECT_EQ(delivery.bytes, fresh);
  }
  void sack(std::uint32_t from, std::uint32_t size) {
    Delivery delivery{.now = ++now_};
    const bool all = board.sack(ranges_, una_ + from, una_ + from + size, delivery);
    if (!all) return resync(true);
    std::uint32_t fresh = 0;
    for (std::uint32_t i = from; i < from + size; ++i) {
      unsigned& bits = bytes_[(una_ + i).value];
      fresh += bits & range_sacked ? 0 : 1;
      bits = (bits | range_sacked) & ~unsigned{range_lost};
    }
    EXPECT_EQ(delivery.bytes, fresh);
  }
  void lose_oldest() {
    const std::uint32_t index = board.oldest();
    if (index == no_range) return;
    for (Seq at = ranges_[index].begin; at < ranges_[index].end; at += 1) {
      bytes_[at.value] |= range_lost;
    }
    board.lose(ranges_, index);
  }
  void lose_all() {
    board.lose_all(ranges_);
    for (auto& [at, bits] : bytes_) {
      if ((bits & range_sacked) == 0) bits |= range_lost;
    }
  }
  void find_all() {
    board.find_all(ranges_);
    for (auto& [at, bits] : bytes_) bits &= ~unsigned{range_lost};
  }
  void send_again(std::uint32_t most) {
    if (board.lost() == 0) return;
    const std::uint32_t index = board.next_lost(ranges_);
    const Seq at = ranges_[index].begin;
    for (Seq before = una_; before < at; before += 1) {
      ASSERT_EQ(bytes_[before.value] & range_lost, 0u) << "not the lowest";
    }
    const std::uint32_t size = std::min(most, ranges_[index].size());
    board.sent_again(ranges_, index, size, ++now_);
    if (tight_) return resync();
    for (std::uint32_t i = 0; i < size; ++i) bytes_[(at + i).value] &= ~unsigned{range_lost};
  }

  // Ranges tile the flight, say what the bytes say, and those in flight stand in time order.
  void check(bool times) {
    std::uint32_t sacked = 0, lost = 0, count = 0, in_flight = 0;
    Seq at = una_;
    for (std::uint32_t i = board.first(); i != no_range; i = ranges_[i].next) {
      ASSERT_EQ(ranges_[i].begin, at);
      ASSERT_GT(ranges_[i].size(), 0u);
      for (; at < ranges_[i].end; at += 1) {
        const unsigned bits = bytes_[at.value];
        ASSERT_EQ(bits & (range_sacked | range_lost),
                  ranges_[i].bits & (range_sacked | range_lost));
        sacked += bits & range_sacked ? 1 : 0;
        lost += bits & range_lost ? 1 : 0;
      }
      ++count;
      in_flight += ranges_[i].in_flight() ? 1 : 0;
    }
    ASSERT_EQ(at, nxt_);
    ASSERT_EQ(board.sacked(), sacked);
    ASSERT_EQ(board.lost(), lost);
    ASSERT_EQ(board.count(), count);
    ASSERT_EQ(ranges_.in_use(), count);
    std::uint32_t listed = 0, last = 0;
    for (std::uint32_t i = board.oldest(); i != no_range; i = ranges_[i].newer, ++listed) {
      ASSERT_TRUE(ranges_[i].in_flight());
      if (times) {
        ASSERT_GE(ranges_[i].sent_at, last);
      }
      last = ranges_[i].sent_at;
    }
    ASSERT_EQ(listed, in_flight);
  }
  std::uint32_t flight() const { return nxt_ - una_; }
  void clear() {
    board.clear(ranges_);
    bytes_.clear();
    una_ = nxt_;
  }
  std::uint32_t ranges_in_use() const { return ranges_.in_use(); }

  Scoreboard board;

 private:
  void put(Seq at, std::uint32_t size, unsigned bits) {
    for (std::uint32_t i = 0; i < size; ++i) bytes_[(at + i).value] = bits;
  }
  // Without memory the board may forget, but never invent: SACKed is only what was.
  void resync(bool sacking = false) {
    for (std::uint32_t i = board.first(); i != no_range; i = ranges_[i].next) {
      for (Seq at = ranges_[i].begin; at < ranges_[i].end; at += 1) {
        unsigned& bits = bytes_[at.value];
        if ((ranges_[i].bits & range_sacked) != 0 && !sacking) {
          EXPECT_NE(bits & range_sacked, 0u);
        }
        bits = ranges_[i].bits & (range_sacked | range_lost);
      }
    }
  }

  bool tight_;
  HeapMemory memory_;
  Ranges ranges_;
  std::map<std::uint32_t, unsigned> bytes_;
  Seq una_ = start;
  Seq nxt_ = start;
  std::uint32_t now_ = 100;
};

void run(std::uint32_t extra, std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Oracle o(extra);
  bool times = true;
  for (int step = 0; step < 300 && !::testing::Test::HasFailure(); ++step) {
    const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    if (!o.board.active()) {
      o.begin(1 + below(60));
      times = true;
    }
    switch (below(8)) {
      case 0:
      case 1:
        if (o.flight() < 400) o.append(1 + below(30));
        break;
      case 2:
        o.advance(1 + below(std::min(o.flight(), 40u)));
        break;
      case 3:
      case 4: {
        const std::uint32_t from = below(o.flight());
        o.sack(from, 1 + below(o.flight() - from));
        break;
      }
      case 5:
        o.lose_oldest();
        break;
      case 6:
        o.send_again(1 + below(20));
        break;
      default:
        if (below(6) == 0) {
          o.lose_all();
        } else if (below(6) == 0) {
          o.find_all();
          times = false;  // they go to the old end whatever their times
        }
    }
    o.check(times && extra > 100);
  }
  o.clear();
  EXPECT_EQ(o.ranges_in_use(), 0u);
}

TEST(Scoreboard, agrees_with_a_state_per_byte) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) run(4'000, seed);
}

TEST(Scoreboard, without_memory_forgets_but_never_invents) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) run(seed % 4, seed);
}

// One board after another takes what it may have, and the last one comes when all have.
TEST(Ranges, last_of_many_boards_has_its_certain_ones_and_a_share_if_they_are_not_too_many) {
  for (const std::uint32_t others : {1u, 3u, 10u, 100u, 1'000u}) {
    SCOPED_TRACE(others);
    constexpr std::uint32_t extra = 2'048;
    HeapMemory memory;
    Ranges ranges(memory, others + 1, others + 1, extra);
    std::vector<std::uint32_t> counts(others + 1);
    const auto take = [&](std::uint32_t board) {
      if (ranges.acquire(counts[board]) == no_range) return false;
      ++counts[board];
      return true;
    };
    for (bool any = true; any;) {
      any = false;
      for (std::uint32_t board = 0; board < others; ++board) any |= take(board);
    }
    while (take(others)) {
    }
    for (const std::uint32_t count : counts) EXPECT_GE(count, Ranges::certain);
    EXPECT_LE(counts[0], Ranges::most);
    if (others <= 100) {
      EXPECT_GE(counts[others], Ranges::few);
      EXPECT_GE(counts[others], counts[0] / 2);
    }
  }
}

TEST(Scoreboard, range_of_one_turn_is_one_range) {
  Oracle o(10);
  o.begin(10);
  o.append(10);
  o.append(10);
  EXPECT_EQ(o.board.count(), 3u);
  o.sack(5, 20);
  EXPECT_EQ(o.board.count(), 3u);  // in flight, SACKed, in flight
  o.sack(0, 5);
  EXPECT_EQ(o.board.count(), 2u);
  o.check(true);
}

}  // namespace
}  // namespace salut::tcp
