#include "report/merge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "report/dump.hpp"
#include "report/read.hpp"

namespace salut::report {
namespace {

struct Part {
  std::string file;
  std::string text;  // its JSON: it orders the parts and finds equal ones
  BenchReport report;
};

Result<std::vector<Part>> all_parts(const std::vector<ReportText>& reports) {
  std::vector<Part> parts;
  for (const ReportText& one : reports) {
    auto read = read_parts(one.file, one.text);
    if (!read) return tl::unexpected<Error>(read.error());
    for (const ReportJson& json : *read) {
      auto report = read_report(one.file, json);
      if (!report) return tl::unexpected<Error>(report.error());
      parts.push_back({one.file, dump(json), std::move(*report)});
    }
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.text < b.text; });
  const auto twice = std::adjacent_find(
      parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.text == b.text; });
  if (twice == parts.end()) return parts;
  const std::string& other = std::next(twice)->file;
  return fail(
      Errc::invalid_argument,
      twice->file == other
          ? fmt::format("{}: given twice; want each result once", other)
          : fmt::format("{}: its result is in {}, too; want each result once", other, twice->file));
}

// "a, b": each value once, in order.
template <typename Get>
std::string distinct(const std::vector<Part>& parts, Get get) {
  std::string text;
  std::set<std::string> seen;
  for (const Part& part : parts) {
    const std::string value = get(part.report);
    if (seen.insert(value).second) text += (text.empty() ? "" : ", ") + value;
  }
  return text;
}

template <typename Get>
bool same(const std::vector<Part>& parts, Get get) {
  return std::all_of(parts.begin(), parts.end(), [&](const Part& part) {
    return get(part.report) == get(parts.front().report);
  });
}

void add_recordings(const std::vector<Recording>& from, std::vector<Recording>& to) {
  for (const Recording& one : from) {
    const auto known = std::find_if(to.begin(), to.end(),
                                    [&](const Recording& other) { return other.hz == one.hz; });
    if (known == to.end()) {
      to.push_back(one);
    } else {
      known->ticks.merge(one.ticks);
    }
  }
}

// One side, summed over the reports that have it. Cycles are converted to a clock of `hz`.
std::optional<SideReport> merge_sides(const std::vector<Part>& parts, double hz,
                                      std::optional<SideReport> BenchReport::* side) {
  std::optional<SideReport> sum;
  double busy = 0;
  double total = 0;
  Measured measured;
  for (const Part& part : parts) {
    const std::optional<SideReport>& one = part.report.*side;
    if (!one) continue;
    if (!sum) sum.emplace();
    sum->cores.insert(sum->cores.end(), one->cores.begin(), one->cores.end());
    *sum += *one;
    busy += static_cast<double>(one->busy_cycles) * (hz / part.report.tsc_hz);
    total += static_cast<double>(one->total_cycles) * (hz / part.report.tsc_hz);
    measured.connections += part.report.measured.connections;
    measured.bytes += part.report.measured.bytes;
  }
  if (sum) {
    sum->set_busy(static_cast<std::uint64_t>(std::llround(busy)),
                  static_cast<std::uint64_t>(std::llround(total)), measured.connections,
                  measured.bytes);
  }
  return sum;
}

void add_impaired(const std::vector<PortImpaired>& from, std::vector<PortImpaired>& to) {
  for (const PortImpaired& one : from) {
    const auto known = std::find_if(
        to.begin(), to.end(), [&](const PortImpaired& other) { return other.port == one.port; });
    if (known == to.end()) {
      to.push_back(one);
    } else {
      known->in += one.in;
      known->out += one.out;
    }
  }
}

// Ports of the same name on all machines are one. Where their steering differs, each is named.
void add_steering(const std::vector<PortSteering>& from, std::vector<PortSteering>& to) {
  for (const PortSteering& one : from) {
    const auto known = std::find_if(
        to.begin(), to.end(), [&](const PortSteering& other) { return other.port == one.port; });
    if (known == to.end()) {
      to.push_back(one);
    } else {
      known->queues += one.queues;
      if (known->how.find(one.how) == std::string::npos) known->how += "; " + one.how;
    }
  }
}

void add_totals(const BenchReport& one, BenchReport& sum) {
  sum.cps += one.cps;
  static_cast<load::LoadTotals&>(sum) += one;
  sum.sockets_peak += one.sockets_peak;
  sum.memory += one.memory;
  sum.measured.connections += one.measured.connections;
  sum.measured.packets += one.measured.packets;
  sum.measured.bytes += one.measured.bytes;
  sum.measured.workers += one.measured.workers;
  sum.machine.cores += one.machine.cores;
}

