#include "cli/help.hpp"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <sstream>

#include "config/keys.hpp"

namespace salut::cli {

namespace {

constexpr auto examples = R"(
Examples:
  salut bench                                  client and server joined in this process, 10 s
  salut bench --rate 200k --duration 30        two hundred thousand opens a second, exactly
  salut bench --max --close server             the highest rate that holds
  salut bench --reflect                        both ends open at once and close at once
  salut bench --stream --impair drop=1%        one connection, 1 GB, one frame in a hundred lost
  salut bench --connect 10.0.0.1:80 --concurrency 100 --connections 10000
                                               against the kernel's end of the TAP salut0
  salut serve --app http --body 10k            on the TAP salut0, 10.0.0.2:80
  salut serve --config config/tap.toml         on the ports of a configuration
  salut report merge a.json b.json             two results as one
  salut doctor --config config/pci.toml        can that start here, and will it run well?
  salut drain --wait                           end the instance, cutting nobody off
  salut states --format svg > states.svg       the transition table as a picture

)";

constexpr auto numbers =
    "Numbers take k, M, G; bytes also KiB and MiB. Errors are one line; the exit status is then 2.";

// Those of the examples that show one command, and how numbers are written if it takes any.
std::string examples_of(const std::string& command) {
  std::string text = "\nExamples:\n";
  bool taken = false;
  std::istringstream lines(examples);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  salut ")) taken = line.starts_with("  salut " + command + " ");
    if (!line.starts_with("  ")) taken = false;
    if (taken) text += line + '\n';
  }
  if (command == "bench" || command == "serve") text += '\n' + std::string(numbers);
  return text;
}

std::vector<CLI::App*> commands_below(CLI::App& command) {
  return command.get_subcommands([](const CLI::App*) { return true; });
}

}  // namespace

void add_examples(CLI::App& program) {
  program.footer(std::string(examples) + std::string(numbers));
  for (CLI::App* command : commands_below(program)) {
    command->footer(examples_of(command->get_name()));
    for (CLI::App* below : commands_below(*command)) {
      below->footer(examples_of(command->get_name() + ' ' + below->get_name()));
    }
  }
}

std::string unexpected_argument(const std::vector<std::string>& arguments,
                                const CLI::App& program) {
  const CLI::App* command = &program;
  std::string words = program.get_name();
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    words += ' ' + command->get_name();
  }
  const std::vector<std::string> left = program.remaining(true);
  const auto found = std::ranges::find_first_of(arguments, left);
  const std::string given = found == arguments.end() ? left.back() : *found;
  const std::string help = fmt::format("`{} --help` shows what there is", words);
  const std::string flag = given.substr(0, given.find('='));
  if (!flag.starts_with("--")) return fmt::format("{}: not expected; {}", given, help);
  std::vector<std::string_view> known;
  for (const CLI::Option* option : command->get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back(name);
  }
  const std::string_view meant = config::nearest(std::string_view(flag).substr(2), known);
  if (meant.empty()) return fmt::format("{}: unknown flag; {}", flag, help);
  return fmt::format("{}: unknown flag; did you mean --{}? {}", flag, meant, help);
}

}  // namespace salut::cli
