// The control socket among clients who misbehave, and its client among instances that do.
#include "service/control_socket.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "host/run_directory.hpp"

namespace salut::service {
namespace {

using std::chrono::milliseconds;

class ControlSocketTest : public testing::Test {
 protected:
  ControlSocketTest()
      : name_("test-control-" + std::to_string(getpid())), socket_(ControlSocket::open(name_)) {}
  ~ControlSocketTest() override {
    for (const int fd : clients_) close(fd);
  }

  int connect_client() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect_with(fd);
    return fd;
  }
  void connect_with(int fd) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const std::string path = instance_path(name_, "sock");
    std::memcpy(address.sun_path, path.c_str(), path.size());
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    clients_.push_back(fd);
  }
  void turn(int times = 1) {
    for (int i = 0; i < times; ++i) {
      socket_->serve(milliseconds{10}, [](std::string_view line) {
        return line == "drain" ? std::string("draining, 0 open") : std::string();
      });
    }
  }
  // What the instance says to it in some turns; "-" if nothing.
  std::string heard(int fd) {
    turn(4);
    std::array<char, 128> text;
    const ssize_t got = recv(fd, text.data(), text.size(), MSG_DONTWAIT);
    return got < 0 ? "-" : std::string(text.data(), static_cast<std::size_t>(got));
  }
  static void order(int fd) { EXPECT_EQ(send(fd, "drain\n", 6, MSG_NOSIGNAL), 6); }

  std::string name_;
  Result<ControlSocket> socket_;
  std::vector<int> clients_;
};

TEST_F(ControlSocketTest, silent_clients_make_room) {
  ASSERT_TRUE(socket_) << socket_.error().message;
  std::vector<int> silent;
  for (int i = 0; i < 20; ++i) {
    silent.push_back(connect_client());
    turn();
  }
  const int drainer = connect_client();
  order(drainer);
  EXPECT_EQ(heard(drainer), "draining, 0 open\n");
  EXPECT_EQ(heard(silent.front()), "");  // hung up on
  EXPECT_EQ(heard(silent.back()), "-");  // the youngest still is there
}

TEST_F(ControlSocketTest, those_who_wait_for_a_drain_keep_their_place) {
  ASSERT_TRUE(socket_) << socket_.error().message;
  std::vector<int> waiting;
  for (int i = 0; i < 8; ++i) {
    waiting.push_back(connect_client());
    order(waiting.back());
    ASSERT_EQ(heard(waiting.back()), "draining, 0 open\n");
  }
  const int ninth = connect_client();
  EXPECT_EQ(heard(ninth), "busy: 8 others wait already\n");
  socket_->tell("stopped");
  for (const int fd : waiting) EXPECT_EQ(heard(fd), "stopped\n");
}

TEST_F(ControlSocketTest, without_a_descriptor_a_client_is_told) {
  ASSERT_TRUE(socket_) << socket_.error().message;
  const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<int> all;
  for (int fd; (fd = fcntl(client, F_DUPFD_CLOEXEC, 0)) >= 0;) all.push_back(fd);
  connect_with(client);
  const std::string said = heard(client);
  for (const int fd : all) close(fd);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(said, "busy: no descriptor left (ulimit -n)\n");
  // And then it is as before.
  const int later = connect_client();
  order(later);
  EXPECT_EQ(heard(later), "draining, 0 open\n");
}

TEST(ReadLine, what_an_instance_says_is_no_order_to_a_terminal) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const std::string hostile = "draining \x1b]0;owned\x07\x1b[2J\xc3\xa9\n";
  ASSERT_GT(send(ends[0], hostile.data(), hostile.size(), 0), 0);
  EXPECT_EQ(read_line(ends[1]), "draining ?]0;owned??[2J??");
  const std::string endless(100'000, 'x');
  ASSERT_GT(send(ends[0], endless.data(), endless.size(), MSG_DONTWAIT), 200);
  EXPECT_EQ(read_line(ends[1]), std::string(200, 'x'));
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace salut::service
