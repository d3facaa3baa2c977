// The plan must say what an engine takes, or `salut doctor` calls a configuration good that the
// kernel kills.
#include "worker/memory_plan.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "host/counting_memory.hpp"
#include "host/huge_memory.hpp"
#include "stack/engine.hpp"

namespace salut {
namespace {

constexpr std::uint64_t gib = std::uint64_t{1} << 30;

class NoFrames final : public FramePool, public Device {
 public:
  bool acquire(Frame*, unsigned) override { return false; }
  void release(const Frame*, unsigned) override {}
  unsigned receive(Frame*, unsigned) override { return 0; }
  unsigned transmit(const Frame*, unsigned) override { return 0; }
};

// What a constructed engine took, of which the plan knows nothing.
MemoryUse taken(const StackConfig& config, const std::vector<std::vector<const char*>>& ports,
                Memory& memory) {
  NoFrames nothing;
  std::vector<ip::Interface> interfaces;
  for (const auto& addresses : ports) {
    ip::Interface interface;
    interface.device = &nothing;
    for (const char* text : addresses) interface.addresses.push_back(*Prefix::parse(text));
    interfaces.push_back(interface);
  }
  const auto engine = std::make_unique<stack::Engine>(config, std::move(interfaces), nothing,
                                                      memory, 1, std::uint8_t{0}, Instant{});
  return memory.in_use();
}

Config configuration(const StackConfig& stack, const std::vector<std::vector<const char*>>& ports) {
  Config config;
  config.stack = stack;
  for (const auto& addresses : ports) {
    PortConfig port;
    port.name = "port" + std::to_string(config.ports.size());
    for (const char* text : addresses) port.addresses.push_back(*Prefix::parse(text));
    config.ports.push_back(port);
  }
  return config;
}

struct Case {
  const char* name;
  StackConfig stack;
  std::vector<std::vector<const char*>> ports;
  bool large = false;  // too much to take in a test
};

StackConfig sizes(std::uint32_t connections, std::uint32_t time_wait, std::uint32_t blocks) {
  StackConfig stack;
  stack.connections = connections;
  stack.time_wait = time_wait;
  stack.buffer_blocks = blocks;
  return stack;
}

std::vector<Case> cases() {
  const std::vector<std::vector<const char*>> v4 = {{"10.0.0.1/24"}};
  const std::vector<std::vector<const char*>> both = {{"10.0.0.1/24", "fd00::1/64"}};
  std::vector<Case> all = {
      {"default", {}, v4},
      {"default, IPv6 too", {}, both},
      {"small", sizes(64, 64, 16), v4},
      {"small, IPv6 too", sizes(64, 64, 16), both},
      {"two ports", sizes(10'000, 1'000'000, 4'096), {{"10.0.0.1/24"}, {"10.0.1.1/24"}}},
      {"most blocks", sizes(1'000, 1'000, 262'144), v4},
      {"60 million connections", sizes(60'000'000, 65'536, 16'384), v4, true},
      {"60 million connections, IPv6 too", sizes(60'000'000, 65'536, 16'384), both, true},
  };
  all.push_back({"short 2MSL", sizes(64, 1'000'000, 16), v4});
  all.back().stack.msl = std::chrono::milliseconds{100};
  return all;
}

TEST(MemoryPlan, says_what_an_engine_takes) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    CountingMemory counted;
    HugeMemory real;
    Memory& memory = one.large ? static_cast<Memory&>(counted) : real;
    const std::uint64_t engine = taken(one.stack, one.ports, memory).total();
    const auto plan = check_memory(configuration(one.stack, one.ports), 0, ~std::uint64_t{0});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_NEAR(static_cast<double>(*plan), static_cast<double>(engine), 4'096);
  }
}

TEST(MemoryPlan, sixty_million_connections_do_not_fit_eleven_gigabytes) {
  Config config = configuration(sizes(60'000'000, 65'536, 16'384), {{"10.0.0.1/24"}});
  EXPECT_FALSE(check_memory(config, 0, 30 * gib));
  EXPECT_TRUE(check_memory(config, 0, 40 * gib));
}

TEST(MemoryPlan, each_worker_has_its_own_ports) {
  Config config = configuration(sizes(10'000, 10'000, 1'024), {{"10.0.0.1/24"}, {"fd00::1/64"}});
  const auto wanted = [&] { return check_memory(config, 0, 8 * gib).value_or(0); };
  const std::uint64_t one = wanted();
  config.workers = 3;
  EXPECT_EQ(wanted(), 3 * one);
  config.ports[1].workers = {2};  // the others have no IPv6: 32 bytes less of each socket
  EXPECT_GT(wanted(), one + 2 * 32 * 20'000);
  EXPECT_LT(wanted(), 3 * one - 2 * 32 * 20'000);
}

TEST(MemoryPlan, default_fits_a_quarter_of_a_gigabyte) {
  EXPECT_TRUE(check_memory(Config{}, 38'797'312, 256ull << 20));
}

TEST(MemoryPlan, names_the_keys_that_are_to_blame) {
  Config config;
  config.file = "echo.toml";
  config.stack.time_wait = 1'000'000'000;
  const auto fits = check_memory(config, 0, 1'000'000'000);
  ASSERT_FALSE(fits);
  EXPECT_EQ(fits.error().code, Errc::no_memory);
  const std::string& text = fits.error().message;
  EXPECT_EQ(text.find("echo.toml: stack.time_wait = 1000000000 (4"), 0u) << text;
  EXPECT_NE(text.find(" bytes): not enough memory: 4"), std::string::npos) << text;
  EXPECT_NE(text.find(" bytes wanted for 1 worker, 1000000000 available; want smaller values"),
            std::string::npos)
      << text;
  config.stack.time_wait = 16;
  config.stack.connections = 1'000'000;
  config.stack.buffer_blocks = 262'144;
  const std::string both = check_memory(config, 0, 1'000).error().message;
  const std::size_t connections = both.find("stack.connections = 1000000 (");
  const std::size_t blocks = both.find(", stack.buffer_blocks = 262144 (");
  EXPECT_LT(connections, blocks) << both;
  EXPECT_NE(blocks, std::string::npos) << both;
  EXPECT_EQ(both.find("time_wait"), std::string::npos) << both;
}

}  // namespace
}  // namespace salut
