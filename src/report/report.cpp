#include "report/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>

#include "host/say.hpp"

namespace salut::report {

Latency latency_of(const std::vector<Recording>& recordings) {
  std::vector<std::pair<double, std::uint64_t>> steps;  // microseconds, how many
  std::uint64_t all = 0;
  Latency latency;
  for (const Recording& one : recordings) {
    if (one.hz <= 0) continue;
    const double us = 1e6 / one.hz;
    one.ticks.for_each(
        [&](double middle, std::uint64_t count) { steps.emplace_back(middle * us, count); });
    all += one.ticks.count();
    latency.max = std::max(latency.max, static_cast<double>(one.ticks.max()) * us);
  }
  latency.count = all;
  std::sort(steps.begin(), steps.end());
  // The lowest bucket that reaches the percentile, as in Histogram::percentile().
  const auto percentile = [&](double percent) {
    const double share = percent / 100 * static_cast<double>(all);
    const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share)));
    std::uint64_t seen = 0;
    for (const auto& [middle, count] : steps) {
      seen += count;
      if (seen >= rank) return std::min(middle, latency.max);
    }
    return latency.max;
  };
  latency.p50 = percentile(50);
  latency.p99 = percentile(99);
  latency.p999 = percentile(99.9);
  return latency;
}

void SideReport::set_busy(std::uint64_t busy_time, std::uint64_t total_time,
                          std::uint64_t connections, std::uint64_t bytes) {
  busy_cycles = busy_time;
  total_cycles = total_time;
  const auto busy = static_cast<double>(busy_cycles);
  if (connections != 0) busy_cycles_per_connection = busy / static_cast<double>(connections);
  if (bytes != 0) busy_cycles_per_byte = busy / static_cast<double>(bytes);
  if (total_cycles != 0) busy_percent = 100 * busy / static_cast<double>(total_cycles);
}

std::string states_text(const std::array<std::uint64_t, state_count>& states) {
  std::string text;
  for (std::size_t i = 0; i < state_count; ++i) {
    if (states[i] == 0) continue;
    if (!text.empty()) text += "  ";
    text += fmt::format("{} {}", state_names[i], with_commas(states[i]));
  }
  return text.empty() ? "none" : text;
}

std::string impaired_text(const Impaired& impaired) {
  std::string text =
      fmt::format("{} of {} dropped", with_commas(impaired.dropped), with_commas(impaired.frames));
  for (const auto& field : impaired_fields) {
    const std::uint64_t count = impaired.*field.member;
    const bool said = field.member == &Impaired::frames || field.member == &Impaired::dropped;
    if (count != 0 && !said) text += fmt::format(", {} {}", with_commas(count), field.words);
  }
  return text;
}

std::string link_text(const PortLink& link) {
  if (link.up && link.downs == 0) return "";
  const auto times = [](std::uint64_t n) {
    return fmt::format("{} time{}", with_commas(n), n == 1 ? "" : "s");
  };
  return fmt::format("{}, after it went down {} and came up {}", link.up ? "up" : "down",
                     times(link.downs), times(link.ups));
}

std::string failures_text(const load::FailureCounts& failed) {
  std::string text;
  for (std::size_t i = 0; i < load::failure_count; ++i) {
    if (failed[i] == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", load::failure_names[i].text,
                        with_commas(failed[i]));
  }
  return text.empty() ? "none" : text;
}

std::string kernel_dropped_text(const PortLink& link) {
  if (link.kernel_dropped == 0) return "";
  return fmt::format("{}: {} frames, before they came to us (txqueuelen)", link.port,
                     with_commas(link.kernel_dropped));
}

