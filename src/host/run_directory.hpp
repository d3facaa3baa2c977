// Where the files of instances lie: /run/salut for root and for a service with that directory, else
// $XDG_RUNTIME_DIR, else /tmp/salut-UID.
//
// Nothing that another user could have put there is trusted. $XDG_RUNTIME_DIR counts only if it is
// this user's and nobody else may write to it (su and sudo keep that of the user before); the
// directory in /tmp is made with mode 0700, and one of that name that is not ours is refused. A
// file of an instance is regular, ours, and has one name: not a link to a file that would be
// overwritten, and not a pipe, which would block us.
//
// Threads: control thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "host/sysfs.hpp"
#include "salut/error.hpp"

struct stat;

namespace salut {

// "/run/salut/NAME.SUFFIX". The same for whoever asks as the same user.
std::string instance_path(const std::string& name, const std::string& suffix);
// The same below another root. Makes no directory.
std::string instance_path(const std::string& name, const std::string& suffix, const Sysfs& sysfs);

// A directory, not a link, of this user, which nobody else may write to.
bool is_our_directory(const std::string& path);
// A regular file of this user with this one name; `status` from lstat() or fstat().
bool is_our_file(const struct stat& status);

// Whether the process at the other end of a Unix socket may be trusted to be the instance whose
// socket is at `path`: it is of this user, or we are root and the directory is its user's.
bool may_be_believed(int connected, const std::string& path);

// The directory in which DPDK may make its own, "dpdk": $RUNTIME_DIRECTORY, /var/run for root, else
// as above. Empty if there is none.
std::string dpdk_parent();

// Removes what killed instances left behind: locks that nobody holds, sockets, and their
// directories below `dpdk`. What may be of another program stays.
void clear_dead_instances(const std::string& dpdk);

}  // namespace salut
