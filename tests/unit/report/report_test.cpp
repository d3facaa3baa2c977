#include "report/report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace salut::report {
namespace {

using Json = nlohmann::json;

std::set<std::string> keys(const Json& object) {
  std::set<std::string> names;
  for (const auto& [key, value] : object.items()) names.insert(key);
  return names;
}

BenchReport sample() {
  BenchReport report;
  report.version = "1.2.3";
  report.transport = "loop";
  report.duration_s = 10;
  report.msl_s = 30;
  report.cps = 1234.56789;
  report.attempted = 100;
  report.established = 90;
  report.closed = 80;
  for (std::size_t i = 0; i < load::failure_count; ++i) report.failed[i] = i + 1;
  report.handshake = report.lifetime = {1, 1, 1, 1, 1};
  report.client.emplace();
  report.client->cores = {0, 2};
  report.client->states[static_cast<std::size_t>(State::time_wait)] = 42;
  report.client->drops[static_cast<std::size_t>(Drop::tcp_bad_checksum)] = 9;
  report.client->cookies_sent = 12;
  report.client->cookies_good = 10;
  report.server.emplace();
  report.memory = {1, 2, 3, 4, 5, 6};
  report.command = "salut bench \"x\"";
  return report;
}

// A command line is bytes. JSON is UTF-8: what is none is replaced, and the result is not lost.
TEST(ReportJson, command_that_is_not_utf_8) {
  BenchReport bench = sample();
  bench.command = "salut bench --json \xff\xc3.json";
  const std::string replaced = "salut bench --json \xef\xbf\xbd\xef\xbf\xbd.json";
  EXPECT_EQ(Json::parse(to_json(bench))["command"], replaced);
  ServeReport serve;
  serve.command = bench.command;
  EXPECT_EQ(Json::parse(to_json(serve))["command"], replaced);
}

// The contract of issue 2: exactly these keys.
TEST(ReportJson, keys_are_the_contract) {
  const Json json = Json::parse(to_json(sample()));
  EXPECT_EQ(keys(json),
            (std::set<std::string>{"schema", "version", "transport", "duration_s", "msl_s", "cps",
                                   "packets_per_connection", "connections", "latency_us", "client",
                                   "server", "tsc_hz", "sockets_peak", "memory_bytes", "machine",
                                   "command", "measured", "histograms"}));
  EXPECT_EQ(keys(json["connections"]),
            (std::set<std::string>{"attempted", "established", "closed", "failed"}));
  EXPECT_EQ(
      keys(json["connections"]["failed"]),
      (std::set<std::string>{"refused", "reset", "timed_out", "no_port", "overload",
                             // those were all, once
                             "unreachable", "cut_short", "unfinished", "no_slot", "time_wait_full",
                             "saturated", "late", "closed_while_held", "data_after_close"}));
  EXPECT_EQ(keys(json["latency_us"]), (std::set<std::string>{"handshake", "lifetime"}));
  for (const char* latency : {"handshake", "lifetime"}) {
    EXPECT_EQ(keys(json["latency_us"][latency]),
              (std::set<std::string>{"p50", "p99", "p999", "max"}));
  }
  const std::set<std::string> states(state_names.begin(), state_names.end());
  for (const char* side : {"client", "server"}) {
    EXPECT_EQ(keys(json[side]),
              (std::set<std::string>{"cores", "busy_cycles_per_connection", "busy_percent",
                                     "states", "states_peak", "tx_packets", "rx_packets",
                                     "redirected", "cookies", "drops"}));
    EXPECT_EQ(keys(json[side]["states"]), states);
    std::set<std::string> peaks = states;
    peaks.erase("CLOSED");  // nothing ever is in it for long enough to be counted
    EXPECT_EQ(keys(json[side]["states_peak"]), peaks);
  }
  EXPECT_EQ(keys(json["memory_bytes"]),
            (std::set<std::string>{"tcb", "time_wait", "flow_table", "timers", "buffers", "mbufs",
                                   "total"}));
}

TEST(ReportJson, values) {
  const Json json = Json::parse(to_json(sample()));
  EXPECT_EQ(json["schema"], "salut.bench/1");
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_DOUBLE_EQ(json["cps"], 1234.568);
  EXPECT_EQ(json["client"]["cores"], Json::array({0, 2}));
  EXPECT_EQ(json["client"]["states"]["TIME_WAIT"], 42);
  EXPECT_EQ(json["client"]["states"]["CLOSED"], 0);
  EXPECT_EQ(json["client"]["cookies"], (Json{{"sent", 12}, {"returned", 10}}));
  EXPECT_EQ(json["client"]["drops"], (Json{{"tcp_bad_checksum", 9}}));
  EXPECT_EQ(json["server"]["drops"], Json::object());
  EXPECT_EQ(json["memory_bytes"]["total"], 21);
  EXPECT_EQ(json["command"], "salut bench \"x\"");
}

// attempted = closed + the sum of the failures: nothing may fall between the reasons, and nothing
// may count twice.
TEST(ReportJson, each_reason_counts_what_it_says) {
  const Json json = Json::parse(to_json(sample()));
  for (const Json& failed : {json["connections"]["failed"], json["measured"]["failed"]}) {
    EXPECT_EQ(failed["refused"], 1);
    EXPECT_EQ(failed["timed_out"], 3);
    EXPECT_EQ(failed["unreachable"], 4);
    EXPECT_EQ(failed["unfinished"], 8);
    EXPECT_EQ(failed["data_after_close"], 14);
    std::uint64_t sum = 0;
    for (const auto& [key, count] : failed.items()) sum += count.get<std::uint64_t>();
    EXPECT_EQ(sum, 14u * 15 / 2);
  }
}

TEST(ReportJson, percentiles_of_nothing_are_null) {
  BenchReport report = sample();
  report.lifetime = {};
  const Json json = Json::parse(to_json(report));
  for (const char* key : {"p50", "p99", "p999", "max"}) {
    EXPECT_TRUE(json["latency_us"]["lifetime"][key].is_null()) << key;
    EXPECT_EQ(json["latency_us"]["handshake"][key], 1) << key;
  }
  EXPECT_NE(to_table(report).find("whole life              none measured"), std::string::npos);
}

TEST(ReportJson, unexpected_bytes_are_there_if_there_were_some) {
  BenchReport report = sample();
  EXPECT_FALSE(Json::parse(to_json(report))["connections"].contains("unexpected_bytes"));
  report.unexpected_bytes = 23;
  EXPECT_EQ(Json::parse(to_json(report))["connections"]["unexpected_bytes"], 23);
  EXPECT_NE(to_table(report).find("23 read and dropped"), std::string::npos);
}

TEST(ReportJson, what_was_served) {
  ServeReport report;
  report.app = "load";
  report.connections = 4;
  report.side.set_busy(1'000, 4'000, report.connections, 0);
  report.side.retransmits = 3;
  report.memory = {1, 2, 3, 4, 5, 6};
  const Json json = Json::parse(to_json(report));
  EXPECT_EQ(json["schema"], "salut.serve/1");
  EXPECT_EQ(json["connections"], 4);
  EXPECT_EQ(json["server"]["busy_cycles_per_connection"], 250);
  EXPECT_EQ(json["server"]["busy_percent"], 25);
  EXPECT_EQ(json["server"]["retransmits"], 3);
  EXPECT_EQ(json["memory_bytes"]["total"], 21);
  EXPECT_FALSE(json.contains("impaired"));
}

TEST(ReportJson, a_side_that_is_not_ours_is_null) {
  BenchReport report = sample();
  report.server.reset();
  EXPECT_TRUE(Json::parse(to_json(report))["server"].is_null());
}

BenchReport stream_sample() {
  BenchReport report = sample();
  report.client->busy_cycles_per_byte = 0.5;
  report.client->retransmits = 77;
  report.client->timeouts = 3;
  report.client->fast_retransmits = 1'234;
  report.stream.emplace();
  report.stream->connections = 10;
  report.stream->bytes = 1'000'000;
  report.stream->seconds = 0.25;
  report.stream->gbit_s = 12.3456;
  report.stream->gbit_s_per_core = 6.1728;
  return report;
}

TEST(ReportJson, a_stream_adds_one_key) {
  std::set<std::string> wanted = keys(Json::parse(to_json(sample())));
  const Json json = Json::parse(to_json(stream_sample()));
  wanted.insert("stream");
  EXPECT_EQ(keys(json), wanted);
  const Json& stream = json["stream"];
  EXPECT_EQ(stream["bytes"], 1'000'000);
  EXPECT_DOUBLE_EQ(stream["gbit_s"], 12.346);
  EXPECT_EQ(stream["client"]["timeouts"], 3);
  EXPECT_DOUBLE_EQ(stream["client"]["busy_cycles_per_byte"], 0.5);
}

TEST(ReportTable, a_stream_says_bytes_and_repairs_instead_of_connections_per_second) {
  BenchReport report = stream_sample();
  const std::string table = to_table(report);
  for (const char* part : {"12.346 Gbit/s, 6.173 per core", "1,000,000 in 0.250 s, not compared",
                           "0.500 cycles", "1,234 fast recoveries, 3 timeouts"}) {
    EXPECT_NE(table.find(part), std::string::npos) << part << "\n" << table;
  }
  EXPECT_EQ(table.find("connections per second"), std::string::npos);
  report.stream->verified = true;
  EXPECT_NE(to_table(report).find("each compared"), std::string::npos);
  report.stream->wrong = 2;
  EXPECT_NE(to_table(report).find("2 pieces WRONG"), std::string::npos);
}

TEST(ReportTable, names_what_failed_and_was_dropped) {
  const std::string table = to_table(sample());
  for (const char* part :
       {"refused 1", "unreachable 4", "cut short 7", "unfinished 8", "no slot 9",
        "TIME_WAIT full 10", "saturated 11", "late 12", "closed while held 13",
        "data after close 14", "9 x TCP checksum is wrong", "TIME_WAIT 42", "1,235", "2MSL 60 s"}) {
    EXPECT_NE(table.find(part), std::string::npos) << part << "\n" << table;
  }
}

TEST(ReportText, numbers) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1'000), "1,000");
  EXPECT_EQ(with_commas(12'345'678), "12,345,678");
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(std::uint64_t{3} << 30), "3.0 GiB");
}

}  // namespace
}  // namespace salut::report
