#include "posix/user_memory.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace salut::posix {

namespace {

// The calls copy at most 2 GiB at once and may stop earlier, at the first bad page.
template <class Call>
std::size_t copy(Call call, void* to, const void* from, bool user_is_source, std::size_t count) {
  std::size_t done = 0;
  while (done < count) {
    iovec source{const_cast<char*>(static_cast<const char*>(from)) + done, count - done};
    iovec target{static_cast<char*>(to) + done, count - done};
    iovec& local = user_is_source ? target : source;
    iovec& remote = user_is_source ? source : target;
    const ssize_t n = call(getpid(), &local, 1, &remote, 1, 0);
    if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
      std::memcpy(target.iov_base, source.iov_base, count - done);
      return count;
    }
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

}  // namespace

std::size_t copy_from_user(void* to, const void* user, std::size_t count) {
  return copy(process_vm_readv, to, user, true, count);
}

std::size_t copy_to_user(void* user, const void* from, std::size_t count) {
  return copy(process_vm_writev, user, from, false, count);
}

}  // namespace salut::posix
