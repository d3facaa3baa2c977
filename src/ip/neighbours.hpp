// Who is behind a next hop: the cache of ARP (RFC 826, RFC 1122 §2.3.2) and of neighbour discovery
// (RFC 4861), one for both families.
//
// Pure: requests and frames go out through a Sink, time comes in. The place of an entry is stable
// and its 16-bit index is what a connection keeps, so that sending costs no lookup: resolved() and
// mac() are one load from one line.
//
//   idle ──enqueue──► incomplete ──reply──► reachable ──lifetime──► probing ──reply──► reachable
//     ▲                │ 3 requests, 1 s apart                        │ 3 unicast requests
//     └────────────────┘◄─────────────────────────────────────────────┘ (asks all once more first)
//
// While probing the old MAC stays in use: a neighbour that is there never costs a queued frame.
// What makes an entry: what we asked for, a handshake that was completed (settle()), and, into free
// room only and held by nobody, a request for one of our addresses (RFC 826). A reply from a
// stranger makes none (cache poisoning is still possible where a station lies about an
// address that we did ask for: that is ARP).
//
// Whoever can send a SYN can invent its source, so that a table which every SYN had a place in was
// full after a second. Here hold() and release() count who keeps an index, and only these do:
// gateways, the stations of the configuration, connections that we open, and those whose handshake
// is complete. What is held is never evicted. Of the rest those go first that nobody has answered
// for, frames and all, then those that were not used for longest. A connection in SYN_RECEIVED is
// answered at the MAC that its SYN came from; its index is link(), which names the port alone.
//
// Frames that wait are bounded twice: in one entry, so that a silent next hop keeps the others from
// nothing, and all together, where the oldest makes room for the next: what is answered at all is
// answered soon.
//
// Timers are two lists, each in order of deadline because all its waits are equally long:
// advance() looks at the heads and nowhere else. Nothing is allocated after construction, and no
// memory is touched that was never used.
//
// Calls to the Sink are made last, when the entry is consistent: it may call back.
// Thread safety: none; one stack, one lcore.
#pragma once

#include <array>
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
  Duration lifetime = std::chrono::seconds{60};  // of an answer, then it is probed
  Duration retry = std::chrono::seconds{1};      // between requests (RFC 1122: no faster than this)
  std::uint8_t tries = 3;                        // requests without an answer before giving up
  std::uint16_t links = 0;                       // ports that have a link()
  std::uint64_t seed = 0;                        // of the hash, a secret: against chosen collisions
};

// What a segment needs of its next hop.
struct NextHop {
  Mac mac;  // if resolved
  std::uint16_t port;
};

class Neighbours {
 public:
  static constexpr std::uint16_t none = 0xffff;
  static constexpr unsigned waiting_max = 64;
  static constexpr unsigned advance_max = 256;  // timers per advance(); the rest wait for the next

  enum class State : std::uint8_t {
    vacant,
    idle,        // no MAC and nobody asking: new, or given up; the next enqueue() asks
    incomplete,  // asking everybody
    reachable,
    probing,  // asking the station at the old MAC, which is still in use
    fixed,    // given by the configuration: nobody asks, nobody is believed, it is never evicted
  };

  // What the stack does for its neighbours.
  class Sink {
   public:
    virtual ~Sink() = default;
    // An ARP request or a neighbour solicitation: to all, or to `unicast` if it is not null.
    virtual void solicit(std::uint16_t port, const Address& target, const Mac* unicast) = 0;
    // The frame is the sink's again, its destination MAC filled in.
    virtual void transmit(Frame& frame) = 0;
    // The frame is the sink's again: nobody answered (Drop::neighbour_unresolved).
    virtual void unresolved(Frame& frame) = 0;
    // The frame is the sink's again: others needed its place (Drop::neighbour_queue_full).
    virtual void crowded_out(Frame& frame) = 0;
    // Nobody answers for an entry that is held: whoever waits for it waits in vain.
    virtual void unreachable(std::uint16_t index) = 0;
  };

  explicit Neighbours(Memory& memory, const NeighbourOptions& options = {});

