// Breadth first through everything that can happen to a Model: every state once, by a shortest
// sequence of choices, down to a depth.
//
// Beside what the model checks of itself after each step, from each state everything is brought to
// its end, once with a network that works and once with one that is dead: both applications must be
// told and every pool be full again. So no state is a deadlock, and from none is CLOSED out of
// reach. A way to the end that meets the way of an earlier state is not followed twice.
//
// A state is known by its fingerprint, 64 bits: among a million states the chance that two are
// taken for one is 3e-8. Cost: about 20 µs per transition.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "model.hpp"

namespace salut::search {

struct Result {
  std::uint64_t states = 0;       // distinct ones
  std::uint64_t transitions = 0;  // choices tried, one step each
  std::uint64_t drain_steps = 0;
  unsigned depth = 0;        // every state within so many choices was visited
  bool exhausted = false;    // there are no others, at any depth
  std::string error;         // the first broken promise
  std::vector<Choice> path;  // the choices that led to it
  oracle::Edges edges;
};

class Search {
 public:
  explicit Search(const Scenario& scenario) : model_(scenario) {}

  // `states_max` bounds memory, about 60 bytes per state; 0 for none.
  Result run(unsigned depth, std::uint64_t states_max = 0);

  // One path once more, with what both engines did.
  static std::string replay(const Scenario& scenario, const std::vector<Choice>& path,
                            std::string* chart);

 private:
  struct Node {
    std::uint32_t parent = 0;
    Choice by;
  };

  bool visit(std::uint32_t node);
  void go_to(std::uint32_t node);
  bool drain(bool network_works);
  std::vector<std::uint32_t> ancestors(std::uint32_t node) const;
  bool fails(std::uint32_t node);

  Model model_;
  Result result_;
  std::vector<Node> nodes_;  // 0 is the start
  std::unordered_set<std::uint64_t> seen_;
  std::array<std::unordered_set<std::uint64_t>, 2> ends_;  // by network_works: come to a good end
  std::vector<std::uint32_t> path_;                        // whose snapshots are in levels_
  std::vector<Arena::Snapshot> levels_;
};

// Empty if nothing goes wrong on this path or in the ends from there.
std::string follow(Model& model, const std::vector<Choice>& path);

}  // namespace salut::search
