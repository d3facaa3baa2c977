// Peers that say nothing, or too little, do not hold their slots: the timeouts of ServeConfig.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "app/discard.hpp"
#include "app/echo.hpp"
#include "app/http.hpp"
#include "app/wait_lists.hpp"
#include "server_fixture.hpp"

namespace salut::app {
namespace {

constexpr ServeConfig timeouts{
    .header_timeout = seconds{5}, .idle_timeout = seconds{7}, .send_timeout = seconds{9}};

ServerOptions with(const ServeConfig& some) {
  ServerOptions changed = options;
  changed.timeouts = some;
  return changed;
}

struct Silent : Fixture {
  explicit Silent(std::uint64_t page = 100, const ServeConfig& some = timeouts)
      : Silent(std::make_unique<Http>(with(some), std::make_shared<HttpContent>(page))) {}
  explicit Silent(std::unique_ptr<Application> server)
      : Fixture(1, *server), application(std::move(server)) {}

  void say(Client& client, const std::string& more) {
    client.to_send += more;
    client.pushed = false;
    client.push();
  }
  // One byte each `pause` until the server ends it, for `limit` at most.
  void trickle(Client& client, const std::string& text, Duration pause, Duration limit) {
    const Instant end = pair.world().now() + limit;
    for (std::size_t i = 0; !client.ended && !client.closed && pair.world().now() < end; ++i) {
      say(client, text.substr(std::min(i, text.size() - 1), 1));
      pair.run_for(pause);
    }
  }
  // Seconds until the server's FIN was read or the connection was reset.
  double seconds_until_the_end(Client& client, Duration limit = seconds{60}) {
    const Instant begin = pair.world().now();
    pair.run_until([&] { return client.ended || client.closed; }, limit);
    return std::chrono::duration<double>(pair.world().now() - begin).count();
  }
  const Totals& totals() const { return application->totals(); }

