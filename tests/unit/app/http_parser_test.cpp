#include "app/http_parser.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace salut::app {
namespace {

struct Seen {
  std::vector<HttpParser::Answer> answers;
  bool idle = false;  // nothing of another request was left
};

// Feeds `text` in pieces that end at `cuts`; stops at an answer after which the server closes.
Seen parse(const std::string& text, const std::vector<std::size_t>& cuts = {},
           const HttpLimits& limits = {}) {
  Seen seen;
  HttpParser parser;
  std::size_t begin = 0;
  for (std::size_t piece = 0; piece <= cuts.size(); ++piece) {
    const std::size_t end = piece < cuts.size() ? cuts[piece] : text.size();
    while (begin < end) {
      const auto bytes = std::as_bytes(std::span(text)).subspan(begin, end - begin);
      const auto [consumed, answer] = parser.feed(bytes, limits);
      begin += consumed;
      if (answer.status == 0) {
        EXPECT_EQ(begin, end) << "bytes were left without an answer";
        break;
      }
      seen.answers.push_back(answer);
      if (!answer.keep_alive) return seen;
    }
  }
  seen.idle = parser.idle();
  return seen;
}

unsigned status(const std::string& text, const HttpLimits& limits = {}) {
  const Seen seen = parse(text, {}, limits);
  return seen.answers.empty() ? 0 : seen.answers.front().status;
}

const std::string host = "Host: a\r\n";

TEST(HttpParser, get_of_the_page) {
  const Seen seen = parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(seen.answers.size(), 1u);
  EXPECT_EQ(seen.answers[0].status, 200);
  EXPECT_TRUE(seen.answers[0].keep_alive);
  EXPECT_FALSE(seen.answers[0].head_only);
  EXPECT_TRUE(seen.idle);
}

TEST(HttpParser, head_has_no_body) {
  const Seen seen = parse("HEAD /index.html HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(seen.answers.size(), 1u);
  EXPECT_EQ(seen.answers[0].status, 200);
  EXPECT_TRUE(seen.answers[0].head_only);
}

TEST(HttpParser, paths) {
  EXPECT_EQ(status("GET /?a=b/c?d HTTP/1.1\r\n" + host + "\r\n"), 200u);
  EXPECT_EQ(status("GET /index.html?x HTTP/1.1\r\n" + host + "\r\n"), 200u);
  EXPECT_EQ(status("GET http://a/ HTTP/1.1\r\n" + host + "\r\n"), 200u);
  EXPECT_EQ(status("GET http://a:80 HTTP/1.1\r\n" + host + "\r\n"), 200u);
  EXPECT_EQ(status("GET HTTP://a?q HTTP/1.1\r\n" + host + "\r\n"), 200u);
  EXPECT_EQ(status("GET http://a/b HTTP/1.1\r\n" + host + "\r\n"), 404u);
  EXPECT_EQ(status("GET /index.htm HTTP/1.1\r\n" + host + "\r\n"), 404u);
  EXPECT_EQ(status("GET /index.html/ HTTP/1.1\r\n" + host + "\r\n"), 404u);
  EXPECT_EQ(status("GET /" + std::string(1'000, 'x') + " HTTP/1.1\r\n" + host + "\r\n"), 404u);
  EXPECT_EQ(status("GET * HTTP/1.1\r\n" + host + "\r\n"), 404u);
}

TEST(HttpParser, other_methods) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get", "GETT", "CONNECT",
                             "AVERYLONGMETHODTHATNOBODYHASEVERHEARDOF"}) {
    EXPECT_EQ(status(std::string(method) + " / HTTP/1.1\r\n" + host + "\r\n"), 405u) << method;
  }
  EXPECT_EQ(status("OPTIONS * HTTP/1.1\r\n" + host + "\r\n"), 405u);
  EXPECT_EQ(status("CONNECT a:1 HTTP/1.1\r\n" + host + "\r\n"), 405u);
}

TEST(HttpParser, keep_alive_by_version_and_header) {
  const auto keeps = [](const std::string& text) { return parse(text).answers.at(0).keep_alive; };
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE , CLOSE\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nconnection:close\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: a\r\nX-Connection: close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.9\r\nHost: a\r\n\r\n"));
}

TEST(HttpParser, malformed_request_lines) {
  for (const char* line : {"GET / HTTP/1.1\rX",
                           " GET / HTTP/1.1\r\n",
                           "GET  / HTTP/1.1\r\n",
                           "GET /\r\n",
                           "GET\r\n",
                           "GET / http/1.1\r\n",
                           "GET / HTTP/11\r\n",
                           "GET / HTTP/1.1 \r\n",
                           "GET / HTTP/1.10\r\n",
                           "GET / HTTP/a.b\r\n",
                           "GET / HTTP/1,1\r\n",
                           "GET /a b HTTP/1.1\r\n",
                           "G@T / HTTP/1.1\r\n",
                           "GET ftp://a/ HTTP/1.1\r\n",
                           "GET http:/a/ HTTP/1.1\r\n",
                           "GET a:80 HTTP/1.1\r\n",
                           "GET 1 HTTP/1.1\r\n",
                           "GET /\x7f HTTP/1.1\r\n",
                           "GET /\xc3\xa9 HTTP/1.1\r\n",
                           "\x16\x03\x01\x02",
                           "GET / \r\n"}) {
    EXPECT_EQ(status(std::string(line) + host + "\r\n"), 400u) << line;
  }
}

TEST(HttpParser, other_versions) {
  EXPECT_EQ(status("GET / HTTP/2.0\r\n"), 505u);
  EXPECT_EQ(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505u);
  EXPECT_EQ(status("GET / HTTP/0.9\r\n"), 505u);
}

TEST(HttpParser, malformed_headers) {
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (const char* header :
       {"Name : x\r\n", ": x\r\n", "Name\r\n", " folded\r\n", "X: a\r\n b\r\n", "N(me: x\r\n",
        "X: a\x01\r\n", "X: a\x7f\r\n", "X: a\rb\r\n", "Host: b\r\n", "X: \r\r\n"}) {
    EXPECT_EQ(status(get + header + "\r\n"), 400u) << header;
  }
  EXPECT_EQ(status(get + std::string("X: a\0b\r\n", 8) + "\r\n"), 400u);
  EXPECT_EQ(status("GET / HTTP/1.1\r\n\r\n"), 400u) << "HTTP/1.1 without Host";
  EXPECT_EQ(status("GET / HTTP/1.0\r\n\r\n"), 200u);
}

TEST(HttpParser, tolerated) {
  EXPECT_EQ(status("\r\n\r\nGET / HTTP/1.1\r\n" + host + "\r\n"), 200u);
  EXPECT_EQ(status("GET / HTTP/1.1\nHost: a\n\n"), 200u);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 200u);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nX:\t \xc3\xa9 \t\r\n\r\n"), 200u);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), 200u);
}

TEST(HttpParser, who_waits_for_100_gets_it_or_the_final_answer) {
  const std::string head = " / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n";
  const std::string expect = "Expect: x, 100-Continue\r\n\r\n";
  // Nothing of the body is there: 100, and 200 when it was skipped.
  const std::string get = "GET" + head + expect;
  Seen seen = parse(get + "hello", {get.size()});
  ASSERT_EQ(seen.answers.size(), 2u);
  EXPECT_EQ(seen.answers[0].status, 100);
  EXPECT_EQ(seen.answers[1].status, 200);
  EXPECT_TRUE(seen.idle);
  // Some of it is: it is not waited for.
  seen = parse(get + "hello", {get.size() + 1});
  ASSERT_EQ(seen.answers.size(), 1u);
  EXPECT_EQ(seen.answers[0].status, 200);
  // What will not be read is refused at once, and the connection ends.
  seen = parse("POST" + head + expect + "hello");
  ASSERT_EQ(seen.answers.size(), 1u);
  EXPECT_EQ(seen.answers[0].status, 405);
  EXPECT_FALSE(seen.answers[0].keep_alive);
  EXPECT_TRUE(seen.answers[0].unread);
  // HTTP/1.0 knows no 100; without a body there is nothing to wait for.
  const std::string old = "GET / HTTP/1.0\r\nContent-Length: 5\r\n" + expect;
  seen = parse(old + "hello", {old.size()});
  ASSERT_EQ(seen.answers.size(), 1u);
  EXPECT_EQ(seen.answers[0].status, 200);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), 200u);
  // A word that only begins like it is none.
  const std::string other = "GET" + head + "Expect: 100-continued\r\n\r\n";
  EXPECT_EQ(parse(other + "hello", {other.size()}).answers.size(), 1u);
}

