// In steady state nothing is allocated: thousands of connections open, talk, close, stand out their
// 2MSL and are gone, between two engines, and malloc is not called once.
//
// This program has a malloc of its own, in front of the C library's, that counts. operator new, and
// whatever else allocates, ends there.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

#include "../../bench/direct_wire.hpp"
#include "io/sim/world.hpp"
#include "stack/engine.hpp"

#if defined(__SANITIZE_ADDRESS__) || !defined(__GLIBC__)
#define SALUT_NO_HOOKS 1
#endif

namespace {
thread_local bool counting = false;
thread_local unsigned long allocations = 0;
[[maybe_unused]] void note() { allocations += counting ? 1 : 0; }
}  // namespace

#ifndef SALUT_NO_HOOKS
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t size) {
  note();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  note();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) {
  note();
  return __libc_realloc(memory, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  note();
  return __libc_memalign(alignment, size);
}
void free(void* memory) {
  if (memory != nullptr) note();
  __libc_free(memory);
}
}
#endif

namespace salut::test {
namespace {

constexpr unsigned frames = 8192;

// A client that opens, sends, reads and closes, and a server that answers what it is sent.
class Pair {
 public:
  explicit Pair(bool ip6) : ip6_(ip6) {
    client_wire_.reserve(frames);
    server_wire_.reserve(frames);
    client_wire_.peer = &server_wire_;
    server_wire_.peer = &client_wire_;
    client_ = engine(client_wire_, 1);
    server_ = engine(server_wire_, 2);
    EXPECT_TRUE(server_->listen(endpoint(), 1024).has_value());
  }

  void turn() {
    now_ += std::chrono::milliseconds{2};
    // Some of them carry data, some only open and close.
    for (; open_ < 64; ++open_, ++opened_) {
      if (!client_->connect(endpoint(), {}, opened_ % 4, now_)) break;
    }
    for (const Event& e : client_->poll(now_)) {
      if (e.has(Event::connected)) {
        if (e.user == 0) {
          client_->write(e.connection, {buffer_.data(), 64});
        } else {
          client_->close(e.connection);
        }
      }
      if (e.has(Event::readable)) {
        client_->read(e.connection, buffer_);
        client_->close(e.connection);
      }
      if (e.has(Event::closed)) {
        ++closed;
        --open_;
      }
    }
    for (const Event& e : server_->poll(now_)) {
      if (e.has(Event::readable)) {
        if (const auto n = server_->read(e.connection, buffer_)) {
          server_->write(e.connection, {buffer_.data(), *n});
        }
      }
      if (e.has(Event::peer_closed)) server_->close(e.connection);
    }
  }

  std::uint64_t closed = 0;
  std::uint64_t time_waits_over() const { return client_->counters().time_wait_expired; }

 private:
  Endpoint endpoint() const { return {address(2), 80}; }
  IpAddress address(unsigned id) const { return sim::station_address(id, ip6_); }
  std::unique_ptr<stack::Engine> engine(bench::DirectWire& wire, std::uint8_t id) {
    StackConfig config;
    config.connections = 1024;
    config.time_wait = 65'536;
    config.msl = std::chrono::milliseconds{500};
    config.seed = 1;
    ip::Interface interface;
    interface.device = &wire;
    interface.mac = Mac{{2, 0, 0, 0, 0, id}};
    interface.addresses = {Prefix{address(id), static_cast<std::uint8_t>(ip6_ ? 64 : 24)}};
    return std::make_unique<stack::Engine>(config, std::vector{interface}, pool_, memory_, id, id,
                                           Instant{});
  }

  bool ip6_;
  HeapMemory memory_;
  sim::Pool pool_{frames};
  bench::DirectWire client_wire_, server_wire_;
  std::unique_ptr<stack::Engine> client_, server_;
  std::array<std::byte, 2048> buffer_ = {};
  Instant now_{};
  std::uint64_t open_ = 0, opened_ = 0;
};

class Steady : public ::testing::TestWithParam<bool> {};

TEST_P(Steady, connections_open_talk_close_and_wait_without_a_single_allocation) {
#ifdef SALUT_NO_HOOKS
  GTEST_SKIP() << "the sanitizer's malloc cannot be counted";
#endif
  Pair pair(GetParam());
  while (pair.time_waits_over() < 1'000) pair.turn();
  const std::uint64_t closed = pair.closed;
  const std::uint64_t over = pair.time_waits_over();
  allocations = 0;
  counting = true;
  for (int i = 0; i < 3'000; ++i) pair.turn();
  counting = false;
  EXPECT_EQ(allocations, 0u);
  EXPECT_GT(pair.closed - closed, 20'000u);
  EXPECT_GT(pair.time_waits_over() - over, 10'000u);
}

// The count counts: or the test above would pass whatever the engine did.
TEST_P(Steady, an_allocation_is_seen_by_the_count) {
#ifdef SALUT_NO_HOOKS
  GTEST_SKIP() << "the sanitizer's malloc cannot be counted";
#endif
  allocations = 0;
  counting = true;
  std::vector<int>* volatile made = new std::vector<int>(10);
  delete made;
  counting = false;
  EXPECT_EQ(allocations, 4u);
}

INSTANTIATE_TEST_SUITE_P(Families, Steady, ::testing::Bool(),
                         [](const auto& family) { return family.param ? "ip6" : "ip4"; });

}  // namespace
}  // namespace salut::test
