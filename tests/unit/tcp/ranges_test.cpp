// The pool of ranges that SACK takes flights apart with: what some peers make of it leaves the
// others theirs.
#include "harness.hpp"

namespace salut::test {
namespace {

constexpr std::uint32_t mss = 1460;
constexpr std::uint16_t honest = 999;

// Peers of one engine by their ports, each with SACK and some segments of ours on their way.
class Flights {
 public:
  explicit Flights(const StackConfig& config) : h_(config, 1, 8'192) { h_.listen(512); }
  ~Flights() {
    for (const Connection one : all_) EXPECT_EQ(h_.engine().abort(one), Errc::ok);
    h_.settle();
    EXPECT_EQ(in_use(), 0u) << "ranges were lost";
    h_.sent.clear();
    h_.events.clear();
  }

  void open(std::uint16_t port, std::uint32_t segments = 10) {
    h_.send({.flags = "S", .seq = 0, .mss = 1460, .sack_permitted = true, .from_port = port});
    iss_ = h_.iss;
    h_.advance(100ms);
    h_.send({.seq = 1, .ack = 1, .from_port = port});
    while (!h_.events.empty() && !h_.events.front().has(Event::accepted)) h_.events.pop_front();
    h_.expect_event(Event::accepted);
    all_.push_back(h_.conn);
    EXPECT_EQ(h_.write(std::string(segments * mss, 'd')), segments * mss);
    h_.advance(100ms);
    h_.sent.clear();
  }
  // All that it may SACK in holes of ten bytes.
  void take_apart(std::uint16_t port, std::uint32_t segments = 10) {
    for (std::uint32_t at = 11; at < segments * mss; at += 20) sack(port, at, at + 10);
  }
  void sack(std::uint16_t port, std::uint32_t from, std::uint32_t to) {
    h_.iss = iss_;
    h_.send({.seq = 1, .ack = 1, .sack = {from, to}, .from_port = port});
  }
  // Has a segment left to this peer that begins with our byte `at`?
  bool was_sent(std::uint16_t port, std::uint32_t at) const {
    for (const Seen& seen : h_.sent) {
      const wire::Segment& s = seen.segment;
      if (s.key.local_port == net16(port) && s.seq == iss_ + at && s.payload_length > 0)
        return true;
    }
    return false;
  }
  std::uint32_t in_use() { return h_.engine().context().ranges.in_use(); }
  Harness& harness() { return h_; }

 private:
  Harness h_;
  std::uint32_t iss_ = 0;  // of the last that was opened
  std::vector<Connection> all_;
};

// One hole, and three segments behind it: the peer that says so is sent it again at once, whatever
// the others have made of the pool.
void one_hole_is_filled(Flights& flights) {
  flights.open(honest);
  flights.sack(honest, 1 + 2 * mss, 1 + 3 * mss);
  flights.sack(honest, 1 + 2 * mss, 1 + 4 * mss);
  EXPECT_FALSE(flights.was_sent(honest, 1)) << "it may have been reordered";
  flights.sack(honest, 1 + 2 * mss, 1 + 6 * mss);
  EXPECT_TRUE(flights.was_sent(honest, 1)) << flights.in_use() << " ranges in use";
}

TEST(Ranges, peer_that_sacks_every_tenth_byte_leaves_the_others_theirs) {
  StackConfig config = small_config();
  Flights flights(config);
  flights.open(1);
  flights.take_apart(1);
  EXPECT_GT(flights.in_use(), 100u);
  one_hole_is_filled(flights);
}

TEST(Ranges, many_such_peers_leave_the_others_theirs) {
  StackConfig config = small_config();
  config.buffer_blocks = 2'048;
  Flights flights(config);
  for (std::uint16_t port = 1; port <= 50; ++port) {
    flights.open(port);
    flights.take_apart(port);
  }
  one_hole_is_filled(flights);
}

// All that is not for certain is gone: the four of each connection do for one hole.
TEST(Ranges, pool_that_is_used_up_has_four_for_each) {
  StackConfig config = small_config();
  config.buffer_blocks = 64;
  Flights flights(config);
  for (std::uint16_t port = 1; port <= 12; ++port) {
    flights.open(port, 2);
    flights.take_apart(port, 2);
  }
  EXPECT_EQ(flights.harness().engine().context().ranges.left(tcp::Ranges::certain), 0u);
  one_hole_is_filled(flights);
}

}  // namespace
}  // namespace salut::test
