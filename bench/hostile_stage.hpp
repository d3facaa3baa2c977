// The stations of bench/hostile: a server, an honest client, an attacker, and the switch between
// them. All in one thread, by the real clock.
#pragma once

#include <time.h>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attacker.hpp"
#include "guests.hpp"
#include "io/sim/world.hpp"
#include "load/histogram.hpp"
#include "stack/engine.hpp"

namespace salut::bench {

struct Lengths {
  std::uint64_t rate = 0;  // honest connections per second
  Duration calm{0}, attack{0};
  clockid_t clock = CLOCK_MONOTONIC;
};

// What was measured of the connections that were due in it.
struct Window {
  std::uint64_t opened = 0;
  std::uint64_t failed = 0;  // not closed in order, or with a wrong answer
  load::Histogram latency;   // ns, from when it was due until its answer was whole
};

// A port of the switch: frames cross by reference; those for everybody are copied.
class SwitchPort final : public Device {
 public:
  static constexpr std::size_t queue = 4'096;  // as a card's: what comes then is lost
  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;
  // From a station without an engine.
  void send(std::span<std::byte> bytes);
  void drop_all();

  Mac mac;
  sim::Pool* pool = nullptr;
  std::vector<SwitchPort*> others;
  std::uint64_t lost = 0;

 private:
  void pass_on(const Frame& frame);
  std::deque<Frame> in_;
};

class Stage {
 public:
  Stage(bool ip6, bool cookies, const Lengths& lengths);

  // So long with honest connections at the rate; counts them if asked.
  void run(Duration length, Window* window);
  void attack(hostile::Orders orders, Duration length);
  // Until the honest connections are done; strangers are ended, and the clock goes on for four
  // minutes.
  void finish(Window* window);
  // What a pool lacks; empty if all are full.
  std::string left() const;
  // Frames that found a full queue.
  std::uint64_t lost() const { return server_port_.lost + client_port_.lost + attacker_port_.lost; }

 private:
  struct Trip {
    Instant due;
    Window* window = nullptr;
    std::uint32_t received = 0;
  };

  void turn();
  void open(Instant due, Window* window);
  void on_client_events(std::span<const Event> events);
  Instant clock() const;

  clockid_t clock_;
  bool ip6_;
  Duration every_;
  HeapMemory memory_;
  sim::Pool pool_;
  SwitchPort server_port_, client_port_, attacker_port_;
  std::unique_ptr<stack::Engine> server_, client_;
  std::unique_ptr<hostile::Guests> guests_;
  hostile::Site site_;
  std::unique_ptr<hostile::Attacker> attacker_;
  std::map<Connection, Trip> trips_;
  Instant now_;
  Instant next_due_;
};

}  // namespace salut::bench
