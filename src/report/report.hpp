// What a benchmark found, as a table for a person and as JSON for programs.
//
// The JSON's keys are a contract (issue 2, README): others parse it. Numbers that a run could not
// measure are 0; percentiles of nothing are null, and so is a side that salut did not run.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/application.hpp"
#include "base/text.hpp"
#include "host/machine.hpp"
#include "load/exchange.hpp"
#include "load/histogram.hpp"
#include "salut/counters.hpp"
#include "salut/runtime.hpp"
#include "salut/state.hpp"

namespace salut::report {

struct Latency {
  std::uint64_t count = 0;  // 0: nothing was measured, and the others are void
  double p50 = 0;           // microseconds
  double p99 = 0;
  double p999 = 0;
  double max = 0;
};

// A histogram in ticks of one clock. Those of other clocks stay apart, so that merging loses
// nothing.
struct Recording {
  double hz = 0;  // of the ticks
  load::Histogram ticks;
};

// Percentiles of all of them together.
Latency latency_of(const std::vector<Recording>& recordings);

// The client's or the server's side: the counters of its stacks, and how busy their cores were.
struct SideReport : Counters {
  std::vector<std::uint32_t> cores;
  double busy_cycles_per_connection = 0;
  double busy_percent = 0;
  double busy_cycles_per_byte = 0;  // of a stream
  std::uint64_t busy_cycles = 0;    // of the time measured
  std::uint64_t total_cycles = 0;

  void set_busy(std::uint64_t busy_time, std::uint64_t total_time, std::uint64_t connections,
                std::uint64_t bytes);
};

// Of `bench --stream`: bytes one way.
struct StreamReport {
  std::uint64_t connections = 0;
  std::uint64_t bytes = 0;  // received; written, if the server is not ours
  double seconds = 0;       // from the first byte to the last close; of a timed run: of its window
  double gbit_s = 0;
  double gbit_s_per_core = 0;  // of all workers, busy or not
  bool checksums = true;       // of received segments are verified
  bool verified = false;       // every byte was compared
  bool copied = false;         // by read() and write()
  std::uint64_t wrong = 0;     // pieces that differed
};

// Counts in the measured time. Rates are computed from them, also when reports are merged.
struct Measured {
  std::uint64_t connections = 0;  // ended
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint32_t workers = 0;
};

struct BenchReport : load::LoadTotals {
  std::string version;
  std::string transport;  // "loop", "tap", "pci", or the driver of a vdev
  std::string mode;       // for the table: "512 at once", "100000 per second"
  std::string target;     // for the table
  double duration_s = 0;
  double msl_s = 0;
  double cps = 0;
  double packets_per_connection = 0;

  Latency handshake;
  Latency lifetime;
  std::vector<Recording> handshakes;
  std::vector<Recording> lifetimes;
  Measured measured;
  std::optional<SideReport> client;
  std::optional<SideReport> server;
  std::optional<StreamReport> stream;
  bool reflect = false;    // the other end is this stack: its frames come back to it
  bool one_stack = false;  // client and server share a stack; its figures stand under `client`
  double tsc_hz = 0;
  std::uint64_t sockets_peak = 0;
  MemoryUse memory;
  Machine machine;
  std::string command;
  std::vector<PortImpaired> impaired;  // ports that lose frames on purpose
  std::vector<PortLink> links;         // of ports that have one
  std::vector<PortSteering> steering;  // ports with several workers
  std::vector<std::string> notes;      // lines below the table
  std::string latencies;               // of `bench --latencies`: the file's text
  std::vector<std::string> parts;      // of a merged report: the JSON of each part
};

// What `salut serve` did from start to end, idle time included. Busy cycles are those of turns with
// work.
struct ServeReport : app::Totals {
  std::string version;
  std::string app;
  SideReport side;
  MemoryUse memory;
  double tsc_hz = 0;
  Machine machine;
  std::string command;
  std::vector<PortImpaired> impaired;
  std::vector<PortLink> links;
  std::vector<PortSteering> steering;
};

// "refused 3, timed out 12"; "none" if nothing failed.
std::string failures_text(const load::FailureCounts& failed);
std::string to_table(const BenchReport& report);
std::string to_json(const BenchReport& report);
std::string to_table(const ServeReport& report);
std::string to_json(const ServeReport& report);

// "1,023 of 102,334 dropped, 1,010 repeated, 2,044 late, 12 corrupted"
std::string impaired_text(const Impaired& impaired);
// "down, after it went down 2 times and came up 1 time"; empty if it was up all the time.
std::string link_text(const PortLink& link);
// "wire: 1,234 frames, before they came to us (txqueuelen)"; empty if there were none.
std::string kernel_dropped_text(const PortLink& link);
// "TIME_WAIT 123  LISTEN 1", the states that are not 0; "none" if all are.
std::string states_text(const std::array<std::uint64_t, state_count>& states);

}  // namespace salut::report
