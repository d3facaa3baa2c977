// A file whole, or one line.
#include "host/text_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace salut {
namespace {

std::string read(const std::string& path, std::size_t max) {
  const auto text = read_text_file(path, max, "another");
  return text ? "text: " + *text : text.error().message;
}

TEST(TextFile, is_read_up_to_its_limit) {
  const std::string path = testing::TempDir() + "/salut-text-" + std::to_string(getpid());
  std::ofstream(path) << "hello";
  EXPECT_EQ(read(path, 6), "text: hello");
  EXPECT_EQ(read(path, 5), "text: hello");
  EXPECT_EQ(read(path, 4), path + ": larger than 4 B; want another");
  const std::string large(200'000, 'x');
  std::ofstream(path) << large;
  EXPECT_EQ(read(path, large.size()), "text: " + large);
  EXPECT_EQ(read(path, large.size() - 1), path + ": larger than 195 KiB; want another");
  std::filesystem::remove(path);
}

TEST(TextFile, without_an_end_is_too_large) {
  EXPECT_EQ(read("/dev/zero", 1'000), "/dev/zero: larger than 1000 B; want another");
}

TEST(TextFile, that_cannot_be_read_says_why) {
  EXPECT_EQ(read("/nonexistent", 1),
            "/nonexistent: cannot read: No such file or directory; want another");
  EXPECT_EQ(read("/tmp", 1), "/tmp: cannot read: Is a directory; want another");
}

}  // namespace
}  // namespace salut
