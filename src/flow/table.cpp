#include "flow/table.hpp"

#include <array>

namespace salut::flow {

namespace {

// Eight slots at a load of 0.85 are 34/5 entries per bucket. Two more buckets help small tables,
// where chance weighs most. The number is even, so that an odd sum never leads from a bucket to
// itself.
std::uint32_t buckets_for(std::uint64_t entries) {
  return static_cast<std::uint32_t>(((entries * 5 + 33) / 34 + 3) / 2 * 2);
}

}  // namespace

Table::Table(Memory& memory, std::uint64_t entries)
    : capacity_(entries),
      bucket_count_(buckets_for(entries)),
      buckets_(memory, bucket_count_, Use::flow_table) {}

// Makes room at home: sends a guest of this bucket back to its own home, if that has room again.
// Without this, in a full table whose entries come and go, a third would be guests; so it is a
// sixth.
bool Table::send_guest_home(std::uint32_t home, std::uint16_t tag, std::uint32_t index) {
  Bucket& bucket = buckets_[home];
  for (unsigned guests = bucket.guests; guests != 0; guests &= guests - 1) {
    const unsigned slot = lowest(guests);
    const std::uint32_t to = other_of(home, bucket.tags[slot]);
    const unsigned free = matches(buckets_[to], empty);
    if (free == 0) continue;
    move(home, slot, to, lowest(free));
    place(bucket, slot, tag, index, false);
    return true;
  }
  return false;
}

bool Table::insert_elsewhere(std::uint32_t home, std::uint16_t tag, std::uint32_t index) {
  Bucket& other = buckets_[other_of(home, tag)];
  if (send_guest_home(home, tag, index)) {
    // Done, at home.
  } else if (const unsigned free = matches(other, empty); free != 0) {
    place(other, lowest(free), tag, index, true);
    count_gone(buckets_[home], tag);
  } else if (!insert_by_moving(home, tag, index)) {
    return false;
  }
  ++size_;
  return true;
}

// Breadth first, so that it finds a shortest path, which meets no bucket twice: whatever a second
// visit could reach, the first visit has already tried.
bool Table::insert_by_moving(std::uint32_t home, std::uint16_t tag, std::uint32_t index) {
  struct Visit {
    std::uint32_t bucket;
    std::uint16_t parent;  // the visit, and the slot in its bucket, whose entry would move here
    std::uint16_t slot;
  };
  std::array<Visit, max_visits> visits;
  visits[0] = Visit{home, 0, 0};
  visits[1] = Visit{other_of(home, tag), 0, 0};
  unsigned count = 2;
  for (unsigned at = 0; at < count; ++at) {
    const Bucket& bucket = buckets_[visits[at].bucket];
    for (unsigned slot = 0; slot < slots; ++slot) {
      std::uint32_t to = other_of(visits[at].bucket, bucket.tags[slot]);
      const unsigned free = matches(buckets_[to], empty);
      if (free == 0) {
        if (count < max_visits) {
          visits[count++] =
              Visit{to, static_cast<std::uint16_t>(at), static_cast<std::uint16_t>(slot)};
        }
        continue;
      }
      unsigned hole = lowest(free);
      unsigned from_slot = slot;
      for (unsigned from = at;; from = visits[from].parent) {
        move(visits[from].bucket, from_slot, to, hole);
        to = visits[from].bucket;
        hole = from_slot;
        if (from < 2) break;
        from_slot = visits[from].slot;
      }
      const bool guest = to != home;
      place(buckets_[to], hole, tag, index, guest);
      if (guest) count_gone(buckets_[home], tag);
      return true;
    }
  }
  return false;
}

// Moves an entry to its other bucket or back home; its guest bit tells which of the two.
void Table::move(std::uint32_t from, unsigned from_slot, std::uint32_t to, unsigned to_slot) {
  Bucket& source = buckets_[from];
  const std::uint16_t tag = source.tags[from_slot];
  const bool was_guest = (source.guests >> from_slot & 1) != 0;
  place(buckets_[to], to_slot, tag, source.indices[from_slot], !was_guest);
  source.tags[from_slot] = empty;
  if (was_guest) {
    count_back(buckets_[to], tag);
  } else {
    count_gone(source, tag);
  }
}

// Each home and class of tags has a random weight. Guests add it and counts subtract it, so that
// the sum is 0 if they agree. Counts that reached 255 are not exact and are left out.
bool Table::audit() const {
  const auto weight = [](std::uint32_t home, unsigned c) {
    std::uint64_t state = std::uint64_t{home} * classes + c;
    return expand(state);
  };
  std::uint64_t balance = 0;
  std::uint64_t entries = 0;
  for (std::uint32_t b = 0; b < bucket_count_; ++b) {
    const Bucket& bucket = buckets_[b];
    for (unsigned slot = 0; slot < slots; ++slot) {
      if (bucket.tags[slot] == empty) continue;
      ++entries;
      if ((bucket.guests >> slot & 1) == 0) continue;
      const std::uint32_t home = other_of(b, bucket.tags[slot]);
      const unsigned c = bucket.tags[slot] % classes;
      if (buckets_[home].gone[c] != 255) balance += weight(home, c);
    }
    for (unsigned c = 0; c < classes; ++c) {
      if (bucket.gone[c] != 255) balance -= bucket.gone[c] * weight(b, c);
    }
  }
  return entries == size_ && balance == 0;
}

}  // namespace salut::flow
