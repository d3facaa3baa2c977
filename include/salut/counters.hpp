// The counters of a stack. Every dropped frame has a reason here that a person can read.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "salut/error.hpp"
#include "salut/export.hpp"
#include "salut/state.hpp"

namespace salut {

// One list gives each drop its enum, its counter and its sentence.
#define SALUT_DROPS(X)                                                                           \
  X(frame_too_short, "frame shorter than an Ethernet header")                                    \
  X(frame_scattered, "frame in more than one buffer")                                            \
  X(ether_type_unknown, "neither IPv4, IPv6 nor ARP")                                            \
  X(ether_not_for_us, "Ethernet destination is another station")                                 \
  X(vlan_other, "not tagged with the VLAN of the port")                                          \
  X(arp_malformed, "ARP packet truncated or not IPv4 over Ethernet")                             \
  X(arp_not_for_us, "ARP request for an address that is not ours")                               \
  X(ip_truncated, "IP header or total length runs past the frame")                               \
  X(ip_bad_header, "IP version, header length or total length is wrong")                         \
  X(ip_bad_checksum, "IPv4 header checksum is wrong")                                            \
  X(ip_bad_source, "IP source is no address of a host: broadcast, multicast, loopback")          \
  X(ip_own_source, "IP source is an address of ours, and another station sent it (LAND)")        \
  X(ip_not_for_us, "IP destination is not an address of ours")                                   \
  X(ip_fragment, "IP fragment; fragments are not put together")                                  \
  X(ip_bad_extension, "IPv6 extension header that must not be skipped")                          \
  X(ip_protocol_unknown, "IP protocol is neither TCP nor ICMP")                                  \
  X(icmp_malformed, "ICMP truncated or with a wrong checksum")                                   \
  X(icmp_unmatched, "ICMP error that quotes nothing in flight (RFC 5927)")                       \
  X(ndp_malformed, "neighbour discovery that RFC 4861 section 7.1 refuses")                      \
  X(ndp_not_for_us, "neighbour solicitation for an address that is not ours")                    \
  X(icmp_ignored, "ICMP of a type that the stack does not act on")                               \
  X(tcp_truncated, "TCP header runs past the packet")                                            \
  X(tcp_bad_offset, "TCP data offset is below 5 or runs past the packet")                        \
  X(tcp_bad_checksum, "TCP checksum is wrong")                                                   \
  X(tcp_bad_port, "TCP port 0")                                                                  \
  X(tcp_no_connection, "no connection and no listener; answered with RST")                       \
  X(tcp_reset_unmatched, "RST for no connection")                                                \
  X(tcp_out_of_window, "sequence outside the receive window")                                    \
  X(tcp_not_kept, "data beyond RCV.NXT, a repetition or without room to keep it")                \
  X(tcp_paws, "timestamp older than one received before (RFC 7323 section 5)")                   \
  X(tcp_bad_ack, "ACK for data never sent, or far too old")                                      \
  X(tcp_older_connection, "ACK that answers our SYN for an older connection; answered with RST") \
  X(tcp_no_ack, "segment without ACK on a synchronized connection")                              \
  X(tcp_bad_reset, "RST whose sequence is not RCV.NXT (RFC 5961)")                               \
  X(tcp_unexpected_syn, "SYN on a synchronized connection (RFC 5961)")                           \
  X(tcp_challenge_limited, "answer withheld by a connection's rate limit (RFC 5961 section 7)")  \
  X(tcp_recv_full, "payload with no room in the receive buffer")                                 \
  X(tcp_after_fin, "data past the peer's FIN")                                                   \
  X(tcp_syn_text, "text of a SYN, not kept: it comes again")                                     \
  X(tcp_after_close, "data after close(); answered with RST (RFC 1122 4.2.2.13)")                \
  X(syn_backlog_full, "SYN over the listener's backlog")                                         \
  X(syn_overload, "SYN with no free connection slot")                                            \
  X(cookie_no_slot, "good SYN cookie with no free connection slot; answered with RST")           \
  X(syn_draining, "SYN while draining: its repetition will find another instance")               \
  X(neighbour_unresolved, "next hop did not answer ARP or neighbour discovery")                  \
  X(neighbour_queue_full, "too many frames waiting for the MAC of their next hop")               \
  X(neighbour_table_full, "new peer, and the neighbour table is full of stations in use")        \
  X(no_route, "no port leads to the destination")                                                \
  X(mailbox_full, "no room in the mailbox of the worker whose flow it is")                       \
  X(no_buffer, "no free packet buffer")                                                          \
  X(tx_full, "transmit queue full")

enum class Drop : std::uint8_t {
#define SALUT_DROP_ENUM(id, sentence) id,
  SALUT_DROPS(SALUT_DROP_ENUM)
#undef SALUT_DROP_ENUM
      count,
  none = 255,
};

inline constexpr std::size_t drop_count = static_cast<std::size_t>(Drop::count);

SALUT_API std::string_view name(Drop drop);      // "tcp_bad_checksum"
SALUT_API std::string_view sentence(Drop drop);  // "TCP checksum is wrong"

// How a counter is summed over stacks and exported.
enum class CounterKind : std::uint8_t {
  total,   // only grows; the sum over stacks
  gauge,   // the present value; the sum over stacks
  common,  // the present value, which every stack sees for itself; the largest of them
};

// Where reports show a counter. The text of a report leaves it out while it is 0.
struct Shown {
  enum Where : std::uint8_t {
    nowhere = 0,
    side = 1,    // in the JSON of each side; code of its own writes it into the text
    bench = 2,   // a benchmark: in its text, and in the JSON of what was measured
    stream = 4,  // the same JSON, but the text only of a stream benchmark
    serve = 8,   // a server: in its text and its JSON
  };
  unsigned where = nowhere;
  const char* row = "";   // of the text; counters that name the same row share it
  const char* unit = "";  // after the number there
  const char* key = "";   // in JSON, if not the counter's own name; "group.key" is in an object
  bool first = false;     // in its row, whatever comes earlier in the list
  bool later = false;     // reports of version 0.1.0 do not have it
};
namespace shown {
inline constexpr bool first = true;
inline constexpr bool later = true;
inline constexpr Shown nowhere{};
constexpr Shown on_side(const char* key = "", bool is_later = false) {
  return {Shown::side, "", "", key, false, is_later};
}
constexpr Shown everywhere(const char* row) { return {Shown::bench | Shown::serve, row}; }
constexpr Shown of_stream(const char* row, const char* unit, bool is_first = false) {
  return {Shown::stream, row, unit, "", is_first};
}
constexpr Shown of_serve(const char* row, const char* unit, const char* key = "") {
  return {Shown::serve, row, unit, key};
}
}  // namespace shown

// One list gives each counter its member, its kind, its place in reports and its sentence. All code
// that adds, reports, reads or merges counters walks this list, so that a new counter needs one new
// line here and the code that counts it. Reports show counters in this order.
#define SALUT_COUNTERS(X)                                                                      \
  X(tx_frames, total, on_side("tx_packets"), "Frames sent")                                    \
  X(rx_frames, total, on_side("rx_packets"), "Frames received")                                \
  X(rx_bytes, total, nowhere, "Bytes of the frames received")                                  \
  X(tx_bytes, total, nowhere, "Bytes of the frames sent")                                      \
  X(redirected, total, on_side(), "Frames received that another worker passed on")             \
  X(segments_in, total, nowhere, "TCP segments received")                                      \
  X(segments_out, total, nowhere, "TCP segments sent")                                         \
  X(slow_segments, total, nowhere, "Segments that left the fast path")                         \
  X(reordered, total, nowhere, "Segments kept that came before what precedes them")            \
  X(retransmits, total, everywhere("retransmitted"), "Segments sent again, for any reason")    \
  X(timeouts, total, of_stream("repairs", " timeouts"), "RTOs with data in flight")            \
  X(fast_retransmits, total, of_stream("repairs", " fast recoveries", first),                  \
    "Recoveries without a timeout (RFC 5681, RFC 8985)")                                       \
  X(tail_probes, total, of_stream("repairs", " tail probes"),                                  \
    "Tail loss probes sent (RFC 8985 section 7)")                                              \
  X(spurious_recoveries, total, of_stream("repairs", " spurious"),                             \
    "Recoveries undone because nothing had been lost")                                         \
  X(keep_alives, total, nowhere, "Probes of silent peers")                                     \
  X(resets_sent, total, nowhere, "RST segments sent")                                          \
  X(resets_received, total, nowhere, "RST segments that ended a connection")                   \
  X(active_opens, total, nowhere, "Connections begun by connect()")                            \
  X(passive_opens, total, nowhere, "Children of a listener, made by a SYN or a cookie's ACK")  \
  X(cookies_sent, total, on_side("cookies.sent", later),                                       \
    "SYN,ACKs sent that keep nothing (RFC 4987)")                                              \
  X(cookies_good, total, on_side("cookies.returned", later),                                   \
    "ACKs that brought a valid SYN cookie back")                                               \
  X(accepted, total, nowhere, "Passive opens whose handshake ended")                           \
  X(connected, total, nowhere, "Active opens whose handshake ended")                           \
  X(challenge_acks, total, nowhere, "Challenge ACKs sent (RFC 5961)")                          \
  X(icmp_errors, total, nowhere, "ICMP errors received about a connection")                    \
  X(path_mtu_lowered, total, nowhere, "Connections that a path made send smaller segments")    \
  X(forwarded, total, of_serve("to siblings", " segments", "handed_on"),                       \
    "Segments without a connection that went to a sibling")                                    \
  X(siblings_alive, common, nowhere, "Siblings that answer")                                   \
  X(unclaimed, total, of_serve("from siblings", " that nobody knew"),                          \
    "Segments that a sibling forwarded and nobody knew")                                       \
  X(islands_dropped, total, nowhere, "Connections whose data out of order gave way to others") \
  X(pressure_resets, total, nowhere,                                                           \
    "Connections ended that held buffers while there were none, and took nothing")             \
  X(time_wait_expired, total, nowhere, "Connections that left TIME_WAIT after 2MSL")           \
  X(time_wait_reused, total, nowhere, "Connections in TIME_WAIT that a new SYN replaced")      \
  X(sockets_peak, gauge, nowhere, "Most connections at once in any state, TIME_WAIT too")

// The same for counters that have one value per enumerator; exports name the enumerator in a label:
// X(member, how many, kind, label, sentence).
#define SALUT_COUNTER_ARRAYS(X)                                                               \
  X(ended, reason_count, total, "reason", "Connections that ended")                           \
  X(states, state_count, gauge, "state", "Connections in the state now")                      \
  X(states_peak, state_count, gauge, "state", "Most connections in the state at once")        \
  X(states_entered, state_count, total, "state", "Times that a connection came to the state") \
  X(drops, drop_count, total, "drop", "Frames discarded")

// Totals count since the start; gauges have the present value. One writer: the stack's lcore. A
// copy that another thread makes meanwhile may mix values of two moments.
struct Counters {
#define SALUT_COUNTER_MEMBER(id, kind, where, sentence) std::uint64_t id = 0;
  SALUT_COUNTERS(SALUT_COUNTER_MEMBER)
#undef SALUT_COUNTER_MEMBER
#define SALUT_COUNTER_MEMBER(id, count, kind, label, sentence) \
  std::array<std::uint64_t, (count)> id = {};
  SALUT_COUNTER_ARRAYS(SALUT_COUNTER_MEMBER)
#undef SALUT_COUNTER_MEMBER

