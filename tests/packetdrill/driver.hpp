// Plays what packetdrill would: system calls and packets through the plug-in's interface, in
// virtual time. The library is opened as packetdrill opens it.
//
//   Driver d;
//   const int listener = d.listen();
//   d.inject({.flags = "S", .mss = 1460});
//   d.expect({.flags = "SA", .ack = 1});
//   d.inject({});
//   const int fd = d.accept(listener);
//
// Calls answer with a count or -errno. Sequence numbers are relative to either side's SYN, which is
// 0; what is not set in an In is what a peer that lost nothing would send. Whatever was sent and
// not expected fails the test at its end.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <thread>
#include <vector>

#include "packetdrill/plugin/interface.hpp"

namespace salut::packetdrill::test {

using namespace std::chrono_literals;
using Microseconds = std::chrono::microseconds;
using Where = std::source_location;

struct In {
  std::string flags = "A";
  std::optional<std::uint32_t> seq = {};
  std::optional<std::uint32_t> ack = {};
  unsigned window = 0xffff;
  std::string payload = {};
  unsigned mss = 0;
};

struct Out {
  std::string flags = "A";  // PSH is not compared
  std::uint32_t seq = 0;
  std::optional<std::uint32_t> ack = {};
  std::size_t length = 0;
  std::optional<unsigned> mss = {};
};

class Driver {
 public:
  // `flags` come after those that give the addresses and switch options off.
  explicit Driver(const std::string& flags = "");
  ~Driver();
  Driver(const Driver&) = delete;

  // --- the wire and the clock ---
  void inject(const In& in);
  // An ICMP error about the segment of ours with this sequence number.
  void inject_icmp(unsigned type, unsigned code, std::uint32_t seq);
  void expect(const Out& out, Where where = Where::current());
  // The next packet left at this time since the start; milliseconds late at most.
  void expect_at(Microseconds at, const Out& out, Where where = Where::current());
  void expect_nothing(Where where = Where::current());
  void drain();  // takes whatever was sent
  // What is injected from now on comes from another port, of a peer that has sent nothing.
  void next_peer() {
    ++peer_port_;
    peer_nxt_ = our_nxt_ = 0;
  }
  void sleep(Microseconds time) { i_.usleep(i_.userdata, static_cast<useconds_t>(time.count())); }
  Microseconds now();  // since the start; reading it takes a microsecond

  // --- calls ---
  int socket(int type = SOCK_STREAM) { return result(i_.socket(i_.userdata, AF_INET, type, 0)); }
  int bind(int fd, unsigned port = 80);
  int listen(int type = SOCK_STREAM);  // socket, bind, listen
  int accept(int fd, sockaddr_storage* from = nullptr);
  int connect(int fd, unsigned port = 40000);
  int close(int fd) { return result(i_.close(i_.userdata, fd)); }
  int shutdown(int fd, int how) { return result(i_.shutdown(i_.userdata, fd, how)); }
  int write(int fd, const std::string& text);
  // The text, or "-errno" as a number.
  std::string read(int fd, std::size_t most = 65536, int flags = -1);
  int fcntl_nonblocking(int fd) {
    return result(i_.fcntl(i_.userdata, fd, 4 /* F_SETFL */, 04000L));
  }
  int set(int fd, int level, int name, int value);
  int get(int fd, int level, int name);  // the value, or -errno
  short poll(int fd, short events, int timeout_ms = 0);

  // A result of the interface as a count or -errno.
  template <class T>
  static int result(T n) {
    return n < 0 ? -errno : static_cast<int>(n);
  }
  packetdrill_interface& calls() { return i_; }

  // --- what leaves nothing unexpected behind ---
  int established();      // passive; the accepted descriptor
  int connected();        // active
  int listener = -1;      // of established()
  unsigned our_port = 0;  // of the connection

 private:
  struct Seen {
    std::string flags;
    std::uint32_t seq, ack;
    std::size_t length;
    unsigned mss;
    Microseconds at;
  };
  bool receive(Seen& seen);
  std::string describe(const Seen& seen) const;

  void* library_ = nullptr;
  packetdrill_interface i_ = {};
  long long start_us_ = 0;
  unsigned peer_port_ = 40000;
  std::uint32_t irs_ = 0xfffffff0;  // just below the wrap
  std::uint32_t iss_ = 0;
  std::uint32_t peer_nxt_ = 0;
  std::uint32_t our_nxt_ = 0;
};

// A call on a thread of its own, as packetdrill makes those that may block.
class Blocking {
 public:
  // Returns once the call sleeps, or is over.
  Blocking(Driver& driver, std::function<std::string()> call);
  Blocking(Driver& driver, std::function<int()> call)
      : Blocking(driver, [call] { return std::to_string(call()); }) {}
  ~Blocking() {
    if (thread_.joinable()) thread_.join();
  }
  // Does it sleep still?
  bool waits() const { return !done_; }
  // What it returned, and when.
  std::string result() {
    thread_.join();
    return result_;
  }
  Microseconds ended() const { return ended_; }

 private:
  std::atomic<int> id_ = 0;
  std::atomic<bool> done_ = false;
  std::string result_;
  Microseconds ended_{0};
  std::thread thread_;
};

}  // namespace salut::packetdrill::test
