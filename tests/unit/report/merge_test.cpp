// Results of several machines as one: nothing is averaged that was not counted so.
#include "report/merge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "report/report.hpp"

namespace salut::report {
namespace {

using Json = nlohmann::json;

// A machine of its own: `seed` makes all its figures.
BenchReport machine(unsigned seed, double hz = 2'000'000'000, std::size_t connections = 5'000) {
  std::mt19937_64 random(seed);
  BenchReport report;
  report.version = "0.1.0";
  report.transport = "pci";
  report.mode = "256 at once, client closes";
  report.target = "10.0.0.1:80";
  report.duration_s = 10;
  report.msl_s = 30;
  report.cps = static_cast<double>(1'000 + random() % 1'000);
  report.attempted = connections + 5;
  report.established = report.closed = connections;
  report.failures(load::Failure::refused) = 1;
  report.failures(load::Failure::unreachable) = 2;
  report.failures(load::Failure::cut_short) = 2;
  report.measured = {connections, connections * 5, 0, 1};
  report.packets_per_connection = 5;
  load::Histogram handshake;
  load::Histogram lifetime;
  for (std::size_t i = 0; i < connections; ++i) {
    const std::uint64_t ticks = 1 + random() % (std::uint64_t{1} << (10 + random() % 15));
    handshake.record(ticks);
    lifetime.record(2 * ticks);
  }
  report.handshakes = {{hz, handshake}};
  report.lifetimes = {{hz, lifetime}};
  report.handshake = latency_of(report.handshakes);
  report.lifetime = latency_of(report.lifetimes);
  report.client.emplace();
  report.client->cores = {0};
  report.client->set_busy(1'000 * connections, 4'000 * connections, connections, 0);
  report.client->states[static_cast<std::size_t>(State::time_wait)] = connections;
  report.client->drops[static_cast<std::size_t>(Drop::tcp_bad_checksum)] = seed;
  report.client->tx_frames = 3 * connections;
  report.client->retransmits = 7;
  report.tsc_hz = hz;
  report.sockets_peak = connections;
  report.memory = {1, 2, 3, 4, 5, 6};
  report.machine = {"A CPU", 2, "Linux 6.1"};
  report.command = "salut bench --seed " + std::to_string(seed);
  return report;
}

ReportText file(const std::string& name, const BenchReport& report) {
  return {name, to_json(report)};
}
BenchReport merged(const std::vector<ReportText>& files) {
  auto result = merge_reports(files);
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return result ? *result : BenchReport{};
}
std::string refused(const std::vector<ReportText>& files) {
  const auto result = merge_reports(files);
  return result ? "not refused" : result.error().message;
}

TEST(HistogramText, comes_back_as_it_was) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    load::Histogram histogram;
    const std::size_t count = random() % 500;  // now and then none
    for (std::size_t i = 0; i < count; ++i) histogram.record(random() >> (random() % 64));
    const auto back = load::Histogram::from_text(histogram.to_text(), histogram.max());
    ASSERT_TRUE(back) << "seed " << seed;
    EXPECT_EQ(*back, histogram) << "seed " << seed;
  }
}

TEST(HistogramText, what_is_no_histogram_is_refused) {
  EXPECT_TRUE(load::Histogram::from_text("", 0));
  EXPECT_TRUE(load::Histogram::from_text("3:1 5:2", 5));
  for (const char* wrong :
       {"3", "3:", ":1", "3:1 ", "3:1  5:2", "5:2 3:1", "5:1 5:2", "3:0 5:2", "-3:1 5:2", "3:1,5:2",
        "x", "3:1 99999:1 5:2", "3:18446744073709551615 5:2", "3:18446744073709551616 5:2"}) {
    EXPECT_FALSE(load::Histogram::from_text(wrong, 5)) << wrong;
  }
  EXPECT_FALSE(
      load::Histogram::from_text("3:1 5:2", 6));  // whose largest value is not in the last step
  EXPECT_FALSE(load::Histogram::from_text("", 5));
}

