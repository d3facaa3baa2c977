// The engine below and beside TCP: ARP, ICMP, drops with their reasons, back-pressure, budgets.
#include "stack/engine.hpp"

#include "tcp/harness.hpp"

namespace salut::test {
namespace {

using wire::test::Bytes;

TEST(Arp, request_for_our_address_answered) {
  Harness h;
  h.queue_raw(wire::test::arp_packet(wire::arp_request));
  h.answer_arp = false;
  h.settle();
  ASSERT_EQ(h.others.size(), 1u);
  const Bytes& reply = h.others.front();
  EXPECT_EQ(wire::test::get16(reply, 20), wire::arp_reply);
  EXPECT_TRUE(std::equal(our_mac.bytes.begin(), our_mac.bytes.end(), reply.begin() + 22));
  EXPECT_TRUE(std::equal(peer_mac.bytes.begin(), peer_mac.bytes.end(), reply.begin()));
}

TEST(Arp, request_for_another_address_counted) {
  Harness h;
  h.answer_arp = false;
  Bytes request = wire::test::arp_packet(wire::arp_request);
  request[41] = 99;
  h.queue_raw(request);
  h.settle();
  EXPECT_TRUE(h.others.empty());
  EXPECT_EQ(h.drops(Drop::arp_not_for_us), 1u);
}

TEST(Arp, malformed_packets_counted) {
  Harness h;
  h.answer_arp = false;
  Bytes truncated = wire::test::arp_packet(wire::arp_request);
  truncated.resize(41);
  Bytes from_a_group = wire::test::arp_packet(wire::arp_request);
  from_a_group[22] = 0xff;
  for (const Bytes& bad : {truncated, from_a_group, wire::test::arp_packet(3)}) h.queue_raw(bad);
  h.settle();
  EXPECT_TRUE(h.others.empty());
  EXPECT_EQ(h.drops(Drop::arp_malformed), 3u);
}

Connection connect(Harness& h) {
  const auto made = h.engine().connect({IpAddress::v4(peer_ip), peer_port}, {}, 0, h.now());
  EXPECT_TRUE(made);
  h.conn = made.value_or(Connection{});
  return h.conn;
}

TEST(Arp, unresolved_asked_three_times_then_unreachable) {
  Harness h;
  h.answer_arp = false;
  connect(h);
  h.settle();
  h.expect_nothing();
  ASSERT_EQ(h.others.size(), 1u);
  EXPECT_EQ(wire::test::get16(h.others.front(), 20), wire::arp_request);
  EXPECT_EQ(h.others.front()[41], peer_ip & 0xff);
  h.advance(2900ms);
  EXPECT_EQ(h.others.size(), 3u);
  h.expect_no_event();
  h.advance(300ms);
  h.expect_nothing();
  h.expect_closed(Reason::unreachable);
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_GE(h.drops(Drop::neighbour_unresolved), 2u);  // the SYN and its retransmissions
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 0u);
}

TEST(Arp, unresolved_answered_in_time_syn_leaves) {
  Harness h;
  h.answer_arp = false;
  connect(h);
  h.settle();
  h.advance(500ms);
  Bytes reply = wire::test::arp_packet(wire::arp_reply, our_mac);
  h.queue_raw(reply);
  h.settle();
  h.expect({.flags = "S", .seq = 0});
  EXPECT_EQ(h.state(), State::syn_sent);
}

TEST(Arp, neighbour_that_goes_away_does_not_end_an_established_connection) {
  Harness h;
  h.established();
  h.answer_arp = false;
  h.advance(300s);
  h.expect_no_event();
  EXPECT_EQ(h.state(), State::established);
  EXPECT_GE(h.others.size(), 3u) << "it was probed";
}

TEST(Icmp, echo_answered) {
  Harness h;
  const Bytes request = wire::test::echo_packet(56);
  h.queue_raw(request);
  h.settle();
  ASSERT_EQ(h.others.size(), 1u);
  const Bytes& reply = h.others.front();
  EXPECT_EQ(reply.size(), request.size());
  EXPECT_EQ(reply[34], wire::icmp_echo_reply);
  EXPECT_TRUE(std::equal(reply.begin() + 38, reply.end(), request.begin() + 38)) << "id, data";
  EXPECT_EQ(wire::test::naive_checksum(wire::test::naive_sum(&reply[34], reply.size() - 34)), 0u);
}

TEST(Icmp, echo_for_another_address_and_other_types_counted) {
  Harness h;
  Bytes request = wire::test::echo_packet(8);
  wire::test::put32(request, 30, our_ip + 50);
  wire::test::fix_checksums(request);
  h.queue_raw(request);
  Bytes unreachable = wire::test::echo_packet(40);
  unreachable[34] = wire::icmp_unreachable;
  wire::test::fix_checksums(unreachable);
  h.queue_raw(unreachable);
  h.settle();
  EXPECT_TRUE(h.others.empty());
  EXPECT_EQ(h.drops(Drop::ip_not_for_us), 1u);
  EXPECT_EQ(h.drops(Drop::icmp_ignored), 1u);
}

// One frame, one reason, no answer.
void expect_dropped(const Bytes& frame, Drop reason) {
  SCOPED_TRACE(name(reason));
  Harness h;
  h.listen();
  h.queue_raw(frame);
  h.settle();
  h.expect_nothing();
  EXPECT_TRUE(h.others.empty());
  EXPECT_EQ(h.drops(reason), 1u);
  std::uint64_t sum = 0;
  for (const std::uint64_t n : h.counters().drops) sum += n;
  EXPECT_EQ(sum, 1u) << "counted once";
  EXPECT_EQ(h.state(), State::closed);
}

Bytes changed(Bytes frame, std::size_t at, std::uint8_t value, bool fix = true) {
  frame[at] = value;
  if (fix) wire::test::fix_checksums(frame);
  return frame;
}

TEST(Drops, frames_that_are_not_for_us) {
  const Bytes syn = wire::test::syn_packet();
  expect_dropped(changed(syn, 5, 9), Drop::ether_not_for_us);
  expect_dropped(changed(syn, 33, 9), Drop::ip_not_for_us);
  expect_dropped(changed(syn, 12, 0x86), Drop::ether_type_unknown);
  expect_dropped(changed(syn, 23, 17, false), Drop::ip_bad_checksum);
  expect_dropped(changed(syn, 23, 17), Drop::ip_protocol_unknown);
}

TEST(Drops, frames_that_are_damaged) {
  const Bytes syn = wire::test::syn_packet();
  expect_dropped(changed(syn, 40, 77, false), Drop::tcp_bad_checksum);
  expect_dropped(changed(syn, 22, 1, false), Drop::ip_bad_checksum);
  expect_dropped(changed(syn, 46, 0x40), Drop::tcp_bad_offset);
  expect_dropped(changed(syn, 14, 0x65), Drop::ip_bad_header);
  expect_dropped(changed(syn, 20, 0x20), Drop::ip_fragment);
  expect_dropped(Bytes(syn.begin(), syn.begin() + 10), Drop::frame_too_short);
  expect_dropped(Bytes(syn.begin(), syn.begin() + 30), Drop::ip_truncated);
  Bytes to_port_0 = syn;
  wire::test::put16(to_port_0, 36, 0);
  wire::test::fix_checksums(to_port_0);
  expect_dropped(to_port_0, Drop::tcp_bad_port);
}

TEST(Drops, closed_port_answered_with_rst_and_counted) {
  Harness h;
  h.send({.flags = "S", .seq = 0, .to_port = 4242});
  const Seen reset = h.take();
  EXPECT_EQ(reset.segment.flags, wire::rst | wire::ack);
  EXPECT_EQ(reset.segment.seq, 0u);
  EXPECT_EQ(h.drops(Drop::tcp_no_connection), 1u);
  EXPECT_EQ(h.counters().resets_sent, 1u);
}

TEST(Drops, syn_for_a_foreign_address_is_not_answered) {
  Harness h;
  Bytes syn = wire::test::syn_packet();
  wire::test::put32(syn, 30, our_ip + 7);
  wire::test::fix_checksums(syn);
  h.queue_raw(syn);
  h.settle();
  h.expect_nothing();
  EXPECT_EQ(h.drops(Drop::ip_not_for_us), 1u);
}

TEST(Counters, frames_and_bytes_add_up) {
  Harness h;
  h.established();
  const Counters before = h.counters();
  h.send({.payload = std::string(100, 'x')});
  h.expect({.flags = "A", .seq = 1, .ack = 101});
  h.expect_event(Event::readable);
  h.write(std::string(3000, 'y'));
  h.sent.clear();
  const Counters& after = h.counters();
  EXPECT_EQ(after.rx_frames - before.rx_frames, 1u);
  EXPECT_EQ(after.rx_bytes - before.rx_bytes, 54u + 100);
  EXPECT_EQ(after.tx_frames - before.tx_frames, 1u + 3);
  EXPECT_EQ(after.tx_bytes - before.tx_bytes, 4u * 54 + 3000);
  EXPECT_EQ(after.segments_in - before.segments_in, 1u);
  EXPECT_EQ(after.segments_out - before.segments_out, 4u);
}

TEST(Counters, peaks_are_kept) {
  Harness h;
  h.time_wait();
  h.advance(61s);
  for (const State state : {State::established, State::fin_wait_1, State::fin_wait_2}) {
    EXPECT_EQ(h.counters().states_entered[static_cast<std::size_t>(state)], 1u);
    EXPECT_EQ(h.counters().states[static_cast<std::size_t>(state)], 0u);
  }
  EXPECT_EQ(h.counters().states_peak[static_cast<std::size_t>(State::time_wait)], 1u);
  EXPECT_EQ(h.counters().sockets_peak, 1u);
}

TEST(Device, full_queue_is_back_pressure_and_not_loss) {
  Harness h;
  h.established();
  h.device().accept = 0;
  h.write(std::string(3000, 'q'));
  h.expect_nothing();
  h.device().accept = 1;
  h.turn();
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.turn();
  h.device().accept = ~0u;
  h.settle();
  h.expect({.flags = "A", .seq = 1461, .ack = 1, .len = 1460});
  h.expect({.flags = "A", .seq = 2921, .ack = 1, .len = 80});
  EXPECT_EQ(h.counters().retransmits, 0u);
}

TEST(Device, no_buffer_is_counted_and_made_good_by_the_timer) {
  Harness h;
  h.established();
  std::vector<Frame> all(1024);
  ASSERT_TRUE(h.pool().acquire(all.data(), 1024));
  h.write("no frame for this");
  h.expect_nothing();
  EXPECT_GE(h.drops(Drop::no_buffer), 1u);
  h.pool().release(all.data(), 1024);
  h.silence(3s);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 17});
  h.expect_nothing();
}

TEST(Engine, next_timer_is_when_something_happens) {
  Harness h;
  h.established();
  // What is left of the handshake's timer fires for nothing; then there is none.
  h.advance(2s);
  EXPECT_FALSE(h.engine().next_timer());
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  const auto due = h.engine().next_timer();
  ASSERT_TRUE(due);
  EXPECT_LE(*due - h.now(), 1s + 2 * tick);
  EXPECT_GT(*due, h.now());
}

TEST(Engine, idle_turn_is_not_busy) {
  Harness h;
  h.established();
  h.turn();
  EXPECT_FALSE(h.engine().last_poll_busy());
  h.queue({.payload = "x"});
  h.turn();
  EXPECT_TRUE(h.engine().last_poll_busy());
  h.settle();
  h.sent.clear();
  h.events.clear();
}

}  // namespace
}  // namespace salut::test
