#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "host/descriptors.hpp"
#include "host/say.hpp"

namespace salut::cli {

namespace {

int run(const Text& text) {
  const auto told = print_result(stdout, text.text);
  return told ? exit_ok : refuse(told.error());
}
int run(const ServeOptions& options) { return run_serve(options); }
int run(const load::BenchOptions& options) { return run_bench(options); }
int run(const DrainOptions& options) { return run_drain(options); }
int run(const StatesOptions& options) { return run_states(options); }
int run(const DoctorOptions& options) { return run_doctor(options); }
int run(const MergeOptions& options) { return run_merge(options); }

int run_program(const std::vector<std::string>& arguments) {
  const Result<Command> command = parse_command(arguments);
  if (!command) return refuse(command.error());
  return std::visit([](const auto& options) { return run(options); }, *command);
}

}  // namespace

}  // namespace salut::cli

int main(int argc, char** argv) {
  using salut::cli::refuse;
  salut::occupy_standard_descriptors();
  try {
    return salut::cli::run_program({argv, argv + argc});
  } catch (const std::bad_alloc&) {
    return refuse(
        {salut::Errc::no_memory, "not enough memory; want fewer connections or time_wait records"});
  } catch (const std::exception& problem) {
    return refuse({salut::Errc::invalid_argument, problem.what()});
  }
}
