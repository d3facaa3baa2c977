// The seeded world: production engines joined by links that lose, repeat, reorder, delay, corrupt
// and are cut, on hosts that are paused, in virtual time.
//
// Two hosts are joined by one link, or any number hang on a switch by a link each; a frame then
// crosses two links, the sender's and the receiver's.
//
// One seed decides everything, so that a failure is one number. Time jumps to the next thing that
// happens: a minute of TIME_WAIT costs nothing. Frames that cross a link are copied: what an engine
// does to a buffer that it gave away is its own fault and is seen.
//
//   World world(seed);
//   Host& a = world.add_host(0x0a000001, config);
//   Host& b = world.add_host(0x0a000002, config);
//   world.join(a, b, {.loss = 0.01});
//   a.on_events = [&](std::span<const Event> events) { ... };
//   world.run_until(world.now() + std::chrono::minutes{2});
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "stack/engine.hpp"

namespace salut::sim {

// What a link does to each frame; probabilities 0..1.
struct Conditions {
  double loss = 0;
  double duplicate = 0;
  double corrupt = 0;  // one bit is flipped
  Duration delay_min = std::chrono::microseconds{50};
  Duration delay_max = std::chrono::microseconds{50};  // above delay_min: frames overtake
  double late = 0;                                     // of frames, by `late_by` more
  Duration late_by = Duration{0};
  std::uint64_t rate = 0;            // bytes per second each way; 0: infinite
  std::uint32_t queue = 0xffffffff;  // bytes that wait for the rate; beyond them frames are lost
};

using Random = std::mt19937_64;

// Buffers of plain memory; knows how many are out, so that a test sees a leak.
class Pool final : public FramePool {
 public:
  explicit Pool(unsigned capacity);
  bool acquire(Frame* frames, unsigned count) override;
  void release(const Frame* frames, unsigned count) override;
  unsigned outstanding() const { return capacity_ - static_cast<unsigned>(free_.size()); }

 private:
  static constexpr std::size_t buffer_bytes = 2048;
  unsigned capacity_;
  std::unique_ptr<std::byte[]> memory_;
  std::vector<std::byte*> free_;
};

// What a device does with FrameFlag::l4_checksum_left.
void complete_checksum(const Frame& frame);

class World;

// One end of a link.
class LinkEnd final : public Device {
 public:
  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

  Conditions conditions;  // of the link to the switch
  Instant cut_until;      // until then the link carries nothing

 private:
  friend class World;
  static constexpr std::size_t arriving_max = 4096;  // frames; a full queue loses what comes next
  World* world = nullptr;
  Pool* pool = nullptr;
  LinkEnd* peer = nullptr;
  Mac mac;
  std::string name;
  std::multimap<Instant, std::vector<std::byte>> arriving;
  Instant busy_until;  // the last frame's end leaves then, if there is a rate
};

// How a host is made, beside its engine's configuration.
struct HostOptions {
  std::vector<IpAddress> more_addresses;
  std::vector<AddressRange> ranges;
  std::vector<IpAddress> siblings;
  IpAddress gateway;
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
  std::unique_ptr<stack::Engine> engine;
  // Called after each poll with its events, also when there are none.
  std::function<void(std::span<const Event>)> on_events = [](std::span<const Event>) {};
  Instant wake_at = Instant::max();  // the application wants a poll then, events or not
  Instant paused_until;              // its loop stands still until then
};

class World {
 public:
  explicit World(std::uint64_t seed, Instant start = Instant{std::chrono::seconds{1}});

  Host& add_host(std::uint32_t address, const StackConfig& config) {
    return add_host(IpAddress::v4(address), config);
  }
  Host& add_host(const IpAddress& address, const StackConfig& config,
                 const HostOptions& options = {});
  // Joins two hosts, or one to itself; a host has one link.
  void join(Host& a, Host& b, const Conditions& conditions);
  // Hangs every host on one switch, which knows where each MAC is.
  void join_all();

  Instant now() const { return now_; }
  Random& random() { return random_; }
  Conditions& conditions() { return conditions_; }
  bool chance(double probability);

  // Polls at the next instant at which anything happens, on a switch the hosts to which it does,
  // else all; false if nothing ever will, or not before `until`.
  bool step(Instant until);
  void run_until(Instant until);

  // One line per frame that entered the link, with what became of it; kept if `on`.
  void keep_trace(bool on) { keep_trace_ = on; }
  bool keeps_trace() const { return keep_trace_; }
  void say(const Host& host, const std::string& what);
  const std::vector<std::string>& trace() const { return trace_; }
  std::uint64_t frames() const { return frames_; }

 private:
  friend class LinkEnd;
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

// "12.345 ms  a > b  SYN,ACK seq 1 ack 2 len 0"; for people.
std::string describe_frame(const Frame& frame);

}  // namespace salut::sim
