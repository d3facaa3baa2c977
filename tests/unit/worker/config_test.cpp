// Every wrong line of a configuration, and the one line that answers it.
#include "salut/config.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace salut {
namespace {

const std::string loop_port = R"(
[[port]]
name = "wire"
peer = "wire"
addresses = ["10.0.0.1/24"]
)";

std::string tap_port(const std::string& more) {
  return "[[port]]\nname = \"wire\"\ntype = \"tap\"\ninterface = \"salut0\"\n" + more;
}
const std::string address6 = "addresses = [\"fd00::1/64\"]\n";
const std::string address = "addresses = [\"10.0.0.1/24\"]\n";

std::string complaint_about(const std::string& toml) {
  const auto config = parse_config(toml, "echo.toml");
  return config ? "accepted" : config.error().message;
}

TEST(ConfigReader, defaults_are_those_of_the_header) {
  const auto config = parse_config(loop_port, "echo.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->name, "salut");
  EXPECT_EQ(config->file, "echo.toml");
  EXPECT_EQ(config->workers, 1u);
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
impair = { seed = 9, drop = 0.01, duplicate = 1, corrupt = 0.001, reorder = 0.5, reorder_by_us = 250.5, delay_us = 70 }
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
  EXPECT_EQ(a.worker, 0u);
  EXPECT_EQ(config->ports[1].worker, 1u);
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
  for (const auto& entry : std::filesystem::directory_iterator(SALUT_CONFIG_DIRECTORY)) {
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

TEST(ConfigReader, syntax_error_says_line_and_column) {
  const std::string line = complaint_about("name = \"a\"\n[stack]\nconnections = = 3\n");
  EXPECT_EQ(line.substr(0, 15), "echo.toml:3:15:") << line;
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

struct Wrong {
  std::string toml;
  std::string line;
};

class WrongValue : public testing::TestWithParam<Wrong> {};

TEST_P(WrongValue, is_answered_with_one_line) {
  EXPECT_EQ(complaint_about(GetParam().toml), "echo.toml: " + GetParam().line);
}

INSTANTIATE_TEST_SUITE_P(
    Keys, WrongValue,
    testing::Values(
        Wrong{tap_port("adress = [\"10.0.0.1/24\"]\n"),
              "port[0].adress: unknown key; did you mean \"addresses\"?"},
        Wrong{"[stacks]\n" + loop_port, "stacks: unknown key; did you mean \"stack\"?"},
        Wrong{"[stack]\nmls_s = 3\n" + loop_port,
              "stack.mls_s: unknown key; did you mean \"msl_s\"?"},
        Wrong{"[workers]\nqqqqq = 3\n" + loop_port,
              "workers.qqqqq: unknown key; want count or cores"},
        Wrong{"[ports]\n", "ports: unknown key; did you mean \"port\"?"},
        Wrong{"port = 3\n", "port = 3: wrong type; want a list of tables, [[port]]"},
        Wrong{"[port]\nname = \"a\"\n",
              "port = {...}: wrong type; want a list of tables, [[port]]"},
        Wrong{"port = [1]\n", "port[0] = 1: wrong type; want a list of tables, [[port]]"},
        Wrong{"stack = 1\n" + loop_port, "stack = 1: wrong type; want a table, [stack]"},
        Wrong{"name = \"a\"\n", "port: missing; want at least one [[port]]"}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, WrongValue,
    testing::Values(
        Wrong{"[stack]\nmsl_s = -1\n" + loop_port,
              "stack.msl_s = -1: out of range; want 0.001..3600"},
        Wrong{"[stack]\nmsl_s = 0.0001\n" + loop_port,
              "stack.msl_s = 0.0001: out of range; want 0.001..3600"},
        Wrong{"[stack]\nmsl_s = nan\n" + loop_port,
              "stack.msl_s = nan: out of range; want 0.001..3600"},
        Wrong{"[stack]\nmsl_s = \"30 s\"\n" + loop_port,
              "stack.msl_s = \"30 s\": wrong type; want a number 0.001..3600"},
        Wrong{"[stack]\nconnections = 15\n" + loop_port,
              "stack.connections = 15: out of range; want 16..67108863"},
        Wrong{"[stack]\nconnections = \"many\"\n" + loop_port,
              "stack.connections = \"many\": wrong type; want an integer 16..67108863"},
        Wrong{"[stack]\nconnections = 1e6\n" + loop_port,
              "stack.connections = 1000000: wrong type; want an integer 16..67108863"},
        Wrong{"[stack]\ntime_wait = 1000000001\n" + loop_port,
              "stack.time_wait = 1000000001: out of range; want 16..1000000000"},
        Wrong{"[stack]\nbuffer_blocks = 1\n" + loop_port,
              "stack.buffer_blocks = 1: out of range; want 16..4294967295"},
        Wrong{"[stack]\nsend_buffer = 16777217\n" + loop_port,
              "stack.send_buffer = 16777217: out of range; want 2048..16777216"},
        Wrong{"[stack]\nrecv_buffer = 65\n" + loop_port,
              "stack.recv_buffer = 65: out of range; want 2048..1073741824"},
        Wrong{"[stack]\nrto_min_ms = 0\n" + loop_port,
              "stack.rto_min_ms = 0: out of range; want 1..60000"},
        Wrong{"[stack]\nrto_min_ms = 300\nrto_max_ms = 200\nrto_initial_ms = 100\n" + loop_port,
              "stack.rto_min_ms = 300: above rto_max_ms; want at most 200"},
        Wrong{"[stack]\nrto_min_ms = 10\nrto_max_ms = 200\n" + loop_port,
              "stack.rto_initial_ms = 1000: above rto_max_ms; want at most 200"},
        Wrong{"[stack]\nsyn_timeout_s = 3601\n" + loop_port,
              "stack.syn_timeout_s = 3601: out of range; want 1..3600"},
        Wrong{"[stack]\ncoalesce = 1\n" + loop_port,
              "stack.coalesce = 1: wrong type; want true or false"},
        Wrong{"[stack]\nno_delay = \"yes\"\n" + loop_port,
              "stack.no_delay = \"yes\": wrong type; want true or false"},
        Wrong{"[stack]\ninitial_window = 101\n" + loop_port,
              "stack.initial_window = 101: out of range; want 1..100"},
        Wrong{"[stack]\ncongestion = \"bbr\"\n" + loop_port,
              "stack.congestion = \"bbr\": unknown word; want \"cubic\" or \"newreno\""},
        Wrong{"[stack]\ncongestion = 1\n" + loop_port,
              "stack.congestion = 1: wrong type; want a string"},
        Wrong{"[stack]\nseed = -1\n" + loop_port,
              "stack.seed = -1: out of range; want an integer 0..9223372036854775807"},
        Wrong{"[stack]\nseed = 1.5\n" + loop_port,
              "stack.seed = 1.5: wrong type; want an integer 0..9223372036854775807"},
        Wrong{"[memory]\nmbufs = 1000\n" + loop_port,
              "memory.mbufs = 1000: out of range; want 1024..8388608"},
        Wrong{"[memory]\nmegabytes = -1\n" + loop_port,
              "memory.megabytes = -1: out of range; want 0..16777216"},
        Wrong{"[memory]\nhugepages = \"maybe\"\n" + loop_port,
              "memory.hugepages = \"maybe\": unknown word; want \"auto\", \"on\" or \"off\""},
        Wrong{"[memory]\nhugepages = true\n" + loop_port,
              "memory.hugepages = true: wrong type; want a string"}));

INSTANTIATE_TEST_SUITE_P(
    Workers, WrongValue,
    testing::Values(
        Wrong{"[workers]\ncount = 0\n" + loop_port, "workers.count = 0: out of range; want 1..64"},
        Wrong{"[workers]\ncount = 65\n" + loop_port,
              "workers.count = 65: out of range; want 1..64"},
        Wrong{"[workers]\ncount = 2\n" + loop_port,
              "workers.count = 2: worker 1 has no port; want a [[port]] with worker = 1, or fewer "
              "workers"},
        Wrong{"[workers]\ncores = [0, 0]\n" + loop_port,
              "workers.cores = [0, 0]: 2 cores for workers.count = 1; want 1, one per worker"},
        Wrong{"[workers]\ncores = 0\n" + loop_port,
              "workers.cores = 0: wrong type; want a list, [0, 1]"},
        Wrong{"[workers]\ncores = [\"0\"]\n" + loop_port,
              "workers.cores[0] = \"0\": wrong type; want an integer 0..65535"},
        Wrong{"[workers]\ncores = [-1]\n" + loop_port,
              "workers.cores[0] = -1: out of range; want an integer 0..65535"}));

INSTANTIATE_TEST_SUITE_P(
    Names, WrongValue,
    testing::Values(Wrong{"name = \"Echo 1\"\n" + loop_port,
                          "name = \"Echo 1\": not a name; want 1 to 32 of a-z, 0-9, _ and -"},
                    Wrong{"name = \"../etc\"\n" + loop_port,
                          "name = \"../etc\": not a name; want 1 to 32 of a-z, 0-9, _ and -"},
                    Wrong{"name = \"a\\nb\"\n" + loop_port,
                          "name = \"a?b\": not a name; want 1 to 32 of a-z, 0-9, _ and -"},
                    Wrong{"name = 3\n" + loop_port, "name = 3: wrong type; want a string"},
                    Wrong{"[[port]]\npeer = \"wire\"\n" + address,
                          "port[0].name: missing; want 1 to 32 of a-z, 0-9, _ and -"},
                    Wrong{
                        loop_port + loop_port,
                        "port[1].name = \"wire\": port[0] has this name; want a name of its own"}));

INSTANTIATE_TEST_SUITE_P(
    Devices, WrongValue,
    testing::Values(
        Wrong{"[[port]]\nname = \"w\"\ntype = \"wifi\"\n" + address,
              "port[0].type = \"wifi\": unknown type; want \"loop\", \"tap\", \"vdev\" or \"pci\""},
        Wrong{"[[port]]\nname = \"w\"\ntype = \"tap\"\n" + address,
              "port[0].interface: missing; want the kernel's name for it, \"salut0\""},
        Wrong{
            "[[port]]\nname = \"w\"\ntype = \"tap\"\ninterface = \"sixteen-letters-\"\n" + address,
            "port[0].interface = \"sixteen-letters-\": not a name for an interface; want at most "
            "15 letters, digits, - and _"},
        Wrong{"[[port]]\nname = \"w\"\ntype = \"tap\"\ninterface = \"a/b\"\n" + address,
              "port[0].interface = \"a/b\": not a name for an interface; want at most 15 letters, "
              "digits, - and _"},
        Wrong{
            tap_port("peer = \"wire\"\n" + address),
            "port[0].peer = \"wire\": not for a port of type \"tap\"; want type = \"loop\", or no "
            "such key"},
        Wrong{
            "[[port]]\nname = \"w\"\ntype = \"vdev\"\nvdev = \"net_tap0,iface=x\"\n" + address,
            "port[0].vdev = \"net_tap0,iface=x\": a TAP has a type of its own; want type = \"tap\" "
            "and interface = \"NAME\""},
        Wrong{"[[port]]\nname = \"w\"\ntype = \"vdev\"\nvdev = \"virtio\"\n" + address,
              "port[0].vdev = \"virtio\": not a network vdev; want one such as "
              "\"net_virtio_user0,path=/tmp/s,queues=1\""},
        Wrong{"[[port]]\nname = \"w\"\ntype = \"pci\"\npci = \"03:00.0\"\n" + address,
              "port[0].pci = \"03:00.0\": not a PCI address; want one such as \"0000:03:00.0\""},
        Wrong{tap_port(address) + "[[port]]\nname = \"b\"\ntype = \"tap\"\ninterface = \"salut0\"\n"
                                  "addresses = [\"10.0.1.1/24\"]\n",
              "port[1].interface = \"salut0\": port[0] has it; want a device of its own"}));

std::string pair_with(const std::string& type_of_b, const std::string& peer_of_b) {
  return "[[port]]\nname = \"a\"\npeer = \"b\"\n" + address + "[[port]]\nname = \"b\"\ntype = \"" +
         type_of_b + "\"\n" + peer_of_b + "addresses = [\"10.0.0.2/24\"]\n";
}

INSTANTIATE_TEST_SUITE_P(
    Peers, WrongValue,
    testing::Values(
        Wrong{"[[port]]\nname = \"w\"\n" + address,
              "port[0].peer: missing; want the name of the port at the other end"},
        Wrong{"[[port]]\nname = \"w\"\npeer = \"nobody\"\n" + address,
              "port[0].peer = \"nobody\": no port has this name; want \"w\""},
        Wrong{pair_with("loop", "peer = \"b\"\n"),
              "port[0].peer = \"b\": that port has peer = \"b\"; want peer = \"a\" there"},
        Wrong{pair_with("tap", "interface = \"s\"\n"),
              "port[0].peer = \"b\": a port of type \"tap\"; want one of type \"loop\""}));

INSTANTIATE_TEST_SUITE_P(
    Addresses, WrongValue,
    testing::Values(
        Wrong{
            tap_port(""),
            "port[0].addresses: missing; want at least one, [\"10.0.0.1/24\"] or [\"fd00::1/64\"]"},
        Wrong{
            tap_port("addresses = []\n"),
            "port[0].addresses: missing; want at least one, [\"10.0.0.1/24\"] or [\"fd00::1/64\"]"},
        Wrong{tap_port("addresses = \"10.0.0.1\"\n"),
              "port[0].addresses = \"10.0.0.1\": wrong type; want a list, [\"10.0.0.1/24\"]"},
        Wrong{tap_port("addresses = [1]\n"),
              "port[0].addresses[0] = 1: wrong type; want \"10.0.0.1/24\""},
        Wrong{tap_port("addresses = [\"10.0.0.300/24\"]\n"),
              "port[0].addresses[0] = \"10.0.0.300/24\": not understood; want \"10.0.0.1/24\""},
        Wrong{tap_port("addresses = [\"fd00::1/129\"]\n"),
              "port[0].addresses[0] = \"fd00::1/129\": not understood; want \"10.0.0.1/24\""},
        Wrong{tap_port("addresses = [\"ff02::1/64\"]\n"),
              "port[0].addresses[0] = \"ff02::1/64\": not an address of a host; want a unicast "
              "address, \"10.0.0.1/24\" or \"fd00::1/64\""},
        Wrong{tap_port("addresses = [\"::1/128\"]\n"),
              "port[0].addresses[0] = \"::1/128\": not an address of a host; want a unicast "
              "address, \"10.0.0.1/24\" or \"fd00::1/64\""},
        Wrong{tap_port(address6 + "mtu = 1279\n"),
              "port[0].mtu = 1279: too small for IPv6; want 1280..9000"},
        Wrong{tap_port(address6 + "gateway = \"fd00::fe\"\n"),
              "port[0].gateway = \"fd00::fe\": of the other family; want an IPv4 address; gateway6 "
              "is that of IPv6"},
        Wrong{tap_port(address6 + "gateway6 = \"fd01::fe\"\n"),
              "port[0].gateway6 = \"fd01::fe\": on no link of this port; want an address in "
              "fd00::1/64"},
        Wrong{tap_port(address + "gateway6 = \"fd01::fe\"\n"),
              "port[0].gateway6 = \"fd01::fe\": on no link of this port; want an IPv6 address for "
              "the port first"},
        Wrong{tap_port(address + "vlan = 4095\n"),
              "port[0].vlan = 4095: out of range; want 0..4094"},
        Wrong{tap_port(address) + "[[route]]\nto = \"10.2.0.0/16\"\nport = \"nowhere\"\n",
              "route[0].port = \"nowhere\": no port has this name; want \"wire\""},
        Wrong{tap_port(address) + "[[route]]\nport = \"wire\"\n",
              "route[0].to: missing; want a prefix, \"10.2.0.0/16\""},
        Wrong{tap_port(address) + "[[route]]\nto = \"10.2.0.1/16\"\nport = \"wire\"\n",
              "route[0].to = \"10.2.0.1/16\": does not begin where its prefix does; want "
              "\"10.2.0.0/16\""},
        Wrong{tap_port(address) +
                  "[[route]]\nto = \"10.2.0.0/16\"\nvia = \"10.9.0.1\"\nport = \"wire\"\n",
              "route[0].via = \"10.9.0.1\": on no link of the port; want an address in "
              "10.0.0.1/24"},
        Wrong{tap_port(address) +
                  "[[route]]\nto = \"10.2.0.0/16\"\nvia = \"fd00::9\"\nport = \"wire\"\n",
              "route[0].via = \"fd00::9\": of another family than `to`; want an address of the "
              "family of `to` on a link of the port"},
        Wrong{tap_port("addresses = [\"10.0.0.1/24\", \"224.0.0.1/24\"]\n"),
              "port[0].addresses[1] = \"224.0.0.1/24\": not an address of a host; want a "
              "unicast address, \"10.0.0.1/24\" or \"fd00::1/64\""},
        Wrong{tap_port(address + "ranges = [\"127.0.0.0/8\"]\n"),
              "port[0].ranges[0] = \"127.0.0.0/8\": not addresses of hosts; want "
              "unicast addresses, \"10.1.0.0/16\" or \"fd00:1::/112\""},
        Wrong{tap_port(address + "ranges = [\"10.1\"]\n"),
              "port[0].ranges[0] = \"10.1\": not understood; want \"10.1.0.0/16\""},
        Wrong{tap_port(address + "gateway = \"10.0.9.1\"\n"),
              "port[0].gateway = \"10.0.9.1\": on no link of this port; want an address in "
              "10.0.0.1/24"},
        Wrong{tap_port(address + "gateway = \"router\"\n"),
              "port[0].gateway = \"router\": not understood; want an IPv4 address, \"10.0.0.1\""},
        Wrong{tap_port(address + "mac = \"02-00-00-00-00-01\"\n"),
              "port[0].mac = \"02-00-00-00-00-01\": not a MAC address; want one such as "
              "\"02:00:00:00:00:01\""},
        Wrong{tap_port(address + "mac = \"01:00:00:00:00:01\"\n"),
              "port[0].mac = \"01:00:00:00:00:01\": not the address of one station; want a unicast "
              "address such as \"02:00:00:00:00:01\""},
        Wrong{tap_port(address + "mtu = 100\n"), "port[0].mtu = 100: out of range; want 576..9000"},
        Wrong{tap_port(address + "worker = 1\n"),
              "port[0].worker = 1: no such worker; workers.count is 1; want 0..0"},
        Wrong{tap_port("addresses = [\"10.0.0.1/24\"]\n") +
                  "[[port]]\nname = \"b\"\ntype = \"tap\"\ninterface = \"salut1\"\n"
                  "addresses = [\"10.9.0.1/24\"]\nranges = [\"10.0.0.0/30\"]\n",
              "port[1].ranges[0] = \"10.0.0.0/30\": overlaps port[0].addresses[0] = "
              "\"10.0.0.1/24\" on the same worker; want addresses of its own"}));

INSTANTIATE_TEST_SUITE_P(
    Impair, WrongValue,
    testing::Values(
        Wrong{tap_port(address + "impair = { drop = 1.5 }\n"),
              "port[0].impair.drop = 1.5: out of range; want 0..1"},
        Wrong{tap_port(address + "impair = { drop = -0.1 }\n"),
              "port[0].impair.drop = -0.1: out of range; want 0..1"},
        Wrong{tap_port(address + "impair = { drop = \"1%\" }\n"),
              "port[0].impair.drop = \"1%\": wrong type; want a number 0..1"},
        Wrong{tap_port(address + "impair = { lose = 0.1 }\n"),
              "port[0].impair.lose: unknown key; want seed, drop, duplicate, corrupt, reorder, "
              "reorder_by_us or delay_us"},
        Wrong{tap_port(address + "impair = { duplicates = 0.1 }\n"),
              "port[0].impair.duplicates: unknown key; did you mean \"duplicate\"?"},
        Wrong{tap_port(address + "impair = { reorder_by_us = 0 }\n"),
              "port[0].impair.reorder_by_us = 0: out of range; want 1..1000000"},
        Wrong{tap_port(address + "impair = { delay_us = 1000001 }\n"),
              "port[0].impair.delay_us = 1000001: out of range; want 0..1000000"},
        Wrong{tap_port(address + "impair = { seed = -1 }\n"),
              "port[0].impair.seed = -1: out of range; want an integer 0..9223372036854775807"},
        Wrong{tap_port(address + "impair = 0.01\n"),
              "port[0].impair = 0.01: wrong type; want a table, { KEY = VALUE, ... }"}));

// ---- a configuration from code

Config good() {
  Config config;
  PortConfig port;
  port.name = port.peer = "wire";
  port.addresses = {Prefix{IpAddress::v4(0x0a000001), 24}};
  config.ports = {port};
  return config;
}

TEST(ConfigFromCode, good_one_passes) { EXPECT_TRUE(validate(good())); }

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
  const auto valid = validate(config);
  ASSERT_FALSE(valid);
  EXPECT_TRUE(valid.error().message.starts_with(
      "workers.cores[0] = 4095: no core that this process may use; want one of "));
}

TEST(ConfigFromCode, impairment_that_is_no_share) {
  Config config = good();
  config.ports[0].impair.corrupt = 2;
  const auto valid = validate(config);
  ASSERT_FALSE(valid);
  EXPECT_EQ(valid.error().message, "port[0].impair.corrupt = 2: out of range; want 0..1");
}

TEST(ConfigFromCode, ports_of_a_worker_are_limited) {
  Config config = good();
  for (std::uint32_t i = 1; i < 17; ++i) {
    PortConfig port = config.ports[0];
    port.name = port.peer = "wire" + std::to_string(i);
    port.addresses = {Prefix{IpAddress::v4(0x0a000001 + i), 24}};
    config.ports.push_back(port);
  }
  const auto valid = validate(config);
  ASSERT_FALSE(valid);
  EXPECT_EQ(valid.error().message,
            "port[16].worker = 0: too many ports for one worker; want at most 16");
}

TEST(ConfigFromCode, port_that_is_its_own_gateway) {
  Config config = good();
  config.ports[0].gateway = config.ports[0].addresses[0].address;
  EXPECT_TRUE(validate(config));
}

}  // namespace
}  // namespace salut
