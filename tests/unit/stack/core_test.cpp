// The face of the protocol alone: what Engine::make() refuses, and whose handles are whose.
#include "salut/core.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>

namespace salut {
namespace {

class NoFrames final : public FramePool {
 public:
  bool acquire(Frame*, unsigned) override { return false; }
  void release(const Frame*, unsigned) override {}
};

class Nowhere final : public Device {
 public:
  unsigned receive(Frame*, unsigned) override { return 0; }
  unsigned transmit(const Frame*, unsigned) override { return 0; }
};

class Core : public ::testing::Test {
 protected:
  Core() {
    config_.connections = config_.time_wait = config_.buffer_blocks = 16;
    interface_.device = &device_;
    interface_.mac = {2, 0, 0, 0, 0, 1};
    interface_.addresses = {{IpAddress::v4(0x0a000001), 24}};
  }

  Result<Engine> make(std::uint8_t id = 0) {
    return Engine::make(config_, {interface_}, pool_, memory_, 1, Instant{}, id);
  }
  std::string refusal(std::uint8_t id = 0) {
    const auto engine = make(id);
    return engine ? "none" : engine.error().message;
  }

  NoFrames pool_;
  Nowhere device_;
  HeapMemory memory_;
  StackConfig config_;
  Interface interface_;
};

TEST_F(Core, make_takes_what_is_right) { EXPECT_EQ(refusal(), "none"); }

TEST_F(Core, make_refuses_a_number_of_the_stack) {
  config_.connections = 3;
  EXPECT_EQ(refusal(), "connections = 3: out of range; want 16..67108863");
}

TEST_F(Core, make_refuses_timeouts_that_contradict) {
  config_.rto_min = std::chrono::seconds{2};
  config_.rto_max = std::chrono::seconds{1};
  EXPECT_EQ(refusal(), "rto_min_ms = 2000: above rto_max_ms; want at most 1000");
}

TEST_F(Core, make_refuses_an_interface_by_name) {
  interface_.mtu = 575;
  EXPECT_EQ(refusal(), "interfaces[0].mtu = 575: out of range; want 576..9000");
  interface_.mtu = 1279;
  EXPECT_EQ(refusal(), "none");
  interface_.addresses.push_back({IpAddress::v6(0xfd00'0000'0000'0000, 1), 64});
  EXPECT_EQ(refusal(), "interfaces[0].mtu = 1279: out of range; want 1280..9000");
  interface_.mtu = 1280;
  interface_.mac = {};
  EXPECT_EQ(refusal(),
            "interfaces[0].mac = 00:00:00:00:00:00: not the address of one station; want a unicast "
            "address such as 02:00:00:00:00:01");
  interface_.mac = {2, 0, 0, 0, 0, 1};
  interface_.addresses.clear();
  EXPECT_EQ(refusal(), "interfaces[0].addresses: missing; want at least one");
  interface_.device = nullptr;
  EXPECT_EQ(refusal(), "interfaces[0].device = null: missing; want a Device");
}

// What a configuration file is refused for, a program is: neither may send from such an address.
TEST_F(Core, make_refuses_addresses_that_no_host_has) {
  const std::vector<Prefix> own = interface_.addresses;
  for (const std::uint32_t address : {0x7f000001u, 0xf0000000u, 0xe0000001u, 0u, 0xffffffffu}) {
    interface_.addresses = {{IpAddress::v4(address), 24}};
    EXPECT_EQ(refusal(), "interfaces[0].addresses = " + interface_.addresses[0].to_string() +
                             ": not an address of a host; want a unicast address, 10.0.0.1/24 or "
                             "fd00::1/64");
  }
  interface_.addresses = {{IpAddress::v6(0, 1), 128}};
  EXPECT_NE(refusal(), "none");
  interface_.addresses = own;

  const AddressRange wraps{IpAddress::v4(0xfffffff0), 32};
  const AddressRange leaves_unicast{IpAddress::v4(0xdfffffff), 2};
  const AddressRange empty{IpAddress::v4(0x0a000100), 0};
  for (const AddressRange& range : {wraps, leaves_unicast, empty}) {
    interface_.ranges = {range};
    EXPECT_EQ(refusal(), "interfaces[0].ranges = " + range.to_string() +
                             ": not addresses of hosts; want unicast addresses, 10.1.0.0/16 or "
                             "fd00:1::/112");
  }
  interface_.ranges.clear();
  EXPECT_EQ(refusal(), "none");
}

TEST_F(Core, make_refuses_other_stations_that_cannot_be) {
  interface_.gateway = IpAddress::v4(0xe0000001);
  EXPECT_EQ(refusal(),
            "interfaces[0].gateway = 224.0.0.1: no gateway of IPv4; want the IPv4 "
            "address of one");
  interface_.gateway = IpAddress::v4(0x0a0000fe);
  interface_.neighbours = {{IpAddress::v4(0x0a000009), {1, 0, 0, 0, 0, 9}}};
  EXPECT_EQ(refusal(),
            "interfaces[0].neighbours = 01:00:00:00:00:09: not the address of one "
            "station; want a unicast address such as 02:00:00:00:00:01");
  interface_.neighbours[0].mac = {};
  EXPECT_NE(refusal(), "none");
  interface_.neighbours = {{IpAddress::v4(0xe0000009), {2, 0, 0, 0, 0, 9}}};
  EXPECT_EQ(refusal(),
            "interfaces[0].neighbours = 224.0.0.9: not an address of a host; want a "
            "unicast address");
  interface_.neighbours.clear();
  interface_.routes = {{{IpAddress::v4(0x0a010000), 16}, IpAddress::v6(0xfd00'0000'0000'0000, 1)}};
  EXPECT_EQ(refusal(),
            "interfaces[0].routes = 10.1.0.0/16 via fd00::1: no next hop; want a "
            "unicast address of the same family");
  interface_.routes = {{{IpAddress::v4(0x0a010000), 33}, IpAddress::v4(0x0a0000fd)}};
  EXPECT_EQ(refusal(),
            "interfaces[0].routes = 10.1.0.0/33: not a prefix; want one such as "
            "10.1.0.0/16");
  interface_.routes = {{{IpAddress::v4(0x0a010000), 16}, IpAddress::v4(0x0a0000fd)}};
  EXPECT_EQ(refusal(), "none");
}

TEST_F(Core, make_refuses_an_id_that_no_handle_has_room_for) {
  EXPECT_EQ(refusal(63), "none");
  EXPECT_EQ(refusal(64), "id = 64: out of range; want 0..63");
}

TEST_F(Core, a_handle_of_another_engine_is_not_connected) {
  auto one = make(1);
  auto two = make(2);
  ASSERT_TRUE(one && two);
  const Endpoint peer{IpAddress::v4(0x0a000002), 7};
  const auto of_one = one->connect(peer, Instant{});
  const auto of_two = two->connect(peer, Instant{});
  ASSERT_TRUE(of_one && of_two);
  EXPECT_EQ(of_one->generation(), of_two->generation());
  EXPECT_TRUE(one->info(*of_one));
  EXPECT_EQ(two->info(*of_one).error(), Errc::not_connected);
  EXPECT_EQ(two->abort(*of_one), Errc::not_connected);
  EXPECT_TRUE(two->info(*of_two));
}

TEST_F(Core, an_engine_gives_all_memory_back) {
  {
    const auto engine = make();
    EXPECT_GT(memory_.bytes(Use::flow_table), 0u);
  }
  for (std::size_t use = 0; use < use_count; ++use) {
    EXPECT_EQ(memory_.bytes(static_cast<Use>(use)), 0u) << use;
  }
}

}  // namespace
}  // namespace salut
