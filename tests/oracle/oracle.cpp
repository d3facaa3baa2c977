#include "oracle.hpp"

#include <algorithm>

#include "tcp/lifecycle.hpp"

namespace salut::oracle {
namespace {

constexpr std::size_t closed = static_cast<std::size_t>(State::closed);
constexpr std::size_t listen = static_cast<std::size_t>(State::listen);

bool is_open_ended(std::size_t state) { return state == closed || state == listen; }

Edges build_edges() {
  Edges edges;
  for (std::size_t s = 0; s < state_count; ++s) {
    const auto from = static_cast<State>(s);
    for (std::size_t e = 0; e < tcp::event_count; ++e) {
      const State to = tcp::step(from, static_cast<tcp::StateEvent>(e)).to;
      if (to != from) edges.set(edge(from, to));
    }
    // From CLOSED and LISTEN the fast path is not taken: there is no connection to take it.
    if (is_open_ended(s)) continue;
    for (unsigned bits = 0; bits < 8; ++bits) {
      // Where no FIN of ours is in flight, none is acknowledged.
      const State to = tcp::fast_step(from, bits).to;
      if (to != from) edges.set(edge(from, to));
    }
  }
  return edges;
}

using Amounts = std::array<std::int64_t, state_count>;

// Moves `amount` from every left node to right nodes along edges: augmenting paths one unit at a
// time would be slow for many connections, so that the flow is pushed in whole bottlenecks.
class Flow {
 public:
  Flow(const Amounts& supply, const Amounts& demand) : supply_(supply), demand_(demand) {}

  bool explain() {
    for (std::size_t s = 0; s < state_count; ++s) {
      while (supply_[s] > 0 && !is_open_ended(s)) {
        if (!push_from(s)) return false;
      }
    }
    // What is still asked for comes out of nothing, by way of other connections' moves if need be.
    for (std::size_t t = 0; t < state_count; ++t) {
      while (demand_[t] > 0 && !is_open_ended(t)) {
        if (!push_from(closed, t) && !push_from(listen, t)) return false;
      }
    }
    return true;
  }
  std::int64_t along(std::size_t s, std::size_t t) const { return flow_[s][t]; }

 private:
  static constexpr std::size_t any = state_count;

  // One bottleneck from left node `s` to a right node with demand (`wanted`, if given).
  bool push_from(std::size_t s, std::size_t wanted = any) {
    seen_left_.reset();
    const std::int64_t most = is_open_ended(s) ? demand_[wanted] : supply_[s];
    const std::int64_t pushed = augment(s, most, wanted);
    if (!is_open_ended(s)) supply_[s] -= pushed;
    return pushed > 0;
  }

  std::int64_t augment(std::size_t s, std::int64_t most, std::size_t wanted) {
    if (seen_left_.test(s)) return 0;
    seen_left_.set(s);
    // Where entries are to be explained rather than where none need to be.
    for (const bool endless : {false, true}) {
      for (std::size_t t = 0; t < state_count; ++t) {
        if (!allowed_edges().test(s * state_count + t) || (wanted != any && t != wanted)) continue;
        if (endless ? wanted != any || !is_open_ended(t) : demand_[t] == 0) continue;
        const std::int64_t pushed = endless ? most : std::min(most, demand_[t]);
        if (!endless) demand_[t] -= pushed;
        flow_[s][t] += pushed;
        return pushed;
      }
    }
    // Through t: somebody else who moved there moves elsewhere instead.
    for (std::size_t t = 0; t < state_count; ++t) {
      if (!allowed_edges().test(s * state_count + t)) continue;
      for (std::size_t other = 0; other < state_count; ++other) {
        if (other == s || flow_[other][t] == 0) continue;
        const std::int64_t pushed = augment(other, std::min(most, flow_[other][t]), wanted);
        if (pushed == 0) continue;
        flow_[other][t] -= pushed;
        flow_[s][t] += pushed;
        return pushed;
      }
    }
    return 0;
  }

