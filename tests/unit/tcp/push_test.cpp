// Which segments carry PSH: the last byte there is (RFC 9293 §3.9.1.2), and the end of a burst.
#include <gtest/gtest.h>

#include "tcp/harness.hpp"

namespace salut::test {
namespace {

// What was sent, a letter per segment: P with PSH.
std::string pushes(Harness& h) {
  std::string letters;
  while (!h.sent.empty()) {
    const Seen seen = h.take();
    letters += (seen.segment.flags & wire::psh) != 0 ? 'P' : '.';
  }
  return letters;
}

TEST(Push, established_write_of_one_segment) {
  Harness h;
  h.established();
  h.write("x");
  EXPECT_EQ(pushes(h), "P");
}

TEST(Push, established_write_of_three_segments) {
  Harness h;
  h.established();
  h.write(std::string(3 * 1460, 'x'));
  EXPECT_EQ(pushes(h), "..P");
}

TEST(Push, established_burst_that_the_window_ends) {
  Harness h;
  h.established();
  h.send({.wnd = 2 * 1460});
  h.write(std::string(5 * 1460, 'x'));
  EXPECT_EQ(pushes(h), ".P");
}

TEST(Push, established_burst_before_a_rest_that_waits) {
  Harness h;
  h.established();
  h.send({.wnd = 2 * 1460 + 100});  // less than a segment: silly window avoidance
  h.write(std::string(5 * 1460, 'x'));
  EXPECT_EQ(pushes(h), ".P");
}

// One segment at a time is no burst: nothing was there to be joined.
TEST(Push, established_single_segment_before_a_rest_that_waits) {
  Harness h;
  h.established();
  h.send({.wnd = 1460});
  h.write(std::string(2 * 1460, 'x'));
  EXPECT_EQ(pushes(h), ".");
}

// A FIN alone has nothing to push, also when it comes again.
TEST(Push, fin_wait_1_bare_fin_again) {
  Harness h;
  h.established();
  h.write("x");
  h.expect({.seq = 1, .ack = 1, .len = 1});
  h.send({});
  h.shutdown();
  EXPECT_EQ(pushes(h), ".");
  h.silence(h.config().rto_max);
  EXPECT_EQ(pushes(h), ".");
}

}  // namespace
}  // namespace salut::test
