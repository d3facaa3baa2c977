// The files that a command is told to write, judged before it runs.
#include "cli/files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "cli/commands.hpp"

namespace salut::cli {
namespace {

TEST(Files, directory_is_no_output_file) {
  EXPECT_FALSE(can_write("/tmp"));
  EXPECT_EQ(cannot_write("--json", "/tmp").message,
            "--json = /tmp: cannot be written: Is a directory; want a file in a folder that is "
            "there, or -");
  EXPECT_FALSE(can_write("/tmp/"));
  EXPECT_FALSE(can_write("."));
}

TEST(Files, file_may_be_new_or_there) {
  const std::string file = testing::TempDir() + "/salut-files-" + std::to_string(getpid());
  EXPECT_TRUE(can_write(file));
  EXPECT_FALSE(std::filesystem::exists(file)) << "asking makes nothing";
  std::ofstream(file) << "x";
  EXPECT_TRUE(can_write(file));
  EXPECT_FALSE(can_write(file + "/below"));
  std::filesystem::remove(file);
  EXPECT_FALSE(can_write("/nonexistent/file"));
  EXPECT_TRUE(can_write(""));
  EXPECT_TRUE(can_write("-"));
  EXPECT_TRUE(can_write("/dev/null"));
}

TEST(Files, each_that_could_not_be_written_is_said) {
  const Result<void> done[] = {{}, fail(Errc::no_permission, "--json"), fail(Errc::ok, "--lat")};
  testing::internal::CaptureStderr();
  EXPECT_EQ(refuse_failed(done), exit_refused);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "salut: --json\nsalut: --lat\n");
  EXPECT_EQ(refuse_failed({done, 1}), exit_ok);
}

}  // namespace
}  // namespace salut::cli
