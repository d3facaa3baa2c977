// What a connection needs that has lost something, or has one flight on top of another: the
// scoreboard, RACK and the tail loss probe (RFC 8985), the episode of recovery that is under way
// (RFC 5681, 6582, 6675, 6937), what would be undone if it was for nothing (RFC 5682, 4015, 3708),
// and the congestion controller's variables. loss.cpp and rack.cpp work on it.
//
// From a pool as large as that of the TCBs; most connections never take one. Mode says who sets
// cwnd:
//
//   open      the controller, with every ACK
//   reduced   PRR, down to ssthresh within a round trip: an ECN mark, or the tail's probe found a
//             loss that it also mended
//   recovery  PRR, while what was lost is sent again (fast recovery)
//   timed_out slow start from one segment: the RTO fired, everything in flight counts as lost
//
// All but `open` end when SND.UNA reaches `recover`, what SND.NXT was when they began.
#pragma once

#include "tcp/congestion/congestion.hpp"
#include "tcp/scoreboard.hpp"

namespace salut::tcp {

enum class Mode : std::uint8_t { open, reduced, recovery, timed_out };

// RFC 5682: what the first ACKs after a timeout are to tell.
enum class Frto : std::uint8_t {
  off,
  first,   // the head was sent again; the next ACK decides whether new data goes out
  second,  // new data went out; an ACK of what was never sent again proves the timeout spurious
};

struct alignas(64) Recovery {
  Scoreboard board;
  // --- RACK, RFC 8985 §5.3 ---
  std::uint32_t rack_sent_at = 0;  // of the latest delivered, RACK.xmit_ts
  Seq rack_end;                    // RACK.end_seq
  std::uint32_t rack_rtt = 0;      // microseconds
  Seq dsack_round;                 // the next DSACK that counts is above
  std::uint8_t reo_steps = 1;      // RACK.reo_wnd_mult, quarters of min_rtt
  std::uint8_t reo_persist = 0;    // recoveries until it is 1 again
  bool rack_valid = false;
  bool reordering_seen = false;
  bool dsack_round_set = false;
  // --- tail loss probe, §7 ---
  bool tail_out = false;    // a probe is in flight, up to tail_end
  bool tail_again = false;  // it was sent before, not new data
  bool tail_dsack = false;  // a DSACK came since: both copies arrived
  Seq tail_end;
  // --- the episode ---
  Mode mode = Mode::open;
  Frto frto = Frto::off;
  bool may_undo = false;
  bool undo_by_time = false;     // undo_tsval holds
  Seq recover;                   // the episode ends there
  Seq undo_end;                  // and its segment's end
  std::uint32_t undo_tsval = 0;  // our clock when the first byte was sent again (RFC 3522)
  std::uint32_t last_tsval = 0;  // and when the last was
  std::uint32_t undo_bytes = 0;  // sent again in this episode and not yet seen twice
  std::uint32_t prior_cwnd = 0;  // before the episode
  std::uint32_t prior_ssthresh = 0;
  std::uint32_t prr_delivered = 0;  // RFC 6937
  std::uint32_t prr_out = 0;
  std::uint32_t prr_flight = 0;  // RecoverFS
  std::uint32_t duplicates = 0;  // ACKs, without SACK: segments that left the network
  // --- congestion ---
  Controller controller;
  // --- where the next retransmission is taken from ---
  Cursor again;
  Seq again_at;
  bool again_valid = false;
};

}  // namespace salut::tcp
