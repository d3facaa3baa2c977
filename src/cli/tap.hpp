// The kernel's end of the TAP that serve and bench make when they are given no configuration.
#pragma once

#include <string>

#include "salut/address.hpp"
#include "salut/config.hpp"

namespace salut::cli {

// The commands that give the kernel's end its addresses and set it up.
std::string tap_commands(const PortConfig& port);

// Whether somebody has run them: the TAP is up and has a usable address of that family, or it is in
// a bridge or in another namespace.
bool tap_is_joined(const std::string& interface, bool ip6);

}  // namespace salut::cli
