#include "hostile_run.hpp"

#include <algorithm>
#include <memory>

#include "actors.hpp"
#include "attacker.hpp"
#include "guests.hpp"
#include "hostile_plan.hpp"
#include "tcp/pressure.hpp"
#include "watch.hpp"

namespace salut::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t open_port = 80;
constexpr std::uint64_t near6 = 0xfd00'0000'0000'0000, far6 = 0x2001'0db8'0001'0000;
const IpAddress router_near4 = IpAddress::v4(0x0a0000fe), router_far4 = IpAddress::v4(0xc63364fe);
const IpAddress router_near6 = IpAddress::v6(near6, 0xfe), router_far6 = IpAddress::v6(far6, 0xfe);

// How a connection went, at the end that opened it.
struct Trip {
  bool began = false;
  bool opened = false;  // both ends were told
  bool well = false;    // closed in order, with all bytes
  std::string how;      // if not
  Instant begun;
  Duration took{0};
  std::uint32_t bytes = 0;   // both ways
  unsigned to = 0;           // the host
  bool cookies = false;      // which sent some
  bool found = true;         // its MAC, or the router's
  bool stood_still = false;  // and was ended for it
};

class HostileRun {
 public:
  HostileRun(const HostilePlan& plan, std::uint64_t seed, bool attacked, bool chart)
      : plan_(plan), world_(seed, plan.start) {
    world_.keep_trace(chart);
    for (unsigned i = 0; i < plan_.hosts.size(); ++i) add_host(i);
    add_router();
    if (attacked) add_attacker(seed);
    world_.join_all();
  }

  void go() {
    for (const Action& action : plan_.actions) {
      run_to(plan_.start + action.at);
      connect(action);
    }
    run_to(plan_.start + plan_.attack_end + 1s);
    say_what_is_held();
    // Peers that nobody has anything for, and that say nothing, are the application's to end.
    run_to(plan_.start + plan_.attack_end + plan_.patience + 20s);
    for (unsigned i = 0; i < hosts_.size(); ++i) {
      guests_[i]->end_all();
      hosts_[i]->wake_at = world_.now();
    }
    run_to(world_.now() + 10min);
    for (const auto& actor : actors_) {
      for (const auto& other : actors_) {
        if (actor != other) actor->abort_half_open(*other);
      }
    }
    run_to(world_.now() + 10min);
    check_ends();
    check_rest();
  }

  const std::vector<Trip>& trips() const { return trips_; }
  const std::string& error() const { return error_; }
  World& world() { return world_; }
  void add_to(Outcome& outcome) const {
    outcome.frames += world_.frames();
    outcome.virtual_ms +=
        static_cast<std::uint64_t>((world_.now() - plan_.start).count() / 1'000'000);
    outcome.edges |= edges_;
    outcome.attack_frames += attacker_ != nullptr ? attacker_->sent() : 0;
  }

 private:
  IpAddress address(unsigned host, bool ip6) const {
    const unsigned last = 1 + host;
    if (plan_.far[host]) return ip6 ? IpAddress::v6(far6, last) : IpAddress::v4(0xc6336400 + last);
    return station_address(last, ip6);
  }

  void add_host(unsigned i) {
    const HostPlan& plan = plan_.hosts[i];
    HostOptions options = plan.options;
    options.more_addresses = {address(i, true)};
    options.gateway = plan_.far[i] ? router_far4 : router_near4;
    options.gateway6 = plan_.far[i] ? router_far6 : router_near6;
    Host& host = world_.add_host(address(i, false), plan.config, options);
    host.end->conditions = plan.conditions;
    hosts_.push_back(&host);
    actors_.push_back(std::make_unique<Actor>(host, world_));
    guests_.push_back(std::make_unique<hostile::Guests>(*host.engine, plan_.patience));
    actors_.back()->welcome(guests_.back().get());
    watches_.emplace_back(*host.engine, plan.config.msl);
    host.on_events = [this, i](std::span<const Event> events) {
      actors_[i]->on_events(events);
      note_error(i, watches_[i].look(world_.now(), &edges_));
      note_error(i, actors_[i]->error());
    };
    actors_.back()->listen(open_port, plan.backlog);
  }