  // The entry of a next hop. `none` if the table is full of entries that
  // are held. Without hold() the index is good until the next call that may add or advance().
  std::uint16_t find_or_add(std::uint16_t port, const Address& ip);
  std::uint16_t find(std::uint16_t port, const Address& ip) const;
  // Where a look-up begins; nobody without the seed can say.
  std::uint32_t home(std::uint16_t port, const Address& ip) const;

  // The entry that stands for a port and no station in particular: resolved, with a MAC of zeros.
  static std::uint16_t link(std::uint16_t port) { return port; }
  bool is_link(std::uint16_t index) const { return index < options_.links; }

  // The entry of a station that has just completed a handshake at `mac`, which is used from now on
  // where no other is known, and asked whether it is right. `none` as above.
  std::uint16_t settle(std::uint16_t port, const Address& ip, const Mac& mac, Instant now,
                       Sink& sink);

  // Asks for a station that is not known yet, before there is anything to send.
  void resolve(std::uint16_t index, Instant now, Sink& sink);

  // Set-up: the station's MAC, for good. False if there is no room, or a MAC that is not a
  // station's.
  bool fix(std::uint16_t port, const Address& ip, const Mac& mac);

  void hold(std::uint16_t index);
  void release(std::uint16_t index);

  // Whether mac() may be used now.
  bool resolved(std::uint16_t index) const { return entries_[index].state >= State::reachable; }
  // REQUIRES: resolved(index).
  const Mac& mac(std::uint16_t index) const { return entries_[index].hop.mac; }
  const NextHop& hop(std::uint16_t index) const { return entries_[index].hop; }

  // Takes the frame until the next hop is known, asking for it if nobody has; sends it at once if
  // it is known. False if too many are waiting there: the frame stays the caller's
  // (Drop::neighbour_queue_full).
  [[nodiscard]] bool enqueue(std::uint16_t index, Frame& frame, Instant now, Sink& sink);

  // A sender's address in an ARP packet that came in on `port`: a reply, a request to us, or a
  // gratuitous one; of IPv6, that of a solicitation or an advertisement. Updates an entry that
  // exists. `may_add`: for a request to one of our addresses, whose sender will talk to us next
  // (RFC 826); takes free room only.
  void learn(std::uint16_t port, const Address& ip, const Mac& mac, Instant now, Sink& sink,
             bool may_add = false);

  // When the next request is repeated or given up; nothing if none is out.
  std::optional<Instant> next_retry() const {
    if (retries_.head == none) return std::nullopt;
    return entries_[retries_.head].deadline;
  }
  // Runs the timers that are due, at most advance_max. Every 100 ms or so.
  void advance(Instant now, Sink& sink);

  // The end: what still waits goes back to where it came from.
  void give_back(FramePool& pool);

  std::uint16_t port(std::uint16_t index) const { return entries_[index].hop.port; }
  State state(std::uint16_t index) const { return entries_[index].state; }
  std::uint32_t holds(std::uint16_t index) const { return entries_[index].holds; }
  std::uint32_t size() const { return size_; }
  std::uint32_t capacity() const { return options_.capacity - options_.links; }
  // Frames in all entries, and in those evicted since the last call with a sink.
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
  // What is not held, in order of eviction.
  enum Evict : std::uint8_t { unsure, sure, never };
  struct Entry {
    NextHop hop;
    State state;
    std::uint8_t tries;
    std::uint8_t waiting;  // frames
    bool used;             // looked up since it was last confirmed
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
  // Frames taken out of an entry, so that no list is open while the sink is called.
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
  FixedArray<std::uint16_t> slots_;  // open-addressed, linear; an entry's index and one, or 0
  FixedArray<Waiting> frames_;
  std::uint32_t slot_mask_ = 0;
  std::array<std::uint64_t, 4> secrets_ = {};
  std::uint32_t size_ = 0;
  std::uint32_t waiting_ = 0;
  std::uint16_t free_frame_ = none;
  std::uint16_t evicted_ = none;  // frames of entries that went, until there is a sink for them
  List ages_;                     // frames in entries, oldest first
  std::uint32_t fresh_ = 0;       // entries from here on were never used
  List free_;
  std::array<List, 2> evictable_;  // by Evict; longest unused first
  List retries_;                   // earliest deadline first, as is the next
  List lifetimes_;
};

}  // namespace salut::ip
