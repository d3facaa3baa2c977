// What an engine under the fuzzer talks to: a link whose other end sends anything, an application
// that does anything, and the oracle that watches both.
//
// Truth lies in numbers: byte at sequence number n of a connection is a function of n and of the
// direction, so that whatever was cut, repeated or overlapped, what comes out of read() or leaves
// in a segment is checked byte by byte. What the engine is told of a connection's numbers the rig
// learns as a peer does, from the segments that leave.
//
// Memory that lend() took is turned into its opposite as soon as it is the application's again: a
// byte of it that leaves later is a wrong one. It is kept until the run ends, so that this is seen
// without a sanitizer, too.
//
// A run has one family: station, peer and next hop are IPv4 and ARP, or IPv6 and NDP.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "../unit/wire/packets.hpp"
#include "io/sim/world.hpp"
#include "oracle.hpp"

namespace salut::fuzz {

using wire::test::Bytes;

// Ends the process: the fuzzer keeps the input.
void require(bool holds, const char* what);

inline constexpr unsigned flow_count = 4;         // passive 0..3, active 4..7 of the rig's flows
inline constexpr std::uint16_t served_port = 80;  // of the engine
inline constexpr unsigned remote_port_base = 40'000;
inline constexpr unsigned active_port_base = 9'000;  // where the engine connects to

// An engine's arrays out of what the one before gave back, so that a run is not mostly page faults.
// Each is an allocation of its own: the sanitizer sees one byte too many.
class KeptMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes, Use use) override;
  void release(void* memory, std::size_t bytes, Use use) noexcept override;
};

// A connection as the peer sees it, and a second incarnation of it after that.
struct Flow {
  std::uint16_t local_port = served_port;  // the engine's
  std::uint16_t remote_port = 0;
  bool known = false;          // a SYN of the engine's was seen: iss is valid
  std::uint32_t iss = 0;       // the engine's
  std::uint32_t snd_nxt = 0;   // the engine's: one past the highest that left
  std::uint32_t rcv_nxt = 0;   // the engine's, last acknowledged
  std::uint32_t edge = 0;      // the right edge that the engine offered last
  std::uint32_t peer_nxt = 0;  // what the peer would send next, were it honest
  std::uint32_t tsval = 0;     // the engine's last
  // iss of all incarnations: a frame that waited for its next hop may leave after the SYN of the
  // next one.
  std::vector<std::uint32_t> isses = {};
};

// One connection of the application.
struct Conn {
  Connection handle;
  unsigned flow = 0;
  bool own = false;
  bool connected = false;
  bool peer_closed = false;
  unsigned ends = 0;
  std::uint32_t irs = 0;  // the sequence number of the first byte to read
  std::uint32_t read = 0;
  std::uint32_t written = 0;
  std::vector<Bytes> lent;      // runs that the engine still refers to, in order
  std::vector<Bytes> was_lent;  // and those it must not touch any more
  bool returned = false;        // an event of the last turn said that some came back
};

enum class Family { ip4, ip6 };

class Rig final : public Device {
 public:
  Rig(const StackConfig& config, Instant start, std::uint16_t mtu, Family family);
  ~Rig() override;

  // Device
  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

  void introduce();  // the peer is known by ARP or NDP
  void poll();
  void advance(Duration by);
  // To the engine's next timer, if it has one within a day.
  bool advance_to_timer();

  void listen(bool on);
  void connect(unsigned which);
  void read(Conn& conn, std::size_t most);
  void write(Conn& conn, std::size_t size);
  // The same without a copy: peek() and consume(), lend().
  void look(Conn& conn, std::size_t most);
  void lend(Conn& conn, std::size_t size);
  void put(Bytes frame);  // what the engine receives next
  // Of the peer. `more`: which extension headers, or options of IPv4; 0: none. Not all are
  // accepted.
  Bytes packet(const wire::test::TcpSpec& spec, unsigned more = 0) const;
  // An error about a segment of ours, of which the ports and the number are quoted.
  Bytes icmp_error(unsigned type, unsigned code, unsigned mtu, const Flow& flow,
                   std::uint32_t seq) const;
  // Everything ends: the application aborts, timers run out, and every pool must be full.
  void finish();

  Flow& flow(unsigned which) { return flows_[which % flows_.size()]; }
  Conn* conn(unsigned which);
  stack::Engine& engine() { return *engine_; }
  bool ip6() const { return family_ == Family::ip6; }
  Instant now() const { return now_; }
  void set_silent(bool silent) { silent_ = silent; }  // ARP and NDP are not answered
  void set_stuck(bool stuck) { stuck_ = stuck; }      // the device takes nothing
  void set_starved(bool starved);                     // no frame is free
  void forge() { forged_ = true; }                    // bytes are no longer known

  // No period below 2^32: a byte that is one block off is another one.
  static std::byte peer_byte(std::uint32_t seq) {
    return static_cast<std::byte>(seq * 0x85eb'ca6bu >> 24);
  }
  static std::byte our_byte(std::uint32_t seq) {
    return static_cast<std::byte>(seq * 0x9e37'79b1u >> 24);
  }

 private:
  void on_event(const Event& event);
  void on_accepted(const Event& event);
  bool may_end(const Conn& conn, Errc error) const;
  void check_read(Conn& conn, std::span<const std::byte> bytes) const;
  void take_back(Conn& conn);
  // engine_check.cpp: what leaves.
  void check_frame(const Frame& frame);
  void check_arp(const Bytes& frame);
  void check_ip4(const Bytes& frame);
  void check_ip6(const Bytes& frame);
  void check_ndp(const Bytes& frame);
  void check_tcp(const Bytes& frame, std::size_t tcp);
  void check_options(const Bytes& frame, std::size_t at, std::size_t size, Flow* flow);
  static void know(Flow& flow, std::uint32_t iss);
  void learn(Flow& flow, const Bytes& frame, std::size_t tcp, std::uint32_t len);
  Flow* find_flow(unsigned remote_port, unsigned local_port);
  void live_on();

  KeptMemory memory_;
  sim::Pool& pool_;
  Instant now_;
  std::uint16_t mtu_;
  Family family_;
  std::unique_ptr<stack::Engine> engine_;
  std::array<Flow, 2 * flow_count> flows_ = {};
  std::vector<Conn> conns_;
  std::vector<Bytes> arriving_;
  std::vector<Frame> held_;
  std::optional<std::uint16_t> listener_;
  bool silent_ = false;
  bool stuck_ = false;
  bool forged_ = false;
};

}  // namespace salut::fuzz
