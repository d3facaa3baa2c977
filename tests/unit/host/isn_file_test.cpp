// The file with the key of ISNs: what is believed, what is not, and that its clock goes on.
#include "host/isn_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "doctor/machine_tree.hpp"

namespace salut {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t hz = 2'000'000'000;
constexpr std::uint64_t start = 77 * hz;

class IsnFile : public testing::Test {
 protected:
  IsnFile() {
    directory = machine.at("/run");
    path = directory + "/test.key";
    mkdir(directory.c_str(), 0700);
    boot("one");
  }

  void boot(const std::string& id) { machine.file("/proc/sys/kernel/random/boot_id", id + "\n"); }
  KeptIsnKey keep(std::uint64_t tsc = start, std::uint64_t rate = hz) {
    return keep_isn_key(path, tsc, rate, machine.system());
  }
  std::string text() const {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& all) {
    std::ofstream(path) << all;
    chmod(path.c_str(), 0600);
  }
  unsigned mode() const {
    struct stat status = {};
    return lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) ? status.st_mode & 07777u
                                                                        : 0;
  }
  static bool same(const KeptIsnKey& a, const KeptIsnKey& b) {
    return a.key.low == b.key.low && a.key.high == b.key.high;
  }
  // What lies there is not believed, the user is told why, and the next start is content.
  void expect_replaced(const KeptIsnKey& before, const std::string& why) {
    const KeptIsnKey fresh = keep(start + hz);
    EXPECT_FALSE(same(fresh, before)) << why;
    EXPECT_EQ(fresh.key.age, Duration{0}) << why;
    EXPECT_EQ(fresh.note, "the key of sequence numbers in " + path + " is replaced: " + why);
    EXPECT_EQ(mode(), 0600u) << why;
    const KeptIsnKey next = keep(start + 2 * hz);
    EXPECT_TRUE(same(next, fresh)) << why;
    EXPECT_EQ(next.note, "") << why;
  }
  // … nor is anything kept.
  void expect_not_kept(const std::string& why) {
    const KeptIsnKey one = keep();
    const KeptIsnKey two = keep();
    EXPECT_FALSE(same(one, two));
    EXPECT_EQ(two.note,
              "no key of sequence numbers is kept for the next start: " + path + ": " + why);
  }

  MachineTree machine;
  std::string directory, path;
};

TEST_F(IsnFile, next_start_has_the_same_key_and_an_older_clock) {
  const KeptIsnKey first = keep();
  EXPECT_EQ(first.note, "");
  EXPECT_EQ(first.key.age, Duration{0});
  EXPECT_EQ(mode(), 0600u);
  const KeptIsnKey second = keep(start + 10 * hz);
  EXPECT_EQ(second.note, "");
  EXPECT_TRUE(same(first, second));
  EXPECT_GE(second.key.age, std::chrono::seconds{10});
  EXPECT_LE(second.key.age, std::chrono::seconds{10} + Duration{2});
}

// The second process counted twice as fast as the first: the third goes on where that was.
TEST_F(IsnFile, clock_goes_on_at_the_rate_of_who_had_it_last) {
  keep();
  keep(start + 10 * hz, hz / 2);
  const KeptIsnKey third = keep(start + 13 * hz);
  EXPECT_GE(third.key.age, std::chrono::seconds{10 + 2 * 3});
  EXPECT_LE(third.key.age, std::chrono::seconds{10 + 2 * 3} + Duration{4});
}

TEST_F(IsnFile, two_names_have_two_keys) {
  const KeptIsnKey one = keep();
  path = directory + "/other.key";
  EXPECT_FALSE(same(keep(), one));
}

TEST_F(IsnFile, file_that_others_may_read_or_write_is_replaced) {
  for (const unsigned wrong : {0644u, 0660u, 0602u, 0400u, 04600u}) {
    const KeptIsnKey before = keep();
    chmod(path.c_str(), wrong);
    const std::string digits = {
        static_cast<char>('0' + wrong / 512), static_cast<char>('0' + wrong / 64 % 8),
        static_cast<char>('0' + wrong / 8 % 8), static_cast<char>('0' + wrong % 8)};
    expect_replaced(before, "its mode is " + digits + ", not 0600");
  }
}

const std::string not_ours = "it is not a regular file of this user's with this name alone";

