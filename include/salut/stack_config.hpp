// The options of one stack: what the protocol does, whatever ports it has.
//
// Every field has its default here and its key of the section [stack] in the comment.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "salut/time.hpp"

namespace salut {

// Congestion control: CUBIC (RFC 9438), or NewReno (RFC 5681 and RFC 6582).
enum class Congestion : std::uint8_t { cubic, newreno };

// [stack]: one of these is made on every worker.
struct StackConfig {
  std::uint32_t connections = 65'536;    // connections: slots of TCBs per worker, 16..67,108,863
  std::uint32_t time_wait = 262'144;     // time_wait: records per worker, 16..1,000,000,000
  std::uint32_t buffer_blocks = 16'384;  // buffer_blocks: 2 KiB blocks for data per worker, >= 16
  std::uint32_t lent_frames = 2'048;     // lent_frames: received packets that may wait for their
                                         // reader uncopied, 0..1,000,000; but at most an eighth
                                         // of memory.mbufs
  std::uint32_t send_buffer = 262'144;   // send_buffer: bytes per connection, 2,048..16,777,216
  std::uint32_t recv_buffer = 262'144;   // recv_buffer: bytes per connection, 2,048..1,073,741,824
  std::uint32_t timers = 1'024;          // timers: of Stack::set_timer() at once per worker,
                                         // 16..16,777,216
  // neighbours: stations on the links whose MACs are kept, per worker, 0..65,000; 0: as many as
  // connections, but 1,024 at least
  std::uint32_t neighbours = 0;
  std::uint32_t neighbour_queue = 64;  // neighbour_queue: frames that wait for one station's MAC,
                                       // 1..64
  // neighbour_frames: the same for all stations together, 1..32,768; but at most an eighth of
  // memory.mbufs
  std::uint32_t neighbour_frames = 1'024;
  Duration msl = std::chrono::seconds{30};             // msl_s: 0.001..3600; TIME_WAIT is twice it
  Duration rto_initial = std::chrono::seconds{1};      // rto_initial_ms: 1..60,000
  Duration rto_min = std::chrono::milliseconds{200};   // rto_min_ms: 1..60,000
  Duration rto_max = std::chrono::seconds{60};         // rto_max_ms: 1..600,000
  Duration syn_timeout = std::chrono::seconds{180};    // syn_timeout_s: R2 for a SYN, 1..3600
  Duration retry_timeout = std::chrono::seconds{100};  // retry_timeout_s: R2 for the rest, 1..3600
  std::uint32_t syn_ack_retries = 5;  // syn_ack_retries: of a SYN,ACK to a peer that may not exist,
                                      // 0..255; 5 with an rto_initial_ms of 1,000 end after 63 s
  Duration orphan_timeout = std::chrono::seconds{60};  // orphan_timeout_s: after close(), of a peer
                                                       // that takes nothing more, 1..3600
  Duration fin_wait_2 = std::chrono::seconds{60};      // fin_wait_2_s: after close(), 1..3600
  Duration delayed_ack = std::chrono::milliseconds{40};  // delayed_ack_ms: 0..499; 0 never waits
  std::uint32_t initial_window = 10;          // initial_window: segments, 1..100 (RFC 6928)
  Congestion congestion = Congestion::cubic;  // congestion: "cubic" | "newreno"
  bool no_delay = false;     // no_delay: Nagle's algorithm is off (RFC 9293 section 3.7.4)
  bool window_scale = true;  // window_scale: offered and accepted (RFC 7323)
  bool timestamps = true;    // timestamps: offered and accepted, with PAWS (RFC 7323)
  bool sack = true;          // sack: offered and accepted (RFC 2018)
  Duration keep_alive = std::chrono::seconds{0};  // keep_alive_s: of silence before the first
                                                  // probe, 0..2,073,600; 0 never
  Duration keep_alive_interval = std::chrono::seconds{75};  // keep_alive_interval_s: 1..3600
  std::uint32_t keep_alive_probes = 9;                      // keep_alive_probes: 1..100
  bool quiet_time = false;       // quiet_time: no SYN leaves for one MSL after the start (RFC 9293
                                 // section 3.4.3); ISNs of RFC 6528 do not need it
  bool syn_cookies = true;       // syn_cookies: answer SYNs over the backlog without keeping them
  std::uint32_t ttl = 64;        // ttl: hop limit of what is sent, 1..255 (RFC 9293 section 3.9.2)
  bool ecn = false;              // ecn: offered and accepted (RFC 3168)
  bool verify_checksums = true;  // verify_checksums: of received packets, if the device has not
  bool coalesce = true;    // coalesce: hold an ACK until the application has seen its event (no
                           // timer: until the next poll()), so that it rides on data or FIN
  std::uint64_t seed = 0;  // seed: of hashes, ISNs and ports; 0 takes the system's randomness

  // The size of the neighbour table: `neighbours`, or its default.
  std::uint32_t neighbour_entries() const {
    return neighbours != 0 ? neighbours : std::clamp(connections, 1'024u, 65'000u);
  }
};

}  // namespace salut
