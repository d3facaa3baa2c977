// The controller of a benchmark over workers that are no Runtime: its client's stack is one of the
// seeded world, whose other end serves, and time there is virtual.
#include "load/controller.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "sim_stack.hpp"

namespace salut::load {
namespace {

constexpr Endpoint service{IpAddress::v4(app::server_ip), 80};

// One worker: a thread that runs the application on the client's stack. Each of its polls gives the
// server's end a turn too.
class OneThread final : public Workers {
 public:
  explicit OneThread(Stack& stack) : stack_(stack) {}
  ~OneThread() override { wait(); }
  std::uint32_t count() const override { return 1; }
  void start(std::function<void(Stack&)> application) override {
    thread_ = std::thread([this, application = std::move(application)] {
      application(stack_);
      finished_ = true;
    });
  }
  bool finished() const override { return finished_; }
  void wait() override {
    if (thread_.joinable()) thread_.join();
  }
  Counters counters(std::uint32_t) override { return {}; }

 private:
  Stack& stack_;
  std::thread thread_;
  std::atomic<bool> finished_ = false;
};

struct Shown final : ProgressSink {
  void show(const Progress& sample) override {
    EXPECT_FALSE(ended);
    failures += sample.failures;
  }
  void end() override { ended = true; }
  bool ended = false;
  std::uint64_t failures = 0;
};

BenchPlan plan_of(std::uint64_t limit) {
  BenchPlan plan;
  plan.concurrency = 16;
  plan.limit = limit;
  plan.clients = {0};
  plan.load.target = service;
  plan.load.slots = 4'096;
  plan.load.hz = 1e9;
  plan.listen = service;
  return plan;
}

// On the heap: the stack that GCC 12's AddressSanitizer makes up for a test is aligned to 32 bytes
// only (its bug 110027), a controller to 64.
std::unique_ptr<Controller> make_controller(Workers& workers, const BenchPlan& plan,
                                            ProgressSink& shown,
                                            const std::atomic<bool>& interrupted) {
  return std::make_unique<Controller>(workers, plan, shown, interrupted);
}

TEST(Controller, limited_run_opens_and_closes_just_so_many) {
  app::Pair pair(1);
  LoadServer server(service, {}, 4'096);
  ASSERT_TRUE(server.start(pair.server()));
  pair.on_server_turn(
      [&](Stack& stack, std::span<const Event> events) { server.on_events(stack, events); });
  OneThread workers(pair.client());
  Shown shown;
  const std::atomic<bool> interrupted = false;
  const auto controller = make_controller(workers, plan_of(500), shown, interrupted);
  ASSERT_TRUE(controller->run());
  EXPECT_TRUE(workers.finished());
  EXPECT_TRUE(shown.ended);
  EXPECT_EQ(controller->totals().attempted, 500u);
  EXPECT_EQ(controller->totals().closed, 500u);
  EXPECT_EQ(controller->totals().all_failures(), 0u);
  EXPECT_GE(controller->window().totals.closed, 499u);  // the first connection is in no window
  EXPECT_EQ(server.totals().connections, 500u);
}

TEST(Controller, run_against_nobody_fails_and_ends) {
  app::Pair pair(1);  // nobody listens
  OneThread workers(pair.client());
  Shown shown;
  const std::atomic<bool> interrupted = false;
  const auto controller = make_controller(workers, plan_of(20), shown, interrupted);
  ASSERT_TRUE(controller->run());
  EXPECT_TRUE(workers.finished());
  EXPECT_EQ(controller->totals().closed, 0u);
  EXPECT_EQ(controller->totals().failures(Failure::refused), 20u);
}

TEST(Controller, server_that_cannot_listen_is_an_error_and_the_workers_end) {
  app::Pair pair(1);
  ASSERT_TRUE(pair.client().listen({IpAddress{}, 80}));
  BenchPlan plan = plan_of(20);
  plan.servers = {0};
  plan.listen = Endpoint{IpAddress{}, 80};  // taken
  OneThread workers(pair.client());
  Shown shown;
  const std::atomic<bool> interrupted = false;
  const auto controller = make_controller(workers, plan, shown, interrupted);
  EXPECT_FALSE(controller->run());
  EXPECT_TRUE(workers.finished());
}

}  // namespace
}  // namespace salut::load
