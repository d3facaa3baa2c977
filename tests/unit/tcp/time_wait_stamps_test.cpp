// TIME_WAIT of connections that agreed on timestamps: which SYN is newer (RFC 6191 §2), PAWS, and
// what the answers carry (RFC 7323 §3.2, §5). As a record in the arena and as the TCB that waits
// when the arena is full.
#include "agreed.hpp"

namespace salut::test {
namespace {

constexpr Options stamps{.stamps = true};
constexpr std::uint32_t last = 1500;  // TSval of the peer's FIN

In at(std::uint32_t val, In in = {}) {
  in.ts = Stamps{.val = val};
  return in;
}

// One connection that ended here first, from `port`.
void close_one(Harness& h, std::uint16_t port, bool stamped) {
  const auto stamp = [&](std::uint32_t val, In in) {
    in.from_port = port;
    return stamped ? at(val, in) : in;
  };
  h.peer_nxt = 0;
  h.send(stamp(peer_clock, {.flags = "S", .mss = 1460}));
  h.take();
  h.send(stamp(peer_clock, {}));
  h.expect_event(Event::accepted);
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send(stamp(last, {.flags = "FA"}));
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
}

// Runs `body` on a harness whose connection from peer_port is in TIME_WAIT: as a record, as a TCB.
template <class Body>
void in_time_wait(bool stamped, Body&& body) {
  for (const bool arena_full : {false, true}) {
    SCOPED_TRACE(arena_full ? "TCB" : "record");
    StackConfig config = only(stamps);
    config.time_wait = 16;
    Harness h(config);
    h.listen();
    if (arena_full) {
      for (std::uint16_t i = 1; i <= 16; ++i) {
        close_one(h, static_cast<std::uint16_t>(peer_port + i), false);
      }
    }
    close_one(h, peer_port, stamped);
    EXPECT_EQ(h.engine().context().tcbs.in_use(), arena_full ? 1u : 0u);
    body(h);
    if (::testing::Test::HasFailure()) return;
  }
}

void expect_reopened(Harness& h, std::uint32_t irs) {
  const Seen answer = h.take();
  EXPECT_EQ(answer.segment.flags, wire::syn | wire::ack);
  EXPECT_EQ(answer.segment.ack - h.irs, irs + 1);
  // The old connection began at near_wrap; its SND.NXT was 2.
  EXPECT_GT(answer.segment.seq - (near_wrap + 2), 65'535u) << "beyond the old window";
  EXPECT_LT(answer.segment.seq - (near_wrap + 2), 0x80000000u);
  EXPECT_EQ(h.counters().time_wait_reused, 1u);
  EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::syn_received)], 1u);
}

void expect_refused(Harness& h, bool stamped = true) {
  if (stamped) {
    h.expect({.flags = "A", .seq = 2, .ack = 2, .ts = Stamps{.ecr = last}});
  } else {
    h.expect({.flags = "A", .seq = 2, .ack = 2});
  }
  h.expect_nothing();
  EXPECT_EQ(h.counters().time_wait_reused, 0u);
}

TEST(TimeWaitStamps, syn_newer_timestamp_opens_wherever_its_sequence_lies) {
  for (const std::uint32_t seq : {3u, 2u, 1u, 0u, 0xfffffff0u, 0x80000003u}) {
    in_time_wait(true, [&](Harness& h) {
      h.send(at(last + 1, {.flags = "S", .seq = seq, .mss = 1460}));
      EXPECT_EQ(h.sent.empty() ? 0 : h.sent.front().segment.tsecr, last + 1);
      expect_reopened(h, seq);
      h.send(at(last + 2, {.seq = seq + 1, .ack = 1}));
      h.expect_event(Event::accepted);
      // What is left of the old connection is kept out by its timestamps.
      h.send(at(last, {.seq = seq + 1, .ack = 1, .payload = "from before"}));
      h.expect({.flags = "A", .seq = 1, .ack = seq + 1, .ts = Stamps{.ecr = last + 2}});
      EXPECT_EQ(h.drops(Drop::tcp_paws), 1u);
    });
  }
}

TEST(TimeWaitStamps, syn_equal_timestamp_opens_only_beyond) {
  in_time_wait(true, [](Harness& h) {
    for (const std::uint32_t seq : {2u, 1u, 0u, 0x80000003u}) {
      h.send(at(last, {.flags = "S", .seq = seq}));
      expect_refused(h);
    }
    h.send(at(last, {.flags = "S", .seq = 3}));
    expect_reopened(h, 3);
  });
}