// The whole point: percentiles of all values, not of percentiles.
TEST(Merge, percentiles_are_those_of_all_values) {
  const BenchReport slow = machine(1, 2e9, 100);
  const BenchReport fast = machine(2, 2e9, 9'000);
  const BenchReport both = merged({file("a", slow), file("b", fast)});
  load::Histogram all = slow.handshakes[0].ticks;
  all.merge(fast.handshakes[0].ticks);
  for (const auto& [percent, got] :
       {std::pair{50.0, both.handshake.p50}, std::pair{99.0, both.handshake.p99},
        std::pair{99.9, both.handshake.p999}}) {
    EXPECT_NEAR(got, all.percentile(percent) / 2'000, 1e-9) << percent;
  }
  EXPECT_DOUBLE_EQ(both.handshake.max, static_cast<double>(all.max()) / 2'000);
  ASSERT_EQ(both.handshakes.size(), 1u);
  EXPECT_EQ(both.handshakes[0].ticks, all);
}

// Whatever the list of counters shows in the JSON of a benchmark is read and added up.
TEST(Merge, counters_come_back_from_their_json) {
  BenchReport report = machine(1, 1e9);
  std::uint64_t count = 1'000;
  for (const CounterField& field : counter_fields) (*report.client).*field.member = ++count;
  BenchReport other = report;
  other.command = "the same again";
  const BenchReport both = merged({file("a", report), file("b", other)});
  unsigned shown = 0;
  for (const CounterField& field : counter_fields) {
    if (!field.in(Shown::side | Shown::bench | Shown::stream)) continue;
    EXPECT_EQ((*both.client).*field.member, 2 * ((*report.client).*field.member)) << field.name;
    ++shown;
  }
  EXPECT_GE(shown, 8u);
}

// The same durations, counted by clocks of different rates.
TEST(Merge, clocks_of_different_rates_are_compared_in_time) {
  BenchReport a = machine(1, 1e9);
  BenchReport b = machine(2, 4e9);
  a.handshakes[0].ticks.clear();
  b.handshakes[0].ticks.clear();
  for (int i = 0; i < 60; ++i) a.handshakes[0].ticks.record(100'000);  // 100 us
  for (int i = 0; i < 40; ++i) b.handshakes[0].ticks.record(200'000);  // 50 us
  const BenchReport both = merged({file("a", a), file("b", b)});
  EXPECT_NEAR(both.handshake.p50, 100, 0.5);
  EXPECT_NEAR(both.handshake.max, 100, 1e-9);
  ASSERT_EQ(both.handshakes.size(), 2u);
  b.handshakes[0].ticks.record(200'000);
  for (int i = 0; i < 30; ++i) b.handshakes[0].ticks.record(200'000);
  EXPECT_NEAR(merged({file("a", a), file("b", b)}).handshake.p50, 50, 0.25);

  // 1,000 cycles of the slow clock are 4,000 of the fast one, and as many nanoseconds.
  EXPECT_DOUBLE_EQ(both.tsc_hz, 4e9);
  EXPECT_DOUBLE_EQ(both.client->busy_cycles_per_connection, (4'000 + 1'000) / 2.0);
  EXPECT_DOUBLE_EQ(both.client->busy_percent, 25);
  EXPECT_TRUE(std::ranges::any_of(both.notes, [](const std::string& note) {
    return note.starts_with("clocks of different rates");
  }));
}

TEST(Merge, counts_are_summed_and_cycles_weighted) {
  BenchReport b = machine(2, 2e9, 1'000);
  b.client->set_busy(5'000'000, 10'000'000, 1'000, 0);  // 5,000 a connection
  const BenchReport a = machine(1, 2e9, 9'000);         // 1,000
  const BenchReport both = merged({file("a", a), file("b", b)});
  EXPECT_DOUBLE_EQ(both.cps, a.cps + b.cps);
  EXPECT_EQ(both.attempted, 10'010u);
  EXPECT_EQ(both.closed, 10'000u);
  EXPECT_EQ(both.failures(load::Failure::unreachable), 4u);
  EXPECT_EQ(both.failures(load::Failure::cut_short), 4u);
  EXPECT_DOUBLE_EQ(both.packets_per_connection, 5);
  EXPECT_DOUBLE_EQ(both.client->busy_cycles_per_connection, 1'400);
  EXPECT_EQ(both.client->states[static_cast<std::size_t>(State::time_wait)], 10'000u);
  EXPECT_EQ(both.client->drops[static_cast<std::size_t>(Drop::tcp_bad_checksum)], 3u);
  EXPECT_EQ(both.client->retransmits, 14u);
  EXPECT_EQ(both.memory.total(), 42u);
  EXPECT_EQ(both.machine.cores, 4u);
  EXPECT_FALSE(both.server);
  EXPECT_TRUE(both.notes.empty());
}

TEST(Merge, grouping_and_order_make_no_difference) {
  std::vector<ReportText> files;
  for (unsigned seed = 1; seed <= 5; ++seed) {
    BenchReport report = machine(seed, seed % 2 == 0 ? 2e9 : 2.6e9 + seed);
    report.cps += 0.1 * seed;  // sums that depend on their order
    files.push_back(file("m" + std::to_string(seed), report));
  }
  const std::string all = to_json(merged(files));
  const ReportText left = file("l", merged({files[0], files[1]}));
  const ReportText right = file("r", merged({files[2], files[3], files[4]}));
  EXPECT_EQ(to_json(merged({left, right})), all);
  EXPECT_EQ(to_json(merged({right, left})), all);
  const ReportText middle = file("m", merged({files[3], left}));
  EXPECT_EQ(to_json(merged({files[4], middle, files[2]})), all);
  EXPECT_EQ(to_json(merged({file("all", merged(files))})), all);
}

TEST(Merge, one_alone_is_itself) {
  const BenchReport one = machine(1);
  Json was = Json::parse(to_json(one));
  Json is = Json::parse(to_json(merged({file("a", one)})));
  is.erase("parts");
  was["command"] = is["command"];  // is that of the merge
  EXPECT_EQ(is, was);
}

TEST(Merge, what_does_not_fit_together_is_noted) {
  BenchReport b = machine(2);
  b.duration_s = 20;
  b.mode = "100000 per second";
  b.target = "10.0.0.9:80";
  const BenchReport both = merged({file("a", machine(1)), file("b", b)});
  EXPECT_DOUBLE_EQ(both.duration_s, 20);
  ASSERT_EQ(both.notes.size(), 3u);
  const std::string table = to_table(both);
  for (const char* words : {"10 s", "20 s", "256 at once", "100000 per second", "10.0.0.9:80"}) {
    EXPECT_NE(table.find(words), std::string::npos) << words;
  }
}

TEST(Merge, streams_are_merged_and_not_with_connections) {
  BenchReport a = machine(1);
  a.stream.emplace();
  a.stream->bytes = 1'000;
  a.stream->gbit_s = 10;
  a.stream->gbit_s_per_core = 10;
  BenchReport b = machine(2);
  b.stream = a.stream;
  b.measured.workers = 3;
  const BenchReport both = merged({file("a", a), file("b", b)});
  EXPECT_EQ(both.stream->bytes, 2'000u);
  EXPECT_DOUBLE_EQ(both.stream->gbit_s, 20);
  EXPECT_DOUBLE_EQ(both.stream->gbit_s_per_core, 5);
  EXPECT_NE(refused({file("a", a), file("c", machine(3))}).find("want results of the same kind"),
            std::string::npos);
}

TEST(Merge, the_same_twice_is_refused_however_it_comes) {
  const ReportText a = file("a.json", machine(1));
  const ReportText b = file("b.json", machine(2));
  EXPECT_EQ(refused({a, b, a}), "a.json: given twice; want each result once");
  ReportText copy = a;
  copy.file = "copy.json";
  EXPECT_EQ(refused({a, copy}), "copy.json: its result is in a.json, too; want each result once");
  EXPECT_EQ(refused({file("all.json", merged({a, b})), b}),
            "b.json: its result is in all.json, too; want each result once");
}

TEST(Merge, what_is_no_result_is_refused_by_its_file) {
  const auto one = [](std::string text) { return refused({{"x.json", std::move(text)}}); };
  const char* want = "; want a result of `salut bench --json FILE`";
  EXPECT_EQ(one(""), std::string("x.json: not JSON") + want);
  EXPECT_EQ(one("{"), std::string("x.json: not JSON") + want);
  EXPECT_EQ(one("[1]"), std::string("x.json: not a report of salut") + want);
  EXPECT_EQ(one("{\"schema\": 3}"), std::string("x.json: not a report of salut") + want);
  EXPECT_EQ(one(to_json(ServeReport{})), std::string("x.json: schema = \"salut.serve/1\"") + want);
  Json old = Json::parse(to_json(machine(1)));
  old.erase("histograms");
  EXPECT_EQ(one(old.dump()), std::string("x.json: no histograms: made by an older salut") + want);
}

// Copying or printing it would need a stack as deep as the file says.
TEST(Merge, what_is_nested_too_deep_is_refused) {
  constexpr std::size_t depth = 200'000;
  const std::string deep = std::string(depth, '[') + std::string(depth, ']');
  const std::string want = "x.json: nested too deep; want a result of `salut bench --json FILE`";
  EXPECT_EQ(refused({{"x.json", R"({"schema":"salut.bench/1","parts":[)" + deep + "]}"}}), want);
  EXPECT_EQ(refused({{"x.json", std::string(depth, '[')}}), want);
  std::string good = to_json(machine(1));
  good.insert(good.rfind('}'), ",\"unknown\":" + deep);
  EXPECT_EQ(refused({{"x.json", good}}), want);
}

// A file of another's may hold what a terminal obeys.
TEST(Merge, text_of_a_file_reaches_no_terminal_as_it_is) {
  const std::string red = "\x1b]0;title\x07\x1b[31m\r";
  BenchReport report = machine(1);
  for (std::string* text : {&report.version, &report.transport, &report.mode, &report.target,
                            &report.machine.cpu, &report.machine.kernel, &report.command}) {
    *text += red;
  }
  report.impaired = {{"a" + red, {}, {}}};
  report.steering = {{"b" + red, 2, "how" + red}};
  BenchReport other = machine(2);
  other.version +=
      "\xc2\x9b"
      "31m";
  const auto is_clean = [](const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
  };
  const BenchReport both = merged({file("a", report), file("b", other)});
  EXPECT_TRUE(is_clean(to_table(both))) << to_table(both);

  Json wrong = Json::parse(to_json(machine(1)));
  wrong["schema"] = red;
  EXPECT_TRUE(is_clean(refused({{"x.json", wrong.dump()}})));
  wrong = Json::parse(to_json(machine(1)));
  wrong["client"]["drops"][red] = 1;
  EXPECT_TRUE(is_clean(refused({{"x.json", wrong.dump()}})));
  wrong = Json::parse(to_json(machine(1)));
  wrong["impaired"][red] = 1;
  EXPECT_TRUE(is_clean(refused({{"x.json", wrong.dump()}})));
}

// Each value of a good file, replaced by what it cannot be: refused by name, or harmless.
TEST(Merge, any_wrong_value_is_one_line_or_harmless) {
  const Json good = Json::parse(to_json(machine(1)));
  const Json flat = good.flatten();
  std::size_t refusals = 0;
  for (const auto& [path, value] : flat.items()) {
    for (const Json& wrong : {Json(nullptr), Json(-1), Json("x"), Json(1e300), Json::array({1}),
                              Json::object({{"a", 1}}), Json(true)}) {
      Json spoilt = good;
      spoilt[Json::json_pointer(path)] = wrong;
      const auto result = merge_reports({{"x.json", spoilt.dump()}});
      if (result) continue;
      ++refusals;
      const std::string& message = result.error().message;
      ASSERT_TRUE(message.starts_with("x.json: ")) << path << ": " << message;
      ASSERT_EQ(message.find('\n'), std::string::npos) << message;
    }
    Json less = good;
    less[Json::json_pointer(path).parent_pointer()].clear();
    (void)merge_reports({{"x.json", less.dump()}});
  }
  EXPECT_GT(refusals, flat.size());
}

}  // namespace
}  // namespace salut::report
