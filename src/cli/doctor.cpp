#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/serve_config.hpp"
#include "doctor/doctor.hpp"
#include "host/cores.hpp"
#include "host/terminal.hpp"
#include "load/scenario.hpp"

namespace salut::cli {
namespace {

std::string subject(const Config& config, const std::string& file) {
  const auto plural = [](std::size_t n, std::string_view noun) {
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
  };
  return fmt::format("{}: {}, {}", file.empty() ? "no file, the TAP of `salut serve`" : file,
                     plural(config.workers, "worker"), plural(config.ports.size(), "port"));
}

}  // namespace

int run_doctor(const DoctorOptions& options) {
  std::vector<doctor::Finding> findings;
  const Result<Config> config = serve_config(ServeOptions{.runtime = options.runtime});
  if (config) {
    findings.push_back(
        {doctor::Health::green, "configuration", subject(*config, options.runtime.config), {}});
  } else {
    findings.push_back(doctor::refusal("configuration", config.error()));
  }
  const std::vector<doctor::Finding> rest =
      doctor::examine(config.value_or(Config{}), Sysfs{}, allowed_cores());
  findings.insert(findings.end(), rest.begin(), rest.end());
  const auto told = print_result(stdout, doctor::to_lines(findings, has_colour(stdout)));
  if (!told) return refuse(told.error());
  return doctor::can_start(findings) ? exit_ok : exit_nothing;
}

}  // namespace salut::cli
