// The MACs of next hops: the cache of ARP (RFC 826, RFC 1122 §2.3.2) and of neighbour discovery
// (RFC 4861), one for both families.
//
// It sends requests and frames through a Sink, and time is an argument. An entry never moves, and a
// connection keeps its 16-bit index, so that sending needs no look-up: resolved() and mac() are one
// load from one line.
//
//   idle ──enqueue──► incomplete ──reply──► reachable ──lifetime──► probing ──reply──► reachable
//     ▲                │ 3 requests, 1 s apart                        │ 3 unicast requests
//     └────────────────┘◄─────────────────────────────────────────────┘ (asks all once more first)
//
// While an entry is probed its old MAC stays in use, so that frames to a neighbour that is there
// never wait. Three things make an entry: we ask for a station; a handshake is completed
// (settle()); a station asks for one of our addresses (RFC 826), but only if an entry is free. A
// reply that we did not ask for makes none. A station that lies about an address that we did ask
// for still poisons the cache: ARP cannot prevent that.
//
// An attacker can invent the source of a SYN. If every SYN had an entry, the table would be full in
// a second. So entries are held by use, with hold() and release(), and only these hold one:
// gateways, the stations of the configuration, connections that we open, and those whose handshake
// is complete. A held entry is never evicted. Of the others those without an answer go first, with
// their frames, then those that were unused for longest. A connection in SYN_RECEIVED answers to
// the MAC that its SYN came from; its index is link(), which only says the port.
//
// Waiting frames are bounded twice: per entry, so that a silent next hop takes nothing from others,
// and in total, where the oldest frame makes room for the next: a station that answers at all
// answers soon.
//
// The timers are two lists. All waits of a list are equally long, so that each is in order of
// deadline and advance() only looks at the heads. Nothing is allocated after construction, and an
// entry that was never used is never touched.
//
// The Sink is called last, when the entry is consistent, because it may call back.
// Thread safety: none; one stack, one lcore.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <optional>

#include "base/address.hpp"
#include "base/hash.hpp"
#include "base/memory.hpp"
#include "salut/frame.hpp"
#include "salut/time.hpp"
#include "wire/headers.hpp"

namespace salut::ip {

struct NeighbourOptions {
  std::uint32_t capacity = 4'096;   // entries, 1..65,534 with `links`
  std::uint32_t waiting = 1'024;    // frames that may wait in all entries together, 1..32,768
  std::uint32_t waiting_each = 64;  // … in one, 1..waiting_max
  Duration lifetime = std::chrono::seconds{60};  // of an answer; then the station is probed
  Duration retry = std::chrono::seconds{1};      // between requests (RFC 1122: no faster than this)
  std::uint8_t tries = 3;                        // requests without an answer before giving up
  std::uint16_t links = 0;                       // ports that have a link()
  std::uint64_t seed = 0;  // of the hash; secret, or a station could choose colliding addresses
};

// What a segment needs to know about its next hop.
struct NextHop {
  Mac mac;  // if resolved
  std::uint16_t port;
  // The MAC, with the port above it, in one load.
  std::uint64_t word() const { return std::bit_cast<std::uint64_t>(*this); }
};

class Neighbours {
 public:
  static constexpr std::uint16_t none = 0xffff;
  static constexpr unsigned waiting_max = 64;
  static constexpr unsigned advance_max = 256;  // timers per advance(); the rest wait for the next

  enum class State : std::uint8_t {
    vacant,
    idle,        // no MAC and no request out: new, or given up; the next enqueue() asks
    incomplete,  // asking by broadcast or multicast
    reachable,
    probing,  // asking the station at the old MAC, which is still in use
    fixed,    // from the configuration: never asked for, never changed, never evicted
  };

