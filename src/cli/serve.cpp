#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "app/discard.hpp"
#include "app/echo.hpp"
#include "app/http.hpp"
#include "cli/commands.hpp"
#include "cli/setup.hpp"
#include "cli/signals.hpp"
#include "cli/tap.hpp"
#include "ops/report.hpp"
#include "salut/runtime.hpp"

namespace salut::cli {

namespace {

std::vector<std::unique_ptr<app::Application>> make_applications(const ServeOptions& options,
                                                                 const Runtime& runtime) {
  // :: takes both families.
  const app::ServerOptions server{Endpoint{IpAddress::any_v6(), options.port},
                                  runtime.config().stack.connections};
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
    }
  }
  return applications;
}

// The workers' side: what they tell the control thread.
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

constexpr const char* app_names[] = {"http", "echo", "discard"};

void announce(const ServeOptions& options, const Config& config) {
  if (options.runtime.config.empty()) {
    fmt::print(stderr, "to reach it from this machine, once:\n{}", tap_commands(config.ports[0]));
  }
  fmt::print("listening on {} ({})\n", addresses(config, options.port),
             app_names[static_cast<std::size_t>(options.app)]);
  std::fflush(stdout);
}

void report(const std::vector<std::unique_ptr<app::Application>>& applications, Runtime& runtime) {
  app::Totals totals;
  Counters counters;
  for (const auto& application : applications) {
    const app::Totals& part = application->totals();
    totals.connections += part.connections;
    totals.requests += part.requests;
    totals.bytes_in += part.bytes_in;
    totals.bytes_out += part.bytes_out;
    totals.refused += part.refused;
    totals.aborted += part.aborted;
  }
  for (std::uint32_t worker = 0; worker < runtime.workers(); ++worker) {
    const Counters part = runtime.stack(worker).counters();
    for (std::size_t i = 0; i < drop_count; ++i) counters.drops[i] += part.drops[i];
    for (std::size_t i = 0; i < state_count; ++i) counters.states[i] += part.states[i];
    counters.retransmits += part.retransmits;
  }
  using ops::with_commas;
  fmt::print("connections    {}\n", with_commas(totals.connections));
  if (totals.requests != 0) fmt::print("requests       {}\n", with_commas(totals.requests));
  fmt::print("bytes          {} in, {} out\n", with_commas(totals.bytes_in),
             with_commas(totals.bytes_out));
  if (totals.refused != 0) fmt::print("refused        {}\n", with_commas(totals.refused));
  if (totals.aborted != 0) {
    fmt::print("reset at last  {}\n", with_commas(totals.aborted));
  }
  if (counters.retransmits != 0) {
    fmt::print("retransmitted  {}\n", with_commas(counters.retransmits));
  }
  for (std::size_t i = 0; i < drop_count; ++i) {
    if (counters.drops[i] == 0) continue;
    fmt::print("dropped        {} x {}\n", with_commas(counters.drops[i]),
               sentence(static_cast<Drop>(i)));
  }
  for (const PortImpaired& port : runtime.impaired()) {
    fmt::print("impaired       {} in: {}\n", port.port, ops::impaired_text(port.in));
    fmt::print("impaired       {} out: {}\n", port.port, ops::impaired_text(port.out));
  }
  fmt::print("sockets left   {}\n", ops::states_text(counters.states));
}

}  // namespace

int run_serve(const ServeOptions& options) {
  Result<Config> config = serve_config(options);
  if (!config) return refuse(config.error());
  Result<Runtime> runtime = Runtime::open(std::move(*config));
  if (!runtime) return refuse(in_words_of_flags(runtime.error(), options.runtime));
  const StopOnSignal signals(*runtime);
  fmt::print(stderr, "{}", runtime->describe());

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
  while (workers.listening < runtime->workers() && !runtime->finished() && !signals.stopped()) {
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  if (workers.listening == runtime->workers()) announce(options, runtime->config());
  runtime->wait();
  if (workers.failed) return refuse(*workers.failed);
  report(applications, *runtime);
  return exit_ok;
}

}  // namespace salut::cli
