// A crowd of the kernel's TCP clients of an echo server, each of them checked; for tests/wire.
//
//   crowd ADDR PORT TOTAL AT_ONCE STAYING 'FIRST-SOURCE' SOURCES AT 'COMMAND' STAY_S
//
// Opens TOTAL connections, AT_ONCE at a time, from SOURCES consecutive addresses (so that ports do
// not run out while TIME_WAIT holds them), and holds STAYING of them open all the while: these say
// something ten times a second. When AT have ended well, COMMAND is run by /bin/sh, and nobody
// waits for it; the moment that counts is its end. Each connection sends a line of its own, wants
// just that line back, and closes after the peer has: what it did not get back is a failure, and so
// is whatever takes 10 s. Those that stay do so until STAY_S seconds after the command.
//
// Whose a connection is, in a crowd that several instances serve, is told by the MSS of its
// peer: instances are given MTUs of their own. One line of JSON: of all and by MSS how many,
// failures by what errno said, those that had begun after the command, how long the slowest took,
// how many new ones took more than half a second to be answered, and how long after the command all
// was well again: when the first of 200 in a row began that were all answered faster. (Not the last
// that was slow: on a busy machine a SYN is lost now and then, and comes again after a second.)
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto patience = 10s;
constexpr auto slow = 500ms;
constexpr auto word_every = 100ms;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(2);
}

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

struct Wanted {
  sockaddr_storage to{};
  sockaddr_storage source{};
  socklen_t length = 0;
  std::uint64_t total = 0, at_once = 0, staying = 0, sources = 0, at = 0;
  std::string command;
  Clock::duration stay{};
};

void parse_address(const char* text, int port, sockaddr_storage& to, socklen_t& length) {
  auto& v4 = reinterpret_cast<sockaddr_in&>(to);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(to);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(port));
    length = sizeof(v4);
  } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    length = sizeof(v6);
  } else {
    die(text);
  }
}

// The last byte of the address counts.
sockaddr_storage nth(sockaddr_storage address, std::uint64_t n) {
  auto* last =
      address.ss_family == AF_INET
          ? reinterpret_cast<std::uint8_t*>(&reinterpret_cast<sockaddr_in&>(address).sin_addr) + 3
          : reinterpret_cast<sockaddr_in6&>(address).sin6_addr.s6_addr + 15;
  *last = static_cast<std::uint8_t>(*last + n);
  return address;
}

struct Client {
  int fd = -1;
  std::uint64_t number = 0;  // from 0, in order of opening
  Clock::time_point began;
  Clock::time_point asked;  // when what is awaited was sent
  Clock::time_point speaks_at;
  std::string line, got;
  unsigned words = 0;
  int mss = 0;  // 0: not connected yet
  bool stays = false;
  bool prompt = false;     // its first word came back soon
  bool finishing = false;  // our FIN is out
};

class Crowd {
 public:
  explicit Crowd(Wanted wanted) : wanted_(std::move(wanted)), epoll_(epoll_create1(0)) {
    clients_.resize(wanted_.at_once + wanted_.staying);
    for (std::size_t i = clients_.size(); i-- > wanted_.staying;) free_.push_back(i);
  }

