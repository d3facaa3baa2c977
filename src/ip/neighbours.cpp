#include "ip/neighbours.hpp"

#include <algorithm>
#include <bit>

namespace salut::ip {

Neighbours::Neighbours(Memory& memory, const NeighbourOptions& options) : options_(options) {
  options_.capacity = std::clamp(options_.capacity, 1u, 32'768u);
  options_.waiting = std::clamp(options_.waiting, 1u, 32'768u);
  options_.waiting_each = std::clamp(options_.waiting_each, 1u, waiting_max);
  entries_ = FixedArray<Entry>(memory, options_.capacity, Use::flow_table);
  slots_ = FixedArray<std::uint16_t>(memory, std::bit_ceil(options_.capacity * 2), Use::flow_table);
  frames_ = FixedArray<Waiting>(memory, options_.waiting, Use::buffers);
  slot_mask_ = static_cast<std::uint32_t>(slots_.size() - 1);
  std::fill_n(slots_.data(), slots_.size(), none);
  for (std::uint32_t i = 0; i < options_.capacity; ++i) {
    append<&Entry::order>(free_, static_cast<std::uint16_t>(i));
  }
  for (std::uint32_t i = options_.waiting; i-- > 0;) {
    frames_[i].next = free_frame_;
    free_frame_ = static_cast<std::uint16_t>(i);
  }
}

template <Neighbours::Link Neighbours::Entry::* link>
void Neighbours::append(List& list, std::uint16_t index) {
  entries_[index].*link = Link{list.tail, none};
  if (list.tail == none) {
    list.head = index;
  } else {
    (entries_[list.tail].*link).next = index;
  }
  list.tail = index;
}

template <Neighbours::Link Neighbours::Entry::* link>
void Neighbours::remove(List& list, std::uint16_t index) {
  const Link at = entries_[index].*link;
  if (at.prev == none) {
    list.head = at.next;
  } else {
    (entries_[at.prev].*link).next = at.next;
  }
  if (at.next == none) {
    list.tail = at.prev;
  } else {
    (entries_[at.next].*link).prev = at.prev;
  }
}

// The seed keeps a neighbour from choosing addresses that collide.
std::uint32_t Neighbours::home(std::uint16_t port, const Address& ip) const {
  const std::uint64_t x =
      fold(ip.high ^ options_.seed ^ 0x9e3779b97f4a7c15, ip.low ^ port ^ 0xd6e8feb86659fd93);
  const std::uint64_t y = fold(x ^ ip.high, x ^ ip.low ^ options_.seed);
  return static_cast<std::uint32_t>(y >> 40) & slot_mask_;
}

std::uint16_t Neighbours::find(std::uint16_t port, const Address& ip) const {
  for (std::uint32_t slot = home(port, ip);; slot = (slot + 1) & slot_mask_) {
    const std::uint16_t index = slots_[slot];
    if (index == none) return none;
    if (entries_[index].ip == ip && entries_[index].hop.port == port) return index;
  }
}

void Neighbours::index_insert(std::uint16_t index) {
  std::uint32_t slot = home(entries_[index].hop.port, entries_[index].ip);
  while (slots_[slot] != none) slot = (slot + 1) & slot_mask_;
  slots_[slot] = index;
}

// Closes the gap by moving back what had to probe past it, so that no tombstones gather.
void Neighbours::index_erase(std::uint16_t index) {
  std::uint32_t gap = home(entries_[index].hop.port, entries_[index].ip);
  while (slots_[gap] != index) gap = (gap + 1) & slot_mask_;
  for (std::uint32_t slot = (gap + 1) & slot_mask_; slots_[slot] != none;
       slot = (slot + 1) & slot_mask_) {
    const Entry& entry = entries_[slots_[slot]];
    const std::uint32_t probed = (slot - home(entry.hop.port, entry.ip)) & slot_mask_;
    if (probed < ((slot - gap) & slot_mask_)) continue;
    slots_[gap] = slots_[slot];
    gap = slot;
  }
  slots_[gap] = none;
}

std::uint16_t Neighbours::find_or_add(std::uint16_t port, const Address& ip) {
  const std::uint16_t index = find(port, ip);
  if (index == none) {
    if (free_.head == none && evictable_.head != none) vacate(evictable_.head);
    return add(port, ip);
  }
  entries_[index].used = true;
  if (entries_[index].evictable) {
    remove<&Entry::order>(evictable_, index);
    append<&Entry::order>(evictable_, index);
  }
  return index;
}

// Into free room only.
std::uint16_t Neighbours::add(std::uint16_t port, const Address& ip) {
  const std::uint16_t index = free_.head;
  if (index == none) return none;
  remove<&Entry::order>(free_, index);
  Entry& entry = entries_[index];
  entry = Entry{};
  entry.state = State::idle;
  entry.used = true;
  entry.hop.port = port;
  entry.ip = ip;
  entry.first_waiting = none;
  index_insert(index);
  ++size_;
  update_evictable(index);
  return index;
}

bool Neighbours::fix(std::uint16_t port, const Address& ip, const Mac& mac) {
  if (mac.is_group() || mac.is_zero() || ip.is_any() || find(port, ip) != none) return false;
  const std::uint16_t index = add(port, ip);
  if (index == none) return false;
  hold(index);
  entries_[index].hop.mac = mac;
  set_state(index, State::fixed, Instant{});
  return true;
}

void Neighbours::vacate(std::uint16_t index) {
  Entry& entry = entries_[index];
  assert(entry.holds == 0 && entry.waiting == 0);
  set_state(index, State::vacant, Instant{});
  if (entry.evictable) remove<&Entry::order>(evictable_, index);
  entry.evictable = false;
  index_erase(index);
  append<&Entry::order>(free_, index);
  --size_;
}

// Makes `evictable` true again of what is neither held nor waited in, after either changed.
void Neighbours::update_evictable(std::uint16_t index) {
  Entry& entry = entries_[index];
  const bool evictable = entry.holds == 0 && entry.waiting == 0;
  if (evictable == entry.evictable) return;
  entry.evictable = evictable;
  if (evictable) {
    append<&Entry::order>(evictable_, index);
  } else {
    remove<&Entry::order>(evictable_, index);
  }
}

void Neighbours::hold(std::uint16_t index) {
  assert(entries_[index].state != State::vacant);
  ++entries_[index].holds;
  update_evictable(index);
}

void Neighbours::release(std::uint16_t index) {
  assert(entries_[index].holds > 0);
  --entries_[index].holds;
  update_evictable(index);
}

// Moves the entry between the timer lists; a fresh deadline is always the latest of its list.
void Neighbours::set_state(std::uint16_t index, State state, Instant now) {
  Entry& entry = entries_[index];
  if (entry.state == State::reachable) remove<&Entry::timer>(lifetimes_, index);
  if (entry.state == State::incomplete || entry.state == State::probing) {
    remove<&Entry::timer>(retries_, index);
  }
  entry.state = state;
  if (state == State::reachable) {
    entry.deadline = now + options_.lifetime;
    append<&Entry::timer>(lifetimes_, index);
  }
  if (state == State::incomplete || state == State::probing) {
    entry.deadline = now + options_.retry;
    append<&Entry::timer>(retries_, index);
  }
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
  if (entry.waiting == options_.waiting_each || free_frame_ == none) return false;
  const std::uint16_t place = free_frame_;
  free_frame_ = frames_[place].next;
  frames_[place] = Waiting{frame, none};
  std::uint16_t* last = &entry.first_waiting;
  while (*last != none) last = &frames_[*last].next;
  *last = place;
  ++entry.waiting;
  ++waiting_;
  update_evictable(index);
  if (entry.state == State::idle) ask(index, State::incomplete, 1, now, sink);
  return true;
}

Neighbours::Taken Neighbours::take_waiting(std::uint16_t index) {
  Entry& entry = entries_[index];
  Taken taken;
  while (entry.first_waiting != none) {
    Waiting& waiting = frames_[entry.first_waiting];
    taken.frames[taken.count++] = waiting.frame;
    const std::uint16_t next = waiting.next;
    waiting.next = free_frame_;
    free_frame_ = entry.first_waiting;
    entry.first_waiting = next;
  }
  waiting_ -= taken.count;
  entry.waiting = 0;
  update_evictable(index);
  return taken;
}

void Neighbours::learn(std::uint16_t port, const Address& ip, const Mac& mac, Instant now,
                       Sink& sink, bool may_add) {
  if (mac.is_group() || mac.is_zero() || ip.is_any()) return;
  std::uint16_t index = find(port, ip);
  if (index == none && may_add) index = add(port, ip);
  if (index == none || entries_[index].state == State::fixed) return;
  Entry& entry = entries_[index];
  entry.hop.mac = mac;
  entry.used = false;
  set_state(index, State::reachable, now);
  Taken taken = take_waiting(index);
  for (unsigned i = 0; i < taken.count; ++i) {
    wire::view<wire::EthernetHeader>(taken.frames[i].data).destination = mac;
    sink.transmit(taken.frames[i]);
  }
}

void Neighbours::advance(Instant now, Sink& sink) {
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
  Taken taken = take_waiting(index);
  if (entry.holds == 0) vacate(index);
  for (unsigned i = 0; i < taken.count; ++i) sink.unresolved(taken.frames[i]);
}

// An answer is old. What somebody uses is probed, the rest goes.
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
  for (std::uint32_t i = 0; waiting_ > 0 && i < entries_.size(); ++i) {
    if (entries_[i].waiting == 0) continue;
    const Taken taken = take_waiting(static_cast<std::uint16_t>(i));
    pool.release(taken.frames, taken.count);
  }
}

}  // namespace salut::ip
