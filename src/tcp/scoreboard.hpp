// What is in flight, range by range: when each was last sent, and what became of it.
//
// RFC 2018, 6675 and 8985 speak of segments; here neighbours that were sent in one turn, or have
// all been SACKed, are one range, so that a window of a thousand segments is a few dozen nodes. The
// ranges of a connection tile [SND.UNA, SND.NXT) in a list by sequence; those in flight (neither
// SACKed nor lost) stand in a second list by the time of their last transmission, oldest first. So
// nothing walks the whole flight for an ACK:
//
//   cumulative ACK   pops from the front: paid for by the transmission that made the range
//   SACK block       starts at the end of the block before it, usually the next range
//   RACK             pops from the old end of the time list, stops at the first that is not lost
//   retransmission   starts where the last one was; a range that becomes lost moves it back
//   timeout          all ranges, once
//
// A flight that one turn sent has no ranges at all (Stream::sent_at says when): active() is false.
//
// Memory: 32 bytes a range from one pool per stack. Every connection has four for certain, enough
// to send one hole again bit by bit: sent again up to here, lost from there, SACKed, and the rest.
// More it has as its share of the pool, at most Ranges::most: peers decide how far a flight comes
// apart, and one that SACKs every tenth byte must not leave the others without. Beyond that
// neighbours are taken together, as if sent at the later time, which only makes RACK wait longer;
// what SACK says is forgotten rather than guessed.
//
// Threads: one. Invariants: see check() in tests/unit/tcp/scoreboard_test.cpp, which compares every
// operation with an oracle that has a state per byte.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/pool.hpp"
#include "base/sequence.hpp"
#include "base/share.hpp"

namespace salut::tcp {

enum RangeBit : std::uint32_t {
  range_sacked = 1,
  range_lost = 2,   // and not sent again since
  range_again = 4,  // sent more than once: says nothing of the round trip (Karn)
};

inline constexpr std::uint32_t no_range = 0xffffffff;

struct Range {
  Seq begin;
  Seq end;
  std::uint32_t next = no_range;  // by sequence
  std::uint32_t prev = no_range;
  std::uint32_t newer = no_range;  // by time, while in flight
  std::uint32_t older = no_range;
  std::uint32_t sent_at = 0;  // microseconds
  std::uint32_t bits = 0;     // RangeBit

  std::uint32_t size() const { return end - begin; }
  bool in_flight() const { return (bits & (range_sacked | range_lost)) == 0; }
};
static_assert(sizeof(Range) == 32);

// The pool of a stack, and who may have how many. A quarter of what is beyond the certain ones is
// for connections that have few.
class Ranges {
 public:
  static constexpr std::uint32_t certain = 4;  // of every connection
  static constexpr std::uint32_t few = 16;
  static constexpr std::uint32_t most = 1024;

  // `holders`: so many of the connections may have more than one at a time.
  Ranges(Memory& memory, std::uint32_t connections, std::uint32_t holders, std::uint32_t extra)
      : pool_(memory, connections + (certain - 1) * holders + extra, Use::buffers),
        idle_(connections),
        extra_(extra),
        kept_(extra / 4) {}

  Range& operator[](std::uint32_t index) { return pool_[index]; }
  const Range& operator[](std::uint32_t index) const { return pool_[index]; }
  std::uint32_t in_use() const { return pool_.in_use(); }

  // How many more a connection may take now that has `count`.
  std::uint32_t left(std::uint32_t count) const {
    if (count >= most) return 0;
    const std::uint32_t owed = count < certain ? certain - count : 0;
    const std::uint32_t held = count - (certain - owed);
    const std::uint32_t least = std::min(count < few ? few - count - owed : 0, extra_);
    return std::min(owed + std::max(share_left(extra_, kept_, held), least), most - count);
  }
  // For a connection that has `count`; no_range if it may have no more. The first is always there.
  std::uint32_t acquire(std::uint32_t count) {
    if (count == 0) {
      --idle_;
    } else if (left(count) == 0 || pool_.size() - pool_.in_use() <= idle_) {
      return no_range;
    }
    if (count >= certain) --extra_;
    return pool_.acquire();
  }
  void release(std::uint32_t index, std::uint32_t count) {
    if (count > certain) ++extra_;
    if (count == 1) ++idle_;
    pool_.release(index);
  }

