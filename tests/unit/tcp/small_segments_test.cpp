// Small segments that wait for company: Nagle's algorithm as Minshall has it, and the sender's side
// of silly window avoidance (RFC 9293 §3.7.4, §3.8.6.2.1).
#include "harness.hpp"

namespace salut::test {
namespace {

constexpr std::uint32_t mss = 1460;

TEST(Nagle, established_small_segment_waits_for_the_one_before) {
  Harness h;
  h.established();
  h.write("one");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 3});
  h.write("two");
  h.write("three");
  h.expect_nothing();
  h.send({.ack = 4});
  h.expect({.flags = "A", .seq = 4, .ack = 1, .len = 8, .payload = "twothree"});
}

TEST(Nagle, established_no_delay_does_not_wait) {
  StackConfig config = small_config();
  config.no_delay = true;
  Harness h(config);
  h.established();
  h.write("one");
  h.write("two");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 3});
  h.expect({.flags = "A", .seq = 4, .ack = 1, .len = 3});
}

// Minshall: only small segments wait, and only for small ones.
TEST(Nagle, established_tail_of_a_large_write_does_not_wait) {
  Harness h;
  h.established();
  h.write(std::string(mss + 100, 'd'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = mss});
  h.expect({.flags = "A", .seq = 1 + mss, .ack = 1, .len = 100});
}

TEST(Nagle, established_fin_takes_the_small_segment_along) {
  Harness h;
  h.established();
  h.write("one");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 3});
  h.write("two");
  h.expect_nothing();
  h.shutdown();
  h.expect({.flags = "FA", .seq = 4, .ack = 1, .len = 3});
}

// The last small segment was more than 2 GiB of full ones ago, half of all sequence numbers: it has
// long been acknowledged, and holds nothing up. Either way out says so.
TEST(Nagle, established_small_segment_of_long_ago_is_not_waited_for) {
  for (const bool long_way : {false, true}) {
    Harness h;
    h.established();
    h.write("one");
    h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 3});
    h.send({.ack = 4});
    tcp::Context& c = h.engine().context();
    c.long_way = long_way;
    const tcp::Tcb& t = c.tcbs[0];
    c.stream(t).small_end = t.snd_una + 0x7fff'ffff;
    h.write("two");
    h.expect({.flags = "A", .seq = 4, .ack = 1, .len = 3});
  }
}

TEST(SillyWindow, established_small_window_waits_for_the_override_timer) {
  Harness h;
  h.established();
  h.write("r");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.send({.ack = 2, .wnd = 200});
  h.write(std::string(1000, 's'));
  h.expect_nothing();  // 200 of 65,535 ever offered
  h.silence(2s);
  h.expect({.flags = "A", .seq = 2, .ack = 1, .len = 200});
  h.send({.ack = 202, .wnd = 65'535});
  h.expect({.flags = "A", .seq = 202, .ack = 1, .len = 800});
}

TEST(SillyWindow, established_half_of_the_largest_window_is_worth_a_segment) {
  Harness h;
  h.listen();
  h.send({.flags = "S", .wnd = 600, .mss = 1460});
  h.take();
  h.send({.wnd = 600});
  h.expect_event(Event::accepted);
  h.write(std::string(2000, 's'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 600});
  h.send({.ack = 601, .wnd = 299});
  h.expect_nothing();
  h.send({.ack = 601, .wnd = 300});
  h.expect({.flags = "A", .seq = 601, .ack = 1, .len = 300});
}

// RFC 5681 §4.1

}  // namespace
}  // namespace salut::test
