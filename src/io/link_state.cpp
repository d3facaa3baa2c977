#include "io/link_state.hpp"

#include <sys/ioctl.h>

#include "io/netdevice.hpp"

namespace salut::io {

bool netdev_runs(const std::string& name) {
  ifreq request = request_for(name);
  constexpr int wanted = IFF_UP | IFF_RUNNING;
  return ask_netdevice(SIOCGIFFLAGS, request) && (request.ifr_flags & wanted) == wanted;
}

}  // namespace salut::io
