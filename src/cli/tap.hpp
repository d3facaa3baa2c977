// The kernel's end of the TAP that serve and bench make when they are given no configuration.
#pragma once

#include <string>

#include "salut/address.hpp"
#include "salut/config.hpp"

namespace salut::cli {

// The commands that join the kernel to the TAP.
std::string tap_commands(const PortConfig& port);

// Whether somebody has: it is up and has an address of that family that can be used, is in a
// bridge, or went to another namespace.
bool tap_is_joined(const std::string& interface, bool ip6);

}  // namespace salut::cli
