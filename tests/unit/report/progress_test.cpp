// The live line on terminals of several widths, and on what is none.
#include "report/progress.hpp"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

namespace salut::report {
namespace {

// What two samples look like to a terminal of that many columns.
std::string shown(unsigned short columns, const char* term, const char* no_color,
                  std::uint64_t failures = 0) {
  setenv("TERM", term, 1);
  setenv("NO_COLOR", no_color, 1);
  int master = -1;
  int slave = -1;
  winsize size = {24, columns, 0, 0};
  EXPECT_EQ(openpty(&master, &slave, nullptr, nullptr, &size), 0);
  std::FILE* out = fdopen(slave, "w");
  {
    ProgressLine line(out);
    load::Progress sample{.elapsed_s = 1234.5, .cps = 1'234'567, .open = 123'456};
    sample.time_wait = 12'345'678;
    sample.failures = failures;
    sample.note = "warming up";
    line.show(sample);
    size.ws_col = static_cast<unsigned short>(columns / 2);  // the window is made narrower
    ioctl(master, TIOCSWINSZ, &size);
    line.show(sample);
  }
  // All that was written stays to be read; then comes EIO.
  std::fclose(out);
  std::string text;
  std::array<char, 2'048> bytes;
  for (ssize_t got; (got = read(master, bytes.data(), bytes.size())) > 0;) {
    text.append(bytes.data(), static_cast<std::size_t>(got));
  }
  close(master);
  // The line discipline writes CR before LF.
  for (std::size_t at; (at = text.find("\r\n")) != std::string::npos;) text.erase(at, 1);
  return text;
}

// The columns that the text between two carriage returns takes.
std::size_t width_of(std::string line) {
  for (std::size_t at; (at = line.find('\x1b')) != std::string::npos;) {
    const std::size_t end = line.find_first_of("mK", at);
    line.erase(at, end - at + 1);
  }
  return line.find_last_not_of("\n") + 1;
}

std::string part(const std::string& text, std::size_t nth) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= nth; ++i) begin = text.find('\r', begin) + 1;
  return text.substr(begin, std::min(text.find('\r', begin), text.size()) - begin);
}

TEST(ProgressLine, is_cut_to_the_terminal_as_it_is_now) {
  for (const unsigned short columns : std::array<unsigned short, 4>{60, 80, 120, 200}) {
    const std::string text = shown(columns, "xterm", "1");
    EXPECT_LT(width_of(part(text, 0)), columns) << text;
    EXPECT_LT(width_of(part(text, 1)), columns / 2u) << text;
    EXPECT_NE(part(text, 0).find("1,234,567 CPS"), std::string::npos) << text;
    // One line in the end: no other line feed than the last.
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  }
}

TEST(ProgressLine, a_dumb_terminal_gets_no_escapes) {
  for (const char* term : {"dumb", ""}) {
    const std::string text = shown(80, term, "");
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  }
}

TEST(ProgressLine, is_red_once_something_failed_and_colour_is_wanted) {
  constexpr const char* red = "\x1b[31m";
  EXPECT_EQ(shown(200, "xterm", "").find(red), std::string::npos);
  EXPECT_NE(shown(200, "xterm", "", 3).find(red), std::string::npos);
  EXPECT_EQ(shown(200, "xterm", "1", 3).find(red), std::string::npos);
  EXPECT_NE(shown(200, "xterm", "1", 3).find("\x1b[K"), std::string::npos);
}

}  // namespace
}  // namespace salut::report
