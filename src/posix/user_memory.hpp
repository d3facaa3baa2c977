// Copies from and to the caller's memory. Its pointers are not trusted: a bad one is EFAULT, as
// from the kernel, and no crash.
//
// The kernel itself is asked to copy (process_vm_readv and process_vm_writev on our own process):
// it checks page by page and stops at the first bad one. That costs a system call per copy, 200 to
// 400 ns, and needs no signal handler, which a library has no right to. Where a sandbox forbids the
// calls, bytes are copied directly, and a bad pointer ends the process.
//
// Threads: any; stateless.
#pragma once

#include <cstddef>
#include <type_traits>

namespace salut::posix {

// How many of the first bytes could be copied; fewer than `count`: the next one is a bad address.
std::size_t copy_from_user(void* to, const void* user, std::size_t count);
std::size_t copy_to_user(void* user, const void* from, std::size_t count);

// Whole or not at all.
template <class T>
bool load_user(const T* user, T& to, std::size_t count = 1) {
  static_assert(std::is_trivially_copyable_v<T>);
  return copy_from_user(&to, user, count * sizeof(T)) == count * sizeof(T);
}
template <class T>
bool store_user(T* user, const T& from, std::size_t count = 1) {
  static_assert(std::is_trivially_copyable_v<T>);
  return copy_to_user(user, &from, count * sizeof(T)) == count * sizeof(T);
}

}  // namespace salut::posix