TEST(TimeWaitStamps, syn_older_timestamp_never_opens) {
  for (const std::uint32_t age : {1u, 1000u, 0x7fffffffu}) {
    in_time_wait(true, [&](Harness& h) {
      for (const std::uint32_t seq : {3u, 100'000u, 2u}) {
        h.send(at(last - age, {.flags = "S", .seq = seq}));
        expect_refused(h);
      }
    });
  }
}

TEST(TimeWaitStamps, syn_without_timestamp_by_its_sequence) {
  in_time_wait(true, [](Harness& h) {
    h.send({.flags = "S", .seq = 2});
    expect_refused(h);
    h.send({.flags = "S", .seq = 3, .mss = 1460});
    expect_reopened(h, 3);
  });
}

// RFC 6191 §2: the new connection has PAWS.
TEST(TimeWaitStamps, syn_with_timestamp_opens_where_there_were_none) {
  in_time_wait(false, [](Harness& h) {
    h.send(at(7, {.flags = "S", .seq = 1, .mss = 1460}));
    expect_reopened(h, 1);
  });
}

TEST(TimeWaitStamps, syn_with_timestamp_means_nothing_when_they_are_off) {
  Harness h(only({}));
  h.listen();
  close_one(h, peer_port, true);
  h.send(at(last + 1, {.flags = "S", .seq = 2}));
  const Seen answer = h.take();
  EXPECT_EQ(answer.segment.flags, wire::ack);
  EXPECT_EQ(answer.segment.options_length, 0);
}

TEST(TimeWaitStamps, syn_ack_never_opens) {
  in_time_wait(true, [](Harness& h) {
    h.send(at(last + 1, {.flags = "SA", .seq = 100, .ack = 2}));
    expect_refused(h);
  });
}

TEST(TimeWaitStamps, syn_newer_without_listener_acked) {
  in_time_wait(true, [](Harness& h) {
    EXPECT_EQ(h.engine().unlisten(0), Errc::ok);
    h.send(at(last + 1, {.flags = "S", .seq = 100}));
    expect_refused(h);
  });
}

TEST(TimeWaitStamps, fin_again_answered_with_its_timestamp_and_2msl_starts_again) {
  in_time_wait(true, [](Harness& h) {
    h.advance(50s);
    const std::uint64_t waiting = h.counters().time_wait_expired;
    h.send(at(last + 400, {.flags = "FA", .seq = 1}));
    h.expect({.flags = "A", .seq = 2, .ack = 2, .ts = Stamps{.ecr = last + 400}});
    h.advance(59s);
    h.send(at(last + 400, {.seq = 0}));  // still there
    h.expect({.flags = "A", .seq = 2, .ack = 2, .ts = Stamps{.ecr = last + 400}});
    h.advance(1s + 2 * tick);
    EXPECT_EQ(h.state(), State::closed);
    EXPECT_EQ(waiting, 0u);
  });
}

TEST(TimeWaitStamps, fin_again_with_the_same_timestamp_is_a_duplicate_to_answer) {
  in_time_wait(true, [](Harness& h) {
    h.send(at(last, {.flags = "FA", .seq = 1}));
    expect_refused(h);
    EXPECT_EQ(h.drops(Drop::tcp_paws), 0u);
  });
}

TEST(TimeWaitStamps, old_timestamp_acked_and_2msl_goes_on) {
  in_time_wait(true, [](Harness& h) {
    h.advance(50s);
    h.send(at(last - 1, {.flags = "FA", .seq = 1}));
    expect_refused(h);
    h.send(at(last - 1, {.seq = 2}));
    expect_refused(h);
    h.send(at(last - 1, {.seq = 2, .payload = "in the window"}));
    expect_refused(h);
    EXPECT_EQ(h.drops(Drop::tcp_paws), 3u);
    h.advance(10s + 2 * tick);
    EXPECT_EQ(h.state(), State::closed);
  });
}

TEST(TimeWaitStamps, rst_ignored_whatever_its_timestamp) {
  in_time_wait(true, [](Harness& h) {
    for (const std::uint32_t val : {last - 1, last, last + 1}) {
      h.send(at(val, {.flags = "R", .seq = 2}));
    }
    h.expect_nothing();
    EXPECT_EQ(h.drops(Drop::tcp_paws), 0u);
    EXPECT_EQ(h.drops(Drop::tcp_bad_reset), 3u);
    h.send(at(last - 1, {.seq = 2}));
    expect_refused(h);
  });
}

TEST(TimeWaitStamps, ack_moves_ts_recent_and_what_is_refused_does_not) {
  in_time_wait(true, [](Harness& h) {
    h.send(at(last + 50, {.seq = 2}));
    h.expect_nothing();
    h.send(at(last + 49, {.seq = 2}));
    h.expect({.flags = "A", .seq = 2, .ack = 2, .ts = Stamps{.ecr = last + 50}});
    h.advance(600ms);
    h.send(at(last + 900, {.seq = 2, .ack = 3}));  // acknowledges what was never sent
    h.expect({.flags = "A", .seq = 2, .ack = 2, .ts = Stamps{.ecr = last + 50}});
    h.advance(600ms);
    h.send(at(last + 900, {.seq = 200'000}));
    h.expect({.flags = "A", .seq = 2, .ack = 2, .ts = Stamps{.ecr = last + 50}});
    h.send(at(last + 900, {.seq = 20, .payload = "beyond"}));
    h.expect_nothing();
    h.send(at(last + 50, {.flags = "S", .seq = 2}));
    h.expect({.flags = "A", .seq = 2, .ack = 2, .ts = Stamps{.ecr = last + 50}});
  });
}

// Our clock of the tuple goes on: the answer's TSval is later than the last ACK's.
TEST(TimeWaitStamps, answers_go_on_with_our_clock) {
  StackConfig config = only(stamps);
  Harness h(config);
  h.listen();
  h.send(at(peer_clock, {.flags = "S", .mss = 1460}));
  h.take();
  h.send(at(peer_clock));
  h.expect_event(Event::accepted);
  h.close();
  h.take();
  h.send(at(last, {.flags = "FA"}));
  const std::uint32_t then = h.take().segment.tsval;
  h.events.clear();
  h.advance(2s);
  h.send(at(last, {.flags = "FA", .seq = 1}));
  const std::uint32_t later = h.take().segment.tsval - then;
  EXPECT_GE(later, 1999u);
  EXPECT_LE(later, 2001u);
  h.advance(1s);
  h.send(at(last + 1, {.flags = "S", .seq = 2, .mss = 1460}));
  const std::uint32_t reopened = h.take().segment.tsval - then;
  EXPECT_GE(reopened, 2999u);
  EXPECT_LE(reopened, 3001u);
}

TEST(TimeWaitStamps, answers_show_the_window_in_its_scale) {
  StackConfig config = only({.scaling = true, .stamps = true});
  config.recv_buffer = 1 << 20;
  config.buffer_blocks = 2048;
  Harness h(config);
  agree(h, {.scaling = true, .stamps = true});
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send(at(last, {.flags = "FA"}));
  const std::uint16_t wnd = h.take().segment.wnd;
  EXPECT_EQ(wnd, (1 << 15) - 1);
  h.events.clear();
  h.send(at(last, {.flags = "FA", .seq = 1}));
  h.expect({.flags = "A", .seq = 2, .ack = 2, .wnd = wnd});
  h.send(at(last, {.seq = 2 + 500'000}));  // in the scaled window
  h.expect_nothing();
}

TEST(TimeWaitStamps, unread_bytes_keep_the_tcb_and_its_timestamps) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send(at(last));
  h.send(at(last, {.flags = "FA", .payload = "unread"}));
  h.expect({.flags = "A", .seq = 2, .ack = 8, .ts = Stamps{.ecr = last}});
  h.expect_event(Event::readable | Event::peer_closed);
  h.send(at(last + 1, {.flags = "S", .seq = 100}));  // his bytes are not thrown away
  h.expect({.flags = "A", .seq = 2, .ack = 8, .ts = Stamps{.ecr = last}});
  EXPECT_EQ(h.read(), "unread");
  h.expect_closed(Reason::closed);
  h.send(at(last - 1, {.seq = 8}));
  h.expect({.flags = "A", .seq = 2, .ack = 8, .ts = Stamps{.ecr = last}});
  h.send(at(last + 1, {.flags = "S", .seq = 3, .mss = 1460}));
  expect_reopened(h, 3);
}

}  // namespace
}  // namespace salut::test
