// Can a configuration start on this machine, and will it run well?
//
// The doctor starts, writes and changes nothing. It reads what the kernel shows below /sys, /proc
// and /dev, and runs the checks that a start runs (src/worker/port_check.hpp, memory_plan.hpp).
// Red: a start would be refused. Yellow: it would run slower, or only the start can tell. The
// doctor and a start must not disagree; tests/wire/doctor checks that.
//
// Threads: control thread. Cost: a few hundred small files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/sysfs.hpp"
#include "salut/config.hpp"

namespace salut::doctor {

enum class Health : std::uint8_t { green, yellow, red };

struct Finding {
  Health health = Health::green;
  std::string check;  // "hugepages", "port lan, driver"
  std::string found;
  std::string mend;  // the command that helps, or what to write where; empty if green
};

// Runs all checks. `allowed`: the cores that this process may use. Without ports in `config` only
// the machine is examined.
std::vector<Finding> examine(Config config, const Sysfs& sysfs,
                             const std::vector<std::uint32_t>& allowed);

// Makes a red finding of an Error "what; want how".
Finding refusal(std::string check, const Error& error);

// Is no finding red?
bool can_start(const std::vector<Finding>& findings);
// One line per finding, with "green", "yellow" and "red" in these colours if `colour`.
std::string to_lines(const std::vector<Finding>& findings, bool colour);

}  // namespace salut::doctor
