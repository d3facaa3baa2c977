// What --help shows below the flags, and what is said of an argument that nobody takes.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace salut::cli {

// Examples below the help: all of them for the program, for a command its own.
// REQUIRES: all commands were added.
void add_examples(CLI::App& program);

// The first of `arguments` that no command takes: "--prot: unknown flag; did you mean --port? …".
// REQUIRES: `program` has parsed them and found one.
std::string unexpected_argument(const std::vector<std::string>& arguments, const CLI::App& program);

}  // namespace salut::cli
