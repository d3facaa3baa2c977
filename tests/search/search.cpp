#include "search.hpp"

#include <algorithm>

namespace salut::search {
namespace {

constexpr unsigned drain_most = 2000;  // steps; no way to the end is that long

}  // namespace

Result Search::run(unsigned depth, std::uint64_t states_max) {
  result_ = Result{};
  nodes_.assign(1, Node{});
  seen_.clear();
  seen_.insert(model_.fingerprint());
  path_.assign(1, 0);
  levels_.resize(1);
  model_.arena().save(levels_[0]);
  std::uint32_t first = 0;
  for (unsigned level = 0;; ++level) {
    const auto last = static_cast<std::uint32_t>(nodes_.size());
    result_.depth = level;
    if (first == last) {
      result_.exhausted = true;
      break;
    }
    if (states_max != 0 && last > states_max) break;
    for (std::uint32_t node = first; node < last; ++node) {
      go_to(node);
      if (!drain(true) || !drain(false)) return fails(node), result_;
      if (level == depth) continue;
      if (!visit(node)) return result_;
    }
    first = last;
    if (level == depth) break;
  }
  result_.states = nodes_.size();
  result_.edges = model_.edges_seen();
  return result_;
}

// Tries every choice from `node`, at which the model stands.
bool Search::visit(std::uint32_t node) {
  std::vector<Choice> choices;
  model_.choices(choices);
  for (const Choice& choice : choices) {
    model_.apply(choice);
    ++result_.transitions;
    const bool is_new = seen_.insert(model_.fingerprint()).second;
    if (is_new || !model_.error().empty()) nodes_.push_back(Node{node, choice});
    if (!model_.error().empty()) {
      fails(static_cast<std::uint32_t>(nodes_.size() - 1));
      return false;
    }
    model_.arena().restore(levels_.back());
  }
  return true;
}

// From the last node: back to the ancestor that both have, and down from there.
void Search::go_to(std::uint32_t node) {
  const std::vector<std::uint32_t> to = ancestors(node);
  std::size_t same = 0;
  while (same < to.size() && same < path_.size() && to[same] == path_[same]) ++same;
  model_.arena().restore(levels_[same - 1]);
  path_ = to;
  levels_.resize(to.size());
  for (std::size_t i = same; i < to.size(); ++i) {
    model_.apply(nodes_[to[i]].by);
    model_.arena().save(levels_[i]);
  }
}

std::vector<std::uint32_t> Search::ancestors(std::uint32_t node) const {
  std::vector<std::uint32_t> line(1, node);
  while (node != 0) line.push_back(node = nodes_[node].parent);
  std::reverse(line.begin(), line.end());
  return line;
}

bool Search::drain(bool network_works) {
  auto& good = ends_[network_works ? 1 : 0];
  for (unsigned steps = 0; good.insert(model_.fingerprint()).second; ++steps) {
    ++result_.drain_steps;
    if (!model_.drain_step(network_works)) {
      model_.check_at_rest();
      break;
    }
    if (!model_.error().empty()) break;
    if (steps == drain_most) return false;
  }
  model_.arena().restore(levels_.back());
  return model_.error().empty();
}

bool Search::fails(std::uint32_t node) {
  result_.error = model_.error().empty() ? "it does not come to an end" : model_.error();
  for (const std::uint32_t at : ancestors(node)) {
    if (at != 0) result_.path.push_back(nodes_[at].by);
  }
  result_.states = nodes_.size();
  return false;
}

std::string Search::replay(const Scenario& scenario, const std::vector<Choice>& path,
                           std::string* chart) {
  Model model(scenario);
  model.chart(chart != nullptr);
  std::string error = follow(model, path);
  if (chart != nullptr) {
    for (const std::string& line : model.lines()) *chart += line + '\n';
  }
  return error;
}

std::string follow(Model& model, const std::vector<Choice>& path) {
  for (const Choice& choice : path) {
    std::vector<Choice> possible;
    model.choices(possible);
    if (std::find(possible.begin(), possible.end(), choice) == possible.end()) {
      return describe(choice) + " cannot happen there";
    }
    model.apply(choice);
    if (!model.error().empty()) return model.error();
  }
  Arena::Snapshot here;
  model.arena().save(here);
  for (const bool network_works : {true, false}) {
    unsigned steps = 0;
    while (model.error().empty() && model.drain_step(network_works)) {
      if (++steps == drain_most) return "it does not come to an end";
    }
    model.check_at_rest();
    if (!model.error().empty()) return model.error();
    model.arena().restore(here);
  }
  return {};
}

}  // namespace salut::search
