#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "cli/bench_report.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/tap.hpp"
#include "host/huge_memory.hpp"
#include "host/machine.hpp"
#include "host/say.hpp"
#include "io/sleep.hpp"
#include "load/controller.hpp"
#include "load/scenario.hpp"
#include "report/progress.hpp"
#include "report/report.hpp"
#include "salut/runtime.hpp"
#include "service/link_watch.hpp"
#include "service/signals.hpp"

namespace salut::cli {

namespace {

// A Runtime behind load::Workers. Its links are watched while the workers run.
class RuntimeWorkers final : public load::Workers {
 public:
  explicit RuntimeWorkers(Runtime& runtime) : runtime_(runtime) {}
  std::uint32_t count() const override { return runtime_.workers(); }
  void start(std::function<void(Stack&)> application) override {
    runtime_.start(std::move(application));
    links_.emplace(runtime_);
  }
  bool finished() const override { return runtime_.finished(); }
  void wait() override {
    runtime_.wait();
    links_.reset();
  }
  Counters counters(std::uint32_t worker) override { return runtime_.stack(worker).counters(); }

 private:
  Runtime& runtime_;
  std::optional<service::LinkWatch> links_;
};

load::BenchPlan make_plan(const load::BenchOptions& options, const load::BenchSetup& setup,
                          const Runtime& runtime) {
  load::BenchPlan plan;
  plan.mode = options.mode;
  plan.rate = options.rate;
  plan.concurrency = options.concurrency;
  if (options.connections) plan.limit = *options.connections;
  if (options.mode == load::LoadMode::hold) plan.limit = options.hold;
  if (options.stream) plan.limit = options.concurrency;
  plan.duration = options.duration;
  plan.drain = options.drain;
  const StackConfig& stack = runtime.config().stack;
  plan.silence = std::max(stack.syn_timeout, stack.retry_timeout);
  plan.load.target = setup.target;
  plan.load.exchange = {options.request, options.response, options.server_closes,
                        options.stream,  options.verify,   options.copy};
  plan.load.burst = options.burst;
  plan.load.local = options.local;
  plan.load.slots = stack.connections;
  plan.load.time_wait = stack.time_wait;
  plan.load.hz = Runtime::tsc_hz();
  plan.listen = setup.target;
  plan.clients = setup.clients;
  plan.servers = setup.servers;
  return plan;
}

void announce(std::FILE* out, const load::BenchOptions& options, const load::BenchSetup& setup,
              const Runtime& runtime) {
  say(stderr, "{}", runtime.describe());
  for (const std::string& note : setup.notes) say(stderr, "note: {}\n", note);
  say(out, "{} to {}, 2MSL {:g} s\n", mode_text(options), setup.target.to_string(),
      2 * std::chrono::duration<double>(runtime.config().stack.msl).count());
  std::fflush(out);
}

// The TAPs of the clients: those with the target on their link, or all if there is none.
std::vector<const PortConfig*> taps_to(const load::BenchSetup& setup, const Config& config) {
  std::vector<const PortConfig*> all;
  std::vector<const PortConfig*> near;
  const IpAddress target = setup.target.addresses().first;
  for (const PortConfig& port : config.ports) {
    const auto uses = [&](std::uint32_t client) { return port.on_worker(client); };
    if (port.type != PortType::tap || std::ranges::none_of(setup.clients, uses)) continue;
    all.push_back(&port);
    const auto on_link = [&](const Prefix& prefix) { return prefix.contains(target); };
    if (std::ranges::any_of(port.addresses, on_link)) near.push_back(&port);
  }
  return near.empty() ? all : near;
}

// The TAP exists only since we made it, and the server's side must first set it up. Until then the
// first SYN, or the ARP request before it, would be lost.
void wait_for_kernel(const PortConfig& tap, const IpAddress& target,
                     const std::atomic<bool>& interrupted) {
  const bool ip6 = !target.is_v4();
  if (tap_is_joined(tap.interface, ip6)) return;
  constexpr auto patience = std::chrono::seconds{60};
  say(stderr, "waiting up to 60 s for the kernel to be joined to {}:\n{}", tap.interface,
      tap_commands(tap));
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!tap_is_joined(tap.interface, ip6) && !interrupted &&
         std::chrono::steady_clock::now() < until) {
    io::sleep_for(std::chrono::milliseconds{20});
  }
}

// True if the run measured nothing: no connection was opened, none was closed in order, or bytes
// were wrong. Says which.
bool is_vain(const load::Controller& controller, const report::BenchReport& report) {
  const load::LoadTotals totals = controller.totals();
  if (totals.established == 0 && totals.attempted != 0) {
    say(stderr, "salut: no connection to {} could be opened: {}\n", report.target,
        report::failures_text(totals.failed));
    return true;
  }
  if (totals.closed == 0) {
    say(stderr, "salut: none of {} connections to {} was closed in order: {}\n",
        with_commas(totals.attempted), report.target, report::failures_text(totals.failed));
    return true;
  }
  if (report.stream && report.stream->wrong != 0) {
    say(stderr, "salut: what arrived is not what was sent\n");
    return true;
  }
  return false;
}

}  // namespace

int run_bench(const load::BenchOptions& options) {
  Result<load::BenchSetup> setup =
      load::bench_setup(options, this_machine().cores, available_memory());
  if (!setup) return refuse(setup.error());
  if (!can_write(options.json)) return refuse(cannot_write("--json", options.json));
  if (!can_write(options.latencies)) return refuse(cannot_write("--latencies", options.latencies));
  Result<Runtime> runtime = Runtime::open(setup->config);
  if (!runtime) return refuse(in_words_of_flags(runtime.error(), options.runtime));
  const service::StopOnSignal signals(&*runtime);

  std::FILE* const out = options.json == "-" ? stderr : stdout;
  announce(out, options, *setup, *runtime);
  for (const PortConfig* tap : taps_to(*setup, runtime->config())) {
    wait_for_kernel(*tap, setup->target.addresses().first, signals.stopped());
  }
  service::wait_for_links(*runtime, signals.stopped());
  report::ProgressLine live(out);
  RuntimeWorkers workers(*runtime);
  load::Controller controller(workers, make_plan(options, *setup, *runtime), live,
                              signals.stopped());
  if (Result<void> ran = controller.run(); !ran) return refuse(ran.error());

  const report::BenchReport report = make_report(options, *setup, controller, *runtime);
  service::close_ports(*runtime);
  const Result<void> done[] = {print_result(out, report::to_table(report)),
                               write_text("--json", options.json, report::to_json(report)),
                               write_text("--latencies", options.latencies, report.latencies)};
  if (const int status = refuse_failed(done); status != exit_ok) return status;
  return is_vain(controller, report) ? exit_nothing : exit_ok;
}

}  // namespace salut::cli
