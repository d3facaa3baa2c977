// The neighbour cache against std::map with random operations from a seed.
#include "ip/neighbours.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ip/neighbour_sink.hpp"

namespace salut::ip {
namespace {

// Random operations; a map knows what each address should be, and every frame comes back once.
TEST(Neighbours, random_operations_against_a_map) {
  family = Family::mixed;
  HeapMemory memory;
  Neighbours neighbours(memory, {.capacity = 64, .waiting = 32, .seed = 99});
  FakeSink sink;
  std::mt19937_64 rng(5);
  std::array<std::byte, 14> bytes = {};
  std::map<std::uint32_t, std::pair<std::uint16_t, int>> held;  // ip → index, count
  Instant now{0s};
  std::size_t taken = 0;
  for (int step = 0; step < 200'000; ++step) {
    const std::uint32_t ip = net32(0x0a000000 + static_cast<std::uint32_t>(rng() % 150));
    const std::uint16_t index = neighbours.find_or_add(0, at(ip));
    switch (rng() % 6) {
      case 0:
        if (index == Neighbours::none || held.size() > 50) break;
        neighbours.hold(index);
        held[ip] = {index, held[ip].second + 1};
        break;
      case 1:
        if (const auto it = held.find(ip); it != held.end()) {
          neighbours.release(index);
          if (--it->second.second == 0) held.erase(it);
        }
        break;
      case 2:
      case 3:
        if (index == Neighbours::none) break;
        {
          Frame frame{bytes.data(), nullptr, 14, 14, 0, 0};
          taken += neighbours.enqueue(index, frame, now, sink) ? 1 : 0;
        }
        break;
      case 4:
        if (rng() % 4 == 0) neighbours.learn(0, at(ip), rng() % 2 == 0 ? mac_a : mac_b, now, sink);
        break;
      default:
        now += std::chrono::milliseconds(rng() % 1000);
        neighbours.advance(now, sink);
    }
    for (const auto& [address, entry] : held) {
      ASSERT_EQ(neighbours.find(0, at(address)), entry.first);
      ASSERT_EQ(neighbours.holds(entry.first), static_cast<std::uint32_t>(entry.second));
    }
    ASSERT_LE(neighbours.size(), 64u);
    ASSERT_EQ(taken, sink.returned + neighbours.waiting());
    sink.log.clear();
  }
  for (const auto& [address, entry] : held) {
    for (int i = 0; i < entry.second; ++i) neighbours.release(entry.first);
  }
  for (int i = 0; i < 1000; ++i) neighbours.advance(now += 1s, sink);
  EXPECT_EQ(taken, sink.returned);
  EXPECT_EQ(neighbours.waiting(), 0u);
  for (std::uint16_t index = 0; index < 64; ++index) {
    EXPECT_LE(neighbours.state(index), State::idle);  // and idle ones are the first to be evicted
  }
}

}  // namespace
}  // namespace salut::ip
