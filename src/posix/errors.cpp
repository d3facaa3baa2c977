#include "posix/errors.hpp"

#include <array>
#include <cerrno>
#include <cstddef>

namespace salut::posix {

namespace {

// By the code of "destination unreachable". 4 of IPv4 (fragmentation needed) ends nothing.
constexpr std::array<int, 16> unreachable4 = {
    ENETUNREACH,  EHOSTUNREACH, ENOPROTOOPT,  ECONNREFUSED, EMSGSIZE,     EOPNOTSUPP,
    ENETUNREACH,  EHOSTDOWN,    ENONET,       ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
    EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH};
constexpr std::array<int, 7> unreachable6 = {ENETUNREACH,  EACCES, EHOSTUNREACH, EHOSTUNREACH,
                                             ECONNREFUSED, EACCES, EACCES};

template <std::size_t count>
int at(const std::array<int, count>& table, unsigned code) {
  return code < count ? table[code] : EPROTO;
}

}  // namespace

int errno_of(Errc code) {
  switch (code) {
    case Errc::in_use:
      return EADDRINUSE;
    case Errc::no_port:
      return EADDRNOTAVAIL;
    case Errc::no_route:
      return ENETUNREACH;
    case Errc::overload:
    case Errc::no_memory:
      return ENOBUFS;
    case Errc::not_writable:
      return EPIPE;
    case Errc::not_connected:
      return ENOTCONN;
    default:
      return EINVAL;
  }
}

int errno_of(IcmpType icmp, bool ip6) {
  constexpr unsigned unreachable = 3, time_exceeded = 11;     // RFC 792
  constexpr unsigned unreachable_6 = 1, time_exceeded_6 = 3;  // RFC 4443
  if (icmp.type == 0 || icmp.type == (ip6 ? time_exceeded_6 : time_exceeded)) return EHOSTUNREACH;
  if (icmp.type == (ip6 ? unreachable_6 : unreachable)) {
    return ip6 ? at(unreachable6, icmp.code) : at(unreachable4, icmp.code);
  }
  return EPROTO;
}

int errno_of(const Event& closed, bool ip6) {
  switch (closed.reason) {
    case Reason::reset:
      return ECONNRESET;
    case Reason::refused:
      return ECONNREFUSED;
    case Reason::timed_out:
      return ETIMEDOUT;
    case Reason::unreachable:
      return errno_of(closed.icmp, ip6);
    case Reason::aborted:
      return ECONNABORTED;
    case Reason::overload:
      return ENOBUFS;
    default:
      return 0;
  }
}

}  // namespace salut::posix
