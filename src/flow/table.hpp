// The flow table: from the hash of a 4-tuple to the index of its TCB or TIME_WAIT record.
//
// Keys stay where they are, in the TCB or in the TIME_WAIT record; the table holds a 16-bit tag
// and a 32-bit index per entry, eight to a bucket of one cache line:
//
//   | 8 tags (16 B) | 8 indices (32 B) | 8 counts of entries gone (8 B) | guests | spare |
//
// An entry lives in its home bucket (high bits of the hash) or, when that is full, as a guest in
// one other, computed from the home and the tag alone: other = (sum(tag) - home) mod buckets. The
// same sum leads back, so entries can be moved without their keys. The number of buckets is even
// and the sum odd, so that the two are never the same bucket. A full pair makes room by moving
// others along the shortest path of a bounded breadth-first search.
//
// The bet against a chained or probing table: a look-up touches one line for its tag and then the
// one line that the caller needs anyway, both of them known early enough to be prefetched for a
// whole burst. A miss touches one line too: the home counts, for each of eight classes of tags,
// its entries that are gone to their other bucket, and only a count above zero sends the look-up
// there (at a load of 0.85 for one miss in eight, at 0.64 for one in twenty-five). A wrong tag
// matches with probability 8/65,536 per bucket, so candidate() is right nearly always, and the
// caller must compare keys all the same.
//
// Limits: sized once, never rehashed. At a load of 0.85 or less `entries` fit: in 800 million
// inserts at that load none was refused, which takes a load of 0.98. An insert examines at most
// 2 + 64 * 8 buckets. Keys that an attacker made collide (hash.hpp) fill two buckets and are then
// refused.
//
// Threads: one. Cost: 9.5 bytes per entry at capacity.
//
//   table.prefetch(hash);                                  // for the burst
//   index = table.candidate(hash);  prefetch_tcb(index);   // for the burst
//   if (index != Table::none && tcb[index].key != key)     // one in thousands
//     index = table.find(hash, [&](std::uint32_t i) { return tcb[i].key == key; });
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/hash.hpp"
#include "base/memory.hpp"

namespace salut::flow {

class Table {
 public:
  static constexpr std::uint32_t none = 0xffff'ffff;  // every other value may be an index

  Table(Memory& memory, std::uint64_t entries);

