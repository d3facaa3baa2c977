// Memory that can be put back to what it was: everything of a model lives in one, so that a search
// tries one choice after another from the same state.
//
// All pages start out read-only once freeze() was called. The first write to a page faults, and the
// page is hot from then on; a snapshot is a copy of the hot pages and nothing else. A page that
// became hot after a snapshot was taken had its first contents then. So saving and restoring copy
// some forty pages, not two megabytes, and nothing has to know which ones an engine writes to.
//
// What is in the arena may point into it, since it is never moved, and out of it to what does not
// change after freeze().
//
// Threads: one; one arena at a time, it takes SIGSEGV.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/memory.hpp"

namespace salut::search {

class Arena final : public Memory {
 public:
  static constexpr std::size_t page_bytes = 4096;

  struct Snapshot {
    std::vector<std::byte> pages;
    std::size_t count = 0;
  };

  explicit Arena(std::size_t bytes);
  ~Arena() override;
  Arena(const Arena&) = delete;

  // Zeroed, and page-aligned if `bytes` is a page or more.
  void* allocate(std::size_t bytes, Use use) override;
  void release(void* memory, std::size_t bytes, Use use) noexcept override;

  template <typename T>
  T* make() {
    return new (allocate(sizeof(T), Use::tcb)) T{};
  }

  void freeze();  // what is there now is where every snapshot starts from
  void thaw();    // everything as at freeze(), and writable without notice
  void save(Snapshot& to) const;
  void restore(const Snapshot& from);

  // For the signal handler: false if the address is not here.
  bool on_fault(void* address);

 private:
  std::byte* page(std::uint32_t number) const { return base_ + number * page_bytes; }

  std::size_t size_;
  std::size_t used_ = 0;
  std::byte* base_;
  std::vector<std::byte> first_;    // the contents at freeze()
  std::vector<std::uint32_t> hot_;  // in the order in which they became hot
};

}  // namespace salut::search
