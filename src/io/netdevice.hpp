// netdevice(7): what is asked of the kernel about one of its network interfaces, by name.
//
// Threads: any. Namespaces: the process's own, where /sys may show another's.
#pragma once

#include <net/if.h>

#include <string>

namespace salut::io {

// A request with the name in it, and the rest zero. A name that is too long is cut off.
ifreq request_for(const std::string& interface);

// ioctl() on a socket that is made for it. False, and errno, if it failed.
bool ask_netdevice(unsigned long what, ifreq& request);

}  // namespace salut::io
