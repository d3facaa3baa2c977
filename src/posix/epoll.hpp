// A set of descriptors to wait on, as epoll(7) has it: level-triggered, EPOLLET and EPOLLONESHOT.
//
// Threads: under the EngineLoop's lock.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "posix/file.hpp"

namespace salut::posix {

class Epoll final : public File {
 public:
  unsigned ready() const override;
  Result control(int operation, int fd, std::weak_ptr<File> file, const epoll_event& event);
  // The sets that this one watches.
  std::vector<std::shared_ptr<Epoll>> below() const;
  // Stores events in the caller's memory. Those that cannot be stored are reported the next time.
  Result collect(epoll_event* events, std::size_t count);

 private:
  struct Watch {
    std::weak_ptr<File> file;
    epoll_event event = {};
    std::uint64_t reported = 0;  // the file's activity at the last report, plus one; 0: none yet
  };
  static unsigned due(const Watch& watch);
  std::map<int, Watch> watches_;
};

}  // namespace salut::posix