TEST_F(IsnFile, file_of_another_user_is_replaced) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const KeptIsnKey before = keep();
  ASSERT_EQ(chown(path.c_str(), 12'345, getegid()), 0);
  expect_replaced(before, not_ours);
}

TEST_F(IsnFile, file_with_two_names_is_replaced) {
  const KeptIsnKey before = keep();
  ASSERT_EQ(link(path.c_str(), (directory + "/second").c_str()), 0);
  expect_replaced(before, not_ours);
}

TEST_F(IsnFile, link_is_replaced_and_what_it_points_to_is_left_alone) {
  const KeptIsnKey before = keep();
  const std::string elsewhere = directory + "/elsewhere";
  fs::rename(path, elsewhere);
  ASSERT_EQ(symlink(elsewhere.c_str(), path.c_str()), 0);
  std::ifstream file(elsewhere);
  const std::string was{std::istreambuf_iterator<char>(file), {}};
  expect_replaced(before, "it is a link");
  path = elsewhere;
  EXPECT_EQ(text(), was);
}

TEST_F(IsnFile, pipe_does_not_hold_the_start_up) {
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_replaced({}, not_ours);
}

TEST_F(IsnFile, directory_of_that_name_stays_and_nothing_is_kept) {
  mkdir(path.c_str(), 0700);
  expect_not_kept("Is a directory");
  EXPECT_FALSE(fs::exists(path + "." + std::to_string(getpid())));
}

TEST_F(IsnFile, file_that_is_too_long_is_replaced) {
  const KeptIsnKey before = keep();
  write(text() + std::string(256, '\n'));
  expect_replaced(before, "it has more than 256 bytes");
}

TEST_F(IsnFile, file_of_another_boot_is_replaced) {
  const KeptIsnKey before = keep();
  boot("two");
  expect_replaced(before, "it is of another boot");
}

TEST_F(IsnFile, file_from_the_future_is_replaced) {
  const KeptIsnKey before = keep(start + 5 * hz);
  expect_replaced(before, "its clock is ahead of this machine's");
}

TEST_F(IsnFile, damaged_file_is_replaced) {
  keep();
  const std::string good = text();
  const auto with = [&](const std::string& part, const std::string& instead) {
    std::string bad = good;
    const std::size_t at = bad.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    return bad.replace(at, part.size(), instead);
  };
  const std::string clock = good.substr(good.find("clock"));
  const std::string tsc = std::to_string(start);
  for (const std::string& bad :
       {std::string(), std::string(100, '\0'), good + "x", good.substr(0, good.size() - 1),
        good.substr(0, good.size() / 2), with("salut isn 1", "salut isn 2"), with("boot", "Boot"),
        with("key ", "key  "), with("key ", "key 0"), with("key ", "key g"),
        with(clock, "clock " + tsc + " 0 0\n"), with(clock, "clock " + tsc + " 999999 0\n"),
        with(clock, "clock " + tsc + " 2000000000 -1\n"),
        with(clock, "clock 0" + tsc + " 2000000000 0\n"),
        with(clock, "clock " + tsc + " 2000000000 999999999999999999\n"),
        with(clock, "clock 99999999999999999999 2000000000 0\n")}) {
    write(good);
    const KeptIsnKey before = keep();
    write(bad);
    expect_replaced(before, "it is damaged, or of another version");
  }
}

TEST_F(IsnFile, directory_of_others_is_not_used) {
  keep();
  chmod(directory.c_str(), 0777);
  expect_not_kept(directory + " is not a directory of this user's alone");
}

TEST_F(IsnFile, kernel_without_a_boot_id_keeps_nothing) {
  boot("");
  expect_not_kept("the kernel does not say which boot this is");
  EXPECT_FALSE(fs::exists(path));
}

// Somebody died between writing and renaming; or wants us to write through a link.
TEST_F(IsnFile, rest_of_an_earlier_start_is_no_hindrance) {
  const std::string precious = directory + "/precious";
  std::ofstream(precious) << "precious";
  ASSERT_EQ(symlink(precious.c_str(), (path + "." + std::to_string(getpid())).c_str()), 0);
  EXPECT_EQ(keep().note, "");
  EXPECT_EQ(mode(), 0600u);
  EXPECT_FALSE(fs::exists(fs::symlink_status(path + "." + std::to_string(getpid()))));
  EXPECT_EQ(fs::file_size(precious), 8u);
}

TEST(IsnFileName, of_benches_without_a_name_is_one) {
  EXPECT_EQ(isn_file_name("web"), "web");
  EXPECT_EQ(isn_file_name("bench-4711"), "bench");
  EXPECT_EQ(isn_file_name("bench"), "bench");
  EXPECT_EQ(isn_file_name("bench-lb1"), "bench-lb1");
}

// As bench/suite and bench/idle name theirs; each run left four files behind.
TEST(IsnFileName, of_a_bench_has_no_process_in_it) {
  EXPECT_EQ(isn_file_name("bench-29275-memif-client"), "bench-memif-client");
  EXPECT_EQ(isn_file_name("bench-30363-memif-client-1"), "bench-memif-client-1");
  EXPECT_EQ(isn_file_name("bench-idle-13157"), "bench-idle");
  EXPECT_EQ(isn_file_name("bench-"), "bench-");
  EXPECT_EQ(isn_file_name("bench--"), "bench--");
  EXPECT_EQ(isn_file_name("web-1"), "web-1");
  EXPECT_EQ(isn_file_name("workbench-1-2"), "workbench-1-2");
}

// One is killed between open() and rename(); its unfinished file has a name of its own.
TEST_F(IsnFile, unfinished_file_of_a_dead_process_goes) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  const std::string dead = path + "." + std::to_string(child);
  const std::string alive = path + "." + std::to_string(getppid());
  const std::string others[] = {alive, path + ".", path + ".old", path + "." + "0"};
  std::ofstream(dead) << "half";
  for (const std::string& other : others) std::ofstream(other) << "other";
  EXPECT_EQ(keep().note, "");
  EXPECT_FALSE(fs::exists(dead));
  for (const std::string& other : others) EXPECT_TRUE(fs::exists(other)) << other;
}

TEST_F(IsnFile, any_umask_leaves_a_file_that_is_believed) {
  for (const mode_t mask : {0000, 0777}) {
    const mode_t old = umask(mask);
    const KeptIsnKey made = keep();
    umask(old);
    EXPECT_EQ(mode(), 0600u);
    EXPECT_TRUE(same(keep(), made));
  }
}

}  // namespace
}  // namespace salut
