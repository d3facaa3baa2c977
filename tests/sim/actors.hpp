// Applications of the seeded world: each connection has two ends that write, read, half-close,
// close or abort as the seed says, and know what they should have received.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "io/sim/world.hpp"

namespace salut::sim {

// What one end of one connection does.
struct Plan {
  std::uint32_t bytes = 0;     // to send
  std::uint32_t chunk = 1000;  // per write, at most
  std::uint32_t read_size = 4096;
  bool close_early = false;       // close() as soon as all is written, without reading to the end
  bool half_close = false;        // shutdown() when all is written; close() at end of stream
  std::uint32_t abort_after = 0;  // bytes written; 0 never

  bool orderly() const { return !close_early && abort_after == 0; }
};

struct EndState {
  Plan plan;
  std::uint64_t stream = 0;  // which byte stream this end sends
  Connection connection;
  std::uint32_t written = 0;
  std::uint32_t received = 0;
  bool end_of_stream = false;
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

// Drives all ends on one host. Ends are found by the remote and local port of the connection.
class Actor {
 public:
  Actor(Host& host, World& world) : host_(host), world_(world) {}

  // The other side's plans, by the pair of ports as the acceptor sees it.
  using Key = std::pair<std::uint16_t, std::uint16_t>;  // client port, server port

  bool connect(Host& to, std::uint32_t address, std::uint16_t port, const Plan& mine,
               const Plan& theirs, Actor& peer, std::uint64_t stream);
  void on_events(std::span<const Event> events);
  // Aborts what is still open although the other end is gone: its RST was lost, or it timed out.
  void abort_half_open(const Actor& peer);
  const EndState* find_stream(std::uint64_t stream) const;

  std::map<std::uint64_t, EndState> ends;  // by Event::user
  std::map<Key, EndState> expected;        // of connections that will be accepted
  std::string error;                       // the first broken promise

 private:
  void adopt(const Event& event);
  void drive(EndState& end);
  void read_all(EndState& end);
  void write_some(EndState& end);
  void fail(const std::string& what) {
    if (error.empty()) error = host_.name + ": " + what;
  }

  Host& host_;
  World& world_;
  std::uint64_t next_user_ = 1;
};

}  // namespace salut::sim
