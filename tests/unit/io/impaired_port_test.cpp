// The impaired port between a device that remembers and a pool that counts.
#include "io/impaired_port.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "io/sim/world.hpp"
#include "scripted_device.hpp"

namespace salut::io {
namespace {

constexpr double ticks_per_s = 1e9;
constexpr std::uint32_t held_max = 64;

std::uint64_t ticks_now = 0;
std::uint64_t manual_now() { return ticks_now; }

int number_of(const std::byte* data) { return static_cast<int>(data[20]); }

struct Rig {
  explicit Rig(const ImpairConfig& impair, std::uint64_t salt = 0) {
    ticks_now = 1'000'000;
    port.emplace(device, pool, impair, salt, held_max, manual_now, ticks_per_s);
  }

  // An IPv4 frame of 60 bytes that is zero but for its number.
  Frame frame(int number) {
    Frame frame;
    EXPECT_TRUE(pool.acquire(&frame, 1));
    std::memset(frame.data, 0, 60);
    frame.data[12] = std::byte{0x08};
    frame.data[20] = static_cast<std::byte>(number);
    frame.length = 60;
    frame.flags = ip_checksum_good | l4_checksum_good;
    return frame;
  }
  void arrive(int first, int count) {
    for (int i = 0; i < count; ++i) device.arriving.push_back(frame(first + i));
  }
  // The numbers of what receive() gives now.
  std::vector<int> receive() {
    std::vector<Frame> frames(128);
    const unsigned n = port->receive(frames.data(), 128);
    std::vector<int> numbers;
    for (unsigned i = 0; i < n; ++i) numbers.push_back(number_of(frames[i].data));
    if (n > 0) {
      last = frames[n - 1];
      pool.release(frames.data(), n);
    }
    return numbers;
  }
  // Sends them; returns how many were taken.
  unsigned transmit(int first, int count) {
    std::vector<Frame> frames;
    for (int i = 0; i < count; ++i) frames.push_back(frame(first + i));
    const unsigned taken = port->transmit(frames.data(), static_cast<unsigned>(count));
    if (taken < frames.size()) {
      pool.release(&frames[taken], static_cast<unsigned>(frames.size() - taken));
    }
    return taken;
  }
  std::vector<int> sent() {
    std::vector<int> numbers;
    for (const ScriptedDevice::Bytes& bytes : device.sent)
      numbers.push_back(number_of(bytes.data()));
    device.sent.clear();
    return numbers;
  }

  sim::Pool pool{512};
  ScriptedDevice device{pool};
  std::optional<ImpairedPort> port;
  Frame last;
};

using Numbers = std::vector<int>;

TEST(ImpairedPort, no_share_passes_everything_in_order) {
  Rig rig(ImpairConfig{});
  rig.arrive(1, 5);
  EXPECT_EQ(rig.receive(), (Numbers{1, 2, 3, 4, 5}));
  EXPECT_EQ(rig.last.flags, ip_checksum_good | l4_checksum_good);
  EXPECT_EQ(rig.transmit(1, 3), 3u);
  EXPECT_EQ(rig.sent(), (Numbers{1, 2, 3}));
  EXPECT_EQ(rig.port->in().frames, 5u);
  EXPECT_EQ(rig.pool.outstanding(), 0u);
}

TEST(ImpairedPort, drop_of_everything_gives_every_frame_back) {
  Rig rig({.drop = 1});
  rig.arrive(1, 5);
  EXPECT_EQ(rig.receive(), Numbers{});
  EXPECT_EQ(rig.transmit(1, 3), 3u);
  EXPECT_EQ(rig.sent(), Numbers{});
  EXPECT_EQ(rig.port->in().dropped, 5u);
  EXPECT_EQ(rig.port->out().dropped, 3u);
  EXPECT_EQ(rig.pool.outstanding(), 0u);
}

TEST(ImpairedPort, duplicate_of_everything_is_a_copy) {
  Rig rig({.duplicate = 1});
  rig.arrive(1, 2);
  EXPECT_EQ(rig.receive(), (Numbers{1, 1, 2, 2}));
  EXPECT_EQ(rig.transmit(7, 1), 1u);
  EXPECT_EQ(rig.sent(), (Numbers{7, 7}));
  EXPECT_EQ(rig.port->in().duplicated, 2u);
  EXPECT_EQ(rig.pool.outstanding(), 0u);
}

TEST(ImpairedPort, corrupt_flips_one_bit_of_the_packet_and_forgets_what_the_device_verified) {
  Rig rig({.corrupt = 1});
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(rig.transmit(0, 1), 1u);
    ASSERT_EQ(rig.device.sent.size(), 1u);
    ScriptedDevice::Bytes bytes = rig.device.sent[0];
    rig.device.sent.clear();
    EXPECT_EQ(bytes[12], std::byte{0x08});
    bytes[12] = std::byte{0};
    int bits = 0;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      const int flipped = std::popcount(static_cast<unsigned>(bytes[at]));
      EXPECT_TRUE(flipped == 0 || at >= 14) << at;
      bits += flipped;
    }
    EXPECT_EQ(bits, 1);
  }
  rig.arrive(1, 1);
  EXPECT_EQ(rig.receive().size(), 1u);
  EXPECT_EQ(rig.last.flags, 0u);
  EXPECT_EQ(rig.port->in().corrupted, 1u);
  EXPECT_EQ(rig.port->out().corrupted, 200u);
}