  std::unique_ptr<Application> application;
};

TEST(SilentPeers, http_head_that_trickles_is_told_408_and_closed) {
  Silent f;
  Client& slow = f.add("", false);
  const Instant begin = f.pair.world().now();
  f.trickle(slow, "GET / HTTP/1.1\r\nX-Endless: aaaaaaaaaaaaaaaaa", milliseconds{500}, seconds{60});
  const double after = std::chrono::duration<double>(f.pair.world().now() - begin).count();
  EXPECT_GE(after, 5);
  EXPECT_LT(after, 6);
  EXPECT_TRUE(slow.received.starts_with("HTTP/1.1 408 Request Timeout\r\n")) << slow.received;
  EXPECT_NE(slow.received.find("\r\nConnection: close\r\n"), std::string::npos) << slow.received;
  EXPECT_TRUE(slow.ended);
  EXPECT_EQ(f.totals().header_timeouts, 1u);
  EXPECT_EQ(f.totals().idle_timeouts + f.totals().send_timeouts, 0u);
}

TEST(SilentPeers, http_client_that_never_says_a_word_is_closed_without_one) {
  Silent f;
  Client& mute = f.add("", false);
  EXPECT_NEAR(f.seconds_until_the_end(mute), 5, 0.2);
  EXPECT_EQ(mute.received, "");
  f.pair.run_for(seconds{1});
  EXPECT_EQ(mute.reason, Reason::closed);
  EXPECT_EQ(f.totals().header_timeouts, 1u);
  EXPECT_EQ(f.pair.server().open_connections(), 0u);
}

TEST(SilentPeers, http_connection_that_asks_no_more_is_closed_when_idle) {
  Silent f;
  Client& client = f.add(get, false);
  for (int i = 0; i < 5; ++i) {  // each request puts it off
    f.pair.run_for(seconds{6});
    f.say(client, get);
  }
  EXPECT_FALSE(client.ended);
  EXPECT_NEAR(f.seconds_until_the_end(client), 7, 0.2);
  f.pair.run_for(seconds{1});
  EXPECT_EQ(client.reason, Reason::closed);
  EXPECT_EQ(f.totals().requests, 6u);
  EXPECT_EQ(f.totals().idle_timeouts, 1u);
  EXPECT_EQ(f.totals().header_timeouts, 0u);
}

// Empty lines before a request are skipped, and are no request.
TEST(SilentPeers, http_empty_lines_do_not_put_the_end_of_an_idle_connection_off) {
  Silent f;
  Client& client = f.add(get, false);
  f.pair.run_for(milliseconds{50});
  const Instant begin = f.pair.world().now();
  f.trickle(client, "\n", seconds{1}, seconds{60});
  EXPECT_NEAR(std::chrono::duration<double>(f.pair.world().now() - begin).count(), 7, 1.1);
  EXPECT_EQ(f.totals().idle_timeouts, 1u);
}

TEST(SilentPeers, http_next_head_has_its_time_from_its_first_byte) {
  Silent f;
  Client& client = f.add(get, false);
  f.pair.run_for(seconds{6});
  f.say(client, "GET / HT");
  f.pair.run_for(seconds{4});  // 10 s after the first one
  f.say(client, "TP/1.1\r\nHost: a\r\n\r\n");
  f.pair.run_for(seconds{1});
  EXPECT_EQ(f.totals().requests, 2u);
  f.say(client, "GET");
  EXPECT_NEAR(f.seconds_until_the_end(client), 5, 0.2);
  EXPECT_NE(client.received.find("HTTP/1.1 408 "), std::string::npos);
  EXPECT_EQ(f.totals().header_timeouts, 1u);
}

const std::string upload = "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 40960\r\n\r\n";

TEST(SilentPeers, http_body_that_trickles_is_told_408) {
  Silent f;
  Client& slow = f.add(upload, false);
  f.pair.run_for(milliseconds{50});
  const Instant begin = f.pair.world().now();
  f.trickle(slow, "x", milliseconds{100}, seconds{60});
  EXPECT_NEAR(std::chrono::duration<double>(f.pair.world().now() - begin).count(), 5, 0.3);
  EXPECT_TRUE(slow.received.starts_with("HTTP/1.1 408 ")) << slow.received;
  EXPECT_EQ(f.totals().header_timeouts, 1u);
}

TEST(SilentPeers, http_body_of_4_kib_each_time_is_taken_to_its_end) {
  Silent f;
  Client& client = f.add(upload, false);
  for (int i = 0; i < 10; ++i) {
    f.pair.run_for(seconds{4});
    f.say(client, std::string(4'096, 'x'));
  }
  f.pair.run_for(seconds{1});
  EXPECT_TRUE(client.received.starts_with("HTTP/1.1 200 OK")) << client.received;
  EXPECT_EQ(f.totals().header_timeouts, 0u);
}

TEST(SilentPeers, http_peer_that_takes_nothing_is_reset) {
  Silent f(5'000'000);
  Client& stalled = f.add(get, false);
  stalled.reading = false;
  const double after = f.seconds_until_the_end(stalled);
  EXPECT_GE(after, 9);
  EXPECT_LT(after, 9 * 1.25 + 0.5);
  EXPECT_EQ(stalled.reason, Reason::reset);
  EXPECT_EQ(f.totals().send_timeouts, 1u);
  EXPECT_EQ(f.pair.server().open_connections(), 0u);
}

// A send buffer has more in it than this peer takes in several timeouts: no event tells of it.
TEST(SilentPeers, http_peer_that_takes_little_each_time_stays) {
  Silent f(2'000'000);
  Client& slow = f.add(get, false);
  slow.connection.set_options({.recv_buffer = 8'192});
  slow.reading = false;
  std::array<std::byte, 8'192> bytes;
  for (int i = 0; i < 10; ++i) {
    f.pair.run_for(seconds{6});
    ASSERT_FALSE(slow.closed) << i;
    slow.connection.read(bytes);
  }
  EXPECT_EQ(f.totals().send_timeouts, 0u);
  EXPECT_EQ(f.pair.server().open_connections(), 1u);
}

// All of the answer lies in the send buffer: nothing is left to be written.
TEST(SilentPeers, http_last_answer_that_is_not_taken_is_no_idleness) {
  Silent f(200'000);
  Client& client = f.add(get, false);
  client.connection.set_options({.recv_buffer = 8'192});
  client.reading = false;
  EXPECT_NEAR(f.seconds_until_the_end(client), 7 + 9, 0.5);
  EXPECT_EQ(client.reason, Reason::reset);
  EXPECT_EQ(f.totals().send_timeouts, 1u);
  EXPECT_EQ(f.totals().idle_timeouts, 0u);
}

TEST(SilentPeers, no_timeout_waits_for_ever) {
  constexpr ServeConfig none{Duration{0}, Duration{0}, Duration{0}};
  Silent f(5'000'000, none);
  Client& mute = f.add("", false);
  Client& half = f.add("GET", false);
  Client& stalled = f.add(get, false);
  stalled.reading = false;
  f.pair.run_for(seconds{60});
  EXPECT_FALSE(mute.ended || mute.closed || half.ended || half.closed || stalled.closed);
}

// More at once than are ended in one turn.
TEST(SilentPeers, every_one_of_a_thousand_is_ended) {
  Silent f;
  for (int i = 0; i < 1'000; ++i) f.add("", false);
  f.pair.run_for(seconds{4});
  EXPECT_EQ(f.pair.server().open_connections(), 1'000u);
  f.pair.run_for(seconds{3});
  EXPECT_EQ(f.totals().header_timeouts, 1'000u);
  EXPECT_EQ(f.pair.server().open_connections(), 0u);
}

TEST(SilentPeers, echo_closes_who_says_nothing_and_resets_who_takes_nothing) {
  Silent f(std::make_unique<Echo>(with(timeouts)));
  Client& client = f.add("hello", false);
  f.pair.run_for(seconds{5});
  f.say(client, "again");
  EXPECT_NEAR(f.seconds_until_the_end(client), 7, 0.2);
  EXPECT_EQ(client.received, "helloagain");
  EXPECT_EQ(f.totals().idle_timeouts, 1u);
  Client& deaf = f.add(random_text(1, 2'000'000), false);
  deaf.reading = false;
  const double after = f.seconds_until_the_end(deaf);
  EXPECT_GE(after, 9);
  EXPECT_LT(after, 9 * 1.25 + 0.5);
  EXPECT_EQ(deaf.reason, Reason::reset);
  EXPECT_EQ(f.totals().send_timeouts, 1u);
}

// A level is told of again and again, whatever the peer does.
TEST(SilentPeers, event_without_a_byte_is_no_sign_of_life) {
  for (const bool stalled : {false, true}) {
    Silent f(std::make_unique<Echo>(with(timeouts)));
    Connection peer;
    f.pair.on_server_turn([&](Stack& stack, std::span<const Event> events) {
      f.application->on_events(stack, events);
      for (const Event& event : events) {
        if (event.has(Event::accepted)) peer = event.connection;
      }
      const Event again{peer, 0, Event::writable};
      if (peer) f.application->on_events(stack, {&again, 1});
    });
    Client& client = f.add(stalled ? random_text(1, 2'000'000) : "hello", false);
    client.reading = !stalled;
    const double after = f.seconds_until_the_end(client);
    EXPECT_GE(after, stalled ? 9 : 7);
    EXPECT_LT(after, stalled ? 12 : 7.2);
    EXPECT_EQ(f.totals().idle_timeouts, stalled ? 0u : 1u);
    EXPECT_EQ(f.totals().send_timeouts, stalled ? 1u : 0u);
  }
}

TEST(SilentPeers, discard_closes_who_says_nothing) {
  Silent f(std::make_unique<Discard>(with(timeouts)));
  Client& client = f.add("hello", false);
  EXPECT_NEAR(f.seconds_until_the_end(client), 7, 0.2);
  EXPECT_EQ(f.totals().idle_timeouts, 1u);
}

struct Numbered : Waiting {
  std::uint32_t generation = 0;
};

// Against a list that is searched.
TEST(WaitLists, agree_with_an_oracle) {
  constexpr std::uint32_t slots = 32;
  ConnectionTable<Numbered> table(slots);
  WaitLists<Numbered> lists(table, timeouts);
  constexpr Duration limits[] = {seconds{5}, seconds{7}, seconds{9}};
  struct Entry {
    Wait wait = Wait::none;
    Instant since;
  };
  std::vector<Entry> oracle(slots);
  for (std::uint32_t slot = 0; slot < slots; ++slot) table.open(Connection(slot, 1));
  std::mt19937 random(7);
  Instant now{seconds{1}};
  std::size_t ended = 0;
  for (int step = 0; step < 100'000; ++step) {
    now += milliseconds{random() % 100};
    const std::uint32_t slot = random() % slots;
    const auto wait = static_cast<Wait>(random() % 4);
    if (random() % 8 == 0) {
      lists.begin(table[slot], wait, now);
      oracle[slot] = {wait, now};
    }
    for (const Wait each : {Wait::header, Wait::idle, Wait::send}) {
      while (Numbered* record = lists.expired(each, WaitLists<Numbered>::unit_of(now))) {
        Entry& entry = oracle[table.slot_of(*record)];
        ASSERT_EQ(entry.wait, each) << step;
        ASSERT_GE(now - entry.since, limits[static_cast<std::size_t>(each)]) << step;
        entry.wait = Wait::none;
        ++ended;
      }
    }
    for (const Entry& entry : oracle) {
      if (entry.wait == Wait::none) continue;
      ASSERT_LT(now - entry.since, limits[static_cast<std::size_t>(entry.wait)] + milliseconds{135})
          << step;
    }
  }
  EXPECT_GT(ended, 1'000u);
}

}  // namespace
}  // namespace salut::app
