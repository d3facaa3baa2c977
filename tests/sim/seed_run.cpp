#include "seed_run.hpp"

#include <algorithm>
#include <memory>

#include "actors.hpp"
#include "hostile_run.hpp"
#include "plan.hpp"
#include "watch.hpp"

namespace salut::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t open_port = 80;
constexpr std::uint16_t closed_port = 81;
// Of so many seeds one has an adversary in its world.
constexpr std::uint64_t hostile_every = 8;

class Run {
 public:
  Run(std::uint64_t seed, bool chart) : plan_(plan_of(seed)), world_(seed, plan_.start) {
    world_.keep_trace(chart);
    for (unsigned i = 0; i < plan_.hosts.size(); ++i) add_host(i);
    world_.join_all();
  }

  Outcome go() {
    for (const Action& action : plan_.actions) {
      run_to(plan_.start + action.at);
      carry_out(action);
    }
    run_to(world_.now() + 2min);
    make_peace();
    run_to(world_.now() + 20min);
    // Without keepalive a half-open connection is ended by its owner. Where both ends closed in
    // order there is none.
    for (const auto& actor : actors_) {
      for (const auto& other : actors_) {
        if (actor != other) actor->abort_half_open(*other);
      }
    }
    run_to(world_.now() + 1h);
    check_ends();
    check_rest();
    return finish();
  }

 private:
  static IpAddress address(unsigned host, bool ip6) { return station_address(1 + host, ip6); }

  void add_host(unsigned i) {
    const HostPlan& plan = plan_.hosts[i];
    HostOptions options = plan.options;
    options.more_addresses = {address(i, true)};
    Host& host = world_.add_host(address(i, false), plan.config, options);
    host.end->conditions = plan.conditions;
    hosts_.push_back(&host);
    actors_.push_back(std::make_unique<Actor>(host, world_));
    watches_.emplace_back(*host.engine, plan.config.msl);
    host.on_events = [this, i](std::span<const Event> events) {
      actors_[i]->on_events(events);
      check_turn(i);
    };
    actors_.back()->listen(open_port, plan.backlog);
  }

  void carry_out(const Action& action) {
    Host& host = *hosts_[action.host];
    Actor& actor = *actors_[action.host];
    switch (action.kind) {
      case Action::Kind::connect:
        actor.connect({address(action.to, action.ip6), open_port}, {}, action,
                      actors_[action.to].get(), streams_++);
        return;
      case Action::Kind::connect_closed:
        actor.connect({address(action.to, action.ip6), closed_port}, {}, action, nullptr,
                      streams_++);
        return;
      case Action::Kind::cut:
        world_.say(host, "cut off");
        host.end->cut_until = world_.now() + action.length;
        return;
      case Action::Kind::pause:
        world_.say(host, "paused");
        host.paused_until = world_.now() + action.length;
        return;
      case Action::Kind::unlisten:
        return actor.unlisten();
      case Action::Kind::listen:
        return actor.listen(open_port, plan_.hosts[action.host].backlog);
    }
  }

  // Nothing is lost any more, and nobody waits: what can come to its end does.
  void make_peace() {
    for (unsigned i = 0; i < hosts_.size(); ++i) {
      hosts_[i]->end->conditions = Conditions{};
      hosts_[i]->end->cut_until = hosts_[i]->paused_until = Instant{};
      actors_[i]->hurry();
    }
  }

  void run_to(Instant until) {
    while (error_.empty() && world_.step(until)) {
    }
    world_.run_until(error_.empty() ? until : world_.now());
  }

  void check_turn(unsigned i) {
    note_error(i, watches_[i].look(world_.now(), &edges_));
    if (!actors_[i]->error().empty()) note_error(i, actors_[i]->error());
  }

  void check_ends() {
    for (const auto& actor : actors_) {
      for (const EndState& end : actor->ends()) {
        const EndState* peer = nullptr;
        for (const auto& other : actors_) {
          if (peer == nullptr) peer = other->find_stream(end.stream ^ 1);
        }
        check_end(end, peer);
      }
    }
  }

  void check_end(const EndState& end, const EndState* peer) {
    const std::string who = "stream " + std::to_string(end.stream) + ": ";
    ++outcome_.ends;
    outcome_.bytes += end.received;
    if (end.reports != 1) return note_error(0, who + "told of its end not once");
    if (plan_.clean && end.reason == Reason::timed_out) {
      return note_error(0, who + "timed out where nothing was lost");
    }
    if (end.end_of_stream && !end.peer_closed) {
      return note_error(0, who + "an end of stream without peer_closed");
    }
    if (peer == nullptr) return;
    // What an end of stream follows is all that was written before it.
    if (end.end_of_stream && end.received != peer->written) {
      return note_error(0, who + "end of stream after " + std::to_string(end.received) + " of " +
                               std::to_string(peer->written) + " bytes");
    }
    if (!end.plan.orderly() || !peer->plan.orderly()) return;
    if (plan_.clean && (end.reason != Reason::closed)) {
      return note_error(0, who + "ended as " + std::string(name(end.reason)) +
                               " where both closed in order and nothing was lost");
    }
    if (end.reason != Reason::closed || peer->reason != Reason::closed) return;
    if (end.received != peer->plan.bytes) note_error(0, who + "closed before all had come");
  }

  void check_rest() {
    for (unsigned i = 0; i < hosts_.size(); ++i) {
      note_error(i, oracle::not_at_rest(*hosts_[i]->engine));
      note_error(i, oracle::inconsistent(*hosts_[i]->engine));
      if (hosts_[i]->pool->outstanding() != 0) {
        note_error(i, std::to_string(hosts_[i]->pool->outstanding()) + " frames are missing");
      }
    }
  }

  void note_error(unsigned host, const std::string& what) {
    if (what.empty() || !error_.empty()) return;
    error_ = hosts_[host]->name + ": " + what;
    world_.say(*hosts_[host], "WRONG: " + what);
  }

  Outcome finish() {
    outcome_.error = error_;
    outcome_.frames = world_.frames();
    outcome_.virtual_ms =
        static_cast<std::uint64_t>((world_.now() - plan_.start).count() / 1'000'000);
    outcome_.edges = edges_;
    if (world_.keeps_trace()) {
      outcome_.chart = world_.trace();
      outcome_.chart.push_back(plan_.describe());
    }
    return outcome_;
  }

  SeedPlan plan_;
  World world_;
  std::vector<Host*> hosts_;
  std::vector<std::unique_ptr<Actor>> actors_;
  std::vector<Watch> watches_;
  std::uint64_t streams_ = 0;
  oracle::Edges edges_;
  std::string error_;
  Outcome outcome_;
};

}  // namespace

Outcome run_seed(std::uint64_t seed, bool chart) {
  if (seed % hostile_every == 0) return run_hostile_seed(seed, chart);
  return Run(seed, chart).go();
}

}  // namespace salut::sim