  Amounts supply_;
  Amounts demand_;
  std::array<Amounts, state_count> flow_ = {};
  std::bitset<state_count> seen_left_;
};

std::string amounts_text(const Amounts& amounts) {
  std::string text;
  for (std::size_t s = 0; s < state_count; ++s) {
    if (amounts[s] == 0 || is_open_ended(s)) continue;
    text += ' ' + std::string(state_names[s]) + ' ' + std::to_string(amounts[s]);
  }
  return text.empty() ? " none" : text;
}

std::string differs(const char* what, std::uint64_t is, std::uint64_t should) {
  if (is == should) return {};
  return std::string(what) + " is " + std::to_string(is) + " and not " + std::to_string(should);
}

struct Tally {
  std::array<std::uint64_t, state_count> states = {};
  std::uint64_t used = 0;
  std::uint64_t in_table = 0;
  std::uint64_t half_open = 0;
};

Tally tally(const tcp::Context& c) {
  Tally tally;
  for (std::uint32_t i = 0; i < c.tcbs.size(); ++i) {
    const tcp::Tcb& t = c.tcbs[i];
    if (t.key == decltype(t.key){}) continue;
    ++tally.used;
    ++tally.states[t.state.index()];
    if (!t.has(tcp::Flag::finished)) ++tally.in_table;
    if (t.has(tcp::Flag::passive) && t.has(tcp::Flag::syn_unacked)) ++tally.half_open;
  }
  return tally;
}

}  // namespace

const Edges& allowed_edges() {
  static const Edges edges = build_edges();
  return edges;
}

std::string unexplained(const Counters& before, const Counters& after, Edges* seen) {
  Amounts entered = {}, left = {};
  bool any = false;
  for (std::size_t s = 0; s < state_count; ++s) {
    entered[s] = static_cast<std::int64_t>(after.states_entered[s] - before.states_entered[s]);
    left[s] = static_cast<std::int64_t>(before.states[s]) + entered[s] -
              static_cast<std::int64_t>(after.states[s]);
    any = any || entered[s] != 0 || left[s] != 0;
  }
  if (!any) return {};
  for (std::size_t s = 0; s < state_count; ++s) {
    if (left[s] < 0 && !is_open_ended(s)) {
      return "more connections in " + std::string(state_names[s]) + " than ever entered it";
    }
  }
  Flow flow(left, entered);
  if (!flow.explain()) {
    return "no rows of the transition table explain it: left" + amounts_text(left) + ", entered" +
           amounts_text(entered);
  }
  if (seen != nullptr) {
    for (std::size_t s = 0; s < state_count; ++s) {
      for (std::size_t t = 0; t < state_count; ++t) {
        if (flow.along(s, t) > 0) seen->set(s * state_count + t);
      }
    }
  }
  return {};
}

std::string inconsistent(const stack::Engine& engine) {
  const tcp::Context& c = engine.context();
  Tally sum = tally(c);
  std::string wrong = differs("the count of TCBs in use", c.tcbs.in_use(), sum.used);
  if (!wrong.empty()) return wrong;
  sum.states[static_cast<std::size_t>(State::time_wait)] += c.time_wait.size();
  for (std::size_t s = 0; s < state_count; ++s) {
    if (s == listen) continue;
    wrong = differs(state_names[s].data(), c.counters.states[s], sum.states[s]);
    if (!wrong.empty()) return "the gauge of " + wrong;
  }
  return differs("the flow table's size", c.flows.size(), sum.in_table + c.time_wait.size());
}

std::string not_at_rest(const stack::Engine& engine) {
  const tcp::Context& c = engine.context();
  for (std::size_t s = 0; s < state_count; ++s) {
    if (s != listen && c.counters.states[s] != 0) {
      return std::to_string(c.counters.states[s]) + " connections still in " +
             std::string(state_names[s]);
    }
  }
  std::string wrong = differs("TCBs in use", c.tcbs.in_use(), 0);
  if (wrong.empty()) wrong = differs("the flow table's size", c.flows.size(), 0);
  if (wrong.empty()) wrong = differs("TIME_WAIT records", c.time_wait.size(), 0);
  if (wrong.empty()) wrong = differs("streams in use", c.streams.in_use(), 0);
  if (wrong.empty()) {
    wrong = differs("free blocks", c.buffers.available_blocks(), c.config.buffer_blocks);
  }
  if (wrong.empty()) {
    wrong = differs("frames kept for readers", c.buffers.frames_kept(), 0);
  }
  return wrong;
}

}  // namespace salut::oracle