// A wrong MAC in an ARP packet would be believed.
TEST(ImpairedPort, corrupt_leaves_what_is_not_ip_alone) {
  Rig rig({.corrupt = 1});
  Frame arp = rig.frame(3);
  arp.data[13] = std::byte{0x06};
  const ScriptedDevice::Bytes before(arp.data, arp.data + 60);
  EXPECT_EQ(rig.port->transmit(&arp, 1), 1u);
  EXPECT_EQ(rig.device.sent.at(0), before);
  EXPECT_EQ(rig.port->out().corrupted, 0u);
}

TEST(ImpairedPort, delay_holds_both_ways_and_receive_sends_what_is_due) {
  Rig rig({.delay = std::chrono::microseconds{10}});
  rig.arrive(1, 2);
  EXPECT_EQ(rig.receive(), Numbers{});
  EXPECT_EQ(rig.transmit(5, 2), 2u);
  ticks_now += 9'999;
  EXPECT_EQ(rig.receive(), Numbers{});
  EXPECT_EQ(rig.sent(), Numbers{});
  ++ticks_now;
  EXPECT_EQ(rig.receive(), (Numbers{1, 2}));
  EXPECT_EQ(rig.sent(), (Numbers{5, 6}));
}

TEST(ImpairedPort, reorder_lets_those_behind_overtake) {
  Rig rig({.reorder = 0.5, .reorder_by = std::chrono::microseconds{10}, .seed = 3});
  rig.arrive(0, 30);
  Numbers got = rig.receive();
  EXPECT_EQ(got.size(), 30 - rig.port->in().reordered);
  EXPECT_GT(rig.port->in().reordered, 5u);
  ticks_now += 5'000;
  rig.arrive(30, 1);
  for (const int n : rig.receive()) got.push_back(n);  // 30 overtakes, or is late itself
  ticks_now += 5'000;
  for (const int n : rig.receive()) got.push_back(n);
  ticks_now += 5'000;
  for (const int n : rig.receive()) got.push_back(n);
  EXPECT_FALSE(std::is_sorted(got.begin(), got.end()));
  std::sort(got.begin(), got.end());
  for (int i = 0; i < 31; ++i) EXPECT_EQ(got.at(static_cast<std::size_t>(i)), i);
}

TEST(ImpairedPort, same_seed_same_fate_whatever_the_bursts) {
  const ImpairConfig impair{.drop = 0.2, .duplicate = 0.2, .seed = 42};
  const auto fate = [&](int burst, std::uint64_t salt, std::uint64_t seed) {
    ImpairConfig config = impair;
    config.seed = seed;
    Rig rig(config, salt);
    Numbers all;
    for (int at = 0; at < 120; at += burst) {
      rig.arrive(at, burst);
      for (const int n : rig.receive()) all.push_back(n);
    }
    return all;
  };
  EXPECT_EQ(fate(1, 0, 42), fate(20, 0, 42));
  EXPECT_NE(fate(1, 0, 42), fate(1, 1, 42));
  EXPECT_NE(fate(1, 0, 42), fate(1, 0, 43));
}

