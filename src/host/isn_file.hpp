// The key of ISNs and timestamps, kept for the next process of this name, with where their clock
// stood: RFC 6528 promises that the ISNs of a 4-tuple go up, and RFC 6191 lets a SYN into a peer's
// TIME_WAIT if its timestamp or its ISN is newer. With a key of each start's own a second run meets
// the TIME_WAIT of the first with what looks like an old SYN, as often as not.
//
// The clock is the TSC, which counts on from process to process until the machine boots: the file
// says how old the clock was at which count, and at which rate that process took it.
//
// The key is a secret, and who could choose it would know our ISNs. So the file is believed only
// if it is a regular file of this user's with one name and mode 0600, in a directory that nobody
// else may write to, of this boot, and whole; another is replaced, and `note` says why. Where none
// can be kept the key is of this start only.
//
// Threads: control thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "host/sysfs.hpp"
#include "tcp/isn.hpp"

namespace salut {

struct KeptIsnKey {
  tcp::IsnKey key;   // its age is that at the TSC that was given
  std::string note;  // one line for the user; empty if all is well
};

// Whose file an instance reads and writes: its own by name. Benches that are called after their
// process share one, since no other run will have their name and files would pile up: `bench-PID`
// has that of `bench`, `bench-PID-client` and `bench-idle-PID` have those of `bench-client` and
// `bench-idle`.
std::string isn_file_name(std::string_view instance);

// Reads the file of this path, or makes a key, and writes the file for the next start. `tsc` is
// the origin of this process's Instants, `tsc_hz` the rate at which it counts them.
KeptIsnKey keep_isn_key(const std::string& path, std::uint64_t tsc, std::uint64_t tsc_hz,
                        const Sysfs& sysfs = Sysfs{});

}  // namespace salut
