// A receiver of the Log may print, also while the process's output is captured.
#include "io/capture_output.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "io/log.hpp"

namespace salut::io {
namespace {

void to_log(std::string_view text) { LogLines{}.append(LogLevel::info, text); }

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
