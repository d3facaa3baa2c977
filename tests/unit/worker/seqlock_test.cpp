#include "worker/seqlock.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace salut {
namespace {

struct Value {
  std::array<std::uint64_t, 100> words = {};
};

TEST(Seqlock, starts_as_zeros) {
  const Seqlock<Value> published;
  EXPECT_EQ(published.read().words[99], 0u);
}

TEST(Seqlock, reader_never_sees_half_a_write) {
  Seqlock<Value> published;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t n = 1; n <= 20'000; ++n) {
      Value value;
      value.words.fill(n);
      published.write(value);
    }
    done = true;
  });
  std::uint64_t last = 0;
  while (!done) {
    const Value value = published.read();
    for (const std::uint64_t word : value.words) ASSERT_EQ(word, value.words[0]);
    ASSERT_GE(value.words[0], last);
    last = value.words[0];
  }
  writer.join();
  EXPECT_EQ(published.read().words[0], 20'000u);
}

}  // namespace
}  // namespace salut
