// What the functions of the protocol share, or one of them keeps from turn to turn: the pools,
// tables and timers of one stack, its interfaces, and the queues of one turn. The engine owns it,
// and has itself what only its calls need (stack::ActiveOpens).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/address.hpp"
#include "base/hash.hpp"
#include "base/pool.hpp"
#include "base/tick.hpp"
#include "flow/listeners.hpp"
#include "flow/table.hpp"
#include "flow/time_wait.hpp"
#include "ip/interfaces.hpp"
#include "salut/counters.hpp"
#include "salut/event.hpp"
#include "salut/stack_config.hpp"
#include "tcp/answer_limit.hpp"
#include "tcp/buffers.hpp"
#include "tcp/clock.hpp"
#include "tcp/isn.hpp"
#include "tcp/recovery.hpp"
#include "tcp/stream.hpp"
#include "tcp/syn_cookie.hpp"
#include "tcp/tcb.hpp"
#include "tcp/tcb_pool.hpp"
#include "timer/app_timers.hpp"
#include "timer/wheel.hpp"
#include "wire/emit.hpp"

namespace salut::tcp {

// Frames per interface and turn. Every bound below follows from it.
inline constexpr unsigned burst = 64;
// Connections whose output, aborts included, is worked off per turn; the rest wait for the next.
inline constexpr unsigned output_budget = 2048;
// The same per port while its bursts are full: what we send beyond what we receive in a turn would
// let the answers overflow our receive queue.
inline constexpr unsigned output_budget_behind = 2 * burst;
// Wheel entries and TIME_WAIT records worked off per turn.
inline constexpr unsigned timer_budget = 1024;
// Connections that are told again of what they left, per turn.
inline constexpr unsigned ready_budget = 1024;
// A segment raises at most three events (what its ACK gave back, what it brought, and the end), an
// entry of the wheel two (its owner's timer, and what the connection's own did), an abort one.
// Output is flushed at both ends of a turn.
inline constexpr unsigned event_capacity = 3 * burst * ip::Interfaces::max_interfaces +
                                           2 * timer_budget + 2 * output_budget + ready_budget + 64;

// In the flow table: an index with this bit is a record of the TIME_WAIT arena.
inline constexpr std::uint32_t time_wait_bit = 0x8000'0000;

// A set of slots in the order in which they were added, but for those that wait for room;
// Flag::queued keeps it a set.
class OutputQueue {
 public:
  OutputQueue(Memory& memory, std::uint32_t connections)
      : ring_(memory, std::size_t{connections} + 1, Use::tcb) {}
  bool empty() const { return head_ == tail_; }
  std::uint32_t size() const { return count_; }
  void push(std::uint32_t index) {
    ring_[tail_] = index;
    if (++tail_ == ring_.size()) tail_ = 0;
    ++count_;
  }
  std::uint32_t pop() {
    const std::uint32_t index = ring_[head_];
    if (++head_ == ring_.size()) head_ = 0;
    --count_;
    return index;
  }
  // The slot that pop() will return `ahead` calls from now. Beyond size() only for a prefetch.
  std::uint32_t peek(std::uint32_t ahead) const {
    const std::size_t at = head_ + ahead;
    return ring_[at < ring_.size() ? at : at - ring_.size()];
  }

 private:
  FixedArray<std::uint32_t> ring_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
  std::uint32_t count_ = 0;
};

// What pressure.cpp knows of a shortage of blocks.
struct Pressure {
  std::uint32_t hand = 0;         // the slot that relieve_pressure() looked at last
  std::uint32_t round_since = 0;  // tick at which its round began
  std::uint32_t largest = 0;      // the slot that holds most of what it met in this round
  std::uint32_t largest_blocks = 0;
  std::uint32_t short_since = 0;  // tick at which the shortage began
  std::uint32_t short_seen = 0;   // tick at which blocks were last short
};

// What is the same in all segments that leave by a port.
struct FrameTemplates {
  wire::FrameTemplate ip4;
  wire::FrameTemplate ip6;
};

struct Context {
  Context(const StackConfig& stack_config, std::vector<ip::Interface> interfaces, FramePool& pool,
          Memory& memory, std::uint64_t seed, std::uint8_t id, Instant start);

