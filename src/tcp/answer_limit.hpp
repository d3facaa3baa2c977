// How often a connection answers what needs no answer: challenge ACKs (RFC 5961 §7), and the ACK
// that a segment outside the window is owed (RFC 9293 §3.10.7.4, first check).
//
// Each connection has limits of its own, one for each reason, of two answers a second (Linux:
// tcp_invalid_ratelimit). A limit that connections share is an attack on all of them: whoever has
// one connection counts what is left for the others, and so finds out what somebody else's
// connection answered (CVE-2016-5696); or he uses it up, and the keepalive probes of everybody go
// unanswered. Somebody who guesses can use up the limits of guesses only: a probe is a segment
// exactly before RCV.NXT, which they do not know.
//
// Eight bytes beside each slot, touched only by such segments. Threads: the stack's lcore.
#pragma once

#include <array>
#include <cstdint>

#include "base/memory.hpp"
#include "base/tick.hpp"

namespace salut::tcp {

enum class Answer : std::uint8_t {
  challenge,  // RST, SYN or ACK that may be a guess
  outside,    // outside the window, or older by its timestamp
  probe,      // empty, from just before RCV.NXT: keepalive, or the probe of a window
  count,
};

class AnswerLimits {
 public:
  AnswerLimits(Memory& memory, std::uint32_t slots) : entries_(memory, slots, Use::tcb) {}

  // May the connection of `generation` in `slot` give this answer now? Counts it if so.
  bool allow(std::uint32_t slot, std::uint32_t generation, Answer reason, Tick now) {
    Entry& entry = entries_[slot];
    const auto tag = static_cast<std::uint16_t>(generation);
    if (entry.tag != tag) entry = Entry{tag, {}};
    Second& second = entry.seconds[static_cast<std::size_t>(reason)];
    const unsigned moment = now.value >> unit_shift;
    const bool over = ((moment - second.began) & moment_mask) >= length;
    if (over || second.answers == 0) {
      second.began = moment & moment_mask;
      second.answers = 0;
    }
    if (second.answers == most) return false;
    ++second.answers;
    return true;
  }

 private:
  // Units of 134 ms. Fourteen bits of them wrap after 36 minutes, when at the worst one answer is
  // withheld, and given to the next such segment.
  static constexpr unsigned unit_shift = 7;
  static constexpr unsigned moment_mask = 0x3fff;
  static constexpr unsigned length = 8;
  static constexpr unsigned most = 2;

  struct Second {
    std::uint16_t began : 14 = 0;
    std::uint16_t answers : 2 = 0;
  };
  struct Entry {
    std::uint16_t tag = 0;  // of the generation that the rest is of
    std::array<Second, static_cast<std::size_t>(Answer::count)> seconds = {};
  };
  static_assert(sizeof(Entry) == 8);

  FixedArray<Entry> entries_;
};

}  // namespace salut::tcp
