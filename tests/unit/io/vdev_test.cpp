#include "io/vdev.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace salut::io {
namespace {

TEST(Vdev, words_come_apart) {
  const Vdev vdev = Vdev::parse("net_virtio_user0,path=/tmp/a.sock,queues=1");
  EXPECT_EQ(vdev.name, "net_virtio_user0");
  EXPECT_EQ(vdev.arguments, "path=/tmp/a.sock,queues=1");
  EXPECT_EQ(vdev.socket, "/tmp/a.sock");
  EXPECT_FALSE(vdev.server);
  EXPECT_TRUE(vdev.shares_memory());
}

TEST(Vdev, who_makes_the_socket) {
  EXPECT_TRUE(Vdev::parse("net_vhost0,iface=/tmp/a").server);
  EXPECT_FALSE(Vdev::parse("net_vhost0,iface=/tmp/a,client=1").server);
  EXPECT_TRUE(Vdev::parse("net_virtio_user0,path=/tmp/a,server=1").server);
  EXPECT_TRUE(Vdev::parse("net_memif0,role=server,socket=/tmp/a,socket-abstract=no").server);
  EXPECT_EQ(Vdev::parse("net_memif0,role=server,socket=/tmp/a").socket, "");  // abstract
  EXPECT_EQ(Vdev::parse("net_virtio_user0,path=/dev/vhost-net").socket, "");
  EXPECT_EQ(Vdev::parse("net_null0").socket, "");
  EXPECT_EQ(Vdev::parse("net_null0").arguments, "");
}

// What memif says of it is no help.
TEST(Vdev, memif_takes_no_bare_name) {
  const Vdev bare = Vdev::parse("net_memif0,role=server,socket=s,socket-abstract=no");
  const auto judged = bare.judge(Vdev::Socket::none);
  ASSERT_FALSE(judged);
  EXPECT_TRUE(judged.error().message.ends_with("; want socket=./s")) << judged.error().message;
  EXPECT_TRUE(Vdev::parse("net_memif0,role=server,socket=./s,socket-abstract=no")
                  .judge(Vdev::Socket::none));
  EXPECT_TRUE(Vdev::parse("net_vhost0,iface=s").judge(Vdev::Socket::none));
}

class VdevSocket : public testing::Test {
 protected:
  VdevSocket() : path_("/tmp/salut-vdev-test-" + std::to_string(getpid()) + ".sock") {}
  ~VdevSocket() override { std::filesystem::remove(path_); }

  // A socket file that somebody listens on until the descriptor is closed.
  int listen_there() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd, 1), 0);
    return fd;
  }
  Vdev server() const { return Vdev::parse("net_vhost0,iface=" + path_); }
  Vdev client() const { return Vdev::parse("net_virtio_user0,path=" + path_); }

  std::string path_;
};

TEST_F(VdevSocket, stale_one_is_removed) {
  close(listen_there());
  EXPECT_TRUE(std::filesystem::exists(path_));
  EXPECT_TRUE(server().prepare());
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(VdevSocket, one_in_use_is_left_alone) {
  const int fd = listen_there();
  const auto ready = server().prepare();
  ASSERT_FALSE(ready);
  EXPECT_EQ(ready.error().code, Errc::in_use);
  EXPECT_EQ(ready.error().message, "vdev = \"net_vhost0,iface=" + path_ +
                                       "\": another process listens on " + path_ +
                                       "; want a path of its own");
  EXPECT_TRUE(std::filesystem::exists(path_));
  close(fd);
}

TEST_F(VdevSocket, file_of_another_kind_is_left_alone) {
  std::ofstream(path_) << "precious";
  const auto ready = server().prepare();
  ASSERT_FALSE(ready);
  EXPECT_TRUE(std::filesystem::exists(path_));
  server().clean_up();
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(VdevSocket, client_needs_the_other_side_first) {
  const auto ready = client().prepare();
  ASSERT_FALSE(ready);
  EXPECT_EQ(ready.error().code, Errc::not_found);
  EXPECT_EQ(ready.error().message, "vdev = \"net_virtio_user0,path=" + path_ + "\": no socket " +
                                       path_ + "; want the other side started first");
  const int fd = listen_there();
  EXPECT_TRUE(client().prepare());
  close(fd);
}

}  // namespace
}  // namespace salut::io