  // Frames of a station, one at a time.
  template <class Take>
  void attend(Host& station, Take&& take) {
    Frame frame;
    while (station.end->receive(&frame, 1) == 1) {
      take(std::span<std::byte>(frame.data, frame.length));
      station.pool->release(&frame, 1);
    }
  }

  void add_router() {
    Host& station = world_.add_station();
    station.end->conditions.delay_min = station.end->conditions.delay_max = 20us;
    router_ = std::make_unique<hostile::Router>(
        station.end->mac, std::vector{router_near4, router_far4, router_near6, router_far6},
        [&station](std::span<std::byte> frame) { station.end->send(frame); });
    for (unsigned i = 0; i < hosts_.size(); ++i) {
      router_->add({address(i, false), 32}, hosts_[i]->end->mac);
      router_->add({address(i, true), 128}, hosts_[i]->end->mac);
    }
    station.on_events = [this, &station](std::span<const Event>) {
      attend(station, [this](std::span<std::byte> frame) { router_->receive(frame); });
    };
    site_.router = station.end->mac;
  }

  // What somebody on the link sends to a host: to its MAC or to the router's.
  const Mac& way_to(unsigned host) const {
    return plan_.far[host] ? site_.router : hosts_[host]->end->mac;
  }

  void add_attacker(std::uint64_t seed) {
    Host& station = world_.add_station();
    station.end->conditions.delay_min = station.end->conditions.delay_max = 20us;
    site_.mac = station.end->mac;
    site_.near4 = IpAddress::v4(0x0a420000);
    site_.near6 = IpAddress::v6(near6, 0x660000);
    site_.far4 = IpAddress::v4(0xac100000);
    site_.far6 = IpAddress::v6(0x2001'0db8'0066'0000, 0);
    router_->add({site_.near4, 16}, site_.mac);
    router_->add({site_.near6, 112}, site_.mac);
    for (const unsigned victim : plan_.victims) {
      site_.victims.push_back(
          {way_to(victim), address(victim, false), address(victim, true), open_port});
    }
    attacker_ = std::make_unique<hostile::Attacker>(
        site_, plan_.orders, seed,
        [&station](std::span<std::byte> frame) { station.end->send(frame); });
    station.on_events = [this, &station](std::span<const Event>) {
      attend(station,
             [this](std::span<std::byte> frame) { attacker_->receive(frame, world_.now()); });
      learn();
      attacker_->turn(world_.now());
      station.wake_at = attacker_->next();
    };
    station.wake_at = attacker_->next();
  }

  void connect(const Action& action) {
    say_what_is_held();
    Actor& actor = *actors_[action.host];
    const Endpoint to{address(action.to, action.ip6), open_port};
    trips_.push_back({.begun = world_.now(), .to = action.to});
    const EndState* end = actor.connect(to, {}, action, actors_[action.to].get(), trips_.size());
    if (end == nullptr) return;
    trips_.back().began = true;
    const Endpoint local = hosts_[action.host]->engine->info(end->connection)->local;
    const hostile::Side client{local.address, local.port}, server{to.address, to.port};
    const Mac& between = plan_.far[action.host] != plan_.far[action.to] ? site_.router : Mac{};
    const bool routed = !between.is_zero();
    handshakes_.push_back(
        {end,
         action.to,
         {way_to(action.to), routed ? site_.router : hosts_[action.host]->end->mac, client, server},
         {way_to(action.host), routed ? site_.router : hosts_[action.to]->end->mac, server,
          client}});
  }

  // The attacker finds out which connections there are, but not in the moment of their handshake.
  void learn() {
    std::erase_if(handshakes_, [this](const Handshake& one) {
      const bool open =
          one.client->open && actors_[one.to]->find_stream(one.client->stream ^ 1) != nullptr;
      if (open) site_.flows.push_back(one.there), site_.flows.push_back(one.back);
      return open;
    });
  }

  void run_to(Instant until) {
    while (error_.empty() && world_.step(until)) {
    }
    world_.run_until(error_.empty() ? until : world_.now());
  }

  // For people who read the chart.
  void say_what_is_held() {
    if (!world_.keeps_trace()) return;
    for (const Host* host : hosts_) {
      const tcp::Context& c = host->engine->context();
      world_.say(*host, std::to_string(c.tcbs.in_use()) + " slots are taken, " +
                            std::to_string(c.half_open) + " half-open; " +
                            std::to_string(c.buffers.available_blocks()) + " blocks are free, " +
                            std::to_string(c.island_blocks) + " hold islands");
    }
  }

  void check_ends() {
    for (unsigned i = 0; i < actors_.size(); ++i) {
      for (const EndState& end : actors_[i]->ends()) check_end(i, end);
    }
  }

  void check_end(unsigned host, const EndState& end) {
    const std::string who = "stream " + std::to_string(end.stream);
    if (end.reports != 1) return note_error(host, who + ": told of its end not once");
    if (end.stream % 2 != 0) return;
    Trip& trip = trips_[end.stream / 2 - 1];
    trip.took = end.ended - end.begun;
    trip.found = end.reason != Reason::unreachable;
    const EndState* peer = nullptr;
    for (const auto& other : actors_) {
      if (peer == nullptr) peer = other->find_stream(end.stream ^ 1);
    }
    trip.opened = end.open && peer != nullptr;
    trip.cookies = hosts_[trip.to]->engine->counters().cookies_sent > 0;
    trip.bytes = end.received + (peer != nullptr ? peer->received : 0);
    trip.stood_still =
        peer != nullptr && ended_asleep(end, plan_.hosts[host].config.recv_buffer, *peer);
    if (peer == nullptr) {
      trip.how = "ended as " + std::string(name(end.reason)) + ", never accepted";
    } else if (!closed_both(end, *peer) && !lost_last_ack(end, *peer, trip.to)) {
      trip.how =
          "ended as " + std::string(name(end.reason)) + " and " + std::string(name(peer->reason));
    } else if (end.received != peer->plan.bytes || peer->received != end.plan.bytes) {
      trip.how = "brought " + std::to_string(trip.bytes) + " of " +
                 std::to_string(peer->plan.bytes + end.plan.bytes) + " bytes";
    } else {
      trip.well = true;
    }
  }

  static bool closed_both(const EndState& client, const EndState& server) {
    return client.reason == Reason::closed && server.reason == Reason::closed;
  }

  // The server closed first, each side got the FIN of the other, and the ACK of the client's FIN
  // was lost. TIME_WAIT would give it again, but a guessed SYN in the client's name, which half of
  // all sequences make newer, has taken its place (RFC 1122 §4.2.2.13; RFC 6191 if it has no
  // timestamp either). What sits there then neither knows the FIN nor answers to the client, but to
  // the MAC that the SYN came from: the client gives up, or outlives it and is told by an RST that
  // nobody is there any more. Nothing of the kind may happen where no SYN took anybody's place.
  bool lost_last_ack(const EndState& client, const EndState& server, unsigned host) const {
    return plan_.rough && (client.reason == Reason::timed_out || client.reason == Reason::reset) &&
           client.end_of_stream && server.reason == Reason::closed &&
           hosts_[host]->engine->counters().time_wait_reused > 0;
  }

  // The server had more for the client than its window takes, and the client read nothing for two
  // seconds: with blocks short, the server cannot tell it from sockstress (tcp/pressure.hpp). Only
  // as long as it sleeps: once its window is open again it gets on, and must be served.
  bool ended_asleep(const EndState& client, std::uint32_t window, const EndState& server) const {
    constexpr Duration way = 50ms;  // to the server, of the news that the window is open
    const Duration age = server.ended - client.opened;
    return server.reason == Reason::overload && (client.reason == Reason::reset || plan_.rough) &&
           server.plan.bytes > window && age >= tcp::largest_limit &&
           age < client.plan.read_after + way;
  }

  void check_rest() {
    for (unsigned i = 0; i < hosts_.size(); ++i) {
      const stack::Engine& engine = *hosts_[i]->engine;
      note_error(i, oracle::not_at_rest(engine));
      note_error(i, oracle::inconsistent(engine));
      if (engine.context().half_open != 0) note_error(i, "half-open connections at rest");
      if (engine.context().interfaces.neighbours().waiting() != 0) {
        note_error(i, "frames wait for a neighbour at rest");
      }
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

  // Of a connection that was begun, as its two ends see it.
  struct Handshake {
    const EndState* client;
    unsigned to;
    hostile::Flow there, back;
  };

  const HostilePlan& plan_;
  World world_;
  std::vector<Host*> hosts_;
  std::vector<std::unique_ptr<Actor>> actors_;
  std::vector<std::unique_ptr<hostile::Guests>> guests_;
  std::vector<Watch> watches_;
  hostile::Site site_;
  std::vector<Handshake> handshakes_;
  std::unique_ptr<hostile::Router> router_;
  std::unique_ptr<hostile::Attacker> attacker_;
  std::vector<Trip> trips_;  // stream / 2 - 1
  oracle::Edges edges_;
  std::string error_;
};

// The limit of a peer that stands still (tcp/pressure.hpp), and a retransmission that waits for it.
constexpr Duration relief = tcp::stall_limit + 10s;

// What the promise allows a connection that took `calm` without the attack.
Duration longest(const HostilePlan& plan, const Trip& calm) {
  const Duration again = plan.syn_may_wait ? Duration{3100ms} : Duration{0};
  if (plan.promise == Promise::quick) return 2 * calm.took + 5ms + again;
  // Two blocks each way, and a delayed ACK for each of them.
  const Duration paced = 2 * calm.took + (1 + calm.bytes / 2'048) * 60ms + again;
  return plan.promise == Promise::served ? paced : paced + relief;
}

std::string compare(const HostilePlan& plan, const std::vector<Trip>& calm,
                    const std::vector<Trip>& attacked) {
  const auto ms = [](Duration d) { return std::to_string(d.count() / 1'000'000) + " ms"; };
  for (std::size_t i = 0; i < calm.size(); ++i) {
    const Trip& before = calm[i];
    const Trip& trip = attacked[i];
    const std::string who = "stream " + std::to_string(2 * i + 2) + " ";
    // Three requests for a MAC were lost: that is chance.
    if (plan.rough && (!before.found || !trip.found)) continue;
    if (!before.well) return who + "without an attack: " + before.how;
    const bool was_open = trip.opened && trip.begun - plan.start < 400ms;
    // A cookie is in the first segment after the handshake alone: if that is lost, or late, the
    // next one is refused.
    if (!trip.well && plan.rough && trip.cookies) continue;
    if (!trip.well && plan.promise >= Promise::relieved && trip.stood_still) continue;
    if (!trip.well && (plan.promise != Promise::told || was_open)) {
      return who + "under attack: " + (trip.began ? trip.how : "no room to connect");
    }
    if (plan.promise == Promise::told || plan.rough) continue;
    if (trip.took > longest(plan, before)) {
      return who + "took " + ms(trip.took) + " under attack, " + ms(before.took) + " without";
    }
  }
  return {};
}

}  // namespace

Outcome run_hostile_seed(std::uint64_t seed, bool chart) {
  const HostilePlan plan = hostile_plan_of(seed);
  Outcome outcome;
  HostileRun calm(plan, seed, false, chart);
  calm.go();
  calm.add_to(outcome);
  HostileRun attacked(plan, seed, true, chart);
  attacked.go();
  attacked.add_to(outcome);
  outcome.error = !calm.error().empty() ? "without an attack: " + calm.error() : attacked.error();
  if (outcome.error.empty()) outcome.error = compare(plan, calm.trips(), attacked.trips());
  for (const Trip& trip : attacked.trips()) {
    outcome.ends += 2;
    outcome.bytes += trip.bytes;
  }
  if (chart) {
    outcome.chart = calm.world().trace();
    outcome.chart.push_back("---- and now with the attack");
    const std::vector<std::string>& more = attacked.world().trace();
    outcome.chart.insert(outcome.chart.end(), more.begin(), more.end());
    outcome.chart.push_back(plan.describe());
  }
  return outcome;
}

}  // namespace salut::sim
