// The command-line flags that override a configuration file, or describe a TAP in place of one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "salut/config.hpp"

namespace salut {

// The options of a command that opens ports: a file, or what a TAP needs.
struct ConfigFlags {
  std::string config;  // empty: none
  std::string name;    // of the instance; empty: the default
  std::vector<std::uint32_t> cores;
  std::optional<Duration> msl;
  std::string interface = "salut0";    // of the TAP, without a file
  std::vector<Prefix> addresses;       // of the TAP, without a file
  std::optional<ImpairConfig> impair;  // for every port
};

// The kernel's address on a TAP: the first address of the network that is not ours; any (0.0.0.0 or
// ::) if the network has no room for two.
IpAddress kernel_address(const Prefix& ours);

// The TAP that serve and bench make if they get no configuration.
PortConfig tap_port(const ConfigFlags& options);

// Writes the options that were given into `config`.
void apply(const ConfigFlags& options, Config& config);

// Rewrites an error of Runtime::open(): if a flag gave the value, it names the flag and not the
// key.
Error in_words_of_flags(Error error, const ConfigFlags& options);

}  // namespace salut