// Whether frame n is dropped is the same draw with and without the other shares.
TEST(ImpairedPort, same_seed_the_drops_do_not_depend_on_the_other_shares) {
  const auto passed = [](const ImpairConfig& config) {
    Rig rig(config);
    Numbers all;
    for (int at = 0; at < 120; at += 10) {
      rig.arrive(at, 10);
      for (const int n : rig.receive()) all.push_back(n);
    }
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  };
  EXPECT_EQ(passed({.drop = 0.3}), passed({.drop = 0.3, .duplicate = 0.4}));
}

TEST(ImpairedPort, shares_are_what_they_say) {
  Rig rig({.drop = 0.01, .duplicate = 0.02});
  for (int i = 0; i < 10'000; ++i) {
    rig.arrive(1, 10);
    rig.receive();
  }
  EXPECT_EQ(rig.port->in().frames, 100'000u);
  EXPECT_NEAR(static_cast<double>(rig.port->in().dropped), 1'000, 150);
  EXPECT_NEAR(static_cast<double>(rig.port->in().duplicated), 2'000, 200);
}

TEST(ImpairedPort, full_rings_are_back_pressure_and_no_loss) {
  Rig rig({.delay = std::chrono::microseconds{10}});
  rig.arrive(0, 100);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(rig.receive(), Numbers{});
  EXPECT_EQ(rig.device.arriving.size() + rig.port->in().frames, 100u);
  EXPECT_LE(rig.port->in().frames, held_max);
  const unsigned taken = rig.transmit(0, 100);
  EXPECT_LT(taken, 100u);
  EXPECT_GE(taken, held_max / 2 - 1);
  Numbers got;
  for (int i = 0; i < 20; ++i) {
    ticks_now += 10'000;
    for (const int n : rig.receive()) got.push_back(n);
  }
  EXPECT_EQ(got.size(), 100u);
  EXPECT_EQ(rig.sent().size(), taken);
  EXPECT_EQ(rig.pool.outstanding(), 0u);
}

TEST(ImpairedPort, device_that_is_full_is_tried_again) {
  Rig rig(ImpairConfig{});
  rig.device.takes = 0;
  EXPECT_EQ(rig.transmit(0, 10), 10u);
  EXPECT_EQ(rig.sent(), Numbers{});
  rig.device.takes = 4;
  EXPECT_EQ(rig.receive(), Numbers{});
  EXPECT_EQ(rig.sent(), (Numbers{0, 1, 2, 3}));
  rig.device.takes = 100;
  EXPECT_EQ(rig.transmit(10, 1), 1u);
  EXPECT_EQ(rig.sent(), (Numbers{4, 5, 6, 7, 8, 9, 10}));
}

TEST(ImpairedPort, end_sends_what_was_on_its_way_and_gives_the_rest_back) {
  for (const unsigned takes : {0u, 3u, 100u}) {
    Rig rig({.delay = std::chrono::seconds{1}});
    rig.arrive(0, 20);
    rig.receive();
    rig.device.takes = takes;
    EXPECT_EQ(rig.transmit(0, 8), 8u);
    EXPECT_EQ(rig.sent(), Numbers{});
    rig.device.takes = takes;
    rig.port.reset();
    EXPECT_EQ(rig.sent().empty(), takes == 0);
    EXPECT_EQ(rig.pool.outstanding(), rig.device.arriving.size());
  }
}

TEST(ImpairedPort, no_buffer_for_a_copy_means_no_copy) {
  Rig rig({.duplicate = 1});
  rig.arrive(1, 3);
  std::vector<Frame> all(512);
  const unsigned left = 512 - rig.pool.outstanding();
  ASSERT_TRUE(rig.pool.acquire(all.data(), left));
  EXPECT_EQ(rig.receive(), (Numbers{1, 2, 3}));
  EXPECT_EQ(rig.port->in().duplicated, 0u);
  rig.pool.release(all.data(), left);
  EXPECT_EQ(rig.pool.outstanding(), 0u);
}

}  // namespace
}  // namespace salut::io
