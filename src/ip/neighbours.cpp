#include "ip/neighbours.hpp"

#include <algorithm>
#include <bit>

namespace salut::ip {

Neighbours::Neighbours(Memory& memory, const NeighbourOptions& options) : options_(options) {
  options_.capacity = std::clamp(options_.capacity, 1u, 65'534u - options_.links) + options_.links;
  options_.waiting = std::clamp(options_.waiting, 1u, 32'768u);
  options_.waiting_each = std::clamp(options_.waiting_each, 1u, waiting_max);
  entries_ = FixedArray<Entry>(memory, options_.capacity, Use::flow_table);
  slots_ = FixedArray<std::uint16_t>(memory, std::bit_ceil(options_.capacity * 2), Use::flow_table);
  frames_ = FixedArray<Waiting>(memory, options_.waiting, Use::buffers);
  slot_mask_ = static_cast<std::uint32_t>(slots_.size() - 1);
  std::uint64_t seed = options_.seed;
  for (std::uint64_t& secret : secrets_) secret = expand(seed);
  for (std::uint32_t i = options_.waiting; i-- > 0;) {
    frames_[i].next = free_frame_;
    free_frame_ = static_cast<std::uint16_t>(i);
  }
  for (; fresh_ < options_.links; ++fresh_) {
    Entry& entry = entries_[fresh_];
    entry.state = State::fixed;
    entry.evict = never;
    entry.holds = 1;  // the table's own: connections come and go
    entry.first_waiting = none;
    entry.hop.port = static_cast<std::uint16_t>(fresh_);
  }
}

template <auto link, typename Item>
void Neighbours::append(FixedArray<Item>& items, List& list, std::uint16_t index) {
  items[index].*link = Link{list.tail, none};
  if (list.tail == none) {
    list.head = index;
  } else {
    (items[list.tail].*link).next = index;
  }
  list.tail = index;
}

template <auto link, typename Item>
void Neighbours::remove(FixedArray<Item>& items, List& list, std::uint16_t index) {
  const Link at = items[index].*link;
  if (at.prev == none) {
    list.head = at.next;
  } else {
    (items[at.prev].*link).next = at.next;
  }
  if (at.next == none) {
    list.tail = at.prev;
  } else {
    (items[at.next].*link).prev = at.prev;
  }
}

// The hash of base/hash.hpp. The secrets keep a station from choosing addresses that collide.
std::uint32_t Neighbours::home(std::uint16_t port, const Address& ip) const {
  const std::uint64_t low = ip.low ^ (std::uint64_t{port} << 48 | port);
  const std::uint64_t x = fold(ip.high ^ secrets_[0], low ^ secrets_[1]);
  const std::uint64_t y = fold(x ^ ip.high ^ secrets_[2], x ^ low ^ secrets_[3]);
  return static_cast<std::uint32_t>(y >> 40) & slot_mask_;
}

std::uint16_t Neighbours::find(std::uint16_t port, const Address& ip) const {
  for (std::uint32_t slot = home(port, ip);; slot = (slot + 1) & slot_mask_) {
    if (slots_[slot] == 0) return none;
    const auto index = static_cast<std::uint16_t>(slots_[slot] - 1);
    if (entries_[index].ip == ip && entries_[index].hop.port == port) return index;
  }
}

void Neighbours::index_insert(std::uint16_t index) {
  std::uint32_t slot = home(entries_[index].hop.port, entries_[index].ip);
  while (slots_[slot] != 0) slot = (slot + 1) & slot_mask_;
  slots_[slot] = static_cast<std::uint16_t>(index + 1);
}

// Closes the gap by moving back the entries that had probed past it, so that no tombstones pile up.
void Neighbours::index_erase(std::uint16_t index) {
  std::uint32_t gap = home(entries_[index].hop.port, entries_[index].ip);
  while (slots_[gap] != index + 1) gap = (gap + 1) & slot_mask_;
  for (std::uint32_t slot = (gap + 1) & slot_mask_; slots_[slot] != 0;
       slot = (slot + 1) & slot_mask_) {
    const Entry& entry = entries_[slots_[slot] - 1];
    const std::uint32_t probed = (slot - home(entry.hop.port, entry.ip)) & slot_mask_;
    if (probed < ((slot - gap) & slot_mask_)) continue;
    slots_[gap] = slots_[slot];
    gap = slot;
  }
  slots_[gap] = 0;
}

std::uint16_t Neighbours::find_or_add(std::uint16_t port, const Address& ip) {
  const std::uint16_t index = find(port, ip);
  if (index == none) {
    if (free_.head == none && fresh_ == options_.capacity) evict_one();
    return add(port, ip);
  }
  Entry& entry = entries_[index];
  entry.used = true;
  if (entry.evict != never) {
    remove<&Entry::order>(entries_, evictable_[entry.evict], index);
    append<&Entry::order>(entries_, evictable_[entry.evict], index);
  }
  return index;
}

// Never evicts: `none` if no entry is free.
std::uint16_t Neighbours::add(std::uint16_t port, const Address& ip) {
  std::uint16_t index = free_.head;
  if (index != none) {
    remove<&Entry::order>(entries_, free_, index);
  } else if (fresh_ < options_.capacity) {
    index = static_cast<std::uint16_t>(fresh_++);
  } else {
    return none;
  }
  Entry& entry = entries_[index];
  entry = Entry{};
  entry.state = State::idle;
  entry.used = true;
  entry.evict = never;
  entry.hop.port = port;
  entry.ip = ip;
  entry.first_waiting = none;
  index_insert(index);
  ++size_;
  update_evictable(index);
  return index;
}

std::uint16_t Neighbours::settle(std::uint16_t port, const Address& ip, const Mac& mac, Instant now,
                                 Sink& sink) {
  const std::uint16_t index = settled_ = find_again(settled_, port, ip);
  if (index == none || resolved(index) || !mac.is_station()) return index;
  entries_[index].hop.mac = mac;
  ask(index, State::probing, 1, now, sink);
  send_waiting(index, sink);
  return index;
}

void Neighbours::resolve(std::uint16_t index, Instant now, Sink& sink) {
  if (entries_[index].state == State::idle) ask(index, State::incomplete, 1, now, sink);
}

bool Neighbours::fix(std::uint16_t port, const Address& ip, const Mac& mac) {
  if (!mac.is_station() || ip.is_any() || find(port, ip) != none) return false;
  const std::uint16_t index = add(port, ip);
  if (index == none) return false;
  hold(index);
  entries_[index].hop.mac = mac;
  set_state(index, State::fixed, Instant{});
  return true;
}

// The frames of the entry go back in the next call that has a sink.
void Neighbours::evict_one() {
  const std::uint16_t index =
      evictable_[unsure].head != none ? evictable_[unsure].head : evictable_[sure].head;
  if (index == none) return;
  Entry& entry = entries_[index];
  while (entry.first_waiting != none) {
    const std::uint16_t place = entry.first_waiting;
    entry.first_waiting = frames_[place].next;
    remove<&Waiting::age>(frames_, ages_, place);
    frames_[place].next = evicted_;
    evicted_ = place;
  }
  entry.waiting = 0;
  vacate(index);
}

void Neighbours::vacate(std::uint16_t index) {
  Entry& entry = entries_[index];
  assert(entry.holds == 0 && entry.waiting == 0);
  if (entry.evict != never) remove<&Entry::order>(entries_, evictable_[entry.evict], index);
  entry.evict = never;
  leave_timers(index);
  entry.state = State::vacant;
  index_erase(index);
  append<&Entry::order>(entries_, free_, index);
  --size_;
}

// Moves the entry to the eviction list that fits after `holds` or `state` changed.
void Neighbours::update_evictable(std::uint16_t index) {
  Entry& entry = entries_[index];
  const Evict evict = entry.holds != 0 ? never : resolved(index) ? sure : unsure;
  if (evict == entry.evict) return;
  if (entry.evict != never) remove<&Entry::order>(entries_, evictable_[entry.evict], index);
  entry.evict = evict;
  if (evict != never) append<&Entry::order>(entries_, evictable_[evict], index);
}

void Neighbours::leave_timers(std::uint16_t index) {
  const State state = entries_[index].state;
  if (state == State::reachable) remove<&Entry::timer>(entries_, lifetimes_, index);
  if (state == State::incomplete || state == State::probing) {
    remove<&Entry::timer>(entries_, retries_, index);
  }
}

// Moves the entry between the timer lists; a fresh deadline is always the latest of its list.
void Neighbours::set_state(std::uint16_t index, State state, Instant now) {
  Entry& entry = entries_[index];
  leave_timers(index);
  entry.state = state;
  if (state >= State::reachable) entry.failed = false;
  if (state == State::reachable) {
    entry.deadline = now + options_.lifetime;
    append<&Entry::timer>(entries_, lifetimes_, index);
  }
  if (state == State::incomplete || state == State::probing) {
    entry.deadline = now + options_.retry;
    append<&Entry::timer>(entries_, retries_, index);
  }
  update_evictable(index);
}

void Neighbours::ask(std::uint16_t index, State state, std::uint8_t tries, Instant now,
                     Sink& sink) {
  Entry& entry = entries_[index];
  entry.tries = tries;
  set_state(index, state, now);
  const Mac mac = entry.hop.mac;
  sink.solicit(entry.hop.port, entry.ip, state == State::probing ? &mac : nullptr);
}

bool Neighbours::enqueue(std::uint16_t index, Frame& frame, Instant now, Sink& sink) {
  Entry& entry = entries_[index];
  assert(entry.state != State::vacant);
  if (resolved(index)) {
    wire::view<wire::EthernetHeader>(frame.data).destination = entry.hop.mac;
    sink.transmit(frame);
    return true;
  }
  if (entry.waiting == options_.waiting_each) return false;
  std::optional<Frame> displaced;
  if (free_frame_ == none && evicted_ == none) displaced = take_oldest();
  return_evicted(sink);
  const std::uint16_t place = free_frame_;
  free_frame_ = frames_[place].next;
  frames_[place] = Waiting{frame, index, none, {}};
  append<&Waiting::age>(frames_, ages_, place);
  std::uint16_t* last = &entry.first_waiting;
  while (*last != none) last = &frames_[*last].next;
  *last = place;
  ++entry.waiting;
  ++waiting_;
  if (entry.state == State::idle) ask(index, State::incomplete, 1, now, sink);
  if (displaced) sink.crowded_out(*displaced);
  return true;
}

// Takes a frame out of its entry. REQUIRES: it is the first there.
Frame Neighbours::take_place(std::uint16_t place) {
  Waiting& waiting = frames_[place];
  Entry& entry = entries_[waiting.entry];
  entry.first_waiting = waiting.next;
  --entry.waiting;
  --waiting_;
  remove<&Waiting::age>(frames_, ages_, place);
  waiting.next = free_frame_;
  free_frame_ = place;
  return waiting.frame;
}

// The oldest frame of all is also the first of its entry.
Frame Neighbours::take_oldest() { return take_place(ages_.head); }

Neighbours::Taken Neighbours::take_waiting(std::uint16_t index) {
  Taken taken;
  while (entries_[index].first_waiting != none) {
    taken.frames[taken.count++] = take_place(entries_[index].first_waiting);
  }
  return taken;
}

void Neighbours::send_waiting(std::uint16_t index, Sink& sink) {
  const Mac mac = entries_[index].hop.mac;
  Taken taken = take_waiting(index);
  for (unsigned i = 0; i < taken.count; ++i) {
    wire::view<wire::EthernetHeader>(taken.frames[i].data).destination = mac;
    sink.transmit(taken.frames[i]);
  }
}

void Neighbours::return_evicted(Sink& sink) {
  while (evicted_ != none) {
    const std::uint16_t place = evicted_;
    evicted_ = frames_[place].next;
    frames_[place].next = free_frame_;
    free_frame_ = place;
    --waiting_;
    Frame frame = frames_[place].frame;
    sink.crowded_out(frame);
  }
}

void Neighbours::learn(std::uint16_t port, const Address& ip, const Mac& mac, Instant now,
                       Sink& sink, bool may_add) {
  if (!mac.is_station() || ip.is_any()) return;
  std::uint16_t index = find(port, ip);
  if (index == none && may_add) index = add(port, ip);
  if (index == none || entries_[index].state == State::fixed) return;
  Entry& entry = entries_[index];
  entry.hop.mac = mac;
  entry.used = false;
  set_state(index, State::reachable, now);
  send_waiting(index, sink);
}

void Neighbours::advance(Instant now, Sink& sink) {
  return_evicted(sink);
  unsigned left = advance_max;
  for (; left > 0 && retries_.head != none && entries_[retries_.head].deadline <= now; --left) {
    retry(retries_.head, now, sink);
  }
  for (; left > 0 && lifetimes_.head != none && entries_[lifetimes_.head].deadline <= now; --left) {
    expire(lifetimes_.head, now, sink);
  }
}

// A request was not answered in time.
void Neighbours::retry(std::uint16_t index, Instant now, Sink& sink) {
  Entry& entry = entries_[index];
  if (entry.tries < options_.tries) {
    ask(index, entry.state, static_cast<std::uint8_t>(entry.tries + 1), now, sink);
    return;
  }
  const bool wanted = entry.holds != 0 || entry.used;
  if (entry.state == State::probing && wanted) {
    entry.used = false;
    ask(index, State::incomplete, 1, now, sink);
    return;
  }
  set_state(index, State::idle, now);
  entry.failed = true;
  Taken taken = take_waiting(index);
  const bool held = entry.holds != 0;
  if (!held) vacate(index);
  for (unsigned i = 0; i < taken.count; ++i) sink.unresolved(taken.frames[i]);
  if (held) sink.unreachable(index);
}

// An answer is too old. An entry in use is probed, another one is freed.
void Neighbours::expire(std::uint16_t index, Instant now, Sink& sink) {
  Entry& entry = entries_[index];
  if (entry.holds == 0 && !entry.used) {
    vacate(index);
    return;
  }
  entry.used = false;
  ask(index, State::probing, 1, now, sink);
}

void Neighbours::give_back(FramePool& pool) {
  while (ages_.head != none) {
    const Frame frame = take_oldest();
    pool.release(&frame, 1);
  }
  for (; evicted_ != none; evicted_ = frames_[evicted_].next) {
    pool.release(&frames_[evicted_].frame, 1);
  }
}

}  // namespace salut::ip
