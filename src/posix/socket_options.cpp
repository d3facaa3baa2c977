#include "posix/socket_options.hpp"

#include <linux/sockios.h>
#include <linux/tcp.h>

#include <algorithm>
#include <cstring>

#include "posix/tcp_info.hpp"

namespace salut::posix {

namespace {

// Options that are one int: what is read back before anything was set, and what may be set.
struct IntOption {
  int level;
  int name;
  int initial;
  int least = 0;
  int most = 0x7fffffff;
  bool fixed = false;  // has no effect: `initial` is how it is
};

constexpr int any = -0x7fffffff - 1;

constexpr IntOption fixed(int level, int name, int value, int least = any, int most = 0x7fffffff) {
  return {level, name, value, least, most, true};
}

constexpr IntOption int_options[] = {
    // The engine listens on a port whose connections are in TIME_WAIT in any case.
    {SOL_SOCKET, SO_REUSEADDR, 0, any},
    {SOL_SOCKET, SO_KEEPALIVE, 0, any},
    {SOL_SOCKET, SO_SNDBUF, 0, any},
    {SOL_SOCKET, SO_RCVBUF, 0, any},
    {IPPROTO_TCP, TCP_NODELAY, 0, any},
    {IPPROTO_TCP, TCP_MAXSEG, 536, 88, 32'767},
    {IPPROTO_TCP, TCP_KEEPIDLE, 7200, 1, 32'767},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, any},
    {IPPROTO_IP, IP_TOS, 0, 0, 255},
    {IPPROTO_IPV6, IPV6_TCLASS, 0, -1, 255},

    fixed(SOL_SOCKET, SO_REUSEPORT, 0),
    fixed(SOL_SOCKET, SO_BROADCAST, 0),
    fixed(SOL_SOCKET, SO_DONTROUTE, 0),
    fixed(SOL_SOCKET, SO_OOBINLINE, 0),
    fixed(SOL_SOCKET, SO_PRIORITY, 0),
    fixed(SOL_SOCKET, SO_MARK, 0),
    fixed(SOL_SOCKET, SO_RCVLOWAT, 1, 0),
    fixed(IPPROTO_TCP, TCP_CORK, 0),
    fixed(IPPROTO_TCP, TCP_QUICKACK, 1),
    fixed(IPPROTO_TCP, TCP_KEEPINTVL, 75, 1, 32'767),
    fixed(IPPROTO_TCP, TCP_KEEPCNT, 9, 1, 127),
    fixed(IPPROTO_TCP, TCP_LINGER2, 60),
    fixed(IPPROTO_TCP, TCP_DEFER_ACCEPT, 0),
    fixed(IPPROTO_TCP, TCP_WINDOW_CLAMP, 0, 0),
    fixed(IPPROTO_IP, IP_TTL, 64, 1, 255),
    fixed(IPPROTO_IP, IP_MTU_DISCOVER, 1, 0, 5),
    fixed(IPPROTO_IP, IP_RECVERR, 0),
    fixed(IPPROTO_IPV6, IPV6_V6ONLY, 0),
    fixed(IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64, -1, 255),
    fixed(IPPROTO_IPV6, IPV6_RECVERR, 0),
};

const IntOption* find(int level, int name) {
  const auto found = std::ranges::find_if(int_options, [=](const IntOption& option) {
    return option.level == level && option.name == name;
  });
  return found == std::end(int_options) ? nullptr : found;
}

bool is_level(int level) {
  return level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP ||
         level == IPPROTO_IPV6;
}

template <class T>
bool copy_in(Bytes value, T& to) {
  if (value.size() < sizeof(T)) return false;
  std::memcpy(&to, value.data(), sizeof(T));
  return true;
}

Result copy_out(const void* from, std::size_t size, void* value, socklen_t* length) {
  *length = static_cast<socklen_t>(std::min<std::size_t>(*length, size));
  std::memcpy(value, from, *length);
  return 0;
}

Result set_timeout(Bytes value, Duration& to) {
  timeval tv;
  if (!copy_in(value, tv)) return -EINVAL;
  if (tv.tv_usec < 0 || tv.tv_usec >= 1'000'000) return -EDOM;
  to = std::chrono::seconds{std::max<time_t>(tv.tv_sec, 0)} + std::chrono::microseconds{tv.tv_usec};
  return 0;
}

Result get_timeout(Duration timeout, void* value, socklen_t* length) {
  const auto us = timeout.count() / 1000;
  const timeval tv{us / 1'000'000, us % 1'000'000};
  return copy_out(&tv, sizeof(tv), value, length);
}

// SO_SNDBUF, SO_RCVBUF as read back: twice what was set, or what the stack is configured to.
int buffer_size(const Options& options, int name, std::uint32_t configured) {
  const int set = options.get(SOL_SOCKET, name);
  const int doubled = std::clamp(set, 0, 0x3fffffff) * 2;
  if (set == 0) return static_cast<int>(configured);
  return std::max(doubled, name == SO_SNDBUF ? 4608 : 2304);  // Linux's least
}

}  // namespace

Result set_option(Options& options, int level, int name, Bytes value) {
  if (!is_level(level)) return -ENOPROTOOPT;
  if (level == SOL_SOCKET && name == SO_LINGER) {
    return copy_in(value, options.linger) ? 0 : -EINVAL;
  }
  if (level == SOL_SOCKET && name == SO_RCVTIMEO)
    return set_timeout(value, options.receive_timeout);
  if (level == SOL_SOCKET && name == SO_SNDTIMEO) return set_timeout(value, options.send_timeout);
  if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
    const std::string wanted(reinterpret_cast<const char*>(value.data()),
                             strnlen(reinterpret_cast<const char*>(value.data()), value.size()));
    if (wanted != "cubic" && wanted != "reno") return -ENOENT;
    options.congestion = wanted;
    return 0;
  }
  if (level == SOL_SOCKET && name == SO_SNDBUFFORCE) name = SO_SNDBUF;
  if (level == SOL_SOCKET && name == SO_RCVBUFFORCE) name = SO_RCVBUF;
  const IntOption* option = find(level, name);
  if (option == nullptr) return -ENOPROTOOPT;
  int n = 0;
  if (level == IPPROTO_IP && value.size() == 1) {
    n = std::to_integer<int>(value[0]);  // options of IP may be one byte
  } else if (!copy_in(value, n)) {
    return -EINVAL;
  }
  if (option->least != any && (n < option->least || n > option->most)) return -EINVAL;
  if (option->fixed && n != option->initial) return -ENOPROTOOPT;
  options.ints[{level, name}] = n;
  return 0;
}

Result get_option(const Options& options, const StackConfig& config,
                  const std::optional<ConnectionInfo>& info, int level, int name, void* value,
                  socklen_t* length) {
  const auto give = [&](int n) { return copy_out(&n, sizeof(n), value, length); };
  if (!is_level(level)) return -ENOPROTOOPT;
  if (level == SOL_SOCKET) {
    switch (name) {
      case SO_LINGER:
        return copy_out(&options.linger, sizeof(options.linger), value, length);
      case SO_RCVTIMEO:
        return get_timeout(options.receive_timeout, value, length);
      case SO_SNDTIMEO:
        return get_timeout(options.send_timeout, value, length);
      case SO_SNDBUF:
        return give(buffer_size(options, name, config.send_buffer));
      case SO_RCVBUF:
        return give(buffer_size(options, name, config.recv_buffer));
      case SO_TYPE:
        return give(SOCK_STREAM);
      case SO_PROTOCOL:
        return give(IPPROTO_TCP);
      case SO_ERROR:
      case SO_ACCEPTCONN:
        return give(options.get(level, name));
      case SO_MEMINFO: {
        const std::uint32_t none[9] = {};
        return copy_out(none, sizeof(none), value, length);
      }
      default:
        break;
    }
  }
  if (level == IPPROTO_TCP) {
    switch (name) {
      case TCP_MAXSEG:
        if (!info || info->state == State::listen) break;
        return give(static_cast<int>(info->mss));
      case TCP_INFO: {
        // Kernels later than these headers have more fields: zero.
        struct {
          tcp_info known;
          std::byte later[256];
        } const filled = {to_tcp_info(info), {}};
        return copy_out(&filled, sizeof(filled), value, length);
      }
      case TCP_CC_INFO:
        *length = 0;
        return 0;
      case TCP_CONGESTION: {
        char padded[16] = {};
        options.congestion.copy(padded, sizeof(padded) - 1);
        return copy_out(padded, sizeof(padded), value, length);
      }
      default:
        break;
    }
  }
  const IntOption* option = find(level, name);
  if (option == nullptr) return -ENOPROTOOPT;
  return give(options.get(level, name, option->initial));
}

std::size_t send_buffer(const Options& options, const StackConfig& config) {
  if (options.get(SOL_SOCKET, SO_SNDBUF) == 0) return config.send_buffer;
  return std::size_t(buffer_size(options, SO_SNDBUF, 0)) / 3 * 2;
}

ConnectionOptions to_engine(const Options& options) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const auto of_socket = [&](int name) { return options.get(SOL_SOCKET, name); };
  const auto of_tcp = [&](int name, int otherwise = 0) {
    return options.get(IPPROTO_TCP, name, otherwise);
  };
  constexpr std::size_t buffer_least = 2048;
  ConnectionOptions to;
  to.no_delay = of_tcp(TCP_NODELAY) != 0;
  if (of_socket(SO_SNDBUF) != 0) {
    to.send_buffer = static_cast<std::uint32_t>(std::max(send_buffer(options, {}), buffer_least));
  }
  if (of_socket(SO_RCVBUF) != 0) {
    const auto payload = static_cast<std::size_t>(buffer_size(options, SO_RCVBUF, 0)) / 2;
    to.recv_buffer = static_cast<std::uint32_t>(std::max(payload, buffer_least));
  }
  to.congestion = options.congestion == "reno" ? Congestion::newreno : Congestion::cubic;
  const int tos = std::max(options.get(IPPROTO_IP, IP_TOS), options.get(IPPROTO_IPV6, IPV6_TCLASS));
  to.dscp = static_cast<std::uint8_t>((tos & 0xff) >> 2);  // the lower two bits are ECN's
  const bool keep_alive = of_socket(SO_KEEPALIVE) != 0;
  to.keep_alive = seconds{keep_alive ? of_tcp(TCP_KEEPIDLE, 7200) : 0};
  to.user_timeout = milliseconds{of_tcp(TCP_USER_TIMEOUT)};
  // Only the reset: how long close() waits is the socket's business, and then Linux lets it go on.
  const bool reset = options.linger.l_onoff != 0 && options.linger.l_linger == 0;
  to.linger = seconds{reset ? 0 : -1};
  if (const int mss = of_tcp(TCP_MAXSEG); mss != 0) to.mss = static_cast<std::uint16_t>(mss);
  return to;
}

}  // namespace salut::posix
