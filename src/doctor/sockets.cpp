// The checks of Unix sockets of vhost-user and memif: is the other side there, or is the path free?
//
// A connection would tell, but the other side would see it. So this reads the kernel's list of
// sockets. A list covers one network namespace, and a path may lead to a socket of another: this
// reads the list of every namespace that a process is in. If it cannot see all processes, the
// answer is not certain.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "doctor/doctor_parts.hpp"
#include "io/vdev.hpp"

namespace salut::doctor {
namespace {

using io::Vdev;

// A line of the list: "…: 00000002 00000000 00010000 0001 01 12345 /tmp/a.sock". The fourth word is
// the flags, of which bit 16 means that the socket listens.
bool listens(const Sysfs& sysfs, const std::string& list, const std::string& path) {
  for (const std::string& line : sysfs.lines(list)) {
    std::istringstream words(line);
    std::string address, references, protocol, flags, type, state, inode, name;
    if (!(words >> address >> references >> protocol >> flags >> type >> state >> inode)) continue;
    std::getline(words >> std::ws, name);
    if (name == path && flags.size() == 8 && flags[3] == '1') return true;
  }
  return false;
}

struct Heard {
  bool somebody = false;
  bool certain = false;  // the namespaces of all processes of the machine were read
};

Heard who_listens(const Sysfs& sysfs, const std::string& path) {
  if (listens(sysfs, "/proc/net/unix", path)) return {true, true};
  // The inode of the machine's first PID namespace is fixed in the kernel (PROC_PID_INIT_INO). A
  // /proc that does not show process 1 hides other processes too.
  const bool all = sysfs.target("/proc/self/ns/pid") == "pid:[4026531836]";
  Heard heard{false, all && sysfs.exists("/proc/1")};
  std::set<std::string> asked = {sysfs.target("/proc/self/ns/net")};
  for (const std::string& process : sysfs.names("/proc")) {
    if (process.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string at = "/proc/" + process;
    const std::string space = sysfs.target(at + "/ns/net");
    if (space.empty()) heard.certain = heard.certain && !sysfs.exists(at);
    if (space.empty() || !asked.insert(space).second) continue;
    if (listens(sysfs, at + "/net/unix", path)) return {true, true};
  }
  return heard;
}

Vdev::Socket look(const Sysfs& sysfs, const Vdev& vdev, Heard& heard) {
  struct stat status = {};
  if (stat(sysfs.at(vdev.socket).c_str(), &status) != 0) return Vdev::Socket::none;
  if (!S_ISSOCK(status.st_mode)) return Vdev::Socket::other_file;
  heard = who_listens(sysfs, vdev.socket);
  return heard.somebody ? Vdev::Socket::heard : Vdev::Socket::silent;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
}

// May this user make a socket in its directory, or open the socket of the other side?
bool examine_rights(Examination& e, const Vdev& vdev, const std::string& check) {
  const std::string place = vdev.server ? directory_of(vdev.socket) : vdev.socket;
  if (vdev.server && !e.sysfs.exists(place)) {
    e.red(check, fmt::format("no directory {}", place), "mkdir -p " + place);
    return false;
  }
  if (e.sysfs.may(place, vdev.server ? W_OK | X_OK : W_OK)) return true;
  e.red(check, fmt::format("{} cannot be written by this user", place),
        vdev.server ? "a path in a directory of this user" : "chown $USER " + place);
  return false;
}

}  // namespace

void examine_socket(Examination& e, const Vdev& vdev, const std::string& check,
                    const std::string& permissions, const std::string& key) {
  Heard heard;
  const Vdev::Socket found = look(e.sysfs, vdev, heard);
  if (const auto judged = vdev.judge(found, key); !judged) {
    e.findings.push_back(refusal(check, judged.error()));
    return;
  }
  const std::string mend = "start the other side first";
  if (!vdev.server && found == Vdev::Socket::none) {
    return e.yellow(check, vdev.socket + ": not there yet; it is waited for", mend);
  }
  if (!examine_rights(e, vdev, permissions)) return;
  if (vdev.server && vdev.shares_memory()) {
    return e.yellow(check, vdev.socket + ": will be made, and the start waits for the other side",
                    "start the other side, too");
  }
  if (vdev.server) {
    return e.green(check, vdev.socket + (found == Vdev::Socket::silent
                                             ? ": of one that is gone, and will be made anew"
                                             : ": will be made"));
  }
  if (found == Vdev::Socket::heard) return e.green(check, vdev.socket + ": the other side listens");
  const std::string text = vdev.socket + ": nobody is seen to listen";
  // Some drivers try again until the other side is there; virtio-user does not.
  if (heard.certain && !vdev.waits) return e.red(check, text, mend);
  e.yellow(check, text, mend);
}

}  // namespace salut::doctor
