// The seeded world: production engines in virtual time. Links lose, repeat, reorder, delay and
// corrupt frames and can be cut; hosts can be paused.
//
// Two hosts are joined by one link, or any number of hosts by a switch, each with a link of its
// own. A frame then crosses two links, the sender's and the receiver's. Beside hosts there may be
// stations: what has no engine, such as a router or an attacker.
//
// One seed decides everything, so that one number repeats a failure. Time jumps to the next thing
// that happens: a minute of TIME_WAIT costs nothing. A frame that crosses a link is copied, so that
// an engine which writes into a buffer that it gave away cannot change the frame on the link.
//
//   World world(seed);
//   Host& a = world.add_host(0x0a000001, config);
//   Host& b = world.add_host(0x0a000002, config);
//   world.join(a, b, {.loss = 0.01});
//   a.on_events = [&](std::span<const Event> events) { ... };
//   world.run_until(world.now() + std::chrono::minutes{2});
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "io/sim/station.hpp"
#include "stack/engine.hpp"

namespace salut::sim {

// What a link does to each frame; probabilities 0..1.
struct Conditions {
  double loss = 0;
  double duplicate = 0;
  double corrupt = 0;  // one bit is flipped
  Duration delay_min = std::chrono::microseconds{50};
  Duration delay_max = std::chrono::microseconds{50};  // above delay_min: frames overtake
  double late = 0;                                     // delayed by `late_by` more
  Duration late_by = Duration{0};
  std::uint64_t rate = 0;            // bytes per second each way; 0: infinite
  std::uint32_t queue = 0xffffffff;  // bytes that wait for the rate; beyond them frames are lost
};

using Random = std::mt19937_64;

// Buffers of plain memory. It counts those that are in use, so that a test sees a leak.
class Pool final : public FramePool {
 public:
  explicit Pool(unsigned capacity);
  bool acquire(Frame* frames, unsigned count) override;
  void release(const Frame* frames, unsigned count) override;
  unsigned outstanding() const { return capacity_ - static_cast<unsigned>(free_.size()); }

  static constexpr std::size_t buffer_bytes = 2048;

 private:
  unsigned capacity_;
  struct alignas(64) Buffer {  // as an mbuf is
    std::array<std::byte, buffer_bytes> bytes;
  };
  std::unique_ptr<Buffer[]> memory_;
  std::vector<std::byte*> free_;
};

// Does what a device does for FrameFlag::l4_checksum_left.
void complete_checksum(const Frame& frame);

class World;

// One end of a link.
class LinkEnd final : public Device {
 public:
  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;
  // What no engine has made; of a station.
  void send(std::span<std::byte> bytes);

  Conditions conditions;  // of the link to the switch
  Instant cut_until;      // until then the link carries nothing
  Mac mac;                // of the station at this end

 private:
  friend class World;
  static constexpr std::size_t arriving_max = 4096;  // frames; a full queue loses what comes next
  World* world = nullptr;
  Pool* pool = nullptr;
  LinkEnd* peer = nullptr;
  std::string name;
  std::multimap<Instant, std::vector<std::byte>> arriving;
  Instant busy_until;  // when the last frame has left, if there is a rate
};

// The options of a host, beside its engine's configuration.
struct HostOptions {
  std::vector<IpAddress> more_addresses;
  std::vector<AddressRange> ranges;
  std::vector<IpAddress> siblings;
  IpAddress gateway;  // of either family
  IpAddress gateway6 = IpAddress::any_v6();
  bool alone = false;  // its addresses are a /32 or /128 each, as clouds give them
  std::uint16_t mtu = 1500;
  unsigned frames = 4096;
  bool completes_checksums = false;  // its device does, so that the engine leaves them to it
};

struct Host {
  std::string name;
  std::unique_ptr<HeapMemory> memory;
  std::unique_ptr<Pool> pool;
  std::unique_ptr<LinkEnd> end;
  std::unique_ptr<stack::Engine> engine;  // none: a station
  // Called after each poll with its events, also when there are none; of a station, when a frame is
  // there or wake_at has come.
  std::function<void(std::span<const Event>)> on_events = [](std::span<const Event>) {};
  Instant wake_at = Instant::max();  // the application wants a poll at this time in any case
  Instant paused_until;              // its loop does not run until then
};

class World {
 public:
  explicit World(std::uint64_t seed, Instant start = Instant{std::chrono::seconds{1}});

  Host& add_host(std::uint32_t address, const StackConfig& config) {
    return add_host(IpAddress::v4(address), config);
  }
  Host& add_host(const IpAddress& address, const StackConfig& config,
                 const HostOptions& options = {});
  // Something on the link without an engine; it receives and sends by Host::end.
  Host& add_station();
  // Joins two hosts, or one to itself; a host has one link.
  void join(Host& a, Host& b, const Conditions& conditions);
  // Joins all hosts by one switch, which knows every MAC.
  void join_all();

  Instant now() const { return now_; }
  Random& random() { return random_; }
  Conditions& conditions() { return conditions_; }
  bool chance(double probability);

  // Jumps to the next instant at which anything happens and polls: with a switch the hosts at which
  // it happens, else all. False, without a poll, if nothing happens up to `until`.
  bool step(Instant until);
  void run_until(Instant until);

  // Keeps a trace if `on`: one line per frame that entered a link, with what became of it.
  void keep_trace(bool on) { keep_trace_ = on; }
  bool keeps_trace() const { return keep_trace_; }
  void say(const Host& host, const std::string& what);
  const std::vector<std::string>& trace() const { return trace_; }
  std::uint64_t frames() const { return frames_; }

 private:
  friend class LinkEnd;
  Host& add_end(unsigned frames);
  static Duration time_on_wire(const Conditions& link, std::uint64_t bytes);
  void carry(LinkEnd& from, const Frame& frame);
  void cross(LinkEnd& from, LinkEnd& to, const Frame& frame);
  void note(const LinkEnd& from, const LinkEnd* to, const Frame& frame, const char* fate);
  Instant due(const Host& host) const;

  std::uint64_t seed_;
  Random random_;
  Conditions conditions_;
  Instant now_;
  std::vector<std::unique_ptr<Host>> hosts_;
  bool switched_ = false;
  bool keep_trace_ = false;
  std::vector<std::string> trace_;
  std::uint64_t frames_ = 0;
};

// "80>1024 SYN,ACK seq 1 ack 2 len 0 wnd 65535".
std::string describe_frame(const Frame& frame);

}  // namespace salut::sim
