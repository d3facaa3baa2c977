#include "cli/bench_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/version.hpp"
#include "config/keys.hpp"
#include "load/advice.hpp"
#include "salut/runtime.hpp"

namespace salut::cli {

namespace {

// "loop", "tap", "pci", or the driver of a vdev: "net_virtio_user".
std::string transport(const Config& config, std::uint32_t worker) {
  const auto port = std::ranges::find_if(
      config.ports, [&](const PortConfig& candidate) { return candidate.on_worker(worker); });
  if (port == config.ports.end()) return "loop";
  if (port->type != PortType::vdev) return std::string(config::type_name(port->type));
  const std::string device = port->vdev.substr(0, port->vdev.find(','));
  const std::size_t number = device.find_last_not_of("0123456789");
  return device.substr(0, number == std::string::npos ? 0 : number + 1);
}

report::SideReport side(const load::Controller& controller,
                        const std::vector<std::uint32_t>& workers, const Config& config) {
  report::SideReport side;
  std::uint64_t busy = 0;
  std::uint64_t total = 0;
  for (const std::uint32_t worker : workers) {
    const Counters& last = controller.workers()[worker]->last().counters;
    if (worker < config.cores.size()) side.cores.push_back(config.cores[worker]);
    side += last;
    if (controller.window().workers.empty()) continue;
    const auto& window = controller.window().workers[worker];
    busy += window.end.loop.busy_cycles - window.begin.loop.busy_cycles;
    total += window.end.loop.total_cycles - window.begin.loop.total_cycles;
  }
  side.set_busy(busy, total, controller.window().ended, controller.window().bytes);
  return side;
}

// Each packet once: what the clients sent and received. Where both ends share a stack: what it
// sent.
std::uint64_t packets(const load::Controller& controller, const std::vector<std::uint32_t>& clients,
                      bool one_stack) {
  const load::BenchWindow& window = controller.window();
  if (window.workers.empty()) return 0;
  std::uint64_t packets = 0;
  for (const std::uint32_t worker : clients) {
    const Counters& begin = window.workers[worker].begin.counters;
    const Counters& end = window.workers[worker].end.counters;
    packets += end.segments_out - begin.segments_out;
    if (!one_stack) packets += end.segments_in - begin.segments_in;
  }
  return packets;
}

// One line per bucket of the histogram, in microseconds.
std::string as_csv(const load::Histogram& ticks, double hz) {
  std::string text = "us,count\n";
  ticks.for_each([&](double middle, std::uint64_t count) {
    text += fmt::format("{:.4f},{}\n", middle * 1e6 / hz, count);
  });
  return text;
}

void set_latencies(const load::BenchWindow& window, double hz, report::BenchReport& report) {
  load::Histogram handshake;
  load::Histogram lifetime;
  for (const auto& worker : window.workers) {
    handshake.merge(worker.load.handshake);
    lifetime.merge(worker.load.lifetime);
  }
  // Rounded as in the JSON, so that a merge of the JSON gives the same percentiles.
  report.handshakes.push_back({std::round(hz), handshake});
  report.lifetimes.push_back({std::round(hz), lifetime});
  report.handshake = report::latency_of(report.handshakes);
  report.lifetime = report::latency_of(report.lifetimes);
  report.latencies = as_csv(handshake, hz);
}

void set_memory(const load::Controller& controller, report::BenchReport& report) {
  for (const auto& worker : controller.workers()) {
    report.memory += worker->memory();
  }
}

std::uint32_t distinct_workers(const load::BenchSetup& setup) {
  std::vector<std::uint32_t> workers = setup.clients;
  workers.insert(workers.end(), setup.servers.begin(), setup.servers.end());
  std::ranges::sort(workers);
  workers.erase(std::unique(workers.begin(), workers.end()), workers.end());
  return static_cast<std::uint32_t>(workers.size());
}

report::StreamReport stream_report(const load::BenchOptions& options, const load::BenchSetup& setup,
                                   const load::Controller& controller, const Config& config) {
  report::StreamReport stream;
  const load::BenchWindow& window = controller.window();
  stream.connections = options.concurrency;
  stream.bytes = window.bytes;
  stream.seconds = window.seconds;
  if (window.seconds > 0) {
    stream.gbit_s = static_cast<double>(window.bytes) * 8e-9 / window.seconds;
  }
  stream.gbit_s_per_core = stream.gbit_s / distinct_workers(setup);
  stream.checksums = config.stack.verify_checksums;
  stream.verified = options.verify;
  stream.copied = options.copy;
  for (const auto& worker : controller.workers()) {
    if (worker->server() != nullptr) stream.wrong += worker->server()->wrong();
  }
  return stream;
}

// Where the port reflects, every connection opens and closes simultaneously. If one did not, there
// is another station on the link.
void note_other_ways(report::BenchReport& report) {
  const auto entered = [&](State state) {
    return report.client->states_entered[static_cast<std::size_t>(state)];
  };
  const std::uint64_t both =
      std::min({entered(State::syn_received), entered(State::closing), entered(State::time_wait)});
  if (both >= report.closed) return;
  report.notes.push_back(fmt::format(
      "{} of {} connections were not opened and closed from both ends at once: is there "
      "a mirror (testpmd --forward-mode=5tswap)?",
      with_commas(report.closed - both), with_commas(report.closed)));
}

// Where both ends are in this process, each connection has two sockets. The side with more of them
// counts.
std::uint64_t sockets_peak(const load::Controller& controller, const load::BenchSetup& setup) {
  const auto peak = [&](const std::vector<std::uint32_t>& workers) {
    std::uint64_t sum = 0;
    for (const std::uint32_t worker : workers) {
      sum += controller.workers()[worker]->last().counters.sockets_peak;
    }
    return sum;
  };
  return std::max(peak(setup.clients), peak(setup.servers));
}

}  // namespace

std::string mode_text(const load::BenchOptions& options) {
  using load::LoadMode;
  std::string text;
  switch (options.mode) {
    case LoadMode::rate:
      text = fmt::format("{:g} per second", options.rate);
      break;
    case LoadMode::hold:
      text = fmt::format("hold {}", options.hold);
      break;
    case LoadMode::max:
      text = "highest rate";
      break;
    case LoadMode::stream:
      return fmt::format("{} connection{}, {}", with_commas(options.concurrency),
                         options.concurrency == 1 ? "" : "s",
                         options.bytes == 0 ? "one way for the duration"
                                            : with_commas(options.bytes) + " bytes one way");
    default:
      text = fmt::format("{} at once", options.concurrency);
      break;
  }
  if (options.connections) text += fmt::format(", {} in all", *options.connections);
  if (options.request != 0 || options.response != 0) {
    text += fmt::format(", {} bytes there and {} back", options.request, options.response);
  }
  if (options.reflect) return text + ", in a mirror";
  return text + (options.server_closes ? ", server closes" : ", client closes");
}

report::BenchReport make_report(const load::BenchOptions& options, const load::BenchSetup& setup,
                                const load::Controller& controller, Runtime& runtime) {
  const Config& config = runtime.config();
  const bool searched = options.mode == load::LoadMode::max;
  const load::BenchWindow& window = controller.window();
  report::BenchReport report;
  report.version = SALUT_VERSION;
  report.transport = transport(config, setup.clients.front());
  report.mode = mode_text(options);
  report.target = setup.target.to_string();
  const double wanted_s = std::chrono::duration<double>(options.duration).count();
  report.duration_s = options.connections || searched ? window.seconds : wanted_s;
  if (controller.interrupted()) {
    report.duration_s = std::min(report.duration_s, controller.elapsed_s());
    report.notes.push_back("stopped by a signal");
  }
  report.msl_s = std::chrono::duration<double>(config.stack.msl).count();
  report.cps = window.cps;
  report.one_stack = setup.servers == setup.clients;
  report.measured.connections = window.ended;
  report.measured.packets = packets(controller, setup.clients, report.one_stack);
  report.measured.bytes = window.bytes;
  report.measured.workers = distinct_workers(setup);
  if (window.ended != 0) {
    report.packets_per_connection =
        static_cast<double>(report.measured.packets) / static_cast<double>(window.ended);
  }
  static_cast<load::LoadTotals&>(report) = searched ? window.totals : controller.totals();
  report.tsc_hz = Runtime::tsc_hz();
  set_latencies(window, report.tsc_hz, report);
  report.client = side(controller, setup.clients, config);
  if (!setup.servers.empty() && !report.one_stack) {
    report.server = side(controller, setup.servers, config);
  }
  report.reflect = options.reflect;
  if (options.reflect) note_other_ways(report);
  if (options.stream) {
    report.stream = stream_report(options, setup, controller, config);
    if (options.bytes != 0) report.duration_s = window.seconds;
  }
  report.sockets_peak = sockets_peak(controller, setup);
  set_memory(controller, report);
  report.impaired = runtime.impaired();
  report.links = runtime.links();
  report.steering = runtime.steering();
  report.machine = this_machine();
  report.command = options.command;
  report.notes.insert(report.notes.end(), controller.notes().begin(), controller.notes().end());
  const auto lines = load::advice(controller.totals(), config.stack);
  report.notes.insert(report.notes.end(), lines.begin(), lines.end());
  report.notes.insert(report.notes.end(), setup.notes.begin(), setup.notes.end());
  if (window.seconds <= 0) report.notes.push_back("stopped before anything was measured");
  return report;
}

}  // namespace salut::cli
