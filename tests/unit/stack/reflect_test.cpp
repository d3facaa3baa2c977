// An engine that meets itself: what it sends comes back with its ends swapped (wire/reflect.hpp),
// so that every connection is opened by both ends at once (RFC 9293 section 3.5, figure 7) and
// closed by both at once (section 3.6, figure 12).
#include "wire/reflect.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>

#include "io/sim/world.hpp"
#include "stack/engine.hpp"

namespace salut::stack {
namespace {

using namespace std::chrono_literals;

constexpr Mac our_mac = {{2, 0, 0, 0, 0, 1}};
constexpr Mac image_mac = {{2, 0, 0, 0, 0, 2}};

// Keeps what came as text, "SYN", "SYN,ACK", and loses each `lose_every`-th frame.
class Mirror final : public Device {
 public:
  explicit Mirror(FramePool& pool) : pool_(pool) {}
  unsigned receive(Frame* frames, unsigned count) override {
    unsigned n = 0;
    for (; n < count && !frames_.empty(); ++n, frames_.pop_front()) frames[n] = frames_.front();
    return n;
  }
  unsigned transmit(const Frame* frames, unsigned count) override {
    for (unsigned i = 0; i < count; ++i) {
      ++seen;
      if (keep) words.push_back(flags_of(frames[i]));
      if (lose_every != 0 && seen % lose_every == 0) {
        pool_.release(&frames[i], 1);
        continue;
      }
      wire::reflect(frames[i].data, frames[i].length);
      frames_.push_back(frames[i]);
      frames_.back().flags = 0;  // nobody has looked at its checksums
    }
    return count;
  }
  static std::string flags_of(const Frame& frame) {
    const std::string text = sim::describe_frame(frame);
    const std::size_t at = text.find(' ') + 1;
    return text.substr(at, text.find(' ', at) - at);
  }

  std::uint64_t seen = 0;
  std::uint64_t lose_every = 0;
  bool keep = false;
  std::vector<std::string> words;

 private:
  FramePool& pool_;
  std::deque<Frame> frames_;
};

class MirrorTest : public testing::TestWithParam<bool> {
 protected:
  static constexpr std::uint64_t seed = 20261121;

