// Applications of the seeded world: each connection has two ends that write, read, half-close,
// close or abort as their plans say, and know what they should have received.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <queue>
#include <string>
#include <tuple>
#include <vector>

#include "io/sim/world.hpp"
#include "plan.hpp"

namespace salut::hostile {
class Guests;
}

namespace salut::sim {

struct EndState {
  Plan plan;
  std::uint64_t stream = 0;  // which byte stream this end sends; the peer's is stream ^ 1
  Connection connection;
  Instant begun;  // connect(); of an accepted one, as opened
  Instant opened;
  Instant ended;
  Instant next_read;
  std::uint32_t written = 0;
  std::uint32_t received = 0;
  std::vector<std::byte> lent;  // what lend() was given; overwritten as soon as that is allowed
  std::uint32_t spoilt = 0;     // so many of its bytes
  bool open = false;            // the handshake is complete
  bool end_of_stream = false;
  bool peer_closed = false;
  bool shut = false;
  bool closed_by_us = false;
  unsigned reports = 0;  // `closed` events; must end at 1
  Reason reason = Reason::none;
};

// Byte `offset` of a stream: any slip, repetition or mix-up of streams shows.
constexpr std::byte byte_at(std::uint64_t stream, std::uint32_t offset) {
  std::uint64_t x = stream * 0x9e3779b97f4a7c15 + offset;
  x ^= x >> 29;
  x *= 0xbf58476d1ce4e5b9;
  return static_cast<std::byte>(x >> 56);
}

// Drives all ends on one host.
class Actor {
 public:
  Actor(Host& host, World& world) : host_(host), world_(world) {}

  void listen(std::uint16_t port, std::uint32_t backlog);
  void unlisten();
  // `peer` will find the accepted end's plan by address and ports; nullptr: nobody listens there.
  // What began, if there was room for it.
  const EndState* connect(const Endpoint& to, const Endpoint& from, const Action& action,
                          Actor* peer, std::uint64_t stream);
  void on_events(std::span<const Event> events);
  // Connections that nobody of ours opened are theirs.
  void welcome(hostile::Guests* guests) { guests_ = guests; }

  // From now on nobody waits: what is there is read, and what is to be written is.
  void hurry();
  // Aborts what is still open although the other end is gone: its RST was lost, or it timed out.
  void abort_half_open(const Actor& peer);

  const EndState* find_stream(std::uint64_t stream) const;
  const std::deque<EndState>& ends() const { return ends_; }
  const std::string& error() const { return error_; }

 private:
  using Key = std::tuple<IpAddress, std::uint16_t, std::uint16_t>;  // the client's, server port

  std::uint64_t add(EndState end);
  void adopt(const Event& event);
  void on_event(const Event& event);
  void drive(std::uint64_t user);
  bool read_some(EndState& end);
  void read_all(EndState& end);
  void write_some(EndState& end);
  tl::expected<std::size_t, Errc> hand_over(EndState& end, std::uint32_t count);
  void spoil(EndState& end, std::uint32_t until);
  bool check_bytes(EndState& end, std::span<const std::byte> bytes);
  void wake(std::uint64_t user, Instant at) { timers_.emplace(at, user); }
  void fail(const EndState& end, const std::string& what);
  void say(const EndState& end, const std::string& what);

  Host& host_;
  World& world_;
  hostile::Guests* guests_ = nullptr;
  std::deque<EndState> ends_;         // Event::user is the place and one
  std::map<Key, EndState> expected_;  // of connections that will be accepted
  std::map<std::uint64_t, std::uint64_t> by_stream_;
  std::map<Connection, std::uint64_t> by_handle_;
  using Timer = std::pair<Instant, std::uint64_t>;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::vector<std::byte> scratch_;
  std::vector<const EndState*> refused_;         // whose write() failed in this turn
  std::array<std::uint16_t, 2> listeners_ = {};  // of IPv4 and IPv6
  bool listening_ = false;
  bool hurry_ = false;
  std::string error_;  // the first broken promise
};

}  // namespace salut::sim