  // The stack's side: sends requests, and gets its frames back.
  class Sink {
   public:
    virtual ~Sink() = default;
    // An ARP request or a neighbour solicitation: to all, or to `unicast` if it is not null.
    virtual void solicit(std::uint16_t port, const Address& target, const Mac* unicast) = 0;
    // The sink owns the frame again, with its destination MAC filled in.
    virtual void transmit(Frame& frame) = 0;
    // The sink owns the frame again: nobody answered (Drop::neighbour_unresolved).
    virtual void unresolved(Frame& frame) = 0;
    // The sink owns the frame again: others needed its place (Drop::neighbour_queue_full).
    virtual void crowded_out(Frame& frame) = 0;
    // No station answered for an entry that is held: its holders wait in vain.
    virtual void unreachable(std::uint16_t index) = 0;
  };

  explicit Neighbours(Memory& memory, const NeighbourOptions& options = {});

  // The entry of a next hop, or `none` if all entries are held. Unless hold() follows, the index is
  // valid until the next call that may add an entry, or advance().
  std::uint16_t find_or_add(std::uint16_t port, const Address& ip);
  std::uint16_t find(std::uint16_t port, const Address& ip) const;
  // find_or_add() for one who has asked before: one compare where the entry `last` is still held
  // and the station's, as it is while somebody opens connections to it.
  std::uint16_t find_again(std::uint16_t last, std::uint16_t port, const Address& ip) {
    if (last < fresh_) {
      Entry& entry = entries_[last];
      const bool same = entry.evict == never && entry.state != State::vacant &&
                        entry.hop.port == port && entry.ip == ip;
      if (same) {
        entry.used = true;
        return last;
      }
    }
    return find_or_add(port, ip);
  }
  // The slot where a look-up begins. It depends on the secret seed.
  std::uint32_t home(std::uint16_t port, const Address& ip) const;

  // The entry that stands for a port, not for a station: resolved, with a MAC of zeros.
  static std::uint16_t link(std::uint16_t port) { return port; }
  bool is_link(std::uint16_t index) const { return index < options_.links; }

  // The entry of a station that has just completed a handshake from `mac`. If no MAC is known, this
  // one is used from now on, and a unicast request checks it. `none` as above.
  std::uint16_t settle(std::uint16_t port, const Address& ip, const Mac& mac, Instant now,
                       Sink& sink);

  // Asks for a station that is not known yet, before there is a frame to send.
  void resolve(std::uint16_t index, Instant now, Sink& sink);

  // For set-up: gives a station's MAC for good. False: the table is full, the address is known
  // already, or `mac` is not unicast.
  bool fix(std::uint16_t port, const Address& ip, const Mac& mac);

  void hold(std::uint16_t index) {
    assert(entries_[index].state != State::vacant);
    if (entries_[index].holds++ == 0) update_evictable(index);
  }
  void release(std::uint16_t index) {
    assert(entries_[index].holds > 0);
    if (--entries_[index].holds == 0) update_evictable(index);
  }

  // May mac() be used now?
  bool resolved(std::uint16_t index) const { return entries_[index].state >= State::reachable; }
  // REQUIRES: resolved(index).
  const Mac& mac(std::uint16_t index) const { return entries_[index].hop.mac; }
  const NextHop& hop(std::uint16_t index) const { return entries_[index].hop; }

  // Keeps the frame until the next hop is known, and asks for it if no request is out; sends it at
  // once if the next hop is known. False: too many wait there, and the caller keeps the frame
  // (Drop::neighbour_queue_full).
  [[nodiscard]] bool enqueue(std::uint16_t index, Frame& frame, Instant now, Sink& sink);

  // Takes the sender's address of a valid ARP packet, or that of a neighbour solicitation or
  // advertisement, from `port`. Updates an entry that exists. `may_add`: makes one if an entry is
  // free, for a request to one of our addresses, whose sender will talk to us next (RFC 826).
  void learn(std::uint16_t port, const Address& ip, const Mac& mac, Instant now, Sink& sink,
             bool may_add = false);

  // When the next request is repeated or given up; empty if no request is out.
  std::optional<Instant> next_retry() const {
    if (retries_.head == none) return std::nullopt;
    return entries_[retries_.head].deadline;
  }
  // Runs the timers that are due, at most advance_max. Call it about every 100 ms.
  void advance(Instant now, Sink& sink);

