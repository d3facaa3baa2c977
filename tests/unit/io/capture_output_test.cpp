// A receiver of the Log may print, also while the process's output is captured.
#include "io/capture_output.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "io/log.hpp"

namespace salut::io {
namespace {

void to_log(std::string_view text) { LogLines{}.append(LogLevel::info, text); }
void to_other(std::string_view text) {
  LogLines{}.append(LogLevel::info, "other: " + std::string(text));
}

// Standard output is a file here, so that what comes through can be read.
class CaptureOutputTest : public testing::Test {
 protected:
  CaptureOutputTest() {
    std::fflush(nullptr);
    saved_ = dup(STDOUT_FILENO);
    dup2(fileno(file_), STDOUT_FILENO);
    set_log([this](LogLevel, std::string_view line) {
      lines.emplace_back(line);
      std::printf("heard: %s\n", lines.back().c_str());
    });
  }
  ~CaptureOutputTest() override {
    set_log({});
    std::fclose(file_);
  }
  // Ends the redirection.
  std::string printed() {
    std::fflush(nullptr);
    dup2(saved_, STDOUT_FILENO);
    close(saved_);
    std::string text(4'096, ' ');
    const ssize_t got = pread(fileno(file_), text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }

  std::FILE* file_ = std::tmpfile();
  int saved_ = -1;
  std::vector<std::string> lines;
};

// DPDK logs while it is captured. Printed there and then, each line came a second time, as output.
TEST_F(CaptureOutputTest, lines_wait_until_a_receiver_may_print) {
  {
    const CaptureOutput capture(to_log);
    log_line(LogLevel::warning, "logged");
    std::puts("a library printed");
    log_line(LogLevel::info, "logged too");
    EXPECT_TRUE(lines.empty());
  }
  log_line(LogLevel::info, "after");
  EXPECT_EQ(printed(),
            "heard: logged\nheard: logged too\nheard: a library printed\nheard: after\n");
  EXPECT_EQ(lines,
            (std::vector<std::string>{"logged", "logged too", "a library printed", "after"}));
}

// A port that does not open is closed within its own capture: what came first is said first.
TEST_F(CaptureOutputTest, one_within_another_keeps_the_order) {
  {
    const CaptureOutput outer(to_log);
    std::puts("one");
    {
      const CaptureOutput inner(to_other);
      std::puts("two");
      EXPECT_TRUE(lines.empty());
    }
    std::puts("three");
    EXPECT_TRUE(lines.empty()) << "a receiver that prints would hear itself";
  }
  std::puts("after");
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "other: two", "three"}));
  EXPECT_EQ(printed(), "heard: one\nheard: other: two\nheard: three\nafter\n");
}

// Two threads' end in any order. The second to end gave the process the other's file to print to.
TEST_F(CaptureOutputTest, first_to_begin_may_be_the_first_to_end) {
  auto first = std::make_unique<CaptureOutput>(to_log);
  std::puts("one");
  auto second = std::make_unique<CaptureOutput>(to_other);
  std::puts("two");
  first.reset();
  std::puts("three");
  EXPECT_TRUE(lines.empty()) << "a receiver that prints would hear itself";
  second.reset();
  std::puts("after");
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "other: two", "other: three"}));
  EXPECT_EQ(printed(), "heard: one\nheard: other: two\nheard: other: three\nafter\n");
}

TEST_F(CaptureOutputTest, who_ends_the_process_within_two_is_heard) {
  {
    const CaptureOutput outer(to_log);
    const CaptureOutput inner(to_log);
    log_line(LogLevel::info, "logged");
    CaptureOutput::abandon();
    std::puts("last words");
    std::fflush(nullptr);
    EXPECT_EQ(lines, std::vector<std::string>{"logged"});
  }
  log_line(LogLevel::info, "not held");
  EXPECT_EQ(printed(), "heard: logged\nlast words\nheard: not held\n");
}

TEST_F(CaptureOutputTest, who_ends_the_process_is_heard) {
  {
    const CaptureOutput capture(to_log);
    log_line(LogLevel::info, "logged");
    CaptureOutput::abandon();
    std::puts("last words");
    std::fflush(nullptr);
    EXPECT_EQ(lines, std::vector<std::string>{"logged"});
  }
  EXPECT_EQ(printed(), "heard: logged\nlast words\n");
}

}  // namespace
}  // namespace salut::io
