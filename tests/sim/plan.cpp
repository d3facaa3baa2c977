#include "plan.hpp"

#include <algorithm>
#include <array>

#include "base/tick.hpp"
#include "draw.hpp"

namespace salut::sim {

using namespace std::chrono_literals;

void draw_options(Draw& draw, StackConfig& config) {
  config.coalesce = !draw.one_in(4);
  config.window_scale = !draw.one_in(3);
  config.timestamps = !draw.one_in(3);
  config.sack = !draw.one_in(3);
  config.ecn = draw.one_in(4);
  config.syn_cookies = !draw.one_in(3);
  if (draw.one_in(3)) config.delayed_ack = Duration{0};
  if (draw.one_in(3)) config.rto_min = 10ms;
  if (draw.one_in(2)) config.congestion = Congestion::newreno;
  if (draw.one_in(4)) config.initial_window = 1 + draw.below(20);
  config.no_delay = draw.one_in(3);
  if (draw.one_in(4)) {
    config.keep_alive = 1s + draw.up_to(60s);
    config.keep_alive_interval = 1s + draw.up_to(5s);
    config.keep_alive_probes = 1 + draw.below(5);
  }
}

namespace {

// How large a seed's world is. Most are small, so that there are many.
enum class Size { pair, few, storm, crowd };

Size size_of(Draw& draw) {
  const std::uint32_t n = draw.below(100);
  return n < 70 ? Size::pair : n < 92 ? Size::few : n < 98 ? Size::storm : Size::crowd;
}

enum class Family { v4, v6, both };

Instant start_of(Draw& draw) {
  constexpr std::int64_t tick_wrap = std::int64_t{1} << (32 + tick_shift);
  constexpr std::int64_t ms_wrap = (std::int64_t{1} << 32) * 1'000'000;
  const Duration before = draw.up_to(20s);
  switch (draw.below(4)) {
    case 0:
      return Instant{Duration{tick_wrap} - before};
    case 1:
      return Instant{Duration{ms_wrap} - before};
    default:
      return Instant{1s + before};
  }
}

Plan draw_plan(Draw& draw, bool small) {
  Plan plan;
  constexpr std::array<std::uint32_t, 10> sizes = {0,     0,     1,      100,    1'460,
                                                   5'000, 5'000, 20'000, 60'000, 300'000};
  plan.bytes = sizes[draw.below(small ? 6 : 10)];
  plan.chunk = 1 + draw.below(8'000);
  plan.read_size = 1 + draw.below(8'000);
  plan.half_close = draw.one_in(2);
  plan.close_early = draw.one_in(6);
  if (draw.one_in(12)) plan.abort_after = draw.below(3'000) + 1;
  if (draw.one_in(12)) plan.abort_at = 1ns + draw.up_to(3s);
  if (draw.one_in(8)) plan.read_after = draw.up_to(draw.one_in(3) ? 100s : 2s);
  if (draw.one_in(6)) plan.think = 1ms + draw.up_to(50ms);
  // A byte at a time, slowly, is a test only where the bytes are few.
  if (plan.think.count() > 0) plan.read_size += 500;
  plan.peeks = draw.one_in(2);
  plan.lends = draw.one_in(2);
  if (plan.lends) plan.chunk *= 1 + draw.below(8);  // beyond what one block refers to
  return plan;
}

Conditions draw_conditions(Draw& draw) {
  Conditions link;
  if (draw.one_in(3)) return link;
  link.loss = draw.one_in(2) ? draw.below(100) / 1000.0 : draw.below(10) / 1000.0;
  link.duplicate = draw.below(60) / 1000.0;
  link.corrupt = draw.below(20) / 1000.0;
  if (!draw.one_in(3)) link.delay_max = link.delay_min + draw.up_to(draw.one_in(4) ? 150ms : 15ms);
  return link;
}

HostPlan draw_host(Draw& draw, Size size, Family family, bool clean) {
  HostPlan host;
  StackConfig& config = host.config;
  // Readers of this world pause for minutes: their peers are slow, and no orphans to be given up.
  config.orphan_timeout = std::chrono::hours{1};
  const bool many = size == Size::storm;
  config.connections = many ? 256 : 64;
  config.time_wait = draw.one_in(4) ? 16 : many ? 1'024 : 64;  // sometimes too small for all
  config.buffer_blocks = 2'048;
  config.send_buffer = draw.one_in(3) ? 4'096 : 65'536;
  config.recv_buffer = draw.one_in(3) ? 2'048 + draw.below(20'000) : 262'144;
  config.msl = draw.of(std::array<Duration, 3>{30s, 30s, 1s});
  draw_options(draw, config);
  // The least that a link of the family must carry.
  const std::uint16_t least = family == Family::v4 ? std::uint16_t{576} : std::uint16_t{1280};
  host.options.mtu = draw.one_in(4) ? least : std::uint16_t{1500};
  host.options.frames = 512;
  config.lent_frames = host.options.frames / 8;
  if (clean) return host;
  host.conditions = draw_conditions(draw);
  host.backlog = draw.of(std::array<std::uint32_t, 4>{1, 4, 64, 64});
  if (draw.one_in(8)) config.buffer_blocks = 64;
  if (draw.one_in(8)) host.options.frames = 48;
  if (many && draw.one_in(2)) config.connections = 32;
  config.lent_frames = draw.one_in(3) ? 0 : host.options.frames / 8;
  // As the runtime has it: were all frames to wait for MACs, no answer could be received.
  config.neighbour_frames = host.options.frames / 8;
  host.options.completes_checksums = draw.one_in(2);
  return host;
}

void add_connects(Draw& draw, SeedPlan& plan, Size size, Family family, Duration span) {
  const auto hosts = static_cast<unsigned>(plan.hosts.size());
  const unsigned count = size == Size::storm   ? 40 + draw.below(160)
                         : size == Size::crowd ? hosts + draw.below(hosts)
                                               : 1 + draw.below(12);
  for (unsigned i = 0; i < count; ++i) {
    Action action;
    action.host = draw.below(hosts);
    action.to = (action.host + 1 + draw.below(hosts - 1)) % hosts;
    if (size == Size::storm && !draw.one_in(4)) action.to = action.host == 0 ? 1 : 0;
    action.at = draw.one_in(3) ? Duration{0} : draw.up_to(span);
    action.ip6 = family == Family::v6 || (family == Family::both && draw.one_in(2));
    if (draw.one_in(20)) action.kind = Action::Kind::connect_closed;
    action.mine = draw_plan(draw, size != Size::pair);
    action.theirs = draw_plan(draw, size != Size::pair);
    // Two applications that both wait for the other's end would wait for ever, and rightly.
    action.mine.half_close |= !action.theirs.half_close && !action.theirs.close_early;
    plan.actions.push_back(action);
  }
}

void add_trouble(Draw& draw, SeedPlan& plan, Duration span) {
  const auto add = [&](Action::Kind kind, Duration longest) {
    Action action;
    action.kind = kind;
    action.host = draw.below(plan.hosts.size());
    action.at = draw.up_to(span);
    action.length = draw.up_to(longest);
    plan.actions.push_back(action);
    return action;
  };
  for (unsigned n = draw.below(3); n > 0; --n) {
    add(Action::Kind::cut, draw.one_in(4) ? Duration{200s} : Duration{3s});
  }
  for (unsigned n = draw.below(3); n > 0; --n) {
    add(Action::Kind::pause, draw.one_in(4) ? Duration{90s} : Duration{1s});
  }
  if (draw.one_in(3)) {
    Action action = add(Action::Kind::unlisten, 1s);
    action.kind = Action::Kind::listen;
    action.at += action.length;
    plan.actions.push_back(action);
  }
}

}  // namespace

SeedPlan plan_of(std::uint64_t seed) {
  Draw draw(seed);
  SeedPlan plan;
  plan.start = start_of(draw);
  plan.clean = draw.one_in(4);
  const Size size = size_of(draw);
  const Family family = draw.of(std::array<Family, 3>{Family::v4, Family::v6, Family::both});
  const unsigned hosts = size == Size::crowd ? 10 + draw.below(41)
                         : size == Size::few ? 3 + draw.below(4)
                                             : 2;
  for (unsigned i = 0; i < hosts; ++i) {
    plan.hosts.push_back(draw_host(draw, size, family, plan.clean));
  }
  const Duration span = draw.one_in(8) ? Duration{60s} : Duration{1s};
  add_connects(draw, plan, size, family, span);
  if (!plan.clean) add_trouble(draw, plan, 2 * span);
  std::stable_sort(plan.actions.begin(), plan.actions.end(),
                   [](const Action& a, const Action& b) { return a.at < b.at; });
  return plan;
}

std::string SeedPlan::describe() const {
  std::string text = std::to_string(hosts.size()) + " hosts, " + std::to_string(actions.size()) +
                     " actions" + (clean ? ", clean" : "") + '\n';
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const StackConfig& c = hosts[i].config;
    const Conditions& l = hosts[i].conditions;
    char line[256];
    std::snprintf(
        line, sizeof(line),
        "  %c: loss %.3f dup %.3f corrupt %.3f delay %.1f ms; mtu %u send %u recv %u "
        "blocks %u frames %u lent %u tcbs %u tw %u backlog %u msl %.1f s;%s%s%s%s%s%s%s%s%s%s\n",
        static_cast<char>(i < 26 ? 'a' + i : 'A' + i - 26), l.loss, l.duplicate, l.corrupt,
        static_cast<double>(l.delay_max.count()) / 1e6, hosts[i].options.mtu, c.send_buffer,
        c.recv_buffer, c.buffer_blocks, hosts[i].options.frames, c.lent_frames, c.connections,
        c.time_wait, hosts[i].backlog, static_cast<double>(c.msl.count()) / 1e9,
        c.coalesce ? " coalesce" : "", c.window_scale ? " wscale" : "", c.timestamps ? " ts" : "",
        c.sack ? " sack" : "", c.ecn ? " ecn" : "", c.syn_cookies ? " cookies" : "",
        c.delayed_ack.count() != 0 ? " delayed_ack" : "",
        c.congestion == Congestion::newreno ? " newreno" : " cubic", c.no_delay ? " no_delay" : "",
        c.keep_alive.count() != 0 ? " keep_alive" : "");
    text += line;
  }
  return text;
}

}  // namespace salut::sim
