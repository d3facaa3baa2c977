// Handshake and close of two engines, searched exhaustively to a depth.
//
//   search                                the quick bounds, some ten seconds
//   search --depth 14 --scenario server   deeper
//   search --states 1000000               as deep as a million states of each scenario go
//   search --scenario server --replay a:connect,a:deliver,…   one path with its chart
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "search.hpp"

namespace salut::search {
namespace {

using namespace std::chrono_literals;

struct Options {
  unsigned depth = 0;  // 0: each scenario's own
  std::uint64_t states = 0;
  std::string replay;
};
Options options;

StackConfig small_config() {
  StackConfig config;
  config.connections = 4;
  config.time_wait = 4;
  config.buffer_blocks = 8;
  config.msl = 2s;
  config.rto_initial = 1s;
  config.rto_min = 1s;
  config.rto_max = 4s;
  config.syn_timeout = 3s;  // one retransmission
  config.retry_timeout = 3s;
  config.fin_wait_2 = 4s;
  config.coalesce = false;
  // Without clocks in the segments the same happens at any time: far fewer states.
  config.timestamps = false;
  config.delayed_ack = 0ms;
  return config;
}

const std::string established = "a:connect,a:deliver,b:deliver,a:deliver";

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  const auto add = [&](Scenario scenario) { all.push_back(std::move(scenario)); };
  Scenario base;
  base.config = small_config();

  Scenario s = base;
  s.name = "server";
  s.depth = 9;
  add(s);

  s = base;
  s.name = "simultaneous";  // nobody listens, both open
  s.listens = {false, false};
  s.connects = {1, 1};
  s.depth = 8;
  add(s);

  s = base;
  s.name = "both_listen";  // connect on a listener, and on both sides
  s.listens = {true, true};
  s.connects = {1, 1};
  s.depth = 7;
  add(s);

  s = base;
  s.name = "data";  // bytes unread at the close, data after the close, FIN with data
  s.writes = {1, 1};
  s.prefix = established;
  s.depth = 6;
  add(s);

  s = base;
  s.name = "coalesce";  // ACKs wait for what the application says
  s.config.coalesce = true;
  s.writes = {1, 1};
  s.depth = 9;
  add(s);

  s = base;
  s.name = "options";  // timestamps, PAWS and delayed ACKs
  s.config.timestamps = true;
  s.config.delayed_ack = 40ms;
  s.writes = {1, 1};
  s.prefix = established;
  s.depth = 5;
  add(s);

  s = base;
  s.name = "unlisten";
  s.connects = {2, 0};
  s.unlisten = true;
  s.depth = 8;
  add(s);

  s = base;
  s.name = "close";
  s.prefix = established;
  s.depth = 9;
  add(s);

  s = base;
  s.name = "reuse";  // the same port again, into the peer's TIME_WAIT, with old duplicates about
  s.connects = {2, 0};
  s.prefix = established + ",b:close0,b:deliver,a:deliver,a:close0,a:duplicate,a:deliver";
  s.depth = 8;
  add(s);
  return all;
}

std::string text_of(const std::vector<Choice>& path) {
  std::string text;
  for (const Choice& choice : path) text += (text.empty() ? "" : ",") + describe(choice);
  return text;
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool slow = true;  // ten times
#else
constexpr bool slow = false;
#endif

// Which ways between states all scenarios together took, and which of the table's they did not.
class Ways final : public testing::Environment {
 public:
  static inline oracle::Edges taken;
  static inline bool complete = false;  // a quick run of everything: nothing may be missing

  void TearDown() override {
    if (taken.none()) return;
    const std::string never = never_taken();
    std::printf("%zu ways between states taken; never:%s\n", taken.count(),
                never.empty() ? " none of the table's" : never.c_str());
    if (complete) {
      EXPECT_EQ(never, "");
    }
  }

 private:
  static std::string never_taken() {
    // A listener is not what a connection of its port comes from or was before.
    oracle::Edges rest = oracle::allowed_edges() & ~taken;
    rest.reset(oracle::edge(State::closed, State::listen));
    rest.reset(oracle::edge(State::listen, State::syn_sent));
    std::string text;
    for (std::size_t way = 0; way < rest.size(); ++way) {
      if (!rest.test(way)) continue;
      text += ' ' + std::string(state_names[way / state_count]) + "->" +
              std::string(state_names[way % state_count]);
    }
    return text;
  }
};

class Exhaustive : public testing::TestWithParam<Scenario> {};

TEST_P(Exhaustive, no_interleaving_breaks_a_promise) {
  const Scenario& scenario = GetParam();
  if (!options.replay.empty()) {
    std::vector<Choice> path;
    ASSERT_TRUE(parse_path(options.replay, path)) << options.replay;
    std::string chart;
    const std::string error = Search::replay(scenario, path, &chart);
    std::cout << chart;
    EXPECT_EQ(error, "");
    return;
  }
  const auto begin = std::chrono::steady_clock::now();
  Search search(scenario);
  const Result result = search.run(
      options.depth != 0 ? options.depth : scenario.depth - (slow ? 2 : 0), options.states);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%-12s depth %2u%s: %lu states, %lu transitions, %lu steps to ends, %.1f s\n",
              scenario.name.c_str(), result.depth, result.exhausted ? ", all there is" : "",
              result.states, result.transitions, result.drain_steps, took.count());
  Ways::taken |= result.edges;
  if (result.error.empty()) return;
  std::string chart;
  Search::replay(scenario, result.path, &chart);
  FAIL() << result.error << "\n"
         << chart << "replay: build/tests/search/search --scenario " << scenario.name
         << " --replay " << text_of(result.path);
}

INSTANTIATE_TEST_SUITE_P(All, Exhaustive, testing::ValuesIn(all_scenarios()),
                         [](const auto& named) { return named.param.name; });

bool read_options(int argc, char** argv) {
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) return false;
    const char* value = argv[i + 1];
    if (name == "--depth") {
      options.depth = static_cast<unsigned>(std::strtoul(value, nullptr, 10));
    } else if (name == "--states") {
      options.states = std::strtoull(value, nullptr, 10);
      if (options.depth == 0) options.depth = 1000;
    } else if (name == "--scenario") {
      GTEST_FLAG_SET(filter, "*/" + std::string(value));
    } else if (name == "--replay") {
      options.replay = value;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace salut::search

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!salut::search::read_options(argc, argv)) {
    std::fprintf(stderr, "usage: %s [--depth N] [--states N] [--scenario NAME [--replay PATH]]\n",
                 argv[0]);
    return 2;
  }
  if (argc == 1 && !salut::search::slow && GTEST_FLAG_GET(filter) == "*") {
    salut::search::Ways::complete = true;
  }
  testing::AddGlobalTestEnvironment(new salut::search::Ways);
  return RUN_ALL_TESTS();
}
