// One hostile host beside honest ones: does anybody notice?
//
// Three stations on a switch in this process: a server with the defaults of a configuration, an
// honest client that opens connections at a fixed rate (64 bytes there and back, closed in order),
// and the attacker of tests/hostile. Engines and attacker take turns in one thread and go by the
// real clock, so that what an attack costs the server is time that the honest wait, and so is what
// the attacker itself needs to make its frames. A latency begins when the connection was due, not
// when there was time for it, and ends when its answer is whole.
//
// Of each attack: a window without it and one with it, in the same run on the same engines. When
// both are over the server's application ends what strangers left, the engines' clock is moved on
// by four minutes, and every pool must be full again.
//
// On a machine that others use at the same time --clock=thread counts only the time that this
// thread had a processor.
//
//   hostile [--rate=N] [--calm-ms=N] [--attack-ms=N] [--clock=thread] [--only=WORD] [--rows=FILE]
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "hostile_stage.hpp"
#include "rows.hpp"
#include "tools.hpp"

namespace {

using namespace salut;
using namespace salut::bench;
using namespace std::chrono_literals;
using hostile::Kind;

// What is done, and how fast.
struct Case {
  Kind kind;
  std::uint64_t rate;  // frames or steps per second
  unsigned connections = 0;
  bool cookies = true;
};

// Without cookies a SYN that is not answered holds its place for 63 s (stack.syn_ack_retries), so
// that a backlog of 16,384 stands 260 a second.
constexpr Case cases[] = {
    {Kind::syn_on_link, 50'000},
    {Kind::syn_on_link, 250, 0, false},
    {Kind::syn_off_link, 50'000},
    {Kind::syn_off_link, 250, 0, false},
    {Kind::syn_of_honest, 20'000},
    {Kind::blind, 20'000},
    {Kind::ack_flood, 50'000},
    {Kind::rst_flood, 50'000},
    {Kind::fin_flood, 50'000},
    {Kind::icmp_flood, 50'000},
    {Kind::icmp_errors, 50'000},
    {Kind::fragments, 50'000},
    {Kind::malformed, 50'000},
    {Kind::who_has, 20'000},
    {Kind::slots, 20'000, 10'000},
    {Kind::neighbours, 20'000, 10'000},
    {Kind::sockstress, 10'000, 1'000},
    {Kind::pipeline, 10'000, 100},
    {Kind::one_byte_window, 10'000, 500},
    {Kind::one_byte_acks, 20'000, 500},
    {Kind::slow_read, 10'000, 500},
    {Kind::islands, 20'000, 500},
    {Kind::slowloris, 10'000, 2'000},
    {Kind::challenge, 20'000, 100},
    {Kind::churn, 10'000, 200},
};

struct Found {
  Window calm, attacked;
  std::string left;        // what was not given back
  std::uint64_t lost = 0;  // frames, in the switch
};

Found measure(const Case& what, bool ip6, const Lengths& lengths) {
  Stage stage(ip6, what.cookies, lengths);
  Found found;
  stage.run(lengths.calm / 4, nullptr);  // the MACs are known, the caches warm
  stage.run(lengths.calm, &found.calm);
  hostile::Orders orders;
  orders.kind = what.kind;
  orders.ip6 = ip6;
  orders.connections = what.connections;
  orders.every = Duration{1'000'000'000 / static_cast<std::int64_t>(what.rate)};
  stage.attack(orders, lengths.attack);
  stage.run(lengths.attack, &found.attacked);
  stage.finish(&found.attacked);
  found.left = stage.left();
  found.lost = stage.lost();
  return found;
}

std::string title(const Case& what, bool ip6) {
  std::string text = std::string(hostile::name(what.kind)) + (ip6 ? ", IPv6, " : ", IPv4, ") +
                     in_words(what.rate) + "/s";
  if (what.connections > 0) text += ", " + in_words(what.connections) + " connections";
  if (!what.cookies) text += ", no cookies";
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  Rows rows(text_flag(argc, argv, "rows"));
  Lengths lengths;
  lengths.rate = flag(argc, argv, "rate", 1'000);
  lengths.calm = Duration{std::chrono::milliseconds{flag(argc, argv, "calm-ms", 500)}};
  lengths.attack = Duration{std::chrono::milliseconds{flag(argc, argv, "attack-ms", 1'000)}};
  const bool own_time = text_flag(argc, argv, "clock") == "thread";
  lengths.clock = own_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const std::string only = text_flag(argc, argv, "only");
  std::printf("%-58s %6s %6s %9s %9s %9s %9s  %s\n", "attack (honest: opened, failed)", "opened",
              "failed", "p50 us", "p99 us", "p50 with", "p99 with", "memory");
  std::uint64_t opened = 0, failed = 0, uneven = 0, slow = 0, lost = 0, count = 0;
  for (const Case& what : cases) {
    for (const bool ip6 : {false, true}) {
      const std::string name = title(what, ip6);
      if (name.find(only) == name.npos) continue;
      const Found found = measure(what, ip6, lengths);
      const auto us = [](const Window& w, double p) { return w.latency.percentile(p) / 1e3; };
      const double before = us(found.calm, 99), after = us(found.attacked, 99);
      const std::uint64_t bad = found.calm.failed + found.attacked.failed;
      std::printf("%-58s %6" PRIu64 " %6" PRIu64 " %9.1f %9.1f %9.1f %9.1f  %s\n", name.c_str(),
                  found.attacked.opened, bad, us(found.calm, 50), before, us(found.attacked, 50),
                  after, found.left.empty() ? "flat" : found.left.c_str());
      std::fflush(stdout);
      char note[160];
      std::snprintf(note, sizeof(note),
                    "p50 %.1f us, without %.1f us; %" PRIu64 " opened, %" PRIu64 " failed; %s",
                    us(found.attacked, 50), us(found.calm, 50), found.attacked.opened, bad,
                    found.left.empty() ? "memory flat" : found.left.c_str());
      rows.add({.what = "honest p99 under " + name,
                .figure = after,
                .unit = "us",
                .target = 2 * before,
                .alternative = "without the attack",
                .alternative_figure = before,
                .note = note});
      ++count;
      opened += found.attacked.opened;
      failed += bad;
      lost += found.lost;
      uneven += found.left.empty() ? 0 : 1;
      slow += after > 2 * before ? 1 : 0;
    }
  }
  std::printf("%" PRIu64 " attacks; honest connections under attack: %" PRIu64 " opened, %" PRIu64
              " failed; p99 above twice of that without: %" PRIu64 " attacks; %" PRIu64
              " frames lost in the switch\n",
              count, opened, failed, slow, lost);
  rows.add({.what = "honest connections that failed, of all attacks",
            .figure = static_cast<double>(failed),
            .unit = "",
            .target = 0});
  rows.add({.what = "attacks after which a pool was not full again",
            .figure = static_cast<double>(uneven),
            .unit = "",
            .target = 0});
  rows.note("A server with the defaults, an honest client with " + std::to_string(lengths.rate) +
            " connections a second of 64 bytes each way, and one attacker, in one thread, by " +
            (own_time ? "the time that it had a processor" : "the real clock") +
            ": docs/bench.md.");
  rows.check("attacks", count);
  rows.check("failed", failed);
  rows.check("uneven", uneven);
  return rows.write() && failed == 0 && uneven == 0 ? 0 : 1;
}