  // Stage 1.
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&buckets_[home_of(hash)]); }

  // Stage 2: the first index whose tag matches, or none if the key is certainly absent. The
  // caller compares the key and, if it differs, asks find().
  std::uint32_t candidate(std::uint64_t hash) const {
    const std::uint16_t tag = tag_of(hash);
    const std::uint32_t home = home_of(hash);
    const Bucket& bucket = buckets_[home];
    if (const unsigned hits = matches(bucket, tag); hits != 0) [[likely]]
      return first(bucket, hits);
    if (bucket.gone[tag % classes] == 0) return none;
    const Bucket& other = buckets_[other_of(home, tag)];
    const unsigned hits = matches(other, tag);
    return hits != 0 ? first(other, hits) : none;
  }

  // The same for a burst of any size: found(i, index) for each hash that has a candidate, as soon
  // as it is known, so that what the caller prefetches is on its way while later buckets are read.
  // The second buckets of those that need one are prefetched together and come last.
  template <class Found>
  void candidates(const std::uint64_t* hashes, unsigned n, Found&& found) const {
    for (unsigned begin = 0; begin < n; begin += max_batch) {
      std::array<std::uint8_t, max_batch> waiting;
      unsigned count = 0;
      const unsigned end = std::min(n, begin + max_batch);
      for (unsigned i = begin; i < end; ++i) {
        const std::uint16_t tag = tag_of(hashes[i]);
        const std::uint32_t home = home_of(hashes[i]);
        const Bucket& bucket = buckets_[home];
        if (const unsigned hits = matches(bucket, tag); hits != 0) [[likely]] {
          found(i, first(bucket, hits));
        } else if (bucket.gone[tag % classes] != 0) {
          __builtin_prefetch(&buckets_[other_of(home, tag)]);
          waiting[count++] = static_cast<std::uint8_t>(i - begin);
        }
      }
      for (unsigned w = 0; w < count; ++w) {
        const unsigned i = begin + waiting[w];
        const std::uint16_t tag = tag_of(hashes[i]);
        const Bucket& other = buckets_[other_of(home_of(hashes[i]), tag)];
        if (const unsigned hits = matches(other, tag); hits != 0) found(i, first(other, hits));
      }
    }
  }

  // The index for which match(index) is true, among all whose tag matches, or none.
  template <class Match>
  std::uint32_t find(std::uint64_t hash, Match&& match) const {
    const std::uint16_t tag = tag_of(hash);
    const std::uint32_t home = home_of(hash);
    const Bucket* bucket = &buckets_[home];
    for (unsigned hits = matches(*bucket, tag); hits != 0; hits &= hits - 1) {
      if (const std::uint32_t index = first(*bucket, hits); match(index)) return index;
    }
    if (bucket->gone[tag % classes] == 0) return none;
    bucket = &buckets_[other_of(home, tag)];
    for (unsigned hits = matches(*bucket, tag); hits != 0; hits &= hits - 1) {
      if (const std::uint32_t index = first(*bucket, hits); match(index)) return index;
    }
    return none;
  }

  // False: no room. REQUIRES: the key is absent, the index is in no other entry and not none.
  bool insert(std::uint64_t hash, std::uint32_t index) {
    const std::uint32_t home = home_of(hash);
    const unsigned free = matches(buckets_[home], empty);
    if (free == 0) [[unlikely]]
      return insert_elsewhere(home, tag_of(hash), index);
    place(buckets_[home], lowest(free), tag_of(hash), index, false);
    ++size_;
    return true;
  }

  // False: there was no such entry.
  bool erase(std::uint64_t hash, std::uint32_t index) {
    const std::uint16_t tag = tag_of(hash);
    const std::uint32_t home = home_of(hash);
    Bucket& bucket = buckets_[home];
    if (const unsigned hit = slot_of(bucket, tag, index); hit != 0) [[likely]] {
      bucket.tags[lowest(hit)] = empty;
    } else {
      if (bucket.gone[tag % classes] == 0) return false;
      Bucket& other = buckets_[other_of(home, tag)];
      const unsigned guest = slot_of(other, tag, index);
      if (guest == 0) return false;
      other.tags[lowest(guest)] = empty;
      count_back(bucket, tag);
    }
    --size_;
    return true;
  }

  // The entry of `old_index` becomes that of `new_index`. False: there was no such entry.
  bool replace(std::uint64_t hash, std::uint32_t old_index, std::uint32_t new_index) {
    const std::uint16_t tag = tag_of(hash);
    const std::uint32_t home = home_of(hash);
    Bucket* bucket = &buckets_[home];
    unsigned hit = slot_of(*bucket, tag, old_index);
    if (hit == 0) {
      if (bucket->gone[tag % classes] == 0) return false;
      bucket = &buckets_[other_of(home, tag)];
      hit = slot_of(*bucket, tag, old_index);
    }
    if (hit == 0) return false;
    bucket->indices[lowest(hit)] = new_index;
    return true;
  }

  std::uint64_t size() const { return size_; }
  // How many entries are sure to fit. insert() goes on above it while there is room.
  std::uint64_t capacity() const { return capacity_; }
  // For tests: whether the counts agree with the guests. Walks everything.
  bool audit() const;

 private:
  static constexpr unsigned slots = 8;
  static constexpr unsigned classes = 8;
  static constexpr unsigned max_visits = 64;
  static constexpr unsigned max_batch = 64;
  static constexpr std::uint16_t empty = 0;  // no entry has this tag

  struct alignas(64) Bucket {
    std::uint16_t tags[slots];
    std::uint32_t indices[slots];
    std::uint8_t gone[classes];  // entries at home here that live elsewhere, by tag; 255 sticks
    std::uint8_t guests;         // a bit per slot: at home elsewhere
    std::uint8_t spare[7];
  };
  static_assert(sizeof(Bucket) == 64);
  static_assert(sizeof(Bucket) * 100 <= 12 * slots * 85, "12 bytes per entry at a load of 0.85");

  std::uint32_t home_of(std::uint64_t hash) const {
    return static_cast<std::uint32_t>(scale(hash, bucket_count_));
  }
  static std::uint16_t tag_of(std::uint64_t hash) {
    const auto low = static_cast<std::uint16_t>(hash);
    return low != empty ? low : std::uint16_t{1};
  }
  std::uint32_t other_of(std::uint32_t bucket, std::uint16_t tag) const {
    const std::uint64_t spread = tag * std::uint64_t{0x9e3779b97f4a7c15};
    const auto sum = static_cast<std::uint32_t>(scale(spread, bucket_count_ / 2) * 2 + 1);
    return sum - bucket + (sum < bucket ? bucket_count_ : 0);
  }

  // A bit for each slot that has `tag`.
  static unsigned matches(const Bucket& bucket, std::uint16_t tag) {
#if defined(__SSE2__)
    const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(bucket.tags));
    const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<short>(tag)));
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < slots; ++i) bits |= (bucket.tags[i] == tag ? 1u : 0u) << i;
    return bits;
#endif
  }
  // The bit of the slot that has tag and index, or 0.
  static unsigned slot_of(const Bucket& bucket, std::uint16_t tag, std::uint32_t index) {
    unsigned hits = matches(bucket, tag);
    while (hits != 0 && first(bucket, hits) != index) hits &= hits - 1;
    return hits;
  }
  static unsigned lowest(unsigned bits) { return static_cast<unsigned>(std::countr_zero(bits)); }
  static std::uint32_t first(const Bucket& bucket, unsigned hits) {
    return bucket.indices[lowest(hits)];
  }

  static void place(Bucket& bucket, unsigned slot, std::uint16_t tag, std::uint32_t index,
                    bool guest) {
    bucket.tags[slot] = tag;
    bucket.indices[slot] = index;
    const unsigned bit = 1u << slot;
    bucket.guests = static_cast<std::uint8_t>(guest ? bucket.guests | bit : bucket.guests & ~bit);
  }
  // A count that reached 255 is no longer exact and stays there: look-ups may read the other bucket
  // for nothing, but never miss an entry.
  static void count_gone(Bucket& home, std::uint16_t tag) {
    if (home.gone[tag % classes] != 255) ++home.gone[tag % classes];
  }
  static void count_back(Bucket& home, std::uint16_t tag) {
    if (home.gone[tag % classes] != 255) --home.gone[tag % classes];
  }

  bool insert_elsewhere(std::uint32_t home, std::uint16_t tag, std::uint32_t index);
  bool send_guest_home(std::uint32_t home, std::uint16_t tag, std::uint32_t index);
  bool insert_by_moving(std::uint32_t home, std::uint16_t tag, std::uint32_t index);
  void move(std::uint32_t from, unsigned from_slot, std::uint32_t to, unsigned to_slot);

  std::uint64_t capacity_ = 0;
  std::uint64_t size_ = 0;
  std::uint32_t bucket_count_ = 0;
  FixedArray<Bucket> buckets_;
};

}  // namespace salut::flow
