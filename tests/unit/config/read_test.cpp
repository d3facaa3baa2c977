// A configuration that is right arrives whole, from a file and from code; one that is not gets one
// line. What can be wrong in which table: wrong_test.cpp and wrong_port_test.cpp.
#include <gtest/gtest.h>

#include <filesystem>

#include "texts.hpp"

namespace salut::test {
namespace {

TEST(ConfigReader, defaults_are_those_of_the_header) {
  const auto config = parse_config(loop_port, "echo.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->name, "salut");
  EXPECT_EQ(config->file, "echo.toml");
  EXPECT_EQ(config->workers, 1u);
  EXPECT_EQ(config->idle, Idle::spin);
  EXPECT_EQ(config->stack.msl, std::chrono::seconds{30});
  EXPECT_EQ(config->stack.connections, 65'536u);
  EXPECT_EQ(config->ports.size(), 1u);
  EXPECT_EQ(config->ports[0].type, PortType::loop);
}

TEST(ConfigReader, every_key_arrives_in_its_field) {
  const auto config = parse_config(R"(
name = "echo-1"
[workers]
count = 2
cores = [0, 0]
idle = "sleep"
[memory]
hugepages = "off"
megabytes = 100
mbufs = 4096
[stack]
connections = 1000
time_wait = 2000
buffer_blocks = 300
send_buffer = 4000
recv_buffer = 5000
msl_s = 0.25
rto_initial_ms = 500
rto_min_ms = 12.5
rto_max_ms = 30000
syn_timeout_s = 20
retry_timeout_s = 21
fin_wait_2_s = 22
syn_ack_retries = 3
orphan_timeout_s = 17
verify_checksums = false
coalesce = false
no_delay = true
initial_window = 4
ttl = 32
congestion = "newreno"
seed = 7
[[port]]
name = "a"
type = "loop"
peer = "b"
addresses = ["10.0.0.1/24", "10.0.0.9/24"]
ranges = ["10.1.0.0/16", "10.2.0.1-10.2.0.9"]
gateway = "10.0.0.2"
mac = "02:00:00:00:00:01"
mtu = 9000
impair.seed = 9
impair.drop = 0.01
impair.duplicate = 1
impair.corrupt = 0.001
impair.reorder = 0.5
impair.reorder_by_us = 250.5
impair.delay_us = 70
[[port]]
name = "b"
type = "loop"
peer = "a"
addresses = ["10.0.0.2/24"]
worker = 1
)",
                                   "echo.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->name, "echo-1");
  EXPECT_EQ(config->workers, 2u);
  EXPECT_EQ(config->cores, (std::vector<std::uint32_t>{0, 0}));
  EXPECT_EQ(config->idle, Idle::sleep);
  EXPECT_EQ(config->hugepages, "off");
  EXPECT_EQ(config->megabytes, 100u);
  EXPECT_EQ(config->mbufs, 4'096u);
  const StackConfig& stack = config->stack;
  EXPECT_EQ(stack.connections, 1'000u);
  EXPECT_EQ(stack.time_wait, 2'000u);
  EXPECT_EQ(stack.buffer_blocks, 300u);
  EXPECT_EQ(stack.send_buffer, 4'000u);
  EXPECT_EQ(stack.recv_buffer, 5'000u);
  EXPECT_EQ(stack.msl, std::chrono::milliseconds{250});
  EXPECT_EQ(stack.rto_initial, std::chrono::milliseconds{500});
  EXPECT_EQ(stack.rto_min, std::chrono::microseconds{12'500});
  EXPECT_EQ(stack.rto_max, std::chrono::seconds{30});
  EXPECT_EQ(stack.syn_timeout, std::chrono::seconds{20});
  EXPECT_EQ(stack.retry_timeout, std::chrono::seconds{21});
  EXPECT_EQ(stack.fin_wait_2, std::chrono::seconds{22});
  EXPECT_EQ(stack.syn_ack_retries, 3u);
  EXPECT_EQ(stack.orphan_timeout, std::chrono::seconds{17});
  EXPECT_FALSE(stack.verify_checksums);
  EXPECT_FALSE(stack.coalesce);
  EXPECT_TRUE(stack.no_delay);
  EXPECT_EQ(stack.initial_window, 4u);
  EXPECT_EQ(stack.ttl, 32u);
  EXPECT_EQ(stack.congestion, Congestion::newreno);
  EXPECT_EQ(stack.seed, 7u);
  ASSERT_EQ(config->ports.size(), 2u);
  const PortConfig& a = config->ports[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.peer, "b");
  EXPECT_EQ(a.impair.seed, 9u);
  EXPECT_EQ(a.impair.drop, 0.01);
  EXPECT_EQ(a.impair.duplicate, 1);
  EXPECT_EQ(a.impair.corrupt, 0.001);
  EXPECT_EQ(a.impair.reorder, 0.5);
  EXPECT_EQ(a.impair.reorder_by, std::chrono::nanoseconds{250'500});
  EXPECT_EQ(a.impair.delay, std::chrono::microseconds{70});
  EXPECT_FALSE(config->ports[1].impair.any());
  EXPECT_EQ(a.addresses.at(1).to_string(), "10.0.0.9/24");
  EXPECT_EQ(a.ranges.at(0).count, 65'536u);
  EXPECT_EQ(a.ranges.at(1).count, 9u);
  EXPECT_EQ(a.gateway.to_string(), "10.0.0.2");
  EXPECT_EQ(a.mac, "02:00:00:00:00:01");
  EXPECT_EQ(a.mtu, 9'000u);
  EXPECT_TRUE(a.workers.empty() && a.on_worker(0) && a.on_worker(1));
  EXPECT_EQ(config->ports[1].workers, std::vector<std::uint32_t>{1});
}

TEST(ConfigReader, ports_of_every_type) {
  EXPECT_EQ(complaint_about(tap_port(address)), "accepted");
  EXPECT_EQ(complaint_about("[[port]]\nname=\"v\"\ntype=\"vdev\"\n"
                            "vdev=\"net_virtio_user0,path=/tmp/s,queues=1\"\n" +
                            address),
            "accepted");
  EXPECT_EQ(complaint_about("[[port]]\nname=\"p\"\ntype=\"pci\"\npci=\"0000:03:00.0\"\n" + address),
            "accepted");
}

// The examples that ship must be right.
TEST(ConfigReader, examples_are_accepted) {
  unsigned seen = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(SALUT_CONFIG_DIRECTORY)) {
    if (entry.path().extension() != ".toml") continue;
    const auto config = load_config(entry.path());
    EXPECT_TRUE(config) << config.error().message;
    ++seen;
  }
  EXPECT_GE(seen, 5u);
}

TEST(ConfigReader, file_that_is_not_there) {
  const auto config = load_config("/nonexistent/echo.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::not_found);
  EXPECT_EQ(config.error().message,
            "/nonexistent/echo.toml: cannot read: No such file or directory; want a TOML file such "
            "as config/loop.toml");
}

TEST(ConfigReader, directory_instead_of_a_file) {
  const auto config = load_config("/tmp");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message,
            "/tmp: cannot read: Is a directory; want a TOML file such as "
            "config/loop.toml");
}

// Reading it to its end would take all memory.
TEST(ConfigReader, file_without_an_end) {
  const auto config = load_config("/dev/zero");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message,
            "/dev/zero: larger than 16.0 MiB; want a TOML file such as config/loop.toml");
}

TEST(ConfigReader, syntax_error_says_line_and_column) {
  const std::string line = complaint_about("name = \"a\"\n[stack]\nconnections = = 3\n");
  EXPECT_EQ(line.substr(0, 15), "echo.toml:3:15:") << line;
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

// --- a configuration from code -----------------------------------------------------------------

Config good() {
  Config config;
  PortConfig port;
  port.name = port.peer = "wire";
  port.addresses = {Prefix{IpAddress::v4(0x0a000001), 24}};
  config.ports = {port};
  return config;
}

TEST(ConfigFromCode, good_one_passes) { EXPECT_EQ(complaint_about(good()), "accepted"); }

TEST(ConfigFromCode, lines_start_with_the_key) {
  Config config = good();
  config.stack.msl = std::chrono::nanoseconds{1};
  const auto valid = validate(config);
  ASSERT_FALSE(valid);
  EXPECT_EQ(valid.error().code, Errc::bad_config);
  EXPECT_EQ(valid.error().message, "stack.msl_s = 1e-09: out of range; want 0.001..3600");
}

TEST(ConfigFromCode, core_that_is_not_there) {
  Config config = good();
  config.cores = {4'095};
  EXPECT_TRUE(complaint_about(config).starts_with(
      "workers.cores[0] = 4095: no core that this process may use; want one of "));
}

TEST(ConfigFromCode, impairment_that_is_no_share) {
  Config config = good();
  config.ports[0].impair.corrupt = 2;
  EXPECT_EQ(complaint_about(config), "port[0].impair.corrupt = 2: out of range; want 0..1");
}

TEST(ConfigFromCode, ports_of_a_worker_are_limited) {
  Config config = good();
  for (std::uint32_t i = 1; i < 17; ++i) {
    PortConfig port = config.ports[0];
    port.name = port.peer = "wire" + std::to_string(i);
    port.addresses = {Prefix{IpAddress::v4(0x0a000001 + i), 24}};
    config.ports.push_back(port);
  }
  EXPECT_EQ(complaint_about(config),
            "port[16].worker = 0: too many ports for one worker; want at most 16");
}

TEST(ConfigFromCode, port_that_is_its_own_gateway) {
  Config config = good();
  config.ports[0].gateway = config.ports[0].addresses[0].address;
  EXPECT_EQ(complaint_about(config), "accepted");
}

}  // namespace
}  // namespace salut::test
