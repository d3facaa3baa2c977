// What getsockopt(TCP_INFO) gives.
#pragma once

#include <linux/tcp.h>

#include <optional>

#include "salut/connection.hpp"

namespace salut::posix {

// Linux's struct of what the engine knows; without a connection, TCP_CLOSE and zeroes.
tcp_info to_tcp_info(const std::optional<ConnectionInfo>& info);

}  // namespace salut::posix
