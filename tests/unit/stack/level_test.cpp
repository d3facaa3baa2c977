// `readable` and `writable` come again until they are used up, and cost nothing where they are.
#include "stack/ready_list.hpp"
#include "tcp/harness.hpp"

namespace salut::test {
namespace {

struct Level : Harness {
  explicit Level(const StackConfig& config = small_config()) : Harness(config) {
    engine().repeat_events(true);
  }
  ~Level() {
    engine().repeat_events(false);
    turn();
    sent.clear();
    events.clear();
  }
  // The bits of the events of one turn; two events of it count as one.
  unsigned told() {
    events.clear();
    turn();
    unsigned what = 0;
    for (const Event& event : events) what |= event.what;
    events.clear();
    return what;
  }
  unsigned told_after(const In& in) {
    queue(in);
    return told();
  }
  std::string take(std::size_t most = 1 << 20) {
    std::string text(most, '\0');
    text.resize(
        engine().read(conn, std::as_writable_bytes(std::span(text))).value_or(std::size_t{0}));
    return text;
  }
  std::size_t put(std::size_t count) {
    const std::string text(count, 'w');
    return engine().write(conn, std::as_bytes(std::span(text))).value_or(0);
  }
};

TEST(Level, unread_bytes_are_told_of_until_they_are_read) {
  Level h;
  h.established();
  EXPECT_EQ(h.told_after({.payload = "hello"}), Event::readable);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(h.told(), Event::readable) << i;
  EXPECT_EQ(h.take(2), "he");
  EXPECT_EQ(h.told(), Event::readable);
  EXPECT_EQ(h.take(), "llo");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(h.told(), 0u) << i;
  EXPECT_FALSE(h.engine().last_poll_busy());
}

TEST(Level, who_reads_what_comes_is_told_once) {
  Level h;
  h.established();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(h.told_after({.payload = "hello"}), Event::readable);
    EXPECT_EQ(h.take(), "hello");
    EXPECT_EQ(h.told(), 0u);
  }
}

TEST(Level, peek_and_consume_are_reading) {
  Level h;
  h.established();
  EXPECT_EQ(h.told_after({.payload = "hello"}), Event::readable);
  EXPECT_EQ(h.engine().peek(h.conn)->size(), 5u);
  EXPECT_EQ(h.told(), Event::readable) << "nothing was consumed";
  EXPECT_EQ(h.engine().consume(h.conn, 5), Errc::ok);
  EXPECT_EQ(h.told(), 0u);
}

TEST(Level, end_of_stream_is_told_of_until_read_has_said_it) {
  Level h;
  h.established();
  EXPECT_EQ(h.told_after({.payload = "hello"}), Event::readable);
  EXPECT_EQ(h.told_after({.flags = "FA"}), Event::readable | Event::peer_closed);
  EXPECT_EQ(h.told(), Event::readable) << "peer_closed comes once";
  EXPECT_EQ(h.take(), "hello");
  EXPECT_EQ(h.told(), Event::readable) << "one read per event must find the end";
  EXPECT_EQ(h.read_error(), Errc::end_of_stream);
  EXPECT_EQ(h.told(), 0u);
}

TEST(Level, fin_alone_is_told_of_once) {
  Level h;
  h.established();
  EXPECT_EQ(h.told_after({.flags = "FA"}), Event::peer_closed);
  EXPECT_EQ(h.told(), 0u);
}

TEST(Level, closed_with_bytes_unread_told_of_until_the_last) {
  Level h;
  h.established();
  h.shutdown();
  h.send({});
  EXPECT_EQ(h.told_after({.flags = "FA", .payload = "hello"}),
            Event::readable | Event::peer_closed);
  EXPECT_EQ(h.told(), Event::readable) << "TIME_WAIT waits for its reader";
  EXPECT_EQ(h.take(), "hello");
  EXPECT_EQ(h.told(), Event::closed);
}

TEST(Level, writable_is_told_of_until_something_is_written) {
  StackConfig config = small_config();
  config.send_buffer = 4'096;
  Level h(config);
  h.established();
  EXPECT_EQ(h.told(), 0u) << "never refused";
  EXPECT_EQ(h.put(5'000), 4'096u);
  EXPECT_EQ(h.told(), 0u);
  EXPECT_EQ(h.told_after({.ack = 4'097}), Event::writable);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(h.told(), Event::writable) << i;
  EXPECT_EQ(h.put(100), 100u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(h.told(), 0u) << i;
}

TEST(Level, writable_ends_with_the_sending_half) {
  StackConfig config = small_config();
  config.send_buffer = 4'096;
  Level h(config);
  h.established();
  EXPECT_EQ(h.put(5'000), 4'096u);
  h.told();
  EXPECT_EQ(h.told_after({.ack = 4'097}), Event::writable);
  EXPECT_EQ(h.engine().shutdown(h.conn), Errc::ok);
  EXPECT_EQ(h.told(), 0u);
  EXPECT_EQ(h.told(), 0u);
}

TEST(Level, what_is_not_wanted_is_not_told) {
  Level h;
  h.established();
  EXPECT_EQ(h.told_after({.payload = "hello"}), Event::readable);
  EXPECT_EQ(h.engine().want(h.conn, Event::writable), Errc::ok);
  EXPECT_EQ(h.told(), 0u);
  EXPECT_EQ(h.told(), 0u);
  EXPECT_FALSE(h.engine().last_poll_busy()) << "a paused reader does not keep the loop turning";
  EXPECT_EQ(h.told_after({.payload = "more"}), 0u);
  EXPECT_EQ(h.told_after({.flags = "FA"}), Event::peer_closed);
  h.told();
  EXPECT_EQ(h.engine().want(h.conn, Event::readable | Event::writable), Errc::ok);
  EXPECT_EQ(h.told(), Event::readable);
  EXPECT_EQ(h.take(), "hellomore");
  EXPECT_EQ(h.engine().want(h.conn, Event::accepted), Errc::invalid_argument);
  EXPECT_EQ(h.engine().want(Connection{}, 0), Errc::not_connected);
}

TEST(Level, writable_that_was_not_wanted_comes_when_it_is) {
  StackConfig config = small_config();
  config.send_buffer = 4'096;
  Level h(config);
  h.established();
  EXPECT_EQ(h.put(5'000), 4'096u);
  h.told();
  EXPECT_EQ(h.engine().want(h.conn, Event::readable), Errc::ok);
  EXPECT_EQ(h.told_after({.ack = 4'097}), 0u);
  EXPECT_EQ(h.engine().want(h.conn, Event::readable | Event::writable), Errc::ok);
  EXPECT_EQ(h.told(), Event::writable);
}

TEST(Level, no_event_follows_closed) {
  Level h;
  h.established();
  EXPECT_EQ(h.told_after({.payload = "hello"}), Event::readable);
  EXPECT_EQ(h.told(), Event::readable);
  EXPECT_EQ(h.told_after({.flags = "R"}), Event::readable | Event::closed);
  EXPECT_EQ(h.told(), 0u);
  EXPECT_EQ(h.told(), 0u);
}

TEST(Level, close_with_bytes_unread_is_not_told_of_them) {
  Level h;
  h.established();
  EXPECT_EQ(h.told_after({.payload = "hello"}), Event::readable);
  EXPECT_EQ(h.engine().close(h.conn), Errc::ok);
  EXPECT_EQ(h.told(), Event::closed);
  EXPECT_EQ(h.told(), 0u);
}

// Virtual time jumps to what is told again, and past who does not take it.
TEST(Level, next_timer_is_now_and_then_a_tick_ahead) {
  Level h;
  h.established();
  EXPECT_FALSE(h.engine().next_timer() && *h.engine().next_timer() == h.now());
  EXPECT_EQ(h.told_after({.payload = std::string(100, 'x')}), Event::readable);
  EXPECT_EQ(h.engine().next_timer(), h.now());
  h.told();
  EXPECT_EQ(h.engine().next_timer(), h.now()) << "it may have been busy with others";
  h.told();
  ASSERT_TRUE(h.engine().next_timer());
  EXPECT_GT(*h.engine().next_timer(), h.now());
  EXPECT_LE(*h.engine().next_timer(), h.now() + 2 * tick);
  EXPECT_EQ(h.take(10).size(), 10u);
  h.told();
  EXPECT_EQ(h.engine().next_timer(), h.now()) << "it reads";
  EXPECT_EQ(h.take().size(), 90u);
  h.told();
  EXPECT_FALSE(h.engine().next_timer() && *h.engine().next_timer() == h.now());
}

// More than one turn tells again, and none of them reads: whoever waits until next_timer() does not
// spin all the same.
TEST(Level, next_timer_is_a_tick_ahead_of_a_crowd_that_does_not_read) {
  StackConfig config = small_config();
  config.connections = 2'048;
  config.buffer_blocks = 16'384;
  config.lent_frames = 0;  // the pool of frames is smaller than the crowd
  Level h(config);
  h.engine().repeat_events(false);
  h.listen(2'048);
  constexpr std::uint16_t crowd = tcp::ready_budget + 500;
  std::vector<Connection> all;
  for (std::uint16_t i = 0; i < crowd; ++i) {
    const auto port = static_cast<std::uint16_t>(10'000 + i);
    h.send({.flags = "S", .seq = 0, .mss = 1460, .from_port = port});
    h.send({.seq = 1, .ack = 1, .payload = std::string(1 + i % 1'000, 'x'), .from_port = port});
    h.expect_event(Event::accepted | Event::readable);
    all.push_back(h.conn);
  }
  h.sent.clear();
  h.engine().repeat_events(true);
  for (const Connection one : all) {
    EXPECT_EQ(h.engine().want(one, Event::readable | Event::writable), Errc::ok);
  }
  EXPECT_EQ(h.engine().next_timer(), h.now()) << "not one of them was told again";
  const auto turns_until_it_sleeps = [&h] {
    for (unsigned i = 1; i < 50; ++i) {
      EXPECT_EQ(h.told(), Event::readable) << i;
      if (*h.engine().next_timer() > h.now()) return i;
    }
    return 50u;
  };
  EXPECT_LE(turns_until_it_sleeps(), 4u) << "two rounds of two turns";
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(h.told(), Event::readable) << i;
    EXPECT_GT(*h.engine().next_timer(), h.now()) << i;
  }
  // Whoever reads a byte, however rarely it is his turn, is told at once of what is left.
  h.conn = all.back();
  EXPECT_EQ(h.take(1), "x");
  EXPECT_EQ(h.engine().next_timer(), h.now());
  EXPECT_LE(turns_until_it_sleeps(), 4u);
  for (const Connection one : all) EXPECT_EQ(h.engine().abort(one), Errc::ok);
  for (int i = 0; i < 3; ++i) h.told();
}

TEST(ReadyList, each_once_and_in_turn) {
  HeapMemory memory;
  stack::ReadyList list(memory, 8);
  for (const std::uint32_t slot : {3u, 0u, 7u, 3u, 0u}) list.add(slot);
  EXPECT_EQ(list.size(), 3u);
  EXPECT_EQ(list.pop(), 3u);
  list.add(3);
  EXPECT_EQ(list.pop(), 0u);
  EXPECT_EQ(list.pop(), 7u);
  EXPECT_EQ(list.pop(), 3u);
  EXPECT_TRUE(list.empty());
  list.add(7);
  EXPECT_EQ(list.pop(), 7u);
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace salut::test