  // Connections in any state but CLOSED, LISTEN and TIME_WAIT.
  constexpr std::uint64_t open_connections() const {
    std::uint64_t sum = 0;
    for (auto s = static_cast<std::size_t>(State::syn_sent);
         s < static_cast<std::size_t>(State::time_wait); ++s) {
      sum += states[s];
    }
    return sum;
  }
  // Adds the counters of another stack, each by its kind.
  constexpr Counters& operator+=(const Counters& other);
};

// A row of SALUT_COUNTERS.
struct CounterField {
  std::string_view name;
  std::uint64_t Counters::* member;
  CounterKind kind;
  Shown shown;
  std::string_view sentence;

  // The key in JSON as its group, empty if there is none, and its name in the group.
  constexpr std::pair<std::string_view, std::string_view> path() const {
    const std::string_view given = shown.key;
    const std::size_t dot = given.find('.');
    if (dot == given.npos) return {{}, given.empty() ? name : given};
    return {given.substr(0, dot), given.substr(dot + 1)};
  }
  constexpr bool in(unsigned where) const { return (shown.where & where) != 0; }
};

inline constexpr auto counter_fields = [] {
  using namespace shown;
#define SALUT_COUNTER_FIELD(id, kind, where, sentence) \
  CounterField{#id, &Counters::id, CounterKind::kind, where, sentence},
  return std::to_array<CounterField>({SALUT_COUNTERS(SALUT_COUNTER_FIELD)});
#undef SALUT_COUNTER_FIELD
}();

// A row of SALUT_COUNTER_ARRAYS, without its member.
struct CounterArrayInfo {
  std::string_view name;
  CounterKind kind;
  std::string_view label;
  std::string_view sentence;
};

// Calls f(info, member) for each row of SALUT_COUNTER_ARRAYS; the members' types differ.
template <typename F>
constexpr void for_each_counter_array(F&& f) {
#define SALUT_COUNTER_ARRAY(id, count, kind, label, sentence) \
  f(CounterArrayInfo{#id, CounterKind::kind, label, sentence}, &Counters::id);
  SALUT_COUNTER_ARRAYS(SALUT_COUNTER_ARRAY)
#undef SALUT_COUNTER_ARRAY
}

constexpr Counters& Counters::operator+=(const Counters& other) {
  const auto add = [](CounterKind kind, std::uint64_t& to, std::uint64_t from) {
    to = kind == CounterKind::common ? std::max(to, from) : to + from;
  };
  for (const CounterField& field : counter_fields) {
    add(field.kind, this->*field.member, other.*field.member);
  }
  for_each_counter_array([&](const CounterArrayInfo& info, auto member) {
    for (std::size_t i = 0; i < (this->*member).size(); ++i) {
      add(info.kind, (this->*member)[i], (other.*member)[i]);
    }
  });
  return *this;
}

// A counter of a smaller structure: its name in JSON, its member, its words in a text.
template <typename Owner>
struct CountField {
  std::string_view name;
  std::uint64_t Owner::* member;
  std::string_view words;
};

// Adds each field of `from` to the same field of `to`.
template <typename Owner, std::size_t N>
constexpr void add_fields(const std::array<CountField<Owner>, N>& fields, const Owner& from,
                          Owner& to) {
  for (const CountField<Owner>& field : fields) to.*field.member += from.*field.member;
}

// What PortConfig::impair did to the frames of one direction. Counters::drops does not count it.
struct Impaired {
  std::uint64_t frames = 0;  // that came to it
  std::uint64_t dropped = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t corrupted = 0;

  constexpr Impaired& operator+=(const Impaired& other);
};

inline constexpr auto impaired_fields = std::to_array<CountField<Impaired>>({
    {"frames", &Impaired::frames, "frames"},
    {"dropped", &Impaired::dropped, "dropped"},
    {"duplicated", &Impaired::duplicated, "repeated"},
    {"reordered", &Impaired::reordered, "late"},
    {"corrupted", &Impaired::corrupted, "corrupted"},
});

constexpr Impaired& Impaired::operator+=(const Impaired& other) {
  add_fields(impaired_fields, other, *this);
  return *this;
}

// The purposes of memory: X(member of MemoryUse and of Use, its words in a text).
#define SALUT_MEMORY_USES(X)  \
  X(tcb, "TCBs")              \
  X(time_wait, "TIME_WAIT")   \
  X(flow_table, "flow table") \
  X(timers, "timers")         \
  X(buffers, "buffers")       \
  X(mbufs, "mbufs")

// The bytes that a stack has allocated, by purpose.
struct MemoryUse {
#define SALUT_MEMORY_MEMBER(id, words) std::uint64_t id = 0;
  SALUT_MEMORY_USES(SALUT_MEMORY_MEMBER)
#undef SALUT_MEMORY_MEMBER

  constexpr std::uint64_t total() const;
  constexpr MemoryUse& operator+=(const MemoryUse& other);
};

inline constexpr auto memory_fields = std::to_array<CountField<MemoryUse>>({
#define SALUT_MEMORY_FIELD(id, words) {#id, &MemoryUse::id, words},
    SALUT_MEMORY_USES(SALUT_MEMORY_FIELD)
#undef SALUT_MEMORY_FIELD
});

constexpr std::uint64_t MemoryUse::total() const {
  std::uint64_t sum = 0;
  for (const auto& field : memory_fields) sum += this->*field.member;
  return sum;
}
constexpr MemoryUse& MemoryUse::operator+=(const MemoryUse& other) {
  add_fields(memory_fields, other, *this);
  return *this;
}

}  // namespace salut