TEST(HttpParser, bodies) {
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ";
  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const Seen seen = parse(post + "5\r\n\r\nGET /" + get + post + "0\r\n\r\n" + get);
  ASSERT_EQ(seen.answers.size(), 4u);
  EXPECT_EQ(seen.answers[0].status, 405);
  EXPECT_TRUE(seen.answers[0].keep_alive);
  EXPECT_EQ(seen.answers[1].status, 200);
  EXPECT_EQ(seen.answers[2].status, 405);
  EXPECT_EQ(seen.answers[3].status, 200);
  EXPECT_EQ(status(post + "5\r\n\r\n1234"), 0u) << "answered before the body is whole";
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 \r\n\r\nabc"), 200u);

  for (const char* length : {"", " ", "-1", "+1", "1 2", "1,1", "0x1", "1a"}) {
    EXPECT_EQ(status(post + length + "\r\n\r\n"), 400u) << length;
  }
  EXPECT_EQ(status(post + "1\r\nContent-Length: 1\r\n\r\na"), 400u);
  EXPECT_EQ(status(post + "1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400u);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 411u);
}

TEST(HttpParser, too_large) {
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ";
  EXPECT_EQ(status(post + "16777217\r\n\r\n"), 413u);
  EXPECT_EQ(status(post + "100\r\n\r\n", {.body = 99}), 413u);
  EXPECT_EQ(status(post + "18446744073709551617\r\n\r\n"), 413u) << "2^64 + 1 is not 1";
  EXPECT_EQ(status(post + std::string(200, '9') + "\r\n\r\n"), 413u);

  const std::string get = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  const std::size_t room = HttpLimits{}.head - get.size() - 4;
  EXPECT_EQ(status(get + std::string(room, 'x') + "\r\n\r\n"), 200u);
  EXPECT_EQ(status(get + std::string(room + 1, 'x') + "\r\n\r\n"), 413u);
  EXPECT_EQ(status("GET /" + std::string(100'000, 'x')), 413u);
  EXPECT_EQ(status(std::string(100'000, 'x')), 413u);
  EXPECT_EQ(status(std::string(10'000, '\n')), 413u);
}

TEST(HttpParser, pipelined_requests_split_anywhere) {
  const std::string text =
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      "HEAD /index.html HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
      "\r\nPOST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nGET / HTTP/1"
      "GET /none HTTP/1.1\nHost: a\n\n"
      "GET http://h/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const std::vector<unsigned> expected = {200, 200, 405, 404, 200, 200};
  const auto check = [&](const std::vector<std::size_t>& cuts) {
    const Seen seen = parse(text, cuts);
    ASSERT_EQ(seen.answers.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(seen.answers[i].status, expected[i]) << i;
      ASSERT_EQ(seen.answers[i].keep_alive, i + 1 < expected.size());
      ASSERT_EQ(seen.answers[i].head_only, i == 1);
    }
  };
  check({});
  for (std::size_t a = 0; a <= text.size(); ++a) {
    check({a});
    for (std::size_t b = a; b <= text.size(); b += 7) check({a, b});
  }
  std::vector<std::size_t> every;
  for (std::size_t i = 1; i < text.size(); ++i) every.push_back(i);
  check(every);
}

// Whatever comes, the parser takes it all or answers; and how it is cut changes nothing.
TEST(HttpParser, garbage_from_seeds) {
  const std::string alphabet =
      std::string("GETHEAD /index.html?HTTP/1.1\r\n:host ,close0") + std::string("\0\x7f\xff\t", 4);
  for (unsigned seed = 1; seed <= 3'000; ++seed) {
    std::mt19937 random(seed);
    std::string text = seed % 2 == 0 ? "GET / HTTP/1.1\r\nHost: a\r\n" : "";
    const std::size_t length = random() % 300;
    while (text.size() < length) {
      text +=
          seed % 3 == 0 ? static_cast<char>(random() % 256) : alphabet[random() % alphabet.size()];
    }
    const Seen whole = parse(text);
    const std::size_t middle = text.empty() ? 0 : random() % text.size();
    const Seen cut = parse(text, {middle});
    ASSERT_EQ(whole.answers.size(), cut.answers.size()) << "seed " << seed;
    for (std::size_t i = 0; i < whole.answers.size(); ++i) {
      ASSERT_EQ(whole.answers[i].status, cut.answers[i].status) << "seed " << seed;
    }
    ASSERT_EQ(whole.idle, cut.idle) << "seed " << seed;
  }
}

}  // namespace
}  // namespace salut::app