void add_stream(const StreamReport& one, std::optional<StreamReport>& sum) {
  if (!sum) {
    sum = one;
    return;
  }
  sum->connections += one.connections;
  sum->bytes += one.bytes;
  sum->seconds = std::max(sum->seconds, one.seconds);
  sum->gbit_s += one.gbit_s;
  sum->checksums = sum->checksums && one.checksums;
  sum->verified = sum->verified && one.verified;
  sum->copied = sum->copied || one.copied;
  sum->wrong += one.wrong;
}

// Notes on what differs between the results.
void add_notes(const std::vector<Part>& parts, BenchReport& sum) {
  const auto differ = [&](const char* what, auto get) {
    if (!same(parts, get)) sum.notes.push_back(fmt::format("{}: {}", what, distinct(parts, get)));
  };
  differ("of different durations",
         [](const BenchReport& r) { return fmt::format("{:.4g} s", r.duration_s); });
  differ("of different modes", [](const BenchReport& r) { return r.mode; });
  differ("of different 2MSL",
         [](const BenchReport& r) { return fmt::format("{:g} s", 2 * r.msl_s); });
  differ("of different versions", [](const BenchReport& r) { return r.version; });
  differ("to different targets", [](const BenchReport& r) { return r.target; });
  if (!same(parts, [](const BenchReport& r) { return r.server.has_value(); })) {
    sum.notes.push_back("of some results the server was not salut's: its side is of the others");
  }
  if (!same(parts, [](const BenchReport& r) { return std::round(r.tsc_hz / 1e6); })) {
    sum.notes.push_back(fmt::format("clocks of different rates: cycles are of one of {:.0f} MHz",
                                    sum.tsc_hz / 1e6));
  }
}

void join_words(const std::vector<Part>& parts, BenchReport& sum) {
  sum.version = distinct(parts, [](const BenchReport& r) { return r.version; });
  sum.transport = distinct(parts, [](const BenchReport& r) { return r.transport; });
  sum.mode = distinct(parts, [](const BenchReport& r) { return r.mode; });
  sum.target = distinct(parts, [](const BenchReport& r) { return r.target; });
  sum.machine.kernel = distinct(parts, [](const BenchReport& r) { return r.machine.kernel; });
  const std::string cpus = distinct(parts, [](const BenchReport& r) { return r.machine.cpu; });
  sum.machine.cpu = cpus;
  if (parts.size() == 1) return;
  sum.mode = fmt::format("{} results: {}", parts.size(), sum.mode);
  sum.machine.cpu = fmt::format("{} x {}", parts.size(), cpus);
}

}  // namespace

Result<BenchReport> merge_reports(const std::vector<ReportText>& reports) {
  auto read = all_parts(reports);
  if (!read) return tl::unexpected<Error>(read.error());
  const std::vector<Part>& parts = *read;
  const auto is_stream = [](const BenchReport& report) { return report.stream.has_value(); };
  if (!same(parts, is_stream)) {
    const bool first = is_stream(parts.front().report);
    const auto other = std::find_if(parts.begin(), parts.end(), [&](const Part& part) {
      return is_stream(part.report) != first;
    });
    return fail(Errc::invalid_argument,
                fmt::format("{}: {}, and {} is not; want results of the same kind", other->file,
                            first ? "of connections" : "of a stream", parts.front().file));
  }
  BenchReport sum;
  for (const Part& part : parts) {
    const BenchReport& one = part.report;
    add_totals(one, sum);
    sum.duration_s = std::max(sum.duration_s, one.duration_s);
    sum.msl_s = std::max(sum.msl_s, one.msl_s);
    sum.tsc_hz = std::max(sum.tsc_hz, one.tsc_hz);
    sum.one_stack = sum.one_stack || one.one_stack;
    add_recordings(one.handshakes, sum.handshakes);
    add_recordings(one.lifetimes, sum.lifetimes);
    add_impaired(one.impaired, sum.impaired);
    add_steering(one.steering, sum.steering);
    if (one.stream) add_stream(*one.stream, sum.stream);
    sum.parts.push_back(part.text);
  }
  sum.handshake = latency_of(sum.handshakes);
  sum.lifetime = latency_of(sum.lifetimes);
  if (sum.measured.connections != 0) {
    sum.packets_per_connection =
        static_cast<double>(sum.measured.packets) / static_cast<double>(sum.measured.connections);
  }
  if (sum.stream && sum.measured.workers != 0) {
    sum.stream->gbit_s_per_core = sum.stream->gbit_s / sum.measured.workers;
  }
  sum.client = merge_sides(parts, sum.tsc_hz, &BenchReport::client);
  sum.server = merge_sides(parts, sum.tsc_hz, &BenchReport::server);
  join_words(parts, sum);
  add_notes(parts, sum);
  return sum;
}

}  // namespace salut::report
