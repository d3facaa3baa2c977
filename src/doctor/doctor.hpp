// Whether a configuration can start on this machine, and whether it will run well there.
//
// Nothing is started, opened for writing or changed: all that the doctor knows is what the kernel
// shows below /sys, /proc and /dev, and what the start itself would ask (src/worker/port_check.hpp,
// memory_plan.hpp). Red is what a start is refused for; yellow is slower, or cannot be known before
// it. So the two may not disagree, and tests/wire/doctor holds one against the other.
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
  std::string mend;  // the command, or what to write where; empty if green
};

// `allowed`: the cores that this process may use. A configuration without ports stands for none:
// then the machine alone is looked at.
std::vector<Finding> examine(Config config, const Sysfs& sysfs,
                             const std::vector<std::uint32_t>& allowed);

// The red line of an Error: "what; want how".
Finding refusal(std::string check, const Error& error);

bool can_start(const std::vector<Finding>& findings);
// A line for each; the words in colour if `colour`.
std::string to_lines(const std::vector<Finding>& findings, bool colour);

}  // namespace salut::doctor
