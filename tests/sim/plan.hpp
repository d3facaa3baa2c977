// What a seed decides: the world's size, each engine's configuration, what the links do and when
// they are cut, who opens connections to whom over which of the two families, and what the two
// applications of each do.
//
// All of it is drawn before anything runs, so that a seed is the same world whatever the engines
// do; only the links draw as they go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/sim/world.hpp"

namespace salut::sim {

// What one end of one connection does.
struct Plan {
  std::uint32_t bytes = 0;     // to send
  std::uint32_t chunk = 1000;  // per write, at most
  std::uint32_t read_size = 4096;
  Duration read_after{0};         // nothing is read before, counted from the handshake
  Duration think{0};              // between two reads
  Duration abort_at{0};           // after the handshake; 0 never
  bool close_early = false;       // close() as soon as all is written, without reading to the end
  bool half_close = false;        // shutdown() when all is written; close() at end of stream
  std::uint32_t abort_after = 0;  // bytes written; 0 never
  bool peeks = false;             // peek() and consume(), at most read_size, not read()
  bool lends = false;             // lend(), not write()

  bool orderly() const { return !close_early && abort_after == 0 && abort_at.count() == 0; }
};

struct HostPlan {
  StackConfig config;
  HostOptions options;
  Conditions conditions;
  std::uint32_t backlog = 64;
};

struct Action {
  enum class Kind : std::uint8_t { connect, connect_closed, cut, pause, unlisten, listen };
  Duration at{0};  // from the start
  Kind kind = Kind::connect;
  unsigned host = 0;
  unsigned to = 0;
  Duration length{0};  // of a cut or a pause
  bool ip6 = false;    // of a connection
  Plan mine;
  Plan theirs;
};

struct SeedPlan {
  Instant start;
  bool clean = false;  // nothing is lost, late, cut, paused or full: then nothing may time out
  std::vector<HostPlan> hosts;
  std::vector<Action> actions;  // in the order of time

  std::string describe() const;
};

SeedPlan plan_of(std::uint64_t seed);

}  // namespace salut::sim