 private:
  Pool<Range> pool_;
  std::uint32_t idle_;   // connections that have none: the first is there for each of them
  std::uint32_t extra_;  // that are free, beyond the certain ones
  std::uint32_t kept_;   // of them, for who has few
};

// Was (at, end) sent after (than_at, than_end)? RFC 8985 §5.2; microseconds wrap.
constexpr bool sent_after(std::uint32_t at, Seq end, std::uint32_t than_at, Seq than_end) {
  return at == than_at ? end > than_end : static_cast<std::int32_t>(at - than_at) > 0;
}

// What one ACK delivered, cumulatively or by SACK.
struct Delivery {
  std::uint32_t now = 0;      // microseconds
  std::uint32_t min_rtt = 0;  // a delivery sooner than this was not of the retransmission
  Seq below;                  // for `original`
  std::uint32_t bytes = 0;
  std::uint32_t again = 0;     // of those, had been sent more than once
  std::uint32_t original = 0;  // of the others, those before `below`
  std::uint32_t sacked = 0;    // of all, by SACK
  bool timed = false;          // rtt, of the latest that was sent only once
  bool recent = false;         // sent_at, end, rtt_recent: of what was sent last
  bool reordered = false;      // something arrived behind what was sent after it
  std::uint32_t rtt = 0;
  std::uint32_t sent_at = 0;
  std::uint32_t rtt_recent = 0;
  Seq end;

  void add(Seq begin, Seq to, std::uint32_t at, std::uint32_t bits);
};

class Scoreboard {
 public:
  bool active() const { return first_ != no_range; }
  std::uint32_t sacked() const { return sacked_; }  // bytes
  std::uint32_t lost() const { return lost_; }      // bytes
  std::uint32_t count() const { return count_; }
  std::uint32_t first() const { return first_; }
  std::uint32_t last() const { return last_; }
  std::uint32_t oldest() const { return oldest_; }

  // Becomes active with one range in flight. REQUIRES: !active().
  void start(Ranges& ranges, Seq begin, Seq end, std::uint32_t sent_at);
  // New bytes up to `end` left at `now`. Without `exact`, who does not need times gets one range.
  void append(Ranges& ranges, Seq end, std::uint32_t now, bool exact);
  // Everything below `una` was acknowledged.
  void advance(Ranges& ranges, Seq una, Delivery& delivery);
  // [begin, end) was SACKed. REQUIRES: within the flight. False: there was no range for it.
  bool sack(Ranges& ranges, Seq begin, Seq end, Delivery& delivery);
  // The receiver may have thrown away what it SACKed (RFC 2018 §8): in flight again.
  void forget_sacks(Ranges& ranges);

  void lose(Ranges& ranges, std::uint32_t index);
  void lose_all(Ranges& ranges);
  // The first `size` bytes, or all. False: there was no range to tell them from the rest.
  bool lose_first(Ranges& ranges, std::uint32_t size);
  // What was taken for lost was only late.
  void find_all(Ranges& ranges);
  // The lost range with the lowest sequence. REQUIRES: lost() > 0.
  std::uint32_t next_lost(const Ranges& ranges);
  // The first `size` bytes of a lost range were sent again.
  void sent_again(Ranges& ranges, std::uint32_t index, std::uint32_t size, std::uint32_t now);
  // The last bytes from `from` on were sent again as a probe; false: no range for them.
  bool probed(Ranges& ranges, Seq from, std::uint32_t now);
  void clear(Ranges& ranges);

 private:
  bool split(Ranges& ranges, std::uint32_t index, Seq at);
  void unlink(Ranges& ranges, std::uint32_t index);
  void join_next(Ranges& ranges, std::uint32_t index);
  void collapse(Ranges& ranges);
  void time_remove(Ranges& ranges, std::uint32_t index);
  void time_newest(Ranges& ranges, std::uint32_t index);
  void time_oldest(Ranges& ranges, std::uint32_t index);
  std::uint32_t find(const Ranges& ranges, Seq at) const;

  std::uint32_t first_ = no_range;
  std::uint32_t last_ = no_range;
  std::uint32_t oldest_ = no_range;
  std::uint32_t newest_ = no_range;
  std::uint32_t hint_ = no_range;       // where the last SACK block was
  std::uint32_t lost_hint_ = no_range;  // no lost range before it; no_range: begin at first_
  std::uint32_t count_ = 0;
  std::uint32_t sacked_ = 0;
  std::uint32_t lost_ = 0;
  Seq highest_;  // end of the highest delivery, RACK.fack
  bool any_delivered_ = false;
};

}  // namespace salut::tcp