  MirrorTest() : engine(config(), {interface()}, pool, memory, seed, 0, now) {
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  }
  static StackConfig config() {
    StackConfig config;
    config.connections = 2'048;
    config.time_wait = 65'536;
    config.buffer_blocks = 8'192;
    config.msl = 30s;
    return config;
  }
  ip::Interface interface() {
    ip::Interface interface;
    interface.device = &mirror;
    interface.mac = our_mac;
    interface.addresses = {GetParam() ? Prefix{IpAddress::v6(0xfd00'0000'0000'0000, 1), 64}
                                      : Prefix{IpAddress::v4(0x0a000001), 24}};
    interface.neighbours = {{image(), image_mac}};
    return interface;
  }
  static IpAddress image() {
    return GetParam() ? IpAddress::v6(0xfd00'0000'0000'0000, 2) : IpAddress::v4(0x0a000002);
  }
  Connection connect() {
    const auto made = engine.connect({image(), 80}, {}, 0, now);
    EXPECT_TRUE(made);
    return made.value_or(Connection{});
  }
  std::uint64_t entered(State state) const {
    return engine.counters().states_entered[static_cast<std::size_t>(state)];
  }
  std::uint64_t in(State state) const {
    return engine.counters().states[static_cast<std::size_t>(state)];
  }
  // What each event wants: send `bytes`, read as many, close.
  void run(Duration limit) {
    const Instant until = now + limit;
    std::vector<std::byte> buffer(65'536, std::byte{'m'});
    while (now < until) {
      now += 1ms;
      for (const Event& event : engine.poll(now)) {
        if (event.has(Event::connected)) {
          ++connected;
          if (bytes > 0) {
            EXPECT_EQ(engine.write(event.connection, {buffer.data(), bytes}), bytes);
          } else {
            EXPECT_EQ(engine.close(event.connection), Errc::ok);
          }
        }
        if (event.has(Event::readable)) {
          const auto got = engine.read(event.connection, buffer);
          read += got.value_or(0);
          std::uint64_t& of_one = progress[event.connection.slot()];
          if ((of_one += got.value_or(0)) == bytes) {
            of_one = 0;
            EXPECT_EQ(engine.close(event.connection), Errc::ok);
          }
        }
        if (event.has(Event::closed)) ++closed[static_cast<std::size_t>(event.reason)];
      }
    }
  }
  std::uint64_t closed_in_order() const { return closed[static_cast<std::size_t>(Reason::closed)]; }
  void expect_no_drops() const {
    for (std::size_t i = 0; i < drop_count; ++i) {
      EXPECT_EQ(engine.counters().drops[i], 0u) << name(static_cast<Drop>(i));
    }
  }

  Instant now{1s};
  sim::Pool pool{8'192};
  HeapMemory memory;
  Mirror mirror{pool};
  Engine engine;
  std::size_t bytes = 0;
  std::uint64_t connected = 0;
  std::uint64_t read = 0;
  std::array<std::uint64_t, 8> closed = {};
  std::map<std::uint32_t, std::uint64_t> progress;
};

TEST_P(MirrorTest, syn_sent_own_syn_opens_and_closes_from_both_ends) {
  mirror.keep = true;
  connect();
  run(100ms);
  EXPECT_EQ(mirror.words, (std::vector<std::string>{"SYN", "SYN,ACK", "FIN,ACK", "ACK"}));
  for (const State state : {State::syn_sent, State::syn_received, State::established,
                            State::fin_wait_1, State::closing, State::time_wait}) {
    EXPECT_EQ(entered(state), 1u) << name(state);
  }
  for (const State state : {State::listen, State::fin_wait_2, State::close_wait, State::last_ack}) {
    EXPECT_EQ(entered(state), 0u) << name(state);
  }
  EXPECT_EQ(connected, 1u);
  EXPECT_EQ(closed_in_order(), 1u);
  EXPECT_EQ(in(State::time_wait), 1u);
  expect_no_drops();
  run(59s);
  EXPECT_EQ(in(State::time_wait), 1u) << "2MSL, and not less";
  run(2s);
  EXPECT_EQ(in(State::time_wait), 0u);
  EXPECT_EQ(mirror.words.size(), 4u) << "nothing else was sent";
}

TEST_P(MirrorTest, many_at_once_each_takes_the_simultaneous_way) {
  constexpr unsigned rounds = 20;
  constexpr unsigned each = 500;
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned i = 0; i < each; ++i) connect();
    run(50ms);
  }
  constexpr std::uint64_t all = rounds * each;
  EXPECT_EQ(closed_in_order(), all);
  EXPECT_EQ(connected, all);
  EXPECT_EQ(entered(State::syn_received), all);
  EXPECT_EQ(entered(State::closing), all);
  EXPECT_EQ(entered(State::time_wait), all);
  EXPECT_EQ(engine.counters().retransmits, 0u);
  EXPECT_EQ(mirror.seen, 4 * all);
  expect_no_drops();
  EXPECT_EQ(pool.outstanding(), 0u);
}

TEST_P(MirrorTest, data_comes_back_to_its_sender) {
  bytes = 20'000;
  for (unsigned i = 0; i < 100; ++i) connect();
  run(10s);
  EXPECT_EQ(read, 100u * bytes);
  EXPECT_EQ(closed_in_order(), 100u);
  EXPECT_EQ(entered(State::closing), 100u);
  EXPECT_EQ(engine.counters().resets_sent, 0u);
}

TEST_P(MirrorTest, lost_frames_are_sent_again_until_all_are_closed) {
  mirror.lose_every = 7;
  for (unsigned i = 0; i < 500; ++i) connect();
  run(120s);
  EXPECT_EQ(closed_in_order(), 500u);
  EXPECT_EQ(entered(State::syn_received), 500u);
  EXPECT_EQ(entered(State::time_wait), 500u);
  EXPECT_GT(engine.counters().retransmits, 0u);
  EXPECT_EQ(engine.counters().resets_sent, 0u);
  EXPECT_EQ(engine.open_connections(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Families, MirrorTest, testing::Values(false, true),
                         [](const auto& family) { return family.param ? "v6" : "v4"; });

}  // namespace
}  // namespace salut::stack