namespace {

std::string duration_text(double microseconds) {
  if (microseconds < 1'000) return fmt::format("{:.1f} us", microseconds);
  if (microseconds < 1'000'000) return fmt::format("{:.1f} ms", microseconds / 1e3);
  return fmt::format("{:.2f} s", microseconds / 1e6);
}

std::string count_text(double value) {
  return with_commas(static_cast<std::uint64_t>(value + 0.5));
}

// Frames that came to a worker by way of another one, and their share.
std::string redirected_text(const SideReport& side) {
  const double share = side.rx_frames == 0 ? 0
                                           : 100 * static_cast<double>(side.redirected) /
                                                 static_cast<double>(side.rx_frames);
  return fmt::format("{} ({:.1f} %)", with_commas(side.redirected), share);
}

std::string cookies_text(const SideReport& side) {
  return fmt::format("{} sent, {} returned", with_commas(side.cookies_sent),
                     with_commas(side.cookies_good));
}

// Printable ASCII only: in a merged report the text is from files of other people.
class Table {
 public:
  void row(std::string_view name, std::string_view value) {
    fmt::format_to(std::back_inserter(text_), "  {:<24}{}\n", printable(name),
                   printable(value, line_max));
  }
  void heading(std::string_view name) {
    fmt::format_to(std::back_inserter(text_), "\n{}\n", printable(name, line_max));
  }
  std::string take() { return std::move(text_); }

 private:
  static constexpr std::size_t line_max = 10'000;

  std::string text_;
};

void latency_row(Table& table, std::string_view name, const Latency& latency) {
  if (latency.count == 0) return table.row(name, "none measured");
  table.row(name, fmt::format("p50 {}   p99 {}   p99.9 {}   max {}", duration_text(latency.p50),
                              duration_text(latency.p99), duration_text(latency.p999),
                              duration_text(latency.max)));
}

void stream_rows(Table& table, const StreamReport& stream) {
  table.row("throughput",
            fmt::format("{:.3f} Gbit/s, {:.3f} per core", stream.gbit_s, stream.gbit_s_per_core));
  table.row("bytes",
            fmt::format("{} in {:.3f} s, {}", with_commas(stream.bytes), stream.seconds,
                        !stream.verified    ? "not compared (--verify)"
                        : stream.wrong == 0 ? "each compared"
                                            : with_commas(stream.wrong) + " pieces WRONG"));
  table.row("calls", stream.copied ? "write() and read()" : "lend() and peek()");
  table.row("checksums", stream.checksums ? "computed and verified" : "computed, not verified");
}

void connection_rows(Table& table, const BenchReport& report) {
  table.row("connections per second", count_text(report.cps));
  table.row("packets per connection", fmt::format("{:.2f}", report.packets_per_connection));
  latency_row(table, "handshake", report.handshake);
  latency_row(table, "whole life", report.lifetime);
}

// Calls row(name, text) for the rows of counters that are shown in one of `where`.
template <typename Row>
void counter_rows(const Counters& counters, unsigned where, Row row) {
  std::vector<std::pair<std::string_view, std::string>> rows;
  for (const bool first : {true, false}) {
    for (const CounterField& field : counter_fields) {
      const std::uint64_t count = counters.*field.member;
      if (count == 0 || !field.in(where) || field.shown.first != first) continue;
      auto found = std::ranges::find(rows, field.shown.row, &decltype(rows)::value_type::first);
      if (found == rows.end()) found = rows.insert(found, {field.shown.row, ""});
      found->second += fmt::format("{}{}{}", found->second.empty() ? "" : ", ", with_commas(count),
                                   field.shown.unit);
    }
  }
  for (const CounterField& field : counter_fields) {  // in the order of the list
    auto found = std::ranges::find(rows, field.shown.row, &decltype(rows)::value_type::first);
    if (found == rows.end()) continue;
    row(found->first, found->second);
    rows.erase(found);
  }
}

void side_rows(Table& table, std::string_view name, const SideReport& side, double tsc_hz,
               bool stream) {
  std::string cores;
  for (const std::uint32_t core : side.cores) {
    cores += fmt::format("{}{}", cores.empty() ? "" : ",", core);
  }
  table.heading(fmt::format("{} (core {})", name, cores));
  if (stream) {
    table.row("busy per byte", fmt::format("{:.3f} cycles", side.busy_cycles_per_byte));
  } else {
    table.row("busy per connection",
              fmt::format("{} cycles ({:.0f} ns)", count_text(side.busy_cycles_per_connection),
                          tsc_hz > 0 ? side.busy_cycles_per_connection * 1e9 / tsc_hz : 0));
  }
  table.row("busy", fmt::format("{:.1f} %", side.busy_percent));
  table.row("sockets at the end", states_text(side.states));
  table.row("sockets at the peak", states_text(side.states_peak));
  table.row("packets", fmt::format("{} sent, {} received", with_commas(side.tx_frames),
                                   with_commas(side.rx_frames)));
  if (side.redirected != 0) table.row("redirected", redirected_text(side));
  if (side.cookies_sent != 0) table.row("cookies", cookies_text(side));
  counter_rows(side, stream ? Shown::bench | Shown::stream : Shown::bench,
               [&](auto row, const auto& text) { table.row(row, text); });
  for (std::size_t i = 0; i < drop_count; ++i) {
    if (side.drops[i] == 0) continue;
    table.row("dropped",
              fmt::format("{} x {}", with_commas(side.drops[i]), sentence(static_cast<Drop>(i))));
  }
}

std::string memory_text(const MemoryUse& memory) {
  std::string parts;
  for (const auto& field : memory_fields) {
    parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", field.words,
                         bytes_text(memory.*field.member));
  }
  return fmt::format("{} ({})", bytes_text(memory.total()), parts);
}

}  // namespace

