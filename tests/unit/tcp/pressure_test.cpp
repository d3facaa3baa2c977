// Who is ended when blocks are short, and who is not (tcp/pressure.hpp).
#include "harness.hpp"

namespace salut::test {
namespace {

// Somebody else has all blocks of the pool, until it is destroyed.
class Scarcity {
 public:
  explicit Scarcity(Harness& h) : buffers_(h.engine().context().buffers) {
    const std::string bytes(std::size_t{buffers_.available_blocks()} * tcp::block_bytes, 'o');
    buffers_.append(chain_, std::as_bytes(std::span(bytes)), 0xffff'ffff);
    EXPECT_EQ(buffers_.available_blocks(), 0u);
  }
  ~Scarcity() { buffers_.clear(chain_); }
  Scarcity(const Scarcity&) = delete;

 private:
  tcp::Buffers& buffers_;
  tcp::Chain chain_;
};

tcp::Stream& stream_of(Harness& h) {
  tcp::Context& c = h.engine().context();
  return c.stream(c.tcbs[h.conn.slot() & 0x3ff'ffff]);
}

// What was noted when blocks were short says nothing an hour and two gigabytes later: sequence
// numbers compare the other way round by then. `ahead`: how far SND.UNA is from it.
TEST(Pressure, established_bulk_sender_is_not_judged_by_an_older_shortage) {
  for (const std::uint32_t ahead : {1u, 1'000u, 0x7fff'0000u}) {
    SCOPED_TRACE(ahead);
    Harness h;
    h.established();
    h.write(std::string(10'000, 'd'));
    {
      const Scarcity scarcity(h);
      h.settle();
    }
    ASSERT_NE(stream_of(h).watched_at, 0u) << "nobody looked";
    h.send({.ack = 10'001});
    h.advance(3600s);
    h.write(std::string(10'000, 'd'));
    h.sent.clear();
    // As if the window had gone round in between.
    stream_of(h).watched_until = Seq{h.iss} + 10'001 + ahead;
    const Scarcity scarcity(h);
    h.advance(100ms);
    h.expect_nothing();
    h.send({.ack = 20'001});
    h.sent.clear();
    EXPECT_EQ(h.counters().pressure_resets, 0u);
    EXPECT_EQ(h.state(), State::established);
  }
}

// The shortage goes on, and the sequence numbers go round while nobody looks.
TEST(Pressure, established_more_than_a_block_ahead_is_nothing_that_was_noted) {
  Harness h;
  h.established();
  h.write(std::string(10'000, 'd'));
  h.sent.clear();
  const Scarcity scarcity(h);
  for (int i = 0; i < 40; ++i) {
    h.advance(1s);
    h.send({.ack = 1});
    h.sent.clear();
    if (stream_of(h).watched_at != 0) stream_of(h).watched_until = Seq{h.iss} + 0x7000'0000;
  }
  EXPECT_EQ(h.counters().pressure_resets, 0u);
  h.abort();
  h.sent.clear(), h.events.clear();
}

// A shortage that pauses is the same one: nobody escapes by giving a block back now and then.
TEST(Pressure, established_shut_window_is_ended_though_the_shortage_pauses) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write(std::string(10'000, 'd'));
  for (int i = 0; i < 40; ++i) {
    h.advance(50ms);
    const Scarcity scarcity(h);
    h.advance(50ms);
    if (h.state() == State::closed) break;
  }
  EXPECT_EQ(h.counters().pressure_resets, 0u) << "so soon";
  for (int i = 0; i < 60 && h.state() != State::closed; ++i) {
    h.advance(50ms);
    const Scarcity scarcity(h);
    h.advance(50ms);
  }
  EXPECT_EQ(h.counters().pressure_resets, 1u);
  h.sent.clear();
  h.expect_closed(Reason::overload);
}

// What was written before the handshake waits for it; the SYN has a limit of its own.
TEST(Pressure, syn_sent_is_not_a_peer_that_takes_nothing) {
  Harness h;
  h.syn_sent();
  h.write("early");
  const Scarcity scarcity(h);
  h.advance(40s);
  EXPECT_EQ(h.state(), State::syn_sent);
  EXPECT_EQ(h.counters().pressure_resets, 0u);
  h.sent.clear();
  h.send({.flags = "SA", .mss = 1460});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 5});
  h.expect_event(Event::connected);
  h.abort();
  h.sent.clear(), h.events.clear();
}

}  // namespace
}  // namespace salut::test
