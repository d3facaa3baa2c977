#include "tcp/scoreboard.hpp"

namespace salut::tcp {

void Delivery::add(Seq begin, Seq to, std::uint32_t at, std::uint32_t range_bits) {
  const std::uint32_t size = to - begin;
  const std::uint32_t took = now - at;
  bytes += size;
  if ((range_bits & range_again) != 0) {
    again += size;
    // RFC 8985 §6.2 step 2: sooner than possible, so that it was an earlier transmission.
    if (took < min_rtt) return;
  } else {
    if (begin < below) original += size;
    if (!timed || took < rtt) rtt = took;
    timed = true;
  }
  if (!recent || sent_after(at, to, sent_at, end)) {
    recent = true;
    sent_at = at;
    end = to;
    rtt_recent = took;
  }
}

void Scoreboard::start(Ranges& ranges, Seq begin, Seq end, std::uint32_t sent_at) {
  const std::uint32_t index = ranges.acquire(0);
  count_ = 1;
  Range& range = ranges[index];
  range.begin = begin;
  range.end = end;
  range.sent_at = sent_at;
  first_ = last_ = index;
  hint_ = lost_hint_ = no_range;
  sacked_ = lost_ = 0;
  any_delivered_ = false;
  time_newest(ranges, index);
}

void Scoreboard::append(Ranges& ranges, Seq end, std::uint32_t now, bool exact) {
  const bool open = ranges[last_].in_flight();
  const bool same =
      open && (ranges[last_].bits & range_again) == 0 && (!exact || ranges[last_].sent_at == now);
  // The last quarter of what a connection may have, and two in any case, are for what SACK takes
  // apart.
  const std::uint32_t left = ranges.left(count_);
  const bool crowded = open && left <= std::max((count_ + left) / 4, 2u);
  std::uint32_t index = no_range;
  if (!same && !crowded) index = ranges.acquire(count_);
  if (index == no_range) {
    if (!open) {
      // No range to be had and the last one is SACKed or lost: it is in flight like the new bytes.
      Range& tail = ranges[last_];
      if ((tail.bits & range_sacked) != 0) sacked_ -= tail.size();
      if ((tail.bits & range_lost) != 0) lost_ -= tail.size();
      tail.bits = range_again;
    } else {
      time_remove(ranges, last_);
    }
    ranges[last_].end = end;
    ranges[last_].sent_at = now;
    time_newest(ranges, last_);
    return;
  }
  ++count_;
  Range& range = ranges[index];
  range.begin = ranges[last_].end;
  range.end = end;
  range.sent_at = now;
  range.prev = last_;
  ranges[last_].next = index;
  last_ = index;
  time_newest(ranges, index);
}

void Scoreboard::advance(Ranges& ranges, Seq una, Delivery& delivery) {
  while (first_ != no_range && ranges[first_].begin < una) {
    Range& range = ranges[first_];
    const Seq to = range.end <= una ? range.end : una;
    const std::uint32_t size = to - range.begin;
    if ((range.bits & range_sacked) != 0) {
      sacked_ -= size;
    } else {
      // A SACKed range lies above and this arrives only now, never sent again: reordered.
      if (any_delivered_ && to < highest_ && (range.bits & range_again) == 0) {
        delivery.reordered = true;
      }
      if ((range.bits & range_lost) != 0) lost_ -= size;
      delivery.add(range.begin, to, range.sent_at, range.bits);
    }
    if (to < range.end) {
      range.begin = to;
      break;
    }
    unlink(ranges, first_);
  }
  if (!any_delivered_ || una > highest_) highest_ = una;
  any_delivered_ = true;
}

bool Scoreboard::sack(Ranges& ranges, Seq begin, Seq end, Delivery& delivery) {
  std::uint32_t index = find(ranges, begin);
  while (index != no_range && ranges[index].begin < end) {
    if ((ranges[index].bits & range_sacked) == 0) {
      if (ranges[index].begin < begin) {
        if (!split(ranges, index, begin)) return false;
        index = ranges[index].next;
      }
      if (ranges[index].end > end && !split(ranges, index, end)) return false;
      Range& range = ranges[index];
      if (any_delivered_ && range.end < highest_ && (range.bits & range_again) == 0) {
        delivery.reordered = true;
      }
      if (!any_delivered_ || range.end > highest_) highest_ = range.end;
      any_delivered_ = true;
      delivery.add(range.begin, range.end, range.sent_at, range.bits);
      delivery.sacked += range.size();
      if ((range.bits & range_lost) != 0) {
        lost_ -= range.size();
      } else {
        time_remove(ranges, index);
      }
      sacked_ += range.size();
      range.bits = (range.bits & ~range_lost) | range_sacked;
      const std::uint32_t next = range.next;
      const std::uint32_t prev = range.prev;
      if (next != no_range && (ranges[next].bits & range_sacked) != 0) join_next(ranges, index);
      if (prev != no_range && (ranges[prev].bits & range_sacked) != 0) {
        join_next(ranges, prev);
        index = prev;
      }
    }
    hint_ = index;
    index = ranges[index].next;
  }
  return true;
}

void Scoreboard::forget_sacks(Ranges& ranges) {
  for (std::uint32_t i = last_; i != no_range; i = ranges[i].prev) {
    if ((ranges[i].bits & range_sacked) == 0) continue;
    ranges[i].bits = range_again;
    time_oldest(ranges, i);
  }
  sacked_ = 0;
}

void Scoreboard::lose(Ranges& ranges, std::uint32_t index) {
  Range& range = ranges[index];
  time_remove(ranges, index);
  range.bits |= range_lost;
  lost_ += range.size();
  if (lost_hint_ != no_range && range.begin < ranges[lost_hint_].begin) lost_hint_ = index;
}

void Scoreboard::lose_all(Ranges& ranges) {
  while (oldest_ != no_range) lose(ranges, oldest_);
}

bool Scoreboard::lose_first(Ranges& ranges, std::uint32_t size) {
  const std::uint32_t index = first_;
  if (!ranges[index].in_flight()) return true;
  if (ranges[index].size() > size && !split(ranges, index, ranges[index].begin + size)) {
    return false;
  }
  lose(ranges, index);
  return true;
}

void Scoreboard::find_all(Ranges& ranges) {
  for (std::uint32_t i = last_; i != no_range && lost_ > 0; i = ranges[i].prev) {
    if ((ranges[i].bits & range_lost) == 0) continue;
    ranges[i].bits &= ~range_lost;
    lost_ -= ranges[i].size();
    time_oldest(ranges, i);
  }
}

std::uint32_t Scoreboard::next_lost(const Ranges& ranges) {
  std::uint32_t index = lost_hint_ != no_range ? lost_hint_ : first_;
  while ((ranges[index].bits & range_lost) == 0) index = ranges[index].next;
  lost_hint_ = index;
  return index;
}

void Scoreboard::sent_again(Ranges& ranges, std::uint32_t index, std::uint32_t size,
                            std::uint32_t now) {
  const Seq to = ranges[index].begin + size;
  const std::uint32_t prev = ranges[index].prev;
  // Behind what this turn sent again just before, no range is needed.
  const bool joins = prev != no_range && ranges[prev].in_flight() &&
                     (ranges[prev].bits & range_again) != 0 && ranges[prev].sent_at == now;
  if (joins) {
    lost_ -= size;
    ranges[prev].end = to;
    ranges[index].begin = to;
    if (ranges[index].begin == ranges[index].end) unlink(ranges, index);
    return;
  }
  if (to < ranges[index].end && !split(ranges, index, to)) {
    collapse(ranges);
    index = first_;
    split(ranges, index, to);  // the second range, which there always is
  }
  Range& range = ranges[index];
  lost_ -= range.size();
  range.bits = (range.bits & ~range_lost) | range_again;
  range.sent_at = now;
  time_newest(ranges, index);
}

bool Scoreboard::probed(Ranges& ranges, Seq from, std::uint32_t now) {
  if (!ranges[last_].in_flight()) return false;
  if (ranges[last_].begin < from && !split(ranges, last_, from)) return false;
  time_remove(ranges, last_);
  ranges[last_].bits |= range_again;
  ranges[last_].sent_at = now;
  time_newest(ranges, last_);
  return true;
}

void Scoreboard::clear(Ranges& ranges) {
  while (first_ != no_range) unlink(ranges, first_);
  sacked_ = lost_ = 0;
}

bool Scoreboard::split(Ranges& ranges, std::uint32_t index, Seq at) {
  const std::uint32_t right = ranges.acquire(count_);
  if (right == no_range) return false;
  ++count_;
  Range& a = ranges[index];
  Range& b = ranges[right];
  b = a;
  a.end = b.begin = at;
  b.prev = index;
  a.next = right;
  (b.next != no_range ? ranges[b.next].prev : last_) = right;
  if (a.in_flight()) {
    b.older = index;
    a.newer = right;
    (b.newer != no_range ? ranges[b.newer].older : newest_) = right;
  }
  return true;
}

void Scoreboard::unlink(Ranges& ranges, std::uint32_t index) {
  const Range range = ranges[index];
  if (range.in_flight()) time_remove(ranges, index);
  (range.prev != no_range ? ranges[range.prev].next : first_) = range.next;
  (range.next != no_range ? ranges[range.next].prev : last_) = range.prev;
  if (hint_ == index) hint_ = range.prev;
  if (lost_hint_ == index) lost_hint_ = range.next;
  ranges.release(index, count_);
  --count_;
}

// Two SACKed neighbours are one.
void Scoreboard::join_next(Ranges& ranges, std::uint32_t index) {
  const std::uint32_t next = ranges[index].next;
  ranges[index].end = ranges[next].end;
  ranges[index].bits |= ranges[next].bits & range_again;
  if (lost_hint_ == next) lost_hint_ = index;
  unlink(ranges, next);
}

// One range, all of it lost: what is left to say when there is no memory to say more.
void Scoreboard::collapse(Ranges& ranges) {
  const Seq end = ranges[last_].end;
  while (ranges[first_].next != no_range) unlink(ranges, ranges[first_].next);
  Range& range = ranges[first_];
  if (range.in_flight()) time_remove(ranges, first_);
  range.end = end;
  range.bits = range_lost | range_again;
  sacked_ = 0;
  lost_ = range.size();
  hint_ = lost_hint_ = first_;
}

void Scoreboard::time_remove(Ranges& ranges, std::uint32_t index) {
  Range& range = ranges[index];
  (range.older != no_range ? ranges[range.older].newer : oldest_) = range.newer;
  (range.newer != no_range ? ranges[range.newer].older : newest_) = range.older;
  range.older = range.newer = no_range;
}

void Scoreboard::time_newest(Ranges& ranges, std::uint32_t index) {
  Range& range = ranges[index];
  range.older = newest_;
  range.newer = no_range;
  (newest_ != no_range ? ranges[newest_].newer : oldest_) = index;
  newest_ = index;
}

void Scoreboard::time_oldest(Ranges& ranges, std::uint32_t index) {
  Range& range = ranges[index];
  range.newer = oldest_;
  range.older = no_range;
  (oldest_ != no_range ? ranges[oldest_].older : newest_) = index;
  oldest_ = index;
}

// The range that holds `at`, sought from where the last block was.
std::uint32_t Scoreboard::find(const Ranges& ranges, Seq at) const {
  std::uint32_t index = hint_ != no_range ? hint_ : last_;
  while (index != no_range && ranges[index].begin > at) index = ranges[index].prev;
  if (index == no_range) return first_;
  while (index != no_range && ranges[index].end <= at) index = ranges[index].next;
  return index;
}

}  // namespace salut::tcp