std::string to_table(const BenchReport& report) {
  Table table;
  table.heading(fmt::format("salut {} bench: {} over {}, {:.4g} s, 2MSL {:g} s", report.version,
                            report.mode, report.transport, report.duration_s, 2 * report.msl_s));
  if (report.stream) {
    stream_rows(table, *report.stream);
  } else {
    connection_rows(table, report);
  }
  table.row("connections",
            fmt::format("{} attempted, {} established, {} closed", with_commas(report.attempted),
                        with_commas(report.established), with_commas(report.closed)));
  table.row("failed", failures_text(report.failed));
  if (report.unexpected_bytes != 0) {
    table.row("unexpected bytes", with_commas(report.unexpected_bytes) + " read and dropped");
  }
  table.row("sockets at the peak", with_commas(report.sockets_peak));
  table.row("memory", memory_text(report.memory));
  if (report.client) {
    side_rows(table,
              report.reflect     ? "stack in a mirror"
              : report.one_stack ? "client and server on one stack"
                                 : "client",
              *report.client, report.tsc_hz, report.stream.has_value());
    if (report.reflect) table.row("states entered", states_text(report.client->states_entered));
  }
  if (report.server) {
    side_rows(table, "server", *report.server, report.tsc_hz, report.stream.has_value());
  }
  if (!report.impaired.empty()) table.heading("impaired on purpose");
  for (const PortImpaired& port : report.impaired) {
    table.row(port.port + " in", impaired_text(port.in));
    table.row(port.port + " out", impaired_text(port.out));
  }
  for (const PortLink& link : report.links) {
    if (const std::string text = link_text(link); !text.empty()) {
      table.row("link", fmt::format("{}: {}", link.port, text));
    }
    if (const std::string text = kernel_dropped_text(link); !text.empty()) {
      table.row("dropped by the kernel", text);
    }
  }
  if (!report.steering.empty()) table.heading("ports with several workers");
  for (const PortSteering& port : report.steering) {
    table.row(port.port,
              fmt::format("{}, {} queue{}", port.how, port.queues, port.queues == 1 ? "" : "s"));
  }
  table.heading(fmt::format("on {} ({} cores), {}", report.machine.cpu, report.machine.cores,
                            report.machine.kernel));
  for (const std::string& note : report.notes) table.row("note", note);
  return table.take();
}

std::string to_table(const ServeReport& report) {
  std::string text;
  const auto row = [&](std::string_view name, std::string_view value) {
    fmt::format_to(std::back_inserter(text), "{:<15}{}\n", name, value);
  };
  row("connections", with_commas(report.connections));
  if (report.requests != 0) row("requests", with_commas(report.requests));
  row("bytes",
      fmt::format("{} in, {} out", with_commas(report.bytes_in), with_commas(report.bytes_out)));
  if (report.refused != 0) row("refused", with_commas(report.refused));
  if (report.aborted != 0) row("reset at last", with_commas(report.aborted));
  if (report.header_timeouts != 0) row("slow requests", with_commas(report.header_timeouts));
  if (report.idle_timeouts != 0) row("idle too long", with_commas(report.idle_timeouts));
  if (report.send_timeouts != 0) row("stalled, reset", with_commas(report.send_timeouts));
  const SideReport& side = report.side;
  if (report.connections != 0) {
    row("busy",
        fmt::format("{} cycles per connection", count_text(side.busy_cycles_per_connection)));
  }
  if (side.redirected != 0) row("redirected", redirected_text(side));
  if (side.cookies_sent != 0) row("cookies", cookies_text(side));
  counter_rows(side, Shown::serve, row);
  for (std::size_t i = 0; i < drop_count; ++i) {
    if (side.drops[i] == 0) continue;
    row("dropped",
        fmt::format("{} x {}", with_commas(side.drops[i]), sentence(static_cast<Drop>(i))));
  }
  for (const PortImpaired& port : report.impaired) {
    row("impaired", fmt::format("{} in: {}", port.port, impaired_text(port.in)));
    row("impaired", fmt::format("{} out: {}", port.port, impaired_text(port.out)));
  }
  for (const PortLink& link : report.links) {
    if (const std::string how = link_text(link); !how.empty()) {
      row("link", fmt::format("{}: {}", link.port, how));
    }
    if (const std::string lost = kernel_dropped_text(link); !lost.empty()) {
      row("kernel dropped", lost);
    }
  }
  for (const PortSteering& port : report.steering) {
    row("port " + port.port,
        fmt::format("{}, {} queue{}", port.how, port.queues, port.queues == 1 ? "" : "s"));
  }
  row("sockets left", states_text(side.states));
  return text;
}

}  // namespace salut::report
