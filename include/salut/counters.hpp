// What a stack counted: every frame that it dropped has a reason here that a person can read.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "salut/state.hpp"

namespace salut {

// One list gives each drop its enum, its counter and its sentence.
#define SALUT_DROPS(X)                                                                      \
  X(frame_too_short, "frame shorter than an Ethernet header")                               \
  X(frame_scattered, "frame in more than one buffer")                                       \
  X(ether_type_unknown, "neither IPv4, IPv6 nor ARP")                                       \
  X(ether_not_for_us, "Ethernet destination is another station")                            \
  X(vlan_other, "not tagged with the VLAN of the port")                                     \
  X(arp_malformed, "ARP packet truncated or not IPv4 over Ethernet")                        \
  X(arp_not_for_us, "ARP request for an address that is not ours")                          \
  X(ip_truncated, "IP header or total length runs past the frame")                          \
  X(ip_bad_header, "IP version, header length or total length is wrong")                    \
  X(ip_bad_checksum, "IPv4 header checksum is wrong")                                       \
  X(ip_bad_source, "IP source is no address of a host: broadcast, multicast, loopback")     \
  X(ip_not_for_us, "IP destination is not an address of ours")                              \
  X(ip_fragment, "IP fragment; fragments are not put together")                             \
  X(ip_bad_extension, "IPv6 extension header that must not be skipped")                     \
  X(ip_protocol_unknown, "IP protocol is neither TCP nor ICMP")                             \
  X(icmp_malformed, "ICMP truncated or with a wrong checksum")                              \
  X(icmp_unmatched, "ICMP error that quotes nothing in flight (RFC 5927)")                  \
  X(ndp_malformed, "neighbour discovery that RFC 4861 section 7.1 refuses")                 \
  X(ndp_not_for_us, "neighbour solicitation for an address that is not ours")               \
  X(icmp_ignored, "ICMP of a type that the stack does not act on")                          \
  X(tcp_truncated, "TCP header runs past the packet")                                       \
  X(tcp_bad_offset, "TCP data offset is below 5 or runs past the packet")                   \
  X(tcp_bad_checksum, "TCP checksum is wrong")                                              \
  X(tcp_bad_port, "TCP port 0")                                                             \
  X(tcp_no_connection, "no connection and no listener; answered with RST")                  \
  X(tcp_reset_unmatched, "RST for no connection")                                           \
  X(tcp_out_of_window, "sequence outside the receive window")                               \
  X(tcp_not_kept, "data beyond RCV.NXT, a repetition or without room to keep it")           \
  X(tcp_paws, "timestamp older than one received before (RFC 7323 section 5)")              \
  X(tcp_bad_ack, "ACK for data never sent, or far too old")                                 \
  X(tcp_no_ack, "segment without ACK on a synchronized connection")                         \
  X(tcp_bad_reset, "RST whose sequence is not RCV.NXT (RFC 5961)")                          \
  X(tcp_unexpected_syn, "SYN on a synchronized connection (RFC 5961)")                      \
  X(tcp_challenge_limited, "challenge ACK withheld by its rate limit (RFC 5961 section 7)") \
  X(tcp_recv_full, "payload with no room in the receive buffer")                            \
  X(tcp_after_fin, "data past the peer's FIN")                                              \
  X(tcp_syn_text, "text of a SYN, not kept: it comes again")                                \
  X(tcp_after_close, "data after close(); answered with RST (RFC 1122 4.2.2.13)")           \
  X(syn_backlog_full, "SYN over the listener's backlog")                                    \
  X(syn_overload, "SYN with no free connection slot")                                       \
  X(syn_draining, "SYN while draining: its repetition will find another instance")          \
  X(neighbour_unresolved, "next hop did not answer ARP or neighbour discovery")             \
  X(neighbour_queue_full, "too many frames waiting for their next hop's address")           \
  X(no_route, "no port leads to the destination")                                           \
  X(mailbox_full, "no room in the mailbox of the worker whose flow it is")                  \
  X(no_buffer, "no free packet buffer")                                                     \
  X(tx_full, "transmit queue full")

enum class Drop : std::uint8_t {
#define SALUT_DROP_ENUM(id, sentence) id,
  SALUT_DROPS(SALUT_DROP_ENUM)
#undef SALUT_DROP_ENUM
      count,
  none = 255,
};

inline constexpr std::size_t drop_count = static_cast<std::size_t>(Drop::count);

std::string_view name(Drop drop);      // "tcp_bad_checksum"
std::string_view sentence(Drop drop);  // "TCP checksum is wrong"

// Counts since start; `states` and other gauges are of now. One writer: the stack's
// lcore. Another thread may read a copy that is off by the few events of that moment.
struct Counters {
  std::uint64_t rx_frames = 0;
  std::uint64_t tx_frames = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t redirected = 0;  // frames of other workers' flows, handed on to them
  std::uint64_t segments_in = 0;
  std::uint64_t segments_out = 0;
  std::uint64_t slow_segments = 0;  // left the fast path for input_slow
  std::uint64_t reordered = 0;      // segments that came before what precedes them, and were kept
  std::uint64_t retransmits = 0;    // segments sent again, for whatever reason
  std::uint64_t timeouts = 0;       // RTOs with data in flight
  std::uint64_t fast_retransmits = 0;     // recoveries without one (RFC 5681, 8985)
  std::uint64_t tail_probes = 0;          // RFC 8985 section 7
  std::uint64_t spurious_recoveries = 0;  // undone: nothing had been lost
  std::uint64_t keep_alives = 0;          // probes of silent peers
  std::uint64_t resets_sent = 0;
  std::uint64_t resets_received = 0;
  std::uint64_t active_opens = 0;
  std::uint64_t passive_opens = 0;  // children made by a SYN on a listener
  std::uint64_t cookies_sent = 0;   // SYN,ACKs that keep nothing (RFC 4987)
  std::uint64_t cookies_good = 0;   // ACKs that brought one back
  std::uint64_t accepted = 0;
  std::uint64_t connected = 0;
  std::uint64_t challenge_acks = 0;
  std::uint64_t icmp_errors = 0;       // received, about a connection of ours
  std::uint64_t path_mtu_lowered = 0;  // connections that a path made send smaller segments
  std::uint64_t forwarded = 0;         // segments without a connection that went to a sibling
  std::uint64_t siblings_alive = 0;    // gauge: of PortConfig::siblings
  std::uint64_t unclaimed = 0;         // segments that a sibling handed to us, and nobody knows
  std::uint64_t time_wait_expired = 0;
  std::uint64_t time_wait_reused = 0;
  std::array<std::uint64_t, 8> ended = {};  // by Reason
  std::array<std::uint64_t, state_count> states = {};
  std::array<std::uint64_t, state_count> states_peak = {};
  std::array<std::uint64_t, state_count> states_entered = {};
  std::uint64_t sockets_peak = 0;  // connections in any state, TIME_WAIT included
  std::array<std::uint64_t, drop_count> drops = {};
};

// What PortConfig::impair did to the frames of one direction; nothing of it is in Counters::drops.
struct Impaired {
  std::uint64_t frames = 0;  // that came to it
  std::uint64_t dropped = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t corrupted = 0;

  Impaired& operator+=(const Impaired& other) {
    frames += other.frames;
    dropped += other.dropped;
    duplicated += other.duplicated;
    reordered += other.reordered;
    corrupted += other.corrupted;
    return *this;
  }
};

// Bytes set aside by a stack, by what for.
struct MemoryUse {
  std::uint64_t tcb = 0;
  std::uint64_t time_wait = 0;
  std::uint64_t flow_table = 0;
  std::uint64_t timers = 0;
  std::uint64_t buffers = 0;
  std::uint64_t mbufs = 0;
  std::uint64_t total() const { return tcb + time_wait + flow_table + timers + buffers + mbufs; }
  MemoryUse& operator+=(const MemoryUse& other) {
    tcb += other.tcb;
    time_wait += other.time_wait;
    flow_table += other.flow_table;
    timers += other.timers;
    buffers += other.buffers;
    mbufs += other.mbufs;
    return *this;
  }
};

}  // namespace salut
