// docs/configuration.md against the tables of keys that the reader walks.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "config/keys.hpp"

namespace salut::config {
namespace {

std::string page() {
  std::ifstream file(std::string(SALUT_CONFIG_DIRECTORY) + "/../docs/configuration.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ConfigDocs, every_key_of_stack_and_of_impair_has_its_place) {
  const std::string text = page();
  ASSERT_FALSE(text.empty());
  for (const StackNumber& entry : stack_numbers) {
    EXPECT_NE(text.find('`' + std::string(entry.key) + '`'), std::string::npos) << entry.key;
  }
  for (const StackFlag& entry : stack_flags) {
    EXPECT_NE(text.find('`' + std::string(entry.key) + '`'), std::string::npos) << entry.key;
  }
  for (const AnnounceNumber& entry : announce_numbers) {
    EXPECT_NE(text.find('`' + std::string(entry.key) + '`'), std::string::npos) << entry.key;
  }
  for (const ServeNumber& entry : serve_numbers) {
    EXPECT_NE(text.find('`' + std::string(entry.key) + '`'), std::string::npos) << entry.key;
  }
  for (const ImpairNumber& entry : impair_numbers) {
    EXPECT_NE(text.find(std::string(entry.key) + " = "), std::string::npos) << entry.key;
  }
}

TEST(ConfigDocs, defaults_are_those_of_the_code) {
  const std::string text = page();
  const StackConfig config;
  const auto row = [&](const std::string& key, const std::string& value) {
    return text.find("| `" + key + "` | " + value + " |") != std::string::npos;
  };
  EXPECT_TRUE(row("connections", "65,536") && config.connections == 65'536);
  EXPECT_TRUE(row("time_wait", "262,144") && config.time_wait == 262'144);
  EXPECT_TRUE(row("send_buffer", "262,144") && config.send_buffer == 262'144);
  EXPECT_TRUE(row("recv_buffer", "262,144") && config.recv_buffer == 262'144);
  EXPECT_TRUE(row("timers", "1,024") && config.timers == 1'024);
  EXPECT_TRUE(row("msl_s", "30") && config.msl == std::chrono::seconds{30});
  EXPECT_TRUE(row("delayed_ack_ms", "40") && config.delayed_ack == std::chrono::milliseconds{40});
  EXPECT_TRUE(row("initial_window", "10") && config.initial_window == 10);
  EXPECT_TRUE(row("ttl", "64") && config.ttl == 64);
}

}  // namespace
}  // namespace salut::config
