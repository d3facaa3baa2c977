// What a seed of a world with an adversary decides: honest hosts on a link and behind a router, who
// connects to whom and what they exchange, and which attacks one more host carries out on whom.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attacker.hpp"
#include "plan.hpp"

namespace salut::sim {

// What honest hosts may expect while the attack goes on.
enum class Promise : std::uint8_t {
  // Every pool has what everybody needs, the attacker included: to be served, and at once.
  quick,
  // The attacker holds memory, and there is as much as the minima of all need (tcp/shares.hpp): to
  // be served, at the pace that the minimum gives.
  served,
  // There is less: to be served once the peers that take nothing were ended (tcp/pressure.hpp). An
  // honest one whose window stays shut for two seconds, because nobody reads, is one of those.
  relieved,
  // All slots, or without cookies all of the backlog, are taken or may be: to be served once they
  // are free again, or to be told; and whoever is connected stays so, but for those that `relieved`
  // ends.
  told,
};

struct HostilePlan {
  Instant start;
  Duration attack_end{0};  // from the start
  bool rough = false;      // frames are lost and late, so that no time is promised
  Promise promise = Promise::quick;
  bool syn_may_wait = false;  // a burst of real handshakes may fill a backlog without cookies
  std::vector<HostPlan> hosts;
  std::vector<bool> far;  // of each host: behind the router
  std::vector<unsigned> victims;
  std::vector<Action> actions;
  std::vector<hostile::Orders> orders;
  Duration patience{0};  // of servers with strangers

  std::string describe() const;
};

HostilePlan hostile_plan_of(std::uint64_t seed);

}  // namespace salut::sim