  void run() {
    started_ = Clock::now();
    for (std::size_t i = 0; i < wanted_.staying; ++i) open(i, true);
    std::array<epoll_event, 256> events;
    while (open_ > 0 || opened_ < wanted_.total) {
      look_at_command();
      now_ = Clock::now();
      while (!free_.empty() && may_open()) {
        const std::size_t slot = free_.back();
        free_.pop_back();
        open(slot, false);
      }
      const int n = epoll_wait(epoll_, events.data(), events.size(), 10);
      now_ = Clock::now();
      for (int i = 0; i < n; ++i) {
        step(static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64),
             events[static_cast<std::size_t>(i)].events);
      }
      if (now_ >= look_at_) look_at_clocks();
    }
    ended_ = Clock::now();
  }

  void report() const {
    std::printf(
        "{\"connections\": %lu, \"good\": %lu, \"failed\": %lu, \"failed_begun_after\": %lu, "
        "\"seconds\": %.2f, \"slowest_s\": %.3f, \"command_at_s\": %.2f, "
        "\"slow_after\": %lu, \"well_after_s\": %.3f, \"stayed\": %lu, \"words\": %lu",
        opened_, good_, failed_, failed_after_, seconds(ended_ - started_), seconds(slowest_),
        commanded_ ? seconds(commanded_at_ - started_) : -1.0, slow_after_, well_after(), stayed_,
        words_);
    const auto print = [](const char* name, const std::map<std::string, std::uint64_t>& counts) {
      std::printf(", \"%s\": {", name);
      const char* comma = "";
      for (const auto& [key, count] : counts) {
        std::printf("%s\"%s\": %lu", comma, key.c_str(), count);
        comma = ", ";
      }
      std::printf("}");
    };
    print("good_by_mss", good_by_mss_);
    print("failed_by_mss", failed_by_mss_);
    print("errors", errors_);
    std::printf("}\n");
  }

 private:
  bool may_open() const { return opened_ < wanted_.total; }

  void open(std::size_t slot, bool stays) {
    Client& c = clients_[slot];
    c = {};
    c.number = opened_++;
    ++open_;
    c.stays = stays;
    c.began = c.asked = now_ = Clock::now();
    c.fd = socket(wanted_.to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c.fd < 0) die("socket");
    const int on = 1;
    setsockopt(c.fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    setsockopt(c.fd, SOL_TCP, TCP_NODELAY, &on, sizeof(on));
    const sockaddr_storage source = nth(wanted_.source, c.number % wanted_.sources);
    if (bind(c.fd, reinterpret_cast<const sockaddr*>(&source), wanted_.length) != 0) die("bind");
    epoll_event event{.events = EPOLLOUT, .data = {.u64 = slot}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event) != 0) die("epoll_ctl");
    if (connect(c.fd, reinterpret_cast<const sockaddr*>(&wanted_.to), wanted_.length) != 0 &&
        errno != EINPROGRESS) {
      end(slot, errno);
    }
  }

  void step(std::size_t slot, std::uint32_t events) {
    Client& c = clients_[slot];
    if (c.fd < 0) return;
    if (c.mss == 0) {
      int error = 0;
      socklen_t length = sizeof(error);
      getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) return end(slot, error);
      tcp_info info{};
      length = sizeof(info);
      getsockopt(c.fd, SOL_TCP, TCP_INFO, &info, &length);
      c.mss = static_cast<int>(info.tcpi_snd_mss);
      epoll_event event{.events = EPOLLIN, .data = {.u64 = slot}};
      epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
      return say(slot);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
    std::array<char, 256> bytes;
    const ssize_t n = read(c.fd, bytes.data(), bytes.size());
    if (n < 0) return errno == EAGAIN ? void() : end(slot, errno);
    if (n == 0) return end(slot, c.finishing && c.got.empty() ? 0 : EPIPE);
    c.got.append(bytes.data(), static_cast<std::size_t>(n));
    if (c.got.size() < c.line.size()) return;
    if (c.got != c.line) return end(slot, EBADMSG);
    slowest_ = std::max(slowest_, now_ - (c.words == 1 ? c.began : c.asked));
    if (c.words == 1) c.prompt = now_ - c.began <= slow;
    c.got.clear();
    ++words_;
    if (!c.stays || is_over()) return finish(slot);
    c.speaks_at = now_ + word_every;
  }

  void say(std::size_t slot) {
    Client& c = clients_[slot];
    c.line = std::to_string(c.number) + " says " + std::to_string(++c.words) + "\n";
    c.asked = now_;
    c.speaks_at = Clock::time_point::max();
    const ssize_t n = write(c.fd, c.line.data(), c.line.size());
    if (n != static_cast<ssize_t>(c.line.size())) end(slot, n < 0 ? errno : EMSGSIZE);
  }

  // The peer closes when it has read our FIN.
  void finish(std::size_t slot) {
    Client& c = clients_[slot];
    c.finishing = true;
    c.asked = now_;
    c.speaks_at = Clock::time_point::max();
    if (shutdown(c.fd, SHUT_WR) != 0) end(slot, errno);
  }

  bool is_over() const { return commanded_ && now_ - commanded_at_ > wanted_.stay; }

  void look_at_clocks() {
    look_at_ = now_ + 10ms;
    for (std::size_t slot = 0; slot < clients_.size(); ++slot) {
      Client& c = clients_[slot];
      if (c.fd < 0) continue;
      const bool waits = c.mss == 0 || c.finishing || c.speaks_at == Clock::time_point::max();
      if (waits && now_ - c.asked > patience) {
        end(slot, ETIMEDOUT);
      } else if (c.stays && !waits && c.speaks_at <= now_) {
        say(slot);
      }
    }
  }

  // Of those that began after the command, in order of their beginning.
  void note_outcome(const Client& c, bool good) {
    if (!commanded_ || c.began < commanded_at_) return;
    outcomes_[c.number] = {c.began - commanded_at_, good && c.prompt};
    slow_after_ += good && !c.prompt ? 1 : 0;
  }
  // Seconds; -1 if they never were.
  double well_after() const {
    constexpr unsigned enough = 200;
    unsigned in_a_row = 0;
    Clock::duration since{};
    for (const auto& [number, outcome] : outcomes_) {
      if (in_a_row == 0) since = outcome.began;
      in_a_row = outcome.prompt ? in_a_row + 1 : 0;
      if (in_a_row == enough) return seconds(since);
    }
    return -1;
  }

  void end(std::size_t slot, int error) {
    Client& c = clients_[slot];
    // Before it is closed: the child that runs the command may have it open for a moment.
    epoll_ctl(epoll_, EPOLL_CTL_DEL, c.fd, nullptr);
    close(c.fd);
    c.fd = -1;
    --open_;
    const std::string mss = std::to_string(c.mss);
    if (error == 0) {
      ++good_;
      ++good_by_mss_[mss];
      stayed_ += c.stays ? 1 : 0;
    } else {
      ++failed_;
      ++failed_by_mss_[mss];
      ++errors_[strerrorname_np(error)];
      failed_after_ += commanded_ && c.began >= commanded_at_ ? 1 : 0;
    }
    note_outcome(c, error == 0);
    if (!c.stays) free_.push_back(slot);
    if (child_ == 0 && good_ >= wanted_.at) command();
  }

  void command() {
    child_ = fork();
    if (child_ < 0) die("fork");
    if (child_ != 0) return;
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", wanted_.command.c_str(), nullptr);
    _exit(127);
  }

  // What it did is done when it has ended; until then new ones may meet what was before.
  void look_at_command() {
    int status = 0;
    if (child_ == 0 || commanded_ || waitpid(child_, &status, WNOHANG) != child_) return;
    if (status != 0) std::fprintf(stderr, "crowd: the command ended with %d\n", status);
    commanded_ = true;
    commanded_at_ = Clock::now();
  }

  Wanted wanted_;
  int epoll_;
  std::vector<Client> clients_;  // those that stay first
  std::vector<std::size_t> free_;
  Clock::time_point now_, started_, ended_, look_at_, commanded_at_;
  pid_t child_ = 0;
  bool commanded_ = false;  // and it has ended
  std::uint64_t opened_ = 0, open_ = 0, good_ = 0, failed_ = 0, failed_after_ = 0, stayed_ = 0,
                words_ = 0;
  Clock::duration slowest_{};
  struct Outcome {
    Clock::duration began{};  // after the command
    bool prompt = false;
  };
  std::map<std::uint64_t, Outcome> outcomes_;  // by number
  std::uint64_t slow_after_ = 0;
  std::map<std::string, std::uint64_t> good_by_mss_, failed_by_mss_, errors_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 11) {
    std::fprintf(stderr,
                 "crowd ADDR PORT TOTAL AT_ONCE STAYING FIRST-SOURCE SOURCES AT COMMAND "
                 "STAY_S\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const auto number = [&](int at) { return std::strtoull(argv[at], nullptr, 10); };
  Wanted wanted;
  parse_address(argv[1], std::atoi(argv[2]), wanted.to, wanted.length);
  wanted.total = number(3);
  wanted.at_once = number(4);
  wanted.staying = number(5);
  parse_address(argv[6], 0, wanted.source, wanted.length);
  wanted.sources = std::max<std::uint64_t>(number(7), 1);
  wanted.at = number(8);
  wanted.command = argv[9];
  wanted.stay = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(std::strtod(argv[10], nullptr)));
  const rlimit files{65'536, 65'536};
  setrlimit(RLIMIT_NOFILE, &files);
  Crowd crowd(std::move(wanted));
  crowd.run();
  crowd.report();
}
