#include "io/vdev.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace salut::io {
namespace {

std::string value_of(std::string_view arguments, std::string_view key) {
  while (!arguments.empty()) {
    const std::size_t end = std::min(arguments.find(','), arguments.size());
    const std::string_view pair = arguments.substr(0, end);
    arguments.remove_prefix(std::min(end + 1, arguments.size()));
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == key) {
      return std::string(pair.substr(equals + 1));
    }
  }
  return {};
}

bool is_socket(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

bool somebody_listens(const std::string& path, bool seqpacket) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;
  const int rc = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const bool refused = rc != 0 && (errno == ECONNREFUSED || errno == ENOENT);
  close(fd);
  return !refused;
}

}  // namespace

Vdev Vdev::parse(std::string_view words) {
  Vdev vdev;
  vdev.words = words;
  const std::size_t comma = std::min(words.find(','), words.size());
  vdev.name = words.substr(0, comma);
  vdev.arguments = words.substr(std::min(comma + 1, words.size()));
  if (vdev.is("net_vhost") || vdev.is("eth_vhost")) {
    vdev.socket = value_of(vdev.arguments, "iface");
    vdev.server = value_of(vdev.arguments, "client") != "1";
    vdev.waits = !vdev.server;
  } else if (vdev.shares_memory()) {
    vdev.socket = value_of(vdev.arguments, "path");
    vdev.server = value_of(vdev.arguments, "server") == "1";
    if (vdev.socket.starts_with("/dev/")) vdev.socket.clear();  // the kernel's vhost, no socket
  } else if (vdev.is("net_memif") && value_of(vdev.arguments, "socket-abstract") == "no") {
    vdev.socket = value_of(vdev.arguments, "socket");
    const std::string role = value_of(vdev.arguments, "role");
    vdev.server = role == "server" || role == "master";
    vdev.seqpacket = true;
    vdev.waits = !vdev.server;
    vdev.id = value_of(vdev.arguments, "id");
  } else if (vdev.is("net_af_") || vdev.is("net_pcap") || vdev.is("eth_af_") ||
             vdev.is("eth_pcap")) {
    for (const char* key : {"iface", "rx_iface", "tx_iface", "rx_iface_in"}) {
      if (vdev.netdev.empty()) vdev.netdev = value_of(vdev.arguments, key);
    }
  }
  return vdev;
}

std::string Vdev::value(std::string_view key) const { return value_of(arguments, key); }

unsigned Vdev::queues() const {
  // Each driver has its own key: net_af_packet has qpairs, and most have queues.
  for (const char* key : {"queues", "qpairs", "queue_count", "nb_queues"}) {
    const std::string text = value_of(arguments, key);
    unsigned count = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (failed == std::errc{} && end == text.data() + text.size() && count > 0) return count;
  }
  return 1;
}

std::uint32_t Vdev::mtu_max() const {
  if (is("net_tap")) return 1'504;
  if (is("net_memif") || is("net_af_packet") || is("eth_af_packet")) return 1'500;
  if (is("net_af_xdp") || is("eth_af_xdp")) return 3'542;
  return 9'000;
}

bool Vdev::has_mac() const {
  if (is("net_bonding") || !value_of(arguments, "mac").empty()) return true;
  if (is("net_pcap")) return value_of(arguments, "phy_mac") == "1";
  return !netdev.empty();
}

Result<void> Vdev::judge(Socket found, std::string_view name_of_key) const {
  const std::string key = fmt::format("{} = \"{}\"", name_of_key, words);
  if (sizeof(sockaddr_un::sun_path) <= socket.size()) {
    return fail(Errc::bad_config, fmt::format("{}: socket path too long; want at most {} bytes",
                                              key, sizeof(sockaddr_un::sun_path) - 1));
  }
  if (seqpacket && socket.find('/') == std::string::npos) {
    return fail(Errc::bad_config, fmt::format("{}: net_memif takes no bare name for a socket; want "
                                              "socket=./{}",
                                              key, socket));
  }
  if (!server) {
    if (found != Socket::none || waits) return {};
    return fail(Errc::not_found,
                fmt::format("{}: no socket {}; want the other side started first", key, socket));
  }
  if (found == Socket::other_file) {
    return fail(Errc::in_use, fmt::format("{}: {} is a file of another kind; want a path for a "
                                          "socket",
                                          key, socket));
  }
  if (found == Socket::heard) {
    return fail(Errc::in_use, fmt::format("{}: another process listens on {}; want a path of its "
                                          "own",
                                          key, socket));
  }
  return {};
}

Result<void> Vdev::prepare(std::string_view key) const {
  if (socket.empty()) return {};
  struct stat status = {};
  Socket found = Socket::none;
  if (stat(socket.c_str(), &status) == 0) {
    found = !S_ISSOCK(status.st_mode)                       ? Socket::other_file
            : server && somebody_listens(socket, seqpacket) ? Socket::heard
                                                            : Socket::silent;
  }
  if (auto good = judge(found, key); !good) return good;
  if (server && found == Socket::silent && unlink(socket.c_str()) != 0) {
    return fail(Errc::no_permission, fmt::format("{} = \"{}\": cannot remove the stale socket "
                                                 "{}: {}",
                                                 key, words, socket, std::strerror(errno)));
  }
  return {};
}

bool Vdev::has_socket() const { return is_socket(socket); }

void Vdev::clean_up() const {
  if (server && !socket.empty() && is_socket(socket)) unlink(socket.c_str());
}

}  // namespace salut::io
