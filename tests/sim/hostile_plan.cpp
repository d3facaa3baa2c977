#include "hostile_plan.hpp"

#include <algorithm>

#include "draw.hpp"

namespace salut::sim {
namespace {

using namespace std::chrono_literals;
using hostile::Kind;
using hostile::Orders;

constexpr std::uint32_t slots = 64;
constexpr unsigned frames_of_all = 4'000;  // or steps, of all attacks of a seed
constexpr Duration attack_begin = 500ms;

HostPlan draw_honest(Draw& draw, bool rough) {
  HostPlan host;
  StackConfig& config = host.config;
  draw_options(draw, config);
  config.initial_window = 10;
  config.connections = slots;
  config.time_wait = 4'096;
  config.send_buffer = draw.one_in(3) ? 8'192 : 65'536;
  config.recv_buffer = draw.one_in(3) ? 4'096 + draw.below(20'000) : 262'144;
  config.msl = rough || draw.one_in(2) ? Duration{30s} : Duration{1s};
  config.keep_alive = draw.one_in(2) ? Duration{1s} : Duration{0};
  config.keep_alive_interval = 1s;
  config.keep_alive_probes = rough ? 9 : 2;
  host.options.frames = 1'024;
  config.lent_frames = draw.one_in(2) ? 0 : 128;
  config.neighbour_frames = 64;
  host.options.completes_checksums = draw.one_in(3);
  host.backlog = draw.one_in(3) ? 8 : 64;
  Conditions& link = host.conditions;
  link.delay_min = draw.of(std::array<Duration, 3>{50us, 500us, 5ms});
  link.delay_max = link.delay_min;
  if (rough) {
    link.loss = draw.below(20) / 1000.0;
    link.duplicate = draw.below(20) / 1000.0;
    link.delay_max += draw.up_to(10ms);
  }
  return host;
}

// Nobody aborts and all is read to its end; some say nothing for longer than the attack lasts.
Plan draw_exchange(Draw& draw, bool idle) {
  constexpr std::array<std::uint32_t, 8> sizes = {0, 1, 100, 1'000, 3'000, 5'000, 20'000, 60'000};
  Plan plan;
  plan.bytes = draw.of(sizes);
  plan.chunk = 100 + draw.below(8'000);
  plan.read_size = 500 + draw.below(8'000);
  plan.half_close = draw.one_in(2);
  plan.peeks = draw.one_in(2);
  plan.lends = draw.one_in(2);
  if (idle) plan.read_after = 3s + draw.up_to(4s);
  return plan;
}

void add_connects(Draw& draw, HostilePlan& plan) {
  const auto hosts = static_cast<unsigned>(plan.hosts.size());
  for (unsigned n = 6 + draw.below(10); n > 0; --n) {
    Action action;
    action.host = draw.below(hosts);
    action.to = (action.host + 1 + draw.below(hosts - 1)) % hosts;
    if (action.host != 0 && !draw.one_in(4)) action.to = 0;
    action.ip6 = draw.one_in(2);
    const bool early = draw.one_in(4);
    action.at = early ? draw.up_to(attack_begin)
                      : attack_begin + draw.up_to(plan.attack_end - attack_begin);
    action.mine = draw_exchange(draw, early && !draw.one_in(3));
    action.theirs = draw_exchange(draw, false);
    action.mine.half_close |= !action.theirs.half_close;
    plan.actions.push_back(action);
  }
  std::stable_sort(plan.actions.begin(), plan.actions.end(),
                   [](const Action& a, const Action& b) { return a.at < b.at; });
}

// So many frames in the time that there is, in bursts of 1 to 16.
void set_rate(Draw& draw, Orders& orders, unsigned frames) {
  orders.burst = 1u << draw.below(5);
  const auto bursts = static_cast<std::int64_t>(frames / orders.burst);
  orders.every = (orders.until - orders.from) / std::max<std::int64_t>(bursts, 1);
}

void add_orders(Draw& draw, HostilePlan& plan) {
  const unsigned count = 1 + draw.below(3);
  // A fourth of the slots is for half-open ones, and sixteen for honest hosts.
  unsigned may_hold = slots - slots / 4 - 16;
  for (unsigned i = 0; i < count; ++i) {
    Orders orders;
    orders.kind = static_cast<Kind>(draw.below(hostile::kind_count));
    orders.ip6 = draw.one_in(2);
    orders.from = plan.start + attack_begin + draw.up_to(200ms);
    orders.until = plan.start + plan.attack_end;
    set_rate(draw, orders, frames_of_all / count);
    if (hostile::holds_connections(orders.kind)) {
      orders.connections = may_hold / 2 + 1;
      may_hold -= orders.connections;
      if (draw.one_in(12)) orders.connections += 2 * slots;
    }
    plan.orders.push_back(orders);
  }
}

bool is_syn_flood(Kind kind) {
  return kind == Kind::syn_on_link || kind == Kind::syn_off_link || kind == Kind::syn_of_honest;
}

bool holds_memory(const Orders& orders) {
  return orders.kind == Kind::sockstress || orders.kind == Kind::pipeline ||
         orders.kind == Kind::one_byte_window || orders.kind == Kind::one_byte_acks ||
         orders.kind == Kind::slow_read;
}

// What of these orders comes to, and blocks and neighbours for it.
void set_promise(Draw& draw, HostilePlan& plan) {
  const bool tight = draw.one_in(3), scarce = tight && draw.one_in(2);
  const bool held = std::any_of(plan.orders.begin(), plan.orders.end(), holds_memory);
  unsigned stations = 0;
  for (const Orders& orders : plan.orders) stations += std::min(orders.connections, slots);
  for (HostPlan& host : plan.hosts) {
    // What is out of order counts as free, however little there is.
    host.config.buffer_blocks = !scarce ? (tight ? 1'024 : 2'048)
                                : held  ? 64u << draw.below(3)
                                        : 256;
    // Enough for everybody who is connected, not for whoever sends a SYN besides.
    host.config.neighbours = 10 + stations;
  }
  if (tight) plan.promise = scarce && held ? Promise::relieved : Promise::served;
  for (const Orders& orders : plan.orders) {
    // What it fills are receive buffers, of which a few are a pool.
    if (orders.kind == Kind::pipeline) plan.promise = std::max(plan.promise, Promise::served);
    if (orders.connections > slots) plan.promise = Promise::told;
    for (unsigned i = 0; i < plan.hosts.size(); ++i) {
      const bool aimed_at = orders.kind == Kind::syn_of_honest ||
                            std::count(plan.victims.begin(), plan.victims.end(), i) > 0;
      if (!aimed_at || plan.hosts[i].config.syn_cookies) continue;
      if (is_syn_flood(orders.kind)) plan.promise = Promise::told;
      if (orders.connections == 0) continue;
      plan.syn_may_wait = true;
      // Its last burst stops in the middle of its handshakes, and is a SYN flood for a backlog no
      // larger than the burst: for 63 s.
      plan.hosts[i].backlog = 64;
    }
  }
}

}  // namespace

HostilePlan hostile_plan_of(std::uint64_t seed) {
  Draw draw(~seed);
  HostilePlan plan;
  plan.start = Instant{1s + draw.up_to(20s)};
  plan.attack_end = draw.one_in(4) ? 6s : 2s;
  plan.rough = draw.one_in(4);
  plan.patience = draw.of(std::array<Duration, 3>{2s, 5s, 60s});
  const unsigned hosts = 2 + draw.below(3);
  for (unsigned i = 0; i < hosts; ++i) {
    plan.hosts.push_back(draw_honest(draw, plan.rough));
    plan.far.push_back(i > 0 && draw.one_in(3));
    if (i == 0 || draw.one_in(4)) plan.victims.push_back(i);
  }
  add_orders(draw, plan);
  set_promise(draw, plan);
  add_connects(draw, plan);
  return plan;
}

std::string HostilePlan::describe() const {
  SeedPlan world;
  world.hosts = hosts;
  world.actions = actions;
  world.clean = !rough;
  std::string text = world.describe();
  for (std::size_t i = 0; i < far.size(); ++i) {
    if (far[i]) text += "  " + std::string(1, static_cast<char>('a' + i)) + ": behind the router\n";
  }
  constexpr const char* promises[] = {"quick", "served", "relieved", "told"};
  text += "  promise: " + std::string(promises[static_cast<std::size_t>(promise)]) + "; victims:";
  for (const unsigned victim : victims)
    text += ' ' + std::string(1, static_cast<char>('a' + victim));
  text += '\n';
  for (const Orders& order : orders) {
    char line[128];
    std::snprintf(line, sizeof(line), "  attack: %s%s, %u every %.3f ms, %u connections\n",
                  std::string(hostile::name(order.kind)).c_str(), order.ip6 ? " (IPv6)" : "",
                  order.burst, static_cast<double>(order.every.count()) / 1e6, order.connections);
    text += line;
  }
  return text;
}

}  // namespace salut::sim
