// Socket options: from Linux's names to those of the engine.
//
// A socket keeps what was set, because options are set before there is a connection and are
// inherited from the listener. to_engine() converts those that the engine has. The others can be
// read, and set to the value that they have; any other value is ENOPROTOOPT, because a caller would
// rely on it.
//
// SO_SNDBUF and SO_RCVBUF as in Linux: the value set is doubled and read back so. The kernel counts
// its own overhead in that; of ours, two thirds hold payload.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "posix/file.hpp"
#include "salut/connection.hpp"
#include "stack/engine.hpp"

namespace salut::posix {

struct Options {
  std::map<std::pair<int, int>, int> ints;  // (level, name) as set
  struct linger linger = {0, 0};
  Duration receive_timeout{0};  // 0: none
  Duration send_timeout{0};
  std::string congestion = "cubic";

  int get(int level, int name, int otherwise = 0) const {
    const auto found = ints.find({level, name});
    return found == ints.end() ? otherwise : found->second;
  }
};

// Keeps the value; -errno for what Linux refuses.
Result set_option(Options& options, int level, int name, Bytes value);
// `length` in: the room, out: what was written.
Result get_option(const Options& options, const StackConfig& config,
                  const std::optional<ConnectionInfo>& info, int level, int name, void* value,
                  socklen_t* length);

// The options for the engine: of a connection, or of a listener for its children.
ConnectionOptions to_engine(const Options& options);
// How much payload write() takes before it blocks.
std::size_t send_buffer(const Options& options, const StackConfig& config);

}  // namespace salut::posix
