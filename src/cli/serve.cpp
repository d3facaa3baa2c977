#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

#include "app/discard.hpp"
#include "app/echo.hpp"
#include "app/http.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/serve_config.hpp"
#include "cli/tap.hpp"
#include "cli/version.hpp"
#include "host/machine.hpp"
#include "host/say.hpp"
#include "load/scenario.hpp"
#include "load/server.hpp"
#include "report/report.hpp"
#include "salut/runtime.hpp"
#include "service/link_watch.hpp"
#include "service/signals.hpp"
#include "service/supervisor.hpp"

namespace salut::cli {

namespace {

std::vector<std::unique_ptr<app::Application>> make_applications(const ServeOptions& options,
                                                                 const Runtime& runtime) {
  // :: takes both families.
  app::ServerOptions server{Endpoint{IpAddress::any_v6(), options.port},
                            runtime.config().stack.connections};
  server.timeouts = runtime.config().serve;
  std::shared_ptr<const app::HttpContent> content;
  if (options.app == ServeApp::http) content = std::make_shared<app::HttpContent>(options.body);
  std::vector<std::unique_ptr<app::Application>> applications;
  for (std::uint32_t worker = 0; worker < runtime.workers(); ++worker) {
    switch (options.app) {
      case ServeApp::http:
        applications.push_back(std::make_unique<app::Http>(server, content));
        break;
      case ServeApp::echo:
        applications.push_back(std::make_unique<app::Echo>(server));
        break;
      case ServeApp::discard:
        applications.push_back(std::make_unique<app::Discard>(server));
        break;
      case ServeApp::load:
        applications.push_back(std::make_unique<load::LoadServer>(
            server.local, load::Exchange{options.request, options.response, options.server_closes},
            runtime.config().stack.connections, true));
        break;
    }
  }
  return applications;
}

// What the workers tell the control thread.
struct Workers {
  std::atomic<std::uint32_t> listening = 0;
  std::mutex mutex;
  std::optional<Error> failed;

  void fail(Error error) {
    const std::lock_guard lock(mutex);
    if (!failed) failed = std::move(error);
  }
};

std::string addresses(const Config& config, std::uint16_t port) {
  std::string text;
  for (const PortConfig& one : config.ports) {
    for (const Prefix& prefix : one.addresses) {
      text += (text.empty() ? "" : ", ") + Endpoint{prefix.address, port}.to_string();
    }
  }
  return text;
}

constexpr const char* app_names[] = {"http", "echo", "discard", "load"};

void announce(const ServeOptions& options, const Config& config) {
  if (options.runtime.config.empty()) {
    say(stderr, "to reach it from this machine, once:\n{}", tap_commands(config.ports[0]));
  }
  std::FILE* const out = options.json == "-" ? stderr : stdout;
  say(out, "listening on {} ({})\n", addresses(config, options.port),
      app_names[static_cast<std::size_t>(options.app)]);
  std::fflush(out);
}

report::ServeReport make_report(const std::vector<std::unique_ptr<app::Application>>& applications,
                                const ServeOptions& options, Runtime& runtime) {
  report::ServeReport report;
  for (const auto& application : applications) {
    add_fields<app::Totals>(app::total_fields, application->totals(), report);
  }
  LoopStats loop;
  for (std::uint32_t worker = 0; worker < runtime.workers(); ++worker) {
    const Stack& stack = runtime.stack(worker);
    report.side += stack.counters();
    report.memory += stack.memory_use();
    loop.busy_cycles += stack.loop_stats().busy_cycles;
    loop.total_cycles += stack.loop_stats().total_cycles;
  }
  report.side.set_busy(loop.busy_cycles, loop.total_cycles, report.connections, 0);
  report.side.cores = runtime.config().cores;
  report.version = SALUT_VERSION;
  report.app = app_names[static_cast<std::size_t>(options.app)];
  report.tsc_hz = Runtime::tsc_hz();
  report.machine = this_machine();
  report.command = options.command;
  report.impaired = runtime.impaired();
  report.links = runtime.links();
  report.steering = runtime.steering();
  return report;
}

}  // namespace

int run_serve(const ServeOptions& options) {
  service::ignore_harmless_signals();
  if (!can_write(options.json)) return refuse(cannot_write("--json", options.json));
  Result<Config> config = serve_config(options);
  if (!config) return refuse(config.error());
  Result<Runtime> runtime = Runtime::open(std::move(*config));
  if (!runtime) return refuse(in_words_of_flags(runtime.error(), options.runtime));
  Result<service::ControlSocket> socket = service::ControlSocket::open(runtime->config().name);
  if (!socket) return refuse(socket.error());
  const service::StopOnSignal signals(nullptr);  // the supervisor runs `down` first
  say(stderr, "{}", runtime->describe());

  const auto applications = make_applications(options, *runtime);
  Workers workers;
  runtime->start([&](Stack& stack) {
    app::Application& application = *applications[stack.worker()];
    if (Result<void> started = application.start(stack); !started) {
      workers.fail(std::move(started.error()));
      return runtime->stop();
    }
    ++workers.listening;
    app::serve_loop(stack, application, options.drain);
  });
  service::LinkWatch links(*runtime);
  service::Supervisor supervisor(*runtime, *socket, signals, options.drain);
  supervisor.run({workers.listening, [&] { announce(options, runtime->config()); }});
  links.stop();
  if (workers.failed) return refuse(*workers.failed);
  const report::ServeReport report = make_report(applications, options, *runtime);
  service::close_ports(*runtime);
  const Result<void> done[] = {
      print_result(options.json == "-" ? stderr : stdout, report::to_table(report)),
      write_text("--json", options.json, report::to_json(report))};
  const int status = refuse_failed(done);
  // After the file, so that who waits for the end finds it complete.
  supervisor.report_end();
  return status;
}

}  // namespace salut::cli