  // Releases all waiting frames to the pool; before the end.
  void give_back(FramePool& pool);

  std::uint16_t port(std::uint16_t index) const { return entries_[index].hop.port; }
  State state(std::uint16_t index) const { return entries_[index].state; }
  // Did the station not answer when it was last given up? It has not been heard of since, but may
  // be asked for again (incomplete). An entry that goes to another station begins anew.
  bool failed(std::uint16_t index) const { return entries_[index].failed; }
  std::uint32_t holds(std::uint16_t index) const { return entries_[index].holds; }
  std::uint32_t size() const { return size_; }
  std::uint32_t capacity() const { return options_.capacity - options_.links; }
  // Frames that wait in entries, or in entries that were evicted since the last call with a sink.
  std::uint32_t waiting() const { return waiting_; }

 private:
  struct Link {
    std::uint16_t prev;
    std::uint16_t next;
  };
  struct List {
    std::uint16_t head = none;
    std::uint16_t tail = none;
  };
  // `unsure` entries, without a MAC, are evicted before `sure` ones; held ones `never`.
  enum Evict : std::uint8_t { unsure, sure, never };
  struct Entry {
    NextHop hop;
    State state;
    std::uint8_t tries;
    std::uint8_t waiting;  // frames
    bool used;             // looked up since it was last confirmed
    bool failed;           // the last that was asked for it in full was not answered
    Evict evict;           // which of evictable_ it is in
    std::uint16_t first_waiting;
    Address ip;
    std::uint32_t holds;
    Link order;  // in free_ or evictable_
    Link timer;  // in retries_ (incomplete, probing) or lifetimes_ (reachable)
    Instant deadline;
  };
  static_assert(sizeof(Entry) <= 64);
  struct Waiting {
    Frame frame;
    std::uint16_t entry;
    std::uint16_t next;  // in the entry, among the evicted, or free
    Link age;            // in ages_
  };
  // Frames taken out of an entry, so that no list is being changed while the sink is called.
  struct Taken {
    Frame frames[waiting_max];
    unsigned count = 0;
  };

  template <auto link, typename Item>
  static void append(FixedArray<Item>& items, List& list, std::uint16_t index);
  template <auto link, typename Item>
  static void remove(FixedArray<Item>& items, List& list, std::uint16_t index);

  void index_insert(std::uint16_t index);
  void index_erase(std::uint16_t index);

  std::uint16_t add(std::uint16_t port, const Address& ip);
  void vacate(std::uint16_t index);
  void update_evictable(std::uint16_t index);
  void evict_one();
  void leave_timers(std::uint16_t index);
  void set_state(std::uint16_t index, State state, Instant now);
  void ask(std::uint16_t index, State state, std::uint8_t tries, Instant now, Sink& sink);
  void retry(std::uint16_t index, Instant now, Sink& sink);
  void expire(std::uint16_t index, Instant now, Sink& sink);
  Taken take_waiting(std::uint16_t index);
  void send_waiting(std::uint16_t index, Sink& sink);
  Frame take_place(std::uint16_t place);
  Frame take_oldest();
  void return_evicted(Sink& sink);

  NeighbourOptions options_;
  FixedArray<Entry> entries_;
  FixedArray<std::uint16_t> slots_;  // hash table, linear probing: index of an entry + 1, or 0
  FixedArray<Waiting> frames_;
  std::uint32_t slot_mask_ = 0;
  std::array<std::uint64_t, 4> secrets_ = {};
  std::uint32_t size_ = 0;
  std::uint32_t waiting_ = 0;
  std::uint16_t free_frame_ = none;
  std::uint16_t evicted_ = none;  // frames of evicted entries, until a call has a sink
  List ages_;                     // frames in entries, oldest first
  std::uint16_t settled_ = none;  // the last: handshakes come in crowds, from few next hops
  std::uint32_t fresh_ = 0;       // entries from here on were never used
  List free_;
  std::array<List, 2> evictable_;  // by Evict; longest unused first
  List retries_;                   // earliest deadline first, as in lifetimes_
  List lifetimes_;
};

}  // namespace salut::ip
