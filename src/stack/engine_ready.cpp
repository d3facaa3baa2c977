// `readable` and `writable` by level: they come again until they are used up.
//
// On the straight road an application reads what it is told of, so nothing is kept: the events of
// the last turn are looked at once, and who has left bytes, or has not written, goes to the list.
#include <algorithm>

#include "stack/engine.hpp"
#include "tcp/shares.hpp"
#include "tcp/stream_setup.hpp"
#include "tcp/timers.hpp"

namespace salut::stack {

using tcp::Flag;
using tcp::Stream;
using tcp::Tcb;

namespace {

constexpr unsigned repeated = Event::readable | Event::writable;

unsigned unwanted(const Stream& stream) {
  return (stream.has(tcp::no_readable) ? unsigned{Event::readable} : 0u) |
         (stream.has(tcp::no_writable) ? unsigned{Event::writable} : 0u);
}

}  // namespace

// What the connection in this slot is to be told again.
unsigned Engine::unused(std::uint32_t index) const {
  const Tcb& t = c_.tcbs[index];
  if (!t.has(Flag::data_ready) || t.ending != 0) return 0;
  if (t.has(Flag::user_closed | Flag::closed_reported)) return 0;
  const Stream& stream = c_.stream(t);
  const bool end = t.has(Flag::fin_received) && !stream.has(tcp::end_told);
  unsigned what = t.recv.bytes > 0 || end ? unsigned{Event::readable} : 0u;
  if (stream.has(tcp::writable_told) && !t.has(Flag::fin_wanted)) what |= Event::writable;
  return what & ~unwanted(stream);
}

// Is there something to be told again at once? Not if each in the list was told twice since anybody
// used anything: else virtual time, which waits for nobody, would not go on. A turn tells no more
// than ready_budget of them, so that this takes several where they are many.
bool Engine::left_unused() const {
  if (told_in_vain_ < 2 * std::uint64_t{ready_.size()}) return true;
  if (!repeats_ || (c_.event_bits & repeated) == 0) return false;
  for (unsigned i = told_; i < c_.event_count; ++i) {
    if (c_.events[i].has(repeated) && unused(slot_of(c_.events[i].connection)) != 0) return true;
  }
  return false;
}

// At the beginning of a turn, of the events of the last.
void Engine::keep_unused() {
  for (unsigned i = told_; i < c_.event_count; ++i) {  // those before stand in the list
    const Event& event = c_.events[i];
    if (!event.has(repeated)) continue;
    const std::uint32_t index = slot_of(event.connection);
    if (unused(index) == 0) continue;
    ready_.add(index);
    told_in_vain_ = 0;
  }
}

void Engine::tell_again() {
  for (unsigned turns = std::min(ready_.size(), tcp::ready_budget); turns > 0; --turns) {
    const std::uint32_t index = ready_.pop();
    unsigned what = unused(index);
    if ((what & Event::writable) != 0 && tcp::blocks_for_sending(c_, c_.tcbs[index]) == 0) {
      // Others have taken the room: it waits as after a short write.
      Tcb& t = c_.tcbs[index];
      c_.stream(t).clear(tcp::writable_told);
      t.set(Flag::write_blocked);
      if (t.send.bytes == 0) tcp::start_timer(c_, index);
      what &= ~unsigned{Event::writable};
    }
    if (what == 0) continue;
    c_.post_event(index, what);
    ready_.add(index);
    ++told_in_vain_;
  }
  told_ = c_.event_count;
}

Errc Engine::want(Connection connection, unsigned what) {
  if ((what & ~repeated) != 0) return Errc::invalid_argument;
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  Tcb& t = c_.tcbs[index];
  tcp::prepare_data(c_, t);
  Stream& stream = c_.stream(t);
  stream.clear(tcp::no_readable | tcp::no_writable);
  if ((what & Event::readable) == 0) stream.set(tcp::no_readable);
  if ((what & Event::writable) == 0) stream.set(tcp::no_writable);
  filters_ |= what != repeated;
  if (repeats_ && unused(index) != 0) {
    ready_.add(index);
    told_in_vain_ = 0;
  }
  return Errc::ok;
}

// From the events of this turn, once an application has used want().
void Engine::drop_unwanted() {
  unsigned kept = 0;
  unsigned told = 0;
  for (unsigned i = 0; i < c_.event_count; ++i) {
    Event& event = c_.events[i];
    const Tcb& t = c_.tcbs[slot_of(event.connection)];
    const bool alive = t.generation == event.connection.generation() && t.has(Flag::data_ready);
    if (event.has(repeated) && alive) {
      event.what = static_cast<std::uint16_t>(event.what & ~unwanted(c_.stream(t)));
      if (event.what == 0) continue;
    }
    if (i < told_) ++told;
    c_.events[kept++] = event;
  }
  c_.event_count = kept;
  told_ = told;
}

}  // namespace salut::stack
