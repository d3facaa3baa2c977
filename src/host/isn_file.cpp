#include "host/isn_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>

#include "host/run_directory.hpp"
#include "host/tsc.hpp"

namespace salut {
namespace {

constexpr std::string_view version = "salut isn 1";
constexpr std::size_t size_max = 256;
constexpr std::uint64_t tsc_hz_min = 1'000'000;  // 1 MHz: aarch64's virtual counter may be slow
constexpr std::uint64_t tsc_hz_max = 100'000'000'000;
constexpr std::int64_t age_max = std::int64_t{10} * 365 * 86'400 * 1'000'000'000;

// What the file says, one a line: version, boot, key, clock.
struct Kept {
  std::string boot;
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::uint64_t tsc = 0;
  std::uint64_t tsc_hz = 0;
  Duration age{};  // at `tsc`

  std::string text() const {
    return fmt::format("{}\nboot {}\nkey {:016x}{:016x}\nclock {} {} {}\n", version, boot, high,
                       low, tsc, tsc_hz, age.count());
  }
};

template <typename Number>
bool take(std::string_view word, Number& number, int base = 10) {
  const char* const end = word.data() + word.size();
  const auto [at, wrong] = std::from_chars(word.data(), end, number, base);
  return wrong == std::errc{} && at == end;
}

// Up to `end`, which goes too.
std::string_view next(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view word = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return word;
}

std::optional<Kept> parse(std::string_view text) {
  const std::string_view whole = text;
  Kept kept;
  if (next(text, '\n') != version || next(text, ' ') != "boot") return std::nullopt;
  kept.boot = next(text, '\n');
  if (next(text, ' ') != "key") return std::nullopt;
  const std::string_view key = next(text, '\n');
  if (key.size() != 32 || !take(key.substr(0, 16), kept.high, 16) ||
      !take(key.substr(16), kept.low, 16)) {
    return std::nullopt;
  }
  std::int64_t age = 0;
  if (next(text, ' ') != "clock" || !take(next(text, ' '), kept.tsc) ||
      !take(next(text, ' '), kept.tsc_hz) || !take(next(text, '\n'), age)) {
    return std::nullopt;
  }
  if (kept.tsc_hz < tsc_hz_min || kept.tsc_hz > tsc_hz_max || age < 0 || age > age_max) {
    return std::nullopt;
  }
  kept.age = Duration{age};
  // Nothing more, nothing less, and nothing said in another way.
  if (kept.text() != whole) return std::nullopt;
  return kept;
}

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

struct Found {
  std::optional<Kept> kept;
  std::string refused;  // why what is there is not believed; empty if nothing is there, or it is
};

Found refuse(std::string why) { return {std::nullopt, std::move(why)}; }

Found read_open(int fd, const std::string& boot, std::uint64_t tsc) {
  struct stat status = {};
  if (fstat(fd, &status) != 0 || !is_our_file(status)) {
    return refuse("it is not a regular file of this user's with this name alone");
  }
  if ((status.st_mode & 07777) != 0600) {
    return refuse(fmt::format("its mode is {:04o}, not 0600", status.st_mode & 07777));
  }
  std::array<char, size_max + 1> bytes;
  const ssize_t got = pread(fd, bytes.data(), bytes.size(), 0);
  if (got < 0) return refuse(std::strerror(errno));
  if (static_cast<std::size_t>(got) > size_max) {
    return refuse(fmt::format("it has more than {} bytes", size_max));
  }
  auto kept = parse({bytes.data(), static_cast<std::size_t>(got)});
  if (!kept) return refuse("it is damaged, or of another version");
  if (kept->boot != boot) return refuse("it is of another boot");
  if (kept->tsc > tsc) return refuse("its clock is ahead of this machine's");
  return {std::move(kept), {}};
}

Found read(const std::string& path, const std::string& boot, std::uint64_t tsc) {
  // O_NONBLOCK: a pipe of this name would hold us up.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return {};
  if (fd < 0) return refuse(errno == ELOOP ? "it is a link" : std::strerror(errno));
  Found found = read_open(fd, boot, tsc);
  close(fd);
  return found;
}

bool is_number(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

// What processes left that were killed between open() and rename() in write_new().
void clear_unfinished(const std::string& path) {
  const std::string directory = directory_of(path);
  const std::string begin = path.substr(directory.size() + 1) + ".";
  for (const std::string& name : Sysfs{}.names(directory)) {
    if (!name.starts_with(begin)) continue;
    const std::string_view process = std::string_view(name).substr(begin.size());
    pid_t pid = 0;
    if (!is_number(process) || !take(process, pid) || pid <= 0) continue;
    if (kill(pid, 0) == 0 || errno != ESRCH) continue;
    const std::string left = directory + "/" + name;
    struct stat status = {};
    if (lstat(left.c_str(), &status) == 0 && is_our_file(status)) unlink(left.c_str());
  }
}

// 0, or an errno. Whoever reads sees the old file or the new one, whole. Benches without a name
// share a file, and two that start at once must not rename each other's unfinished one.
int write_new(const std::string& path, const std::string& text) {
  const std::string fresh = fmt::format("{}.{}", path, getpid());
  unlink(fresh.c_str());  // of a process that died in the middle of it
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno;
  int why = 0;
  const ssize_t put = pwrite(fd, text.data(), text.size(), 0);
  if (put < 0) why = errno;
  if (why == 0 && static_cast<std::size_t>(put) != text.size()) why = ENOSPC;
  if (why == 0 && fchmod(fd, 0600) != 0) why = errno;  // whatever the umask is
  if (close(fd) != 0 && why == 0) why = errno;
  if (why == 0 && rename(fresh.c_str(), path.c_str()) != 0) why = errno;
  if (why != 0) unlink(fresh.c_str());
  return why;
}

std::uint64_t random_word() {
  std::uint64_t word = 0;
  if (getrandom(&word, sizeof(word), 0) != sizeof(word)) word = read_tsc();
  return word;
}

// How long that many cycles are, rounded up: a clock that goes on never goes back.
Duration cycles(std::uint64_t count, std::uint64_t hz) {
  const std::uint64_t seconds = count / hz;
  const auto rest = static_cast<double>(count % hz) * 1e9 / static_cast<double>(hz);
  return std::chrono::seconds{seconds} + Duration{static_cast<std::int64_t>(rest) + 1};
}

std::string not_kept(const std::string& path, std::string_view why) {
  return fmt::format("no key of sequence numbers is kept for the next start: {}: {}", path, why);
}

}  // namespace

std::string isn_file_name(std::string_view instance) {
  constexpr std::string_view bench = "bench-";
  std::string name(instance);
  if (!instance.starts_with(bench)) return name;
  for (std::size_t dash = bench.size() - 1; dash != std::string::npos;) {
    const std::size_t end = std::min(name.find('-', dash + 1), name.size());
    if (is_number(std::string_view(name).substr(dash + 1, end - dash - 1))) {
      return name.erase(dash, end - dash);
    }
    dash = end == name.size() ? std::string::npos : end;
  }
  return name;
}

KeptIsnKey keep_isn_key(const std::string& path, std::uint64_t tsc, std::uint64_t tsc_hz,
                        const Sysfs& sysfs) {
  Kept now;
  now.low = random_word();
  now.high = random_word();
  now.tsc = tsc;
  now.tsc_hz = tsc_hz;
  const auto result = [&](std::string note) {
    return KeptIsnKey{{now.low, now.high, now.age}, std::move(note)};
  };

  const std::string directory = directory_of(path);
  now.boot = sysfs.line("/proc/sys/kernel/random/boot_id");
  if (now.boot.empty()) return result(not_kept(path, "the kernel does not say which boot this is"));
  if (!is_our_directory(directory)) {
    return result(not_kept(path, directory + " is not a directory of this user's alone"));
  }
  clear_unfinished(path);
  const Found found = read(path, now.boot, tsc);
  if (found.kept) {
    now.low = found.kept->low;
    now.high = found.kept->high;
    now.age = found.kept->age + cycles(tsc - found.kept->tsc, found.kept->tsc_hz);
  }
  if (const int why = write_new(path, now.text()); why != 0) {
    return result(not_kept(path, std::strerror(why)));
  }
  if (found.refused.empty()) return result({});
  return result(
      fmt::format("the key of sequence numbers in {} is replaced: {}", path, found.refused));
}

}  // namespace salut
