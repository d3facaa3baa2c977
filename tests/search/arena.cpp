#include "arena.hpp"

#include <signal.h>
#include <sys/mman.h>

#include <cstring>
#include <new>

namespace salut::search {
namespace {

Arena* active = nullptr;

void on_signal(int number, siginfo_t* info, void*) {
  if (active != nullptr && active->on_fault(info->si_addr)) return;
  signal(number, SIG_DFL);  // the instruction runs again and ends the process
}

}  // namespace

Arena::Arena(std::size_t bytes) : size_((bytes + page_bytes - 1) / page_bytes * page_bytes) {
  void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  base_ = static_cast<std::byte*>(memory);
}

Arena::~Arena() {
  if (active == this) active = nullptr;
  munmap(base_, size_);
}

void* Arena::allocate(std::size_t bytes, Use use) {
  const std::size_t unit = bytes >= page_bytes ? page_bytes : 64;
  const std::size_t at = (used_ + unit - 1) / unit * unit;
  if (at + bytes > size_) throw std::bad_alloc();
  used_ = at + bytes;
  Memory::bytes_[static_cast<std::size_t>(use)] += bytes;
  return base_ + at;
}

void Arena::release(void*, std::size_t bytes, Use use) noexcept {
  Memory::bytes_[static_cast<std::size_t>(use)] -= bytes;
}

void Arena::freeze() {
  first_.assign(base_, base_ + size_);
  hot_.clear();
  hot_.reserve(size_ / page_bytes);  // the handler must not allocate
  active = this;
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &action, nullptr);
  mprotect(base_, size_, PROT_READ);
}

void Arena::thaw() {
  mprotect(base_, size_, PROT_READ | PROT_WRITE);
  for (const std::uint32_t number : hot_) {
    std::memcpy(page(number), first_.data() + number * page_bytes, page_bytes);
  }
  hot_.clear();
  active = nullptr;
}

bool Arena::on_fault(void* address) {
  const auto* at = static_cast<std::byte*>(address);
  if (at < base_ || at >= base_ + size_) return false;
  const auto number = static_cast<std::uint32_t>(static_cast<std::size_t>(at - base_) / page_bytes);
  mprotect(page(number), page_bytes, PROT_READ | PROT_WRITE);
  hot_.push_back(number);
  return true;
}

void Arena::save(Snapshot& to) const {
  to.count = hot_.size();
  if (to.pages.size() < to.count * page_bytes) to.pages.resize(to.count * page_bytes);
  for (std::size_t i = 0; i < to.count; ++i) {
    std::memcpy(to.pages.data() + i * page_bytes, page(hot_[i]), page_bytes);
  }
}

void Arena::restore(const Snapshot& from) {
  for (std::size_t i = 0; i < hot_.size(); ++i) {
    const std::byte* source =
        i < from.count ? from.pages.data() + i * page_bytes : first_.data() + hot_[i] * page_bytes;
    std::memcpy(page(hot_[i]), source, page_bytes);
  }
}

}  // namespace salut::search
