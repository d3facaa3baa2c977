// Echo, discard and http against a client that is written here, on good links and bad, in virtual
// time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "app/discard.hpp"
#include "app/echo.hpp"
#include "app/http.hpp"
#include "server_fixture.hpp"

namespace salut::app {
namespace {

TEST(Echo, returns_every_byte_to_the_end_of_the_stream) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Echo echo(options);
    Fixture fixture(seed, echo, seed % 2 == 0 ? bad_link : sim::Conditions{});
    for (const std::size_t size : {0u, 1u, 1'460u, 16'384u, 70'000u, 300'000u}) {
      fixture.add(random_text(seed + size, size), true);
    }
    ASSERT_TRUE(fixture.all_closed()) << "seed " << seed;
    for (const Client& client : fixture.clients) {
      ASSERT_EQ(client.reason, Reason::closed) << "seed " << seed;
      ASSERT_EQ(client.received.size(), client.to_send.size()) << "seed " << seed;
      ASSERT_TRUE(client.received == client.to_send) << "seed " << seed;
    }
    fixture.pair.run_for(seconds{5});
    EXPECT_EQ(fixture.pair.server().open_connections(), 0u) << "seed " << seed;
  }
}

TEST(Echo, a_peer_that_does_not_read_stalls_itself_alone) {
  Echo echo(options);
  Fixture fixture(1, echo);
  Client& stalled = fixture.add(random_text(1, 2'000'000), true);
  stalled.reading = false;
  fixture.pair.run_for(seconds{10});
  // A send and a receive buffer at either end; the application holds nothing.
  const StackConfig defaults;
  const std::size_t bound = 2 * (defaults.send_buffer + defaults.recv_buffer) + 65'536;
  EXPECT_LT(stalled.sent, bound) << "the server took more than its buffers";
  Client& other = fixture.add(random_text(2, 100'000), true);
  ASSERT_TRUE(fixture.pair.run_until([&] { return other.closed; }));
  EXPECT_EQ(other.received, other.to_send);
  stalled.reading = true;
  stalled.pull();
  ASSERT_TRUE(fixture.all_closed());
  EXPECT_TRUE(stalled.received == stalled.to_send);
}

TEST(Echo, a_stop_sends_what_was_received_and_closes) {
  Echo echo(options);
  Fixture fixture(3, echo);
  Client& client = fixture.add("hello", false);
  Client& idle = fixture.add("", false);
  fixture.pair.run_for(milliseconds{50});
  EXPECT_EQ(client.received, "hello");
  fixture.pair.server().impl().stopping = true;
  serve_loop(fixture.pair.server(), echo, seconds{5});
  EXPECT_EQ(fixture.pair.server().open_connections(), 0u);
  EXPECT_EQ(client.reason, Reason::closed);
  EXPECT_EQ(idle.reason, Reason::closed);
  EXPECT_EQ(echo.totals().aborted, 0u);
}

TEST(Echo, a_stop_waits_no_longer_than_its_drain) {
  Echo echo(options);
  Fixture fixture(4, echo);
  Client& deaf = fixture.add("hello", false);
  deaf.reading = false;
  fixture.pair.run_for(milliseconds{50});
  const Instant before = fixture.pair.world().now();
  fixture.pair.server().impl().stopping = true;
  serve_loop(fixture.pair.server(), echo, seconds{3});
  EXPECT_NEAR(std::chrono::duration<double>(fixture.pair.world().now() - before).count(), 3, 0.1);
  EXPECT_EQ(fixture.pair.server().open_connections(), 0u);
  EXPECT_EQ(echo.totals().aborted, 1u);
}

TEST(Discard, takes_everything_and_says_nothing) {
  Discard discard(options);
  Fixture fixture(5, discard, bad_link);
  Client& client = fixture.add(random_text(5, 500'000), true);
  ASSERT_TRUE(fixture.all_closed());
  EXPECT_EQ(client.reason, Reason::closed);
  EXPECT_EQ(client.received, "");
  EXPECT_EQ(discard.totals().bytes_in, 500'000u);
}

// ---- http

struct HttpFixture : Fixture {
  HttpFixture(std::uint64_t seed, std::uint64_t body, const sim::Conditions& conditions = {})
      : HttpFixture(seed, std::make_unique<Http>(options, std::make_shared<HttpContent>(body)),
                    conditions) {}
  HttpFixture(std::uint64_t seed, std::unique_ptr<Http> server, const sim::Conditions& conditions)
      : Fixture(seed, *server, conditions), http(std::move(server)) {}
  std::unique_ptr<Http> http;
};

const std::string last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

std::string body_of(const std::string& response) {
  const std::size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "" : response.substr(end + 4);
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
    ++count;
  }
  return count;
}

TEST(Http, serves_its_page_and_closes) {
  for (const std::uint64_t size : {0u, 1u, 1'024u, 16'384u, 16'385u, 10'000'000u}) {
    HttpFixture fixture(size + 1, size);
    Client& client = fixture.add(last, false);
    ASSERT_TRUE(fixture.all_closed());
    EXPECT_EQ(client.reason, Reason::closed);
    EXPECT_TRUE(client.received.starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT_NE(client.received.find("Content-Length: " + std::to_string(size) + "\r\n"),
              std::string::npos);
    EXPECT_TRUE(body_of(client.received) == HttpContent::body(size)) << size;
  }
}

TEST(Http, large_page_over_a_bad_link) {
  HttpFixture fixture(11, 1'000'000, bad_link);
  for (int i = 0; i < 5; ++i) fixture.add(last, false);
  ASSERT_TRUE(fixture.all_closed());
  for (const Client& client : fixture.clients) {
    ASSERT_EQ(client.reason, Reason::closed);
    ASSERT_TRUE(body_of(client.received) == HttpContent::body(1'000'000));
  }
}

TEST(Http, a_thousand_pipelined_requests_are_answered_in_order) {
  HttpFixture fixture(12, 3'000);
  std::string requests;
  for (int i = 0; i < 500; ++i) requests += get + "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
  Client& client = fixture.add(requests + last, false);
  ASSERT_TRUE(fixture.all_closed());
  EXPECT_EQ(client.reason, Reason::closed);
  EXPECT_EQ(count_of(client.received, "HTTP/1.1 200 OK\r\n"), 1'001u);
  EXPECT_EQ(count_of(client.received, "000000000000 salut"), 501u) << "first lines of bodies";
  EXPECT_EQ(fixture.http->totals().requests, 1'001u);
}

TEST(Http, half_closed_client_still_gets_its_answers) {
  HttpFixture fixture(13, 200'000);
  Client& client = fixture.add(get + get, true);
  ASSERT_TRUE(fixture.all_closed());
  EXPECT_EQ(client.reason, Reason::closed);
  EXPECT_EQ(count_of(client.received, "HTTP/1.1 200 OK\r\n"), 2u);
  EXPECT_GT(client.received.size(), 400'000u);
}

TEST(Http, keep_alive_stays_open_until_the_client_closes) {
  HttpFixture fixture(14, 100);
  Client& client = fixture.add(get, false);
  fixture.pair.run_for(seconds{30});
  EXPECT_FALSE(client.ended);
  EXPECT_EQ(body_of(client.received), HttpContent::body(100));
  client.connection.close();
  ASSERT_TRUE(fixture.all_closed());
  EXPECT_EQ(client.reason, Reason::closed);
}

// The refusal arrives although the body it refuses is still being sent.
TEST(Http, a_refused_upload_reads_its_answer) {
  HttpFixture fixture(15, 100);
  Client& client = fixture.add(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n" + std::string(300'000, 'x'),
      false);
  ASSERT_TRUE(fixture.all_closed());
  EXPECT_TRUE(client.received.starts_with("HTTP/1.1 413 ")) << client.received;
  EXPECT_EQ(client.reason, Reason::closed);
}

// Each with the wait that curl has: the body leaves when 100 came.
TEST(Http, an_expectation_is_met_or_refused_at_once) {
  HttpFixture fixture(18, 100);
  const std::string rest =
      " / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  Client& patient = fixture.add("GET" + rest, false);
  Client& refused = fixture.add("PUT" + rest, false);
  fixture.pair.run_for(seconds{1});
  EXPECT_EQ(patient.received, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(refused.received.starts_with("HTTP/1.1 405 ")) << refused.received;
  EXPECT_TRUE(refused.ended);
  patient.to_send += "hello" + last;
  patient.pushed = false;
  patient.push();
  ASSERT_TRUE(fixture.all_closed());
  EXPECT_EQ(count_of(patient.received, "HTTP/1.1 200 OK\r\n"), 2u) << patient.received;
  EXPECT_EQ(patient.reason, Reason::closed);
  EXPECT_EQ(fixture.http->totals().requests, 3u);
}

// A client that reads a little at a time: heads are written in part, while seconds pass.
TEST(Http, every_answer_has_the_date_at_which_it_began) {
  static Pair* pair = nullptr;
  const auto wall = +[] {
    const auto since = pair == nullptr ? Duration{} : pair->world().now().time_since_epoch();
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            seconds{784'111'777} + since));  // Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110 §5.6.7
  };
  HttpFixture fixture(
      19, std::make_unique<Http>(options, std::make_shared<HttpContent>(7), HttpLimits{}, wall),
      {});
  pair = &fixture.pair;
  constexpr int count = 9'000;
  std::string requests;
  for (int i = 0; i < count; ++i) requests += get;
  Client& client = fixture.add(requests + last, false);
  client.connection.set_options({.recv_buffer = 8'192});
  for (int turn = 0; turn < 200 && !client.ended; ++turn) {
    client.reading = false;
    fixture.pair.run_for(milliseconds{300});
    client.reading = true;
    client.on_event(Event{});
  }
  client.reading = true;
  ASSERT_TRUE(fixture.all_closed());
  pair = nullptr;
  std::string before;
  int dates = 0;
  int seen = 0;
  for (std::size_t at = 0; (at = client.received.find("\r\nDate: ", at)) != std::string::npos;) {
    const std::string date = client.received.substr(at + 8, 31);
    at += 8;
    ++dates;
    ASSERT_TRUE(date.starts_with("Sun, 06 Nov 1994 08:") && date.ends_with(" GMT\r\n")) << date;
    ASSERT_LE(before, date);
    ASSERT_LT(date, "Sun, 06 Nov 1994 08:59:00 GMT");
    seen += date != before;
    before = date;
  }
  EXPECT_EQ(dates, count + 1);
  EXPECT_GT(seen, 3);
}

TEST(Http, nonsense_is_told_so) {
  HttpFixture fixture(16, 100);
  Client& client = fixture.add(std::string(20'000, '\x01'), false);
  ASSERT_TRUE(fixture.all_closed());
  EXPECT_TRUE(client.received.starts_with("HTTP/1.1 400 ")) << client.received;
}

TEST(Http, a_stop_finishes_the_answer_under_way) {
  HttpFixture fixture(17, 5'000'000);
  Client& client = fixture.add(get, false);
  Client& idle = fixture.add(get, false);
  ASSERT_TRUE(fixture.pair.run_until([&] { return client.received.size() > 100'000; }));
  fixture.pair.server().impl().stopping = true;
  serve_loop(fixture.pair.server(), *fixture.http, seconds{30});
  EXPECT_EQ(fixture.pair.server().open_connections(), 0u);
  fixture.pair.run_for(seconds{1});  // the last ACK may still be under way
  EXPECT_EQ(client.reason, Reason::closed);
  EXPECT_EQ(idle.reason, Reason::closed);
  EXPECT_TRUE(body_of(client.received) == HttpContent::body(5'000'000));
}

}  // namespace
}  // namespace salut::app
