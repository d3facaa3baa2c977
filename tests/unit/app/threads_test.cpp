// Calls from a thread that is not the stack's are found in debug builds.
#include <gtest/gtest.h>

#include <thread>

#include "sim_stack.hpp"
#include "worker/engines.hpp"

namespace salut::app {
namespace {

#ifndef NDEBUG
TEST(ThreadsDeathTest, call_on_a_connection_from_elsewhere_is_asserted) {
  Pair pair(1);
  const Connection connection = pair.client().connect({IpAddress::v4(server_ip), 80}).value();
  EXPECT_TRUE(connection.info()) << "no application runs: anybody may look";
  owners[0] = std::this_thread::get_id();
  EXPECT_TRUE(connection.info());
  std::thread([] { owners[0] = std::this_thread::get_id(); }).join();
  EXPECT_DEATH(connection.info().has_value(), "call on the Stack's own thread");
  EXPECT_FALSE(Connection{}.info()) << "a handle of nothing is nobody's";
  owners[0] = std::thread::id{};
  EXPECT_TRUE(connection.info());
}
#endif

}  // namespace
}  // namespace salut::app
