// The receiver's half of ECN: CE is echoed until the peer has heard of it (RFC 3168 §6.1.3).
#include "agreed.hpp"

namespace salut::test {
namespace {

constexpr Options ecn{.ecn = true};
constexpr unsigned ce = 3, ect_0 = 2, ect_1 = 1;

TEST(Ecn, established_ce_echoed_until_cwr) {
  for (const Open how : {Open::passive, Open::active}) {
    Harness h(only(ecn));
    agree(h, ecn, how);
    h.send({.payload = "a", .tos = ect_0});
    h.expect({.flags = "A", .seq = 1, .ack = 2});
    h.send({.payload = "b", .tos = ce});
    h.expect({.flags = "AE", .seq = 1, .ack = 3});
    h.send({.payload = "c", .tos = ect_0});
    h.expect({.flags = "AE", .seq = 1, .ack = 4});
    h.send({});  // the peer's ACKs say nothing
    h.write("data has it too");
    h.expect({.flags = "AE", .seq = 1, .ack = 4, .len = 15});
    h.send({.flags = "AC", .payload = "d", .tos = ect_0});
    h.expect({.flags = "A", .seq = 16, .ack = 5});
    h.send({.payload = "e", .tos = ect_1});
    h.expect({.flags = "A", .seq = 16, .ack = 6});
    EXPECT_EQ(h.read(), "abcde");
    h.events.clear();
  }
}

TEST(Ecn, established_cwr_on_a_packet_with_ce_goes_on) {
  Harness h(only(ecn));
  agree(h, ecn);
  h.send({.flags = "AC", .payload = "a", .tos = ce});
  h.expect({.flags = "AE", .seq = 1, .ack = 2});
  h.send({.payload = "b", .tos = ect_0});
  h.expect({.flags = "AE", .seq = 1, .ack = 3});
  h.events.clear();
}

TEST(Ecn, established_not_agreed_bits_mean_nothing) {
  for (const bool ours : {false, true}) {
    Harness h(only({.ecn = ours}));
    agree(h, {.ecn = !ours});
    h.send({.flags = "AEC", .payload = "a", .tos = ce});
    h.expect({.flags = "A", .seq = 1, .ack = 2});
    h.expect_event(Event::readable);
  }
}

TEST(Ecn, syn_with_both_bits_when_off_is_a_plain_syn) {
  Harness h(only({}));
  h.listen();
  h.send(syn_with(ecn));
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send({});
  h.expect_event(Event::accepted);
}

TEST(Ecn, syn_with_one_bit_does_not_ask_for_it) {
  for (const char* flags : {"SE", "SC"}) {
    Harness h(only(ecn));
    h.listen();
    h.send({.flags = flags, .mss = 1460});
    h.expect({.flags = "SA", .seq = 0, .ack = 1});
  }
}

// Broken hosts send back whatever bits they were sent.
TEST(Ecn, syn_ack_that_reflects_both_bits_does_not_agree) {
  for (const char* flags : {"SAEC", "SAC", "SA"}) {
    Harness h(only(ecn));
    h.resolve_peer();
    h.syn_sent();
    h.send({.flags = flags, .mss = 1460});
    h.expect({.flags = "A", .seq = 1, .ack = 1});
    h.expect_event(Event::connected);
    h.send({.payload = "a", .tos = ce});
    h.expect({.flags = "A", .seq = 1, .ack = 2});
    h.expect_event(Event::readable);
  }
}

TEST(Ecn, segment_outside_the_window_is_not_believed) {
  Harness h(only(ecn));
  agree(h, ecn);
  h.send({.seq = 100'000, .payload = "forged", .tos = ce});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.send({.seq = 1, .ack = 77, .payload = "forged", .tos = ce});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.send({.payload = "b"});
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_event(Event::readable);
}

TEST(Ecn, data_out_of_order_with_ce_echoed) {
  Harness h(only(ecn));
  agree(h, ecn);
  h.send({.seq = 10, .payload = "later", .tos = ce});
  h.expect({.flags = "AE", .seq = 1, .ack = 1});
}

TEST(Ecn, fin_and_its_ack_carry_the_echo_and_rst_does_not) {
  Harness h(only(ecn));
  agree(h, ecn);
  h.send({.payload = "a", .tos = ce});
  h.expect({.flags = "AE", .seq = 1, .ack = 2});
  h.expect_event(Event::readable);
  h.read();
  h.shutdown();
  h.expect({.flags = "FAE", .seq = 1, .ack = 2});
  h.abort();
  h.expect({.flags = "RA", .seq = 2, .ack = 2});
  h.expect_closed(Reason::aborted);
}

}  // namespace
}  // namespace salut::test
