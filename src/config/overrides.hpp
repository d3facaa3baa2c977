// What the flags of every command say over a configuration file, or instead of one: a TAP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "salut/config.hpp"

namespace salut {

// What a command that opens ports takes: a file, or the few things a TAP needs.
struct RuntimeOptions {
  std::string config;  // empty: none
  std::string name;    // of the instance; empty: the default
  std::vector<std::uint32_t> cores;
  std::optional<Duration> msl;
  std::string interface = "salut0";    // of the TAP, without a file
  std::vector<Prefix> addresses;       // of the TAP, without a file
  std::optional<ImpairConfig> impair;  // of every port
};

// Where the kernel is to be on a TAP: the first address of the network that is not ours; any in
// a network without room for two.
IpAddress kernel_address(const Prefix& ours);

// The TAP that serve and bench make when they are given no configuration.
PortConfig tap_port(const RuntimeOptions& options);

void apply(const RuntimeOptions& options, Config& config);

// An error of Runtime::open() as the user put it: the flag, where one gave the value, not the key.
Error in_words_of_flags(Error error, const RuntimeOptions& options);

}  // namespace salut
