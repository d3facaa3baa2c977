// Which connections wait for their peer, for what, and since when.
//
// All that wait for one thing wait for the same time, so a list to whose back each goes when its
// wait begins is in order of the deadlines: the front is the next to expire. A wait that begins,
// begins anew or ends costs a few stores in at most four records; nothing ever walks over the
// connections. Time is counted in units of 67 ms, in which a busy connection moves once: a wait
// ends never early, and at most 134 ms late.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "salut/config.hpp"
#include "salut/connection_table.hpp"
#include "salut/time.hpp"

namespace salut::app {

enum class Wait : std::uint8_t {
  header,  // for the rest of a request
  idle,    // for whatever the peer will say
  send,    // for the peer to take what it is sent
  none,
};

// The part of a Record that is WaitLists'.
struct Waiting {
  static constexpr std::uint32_t nobody = ~std::uint32_t{0};

  std::uint32_t before = nobody;  // slots of the neighbours in the list
  std::uint32_t after = nobody;
  std::uint32_t since = 0;
  Wait wait = Wait::none;
};

template <typename Record>  // has Waiting as a base
class WaitLists {
 public:
  WaitLists(ConnectionTable<Record>& table, const ServeConfig& timeouts)
      : table_(table),
        lists_{List{units(timeouts.header_timeout)}, List{units(timeouts.idle_timeout)},
               List{units(timeouts.send_timeout)}} {}

  static std::uint32_t unit_of(Instant now) {
    return static_cast<std::uint32_t>(now.time_since_epoch().count() >> unit_shift);
  }

  // The wait begins, now; none ends it. True: the record moved.
  bool begin(Record& record, Wait wait, Instant now) {
    if (wait != Wait::none && list(wait).units == 0) wait = Wait::none;  // for ever
    const std::uint32_t since = unit_of(now) + 1;
    if (wait == record.wait && (wait == Wait::none || since == record.since)) return false;
    if (record.wait != Wait::none) take_out(record);
    record.wait = wait;
    if (wait == Wait::none) return false;
    List& to = list(wait);
    const std::uint32_t slot = table_.slot_of(record);
    record.since = since;
    record.before = to.last;
    record.after = Waiting::nobody;
    (to.last == Waiting::nobody ? to.first : table_[to.last].after) = slot;
    to.last = slot;
    return true;
  }

  // One that has waited for too long, if there is one; its wait is over.
  Record* expired(Wait wait, std::uint32_t unit) {
    const List& of = list(wait);
    if (of.first == Waiting::nobody) return nullptr;
    Record& record = table_[of.first];
    if (unit - record.since < of.units || unit < record.since) return nullptr;
    take_out(record);
    record.wait = Wait::none;
    return &record;
  }

 private:
  static constexpr unsigned unit_shift = 26;

  struct List {
    std::uint32_t units = 0;
    std::uint32_t first = Waiting::nobody;
    std::uint32_t last = Waiting::nobody;
  };

  static std::uint32_t units(Duration timeout) {
    constexpr std::int64_t rest = (std::int64_t{1} << unit_shift) - 1;
    return static_cast<std::uint32_t>((timeout.count() + rest) >> unit_shift);
  }
  List& list(Wait wait) { return lists_[static_cast<std::size_t>(wait)]; }

  void take_out(Record& record) {
    List& from = list(record.wait);
    (record.before == Waiting::nobody ? from.first : table_[record.before].after) = record.after;
    (record.after == Waiting::nobody ? from.last : table_[record.after].before) = record.before;
  }

  ConnectionTable<Record>& table_;
  std::array<List, 3> lists_;
};

}  // namespace salut::app
