// One seed of a world with an adversary: its honest connections without the attack, and with it.
//
// One hostile host harms nobody: honest connections complete with the right bytes and are as quick
// as without it, and what the attack took is given back when it is over.
#pragma once

#include "seed_run.hpp"

namespace salut::sim {

// Every so many seeds one is such a world (seed_run.cpp).
Outcome run_hostile_seed(std::uint64_t seed, bool chart);

}  // namespace salut::sim
