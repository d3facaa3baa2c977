#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "host/counting_memory.hpp"
#include "host/huge_memory.hpp"

namespace salut {
namespace {

TEST(HugeMemory, arrives_zeroed_and_aligned) {
  HugeMemory memory;
  for (const std::size_t bytes : {1ul, 64ul, 5'000ul, 2'097'152ul, 5'000'000ul}) {
    auto* array = static_cast<unsigned char*>(memory.allocate(bytes, Use::tcb));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array) % (bytes >= 2'097'152 ? 2'097'152 : 64), 0u);
    EXPECT_EQ(array[0], 0);
    EXPECT_EQ(array[bytes - 1], 0);
    std::memset(array, 0xff, bytes);
    memory.release(array, bytes, Use::tcb);
  }
}

// How much of a new array of 8 MiB has its pages, in MiB.
std::size_t megabytes_at_start(Prefault prefault, Use use) {
  constexpr std::size_t bytes = 8u << 20, page = 4'096;
  HugeMemory memory(prefault);
  void* array = memory.allocate(bytes, use);
  std::vector<unsigned char> resident(bytes / page);
  EXPECT_EQ(mincore(array, bytes, resident.data()), 0);
  memory.release(array, bytes, use);
  const auto pages =
      std::count_if(resident.begin(), resident.end(), [](unsigned char p) { return (p & 1) != 0; });
  return static_cast<std::size_t>(pages) * page >> 20;
}

// The first connections do not wait for pages, and what is never used costs nothing.
TEST(HugeMemory, first_pages_and_the_flow_table_are_there_at_start) {
  EXPECT_EQ(megabytes_at_start({}, Use::tcb), 2u);
  EXPECT_EQ(megabytes_at_start({}, Use::time_wait), 2u);
  EXPECT_EQ(megabytes_at_start({}, Use::flow_table), 8u);
}

TEST(HugeMemory, prefault_takes_all_but_time_wait) {
  EXPECT_EQ(megabytes_at_start({.arrays = true}, Use::tcb), 8u);
  EXPECT_EQ(megabytes_at_start({.arrays = true}, Use::time_wait), 2u);
  EXPECT_EQ(megabytes_at_start({.time_wait = true}, Use::time_wait), 8u);
}

TEST(HugeMemory, counts_bytes_by_use) {
  HugeMemory memory({.arrays = true});
  void* tcb = memory.allocate(1'000, Use::tcb);
  void* timers = memory.allocate(3'000'000, Use::timers);
  EXPECT_EQ(memory.bytes(Use::tcb), 1'000u);
  EXPECT_EQ(memory.bytes(Use::timers), 3'000'000u);
  memory.release(tcb, 1'000, Use::tcb);
  memory.release(timers, 3'000'000, Use::timers);
  EXPECT_EQ(memory.bytes(Use::tcb), 0u);
  EXPECT_EQ(memory.bytes(Use::timers), 0u);
}

TEST(HugeMemory, more_than_there_is_throws) {
  HugeMemory memory;
  EXPECT_THROW(static_cast<void>(memory.allocate(~std::size_t{0} / 4, Use::tcb)), std::bad_alloc);
}

TEST(AvailableMemory, some_memory_is_available) { EXPECT_GT(available_memory(), 1'000'000u); }

TEST(CountingMemory, counts_what_it_does_not_take) {
  constexpr std::size_t large = std::size_t{1} << 36;
  CountingMemory memory;
  auto* array = static_cast<unsigned char*>(memory.allocate(large, Use::time_wait));
  EXPECT_EQ(memory.in_use().time_wait, large);
  EXPECT_EQ(array[large - 1], 0);
  array[0] = 1;  // what is written is there
  EXPECT_EQ(array[0], 1);
  memory.release(array, large, Use::time_wait);
  EXPECT_EQ(memory.in_use().total(), 0u);
}

}  // namespace
}  // namespace salut