  StackConfig config;
  std::uint8_t stack_id;
  Clock clock;
  std::uint8_t rcv_scale;  // what we offer (RFC 7323)
  // While so many are free, everybody is offered his whole buffer (recv_limit()).
  std::uint32_t plenty_blocks;
  Duration syn_wait;  // until a SYN without a Stream leaves a second time

  Counters counters;
  ip::Interfaces interfaces;
  std::array<FrameTemplates, ip::Interfaces::max_interfaces> templates;  // by port
  TcbPool tcbs;
  Pool<Stream> streams;
  // Where the bytes of those with Flag::data_ready began, by slot: what one has moved is how far
  // SND.UNA and RCV.NXT have come since. Written once: counting costs no segment anything.
  FixedArray<Places> origins;
  Pool<Recovery> recoveries;
  Ranges ranges;
  Pool<Island> islands;
  Buffers buffers;
  Hasher hash;
  flow::Table flows;
  flow::TimeWait time_wait;
  flow::Listeners listeners;
  FixedArray<ConnectionOptions> listener_options;  // of their children
  AddressFold fold;
  // The whole addresses of IPv6 connections, beside the TCBs and beside the TIME_WAIT records;
  // empty if no interface has an IPv6 address.
  FixedArray<AddressPair> addresses6;
  FixedArray<AddressPair> time_wait6;
  timer::Wheel wheel;
  timer::AppTimers app_timers;  // on it, behind the connections
  IsnGenerator isn;
  AnswerLimits answers;
  SynCookies cookies;
  std::uint32_t half_open = 0;  // children in SYN_RECEIVED, of all listeners
  // Connections with data out of order, the oldest first, and the blocks that they hold for it.
  std::uint32_t islands_oldest = TcbPool::none;
  std::uint32_t islands_newest = TcbPool::none;
  std::uint32_t island_blocks = 0;
  Pressure pressure;
  OutputQueue outputs;
  FixedArray<salut::Event> events;
  unsigned event_count = 0;
  unsigned event_bits = 0;  // of all of them
  bool frame_kept = false;  // whoever has the received frame now, input() must not recycle it
  bool draining = false;    // Engine::drain()
  bool long_way = false;    // no short way out: for the proof that both agree

  Connection handle(std::uint32_t index) const {
    return Connection(index | std::uint32_t{stack_id} << Connection::slot_bits,
                      tcbs[index].generation);
  }
  Stream& stream(const Tcb& tcb) { return streams[tcb.stream]; }
  const Stream& stream(const Tcb& tcb) const { return streams[tcb.stream]; }
  void post_event(std::uint32_t index, unsigned what, Reason reason = Reason::none) {
    const Tcb& tcb = tcbs[index];
    event_bits |= what;
    events[event_count++] = salut::Event{handle(index), tcb.user, static_cast<std::uint16_t>(what),
                                         reason, tcb.listener};
  }
  // Of Stack::set_timer().
  void post_timer(std::uint64_t user) {
    events[event_count++] = {.user = user, .what = salut::Event::timer};
  }
  void queue_output(std::uint32_t index) {
    Tcb& tcb = tcbs[index];
    if (tcb.has(Flag::queued)) return;
    tcb.set(Flag::queued);
    outputs.push(index);
  }
  // May the connection answer such a segment now? Counts the drop if not.
  bool may_answer(std::uint32_t index, Answer reason) {
    if (answers.allow(index, tcbs[index].generation, reason, clock.tick)) return true;
    count_drop(Drop::tcp_challenge_limited);
    return false;
  }
  void count_drop(Drop drop) { ++counters.drops[static_cast<std::size_t>(drop)]; }
};

}  // namespace salut::tcp
