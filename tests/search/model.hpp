// Two production engines and everything that can happen next to them, as numbered choices.
//
// The network delivers no time of its own: a frame waits in its direction's queue until it is
// delivered or dropped, as long as one likes, and time passes only by letting the next timer fire.
// So every race of a segment with a timer, and of both with the calls of two applications, is some
// sequence of choices. Address resolution is not part of the game: ARP is answered at once.
//
// One 4-tuple is all there is, a's port 1000 and b's port 2000, so that simultaneous opens meet and
// a second connection is always a second incarnation of the first.
//
// All of it lies in an Arena: engines, frames under way, and what each application has seen.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arena.hpp"
#include "io/sim/station.hpp"
#include "oracle.hpp"

namespace salut::search {

// Of the only 4-tuple there is: IPv4, or IPv6 with SALUT_TEST_FAMILY=6 in the environment.
bool over_ip6();
inline IpAddress address_of(unsigned side) { return sim::station_address(side + 1, over_ip6()); }
inline constexpr std::array<std::uint16_t, 2> ports = {1000, 2000};

inline constexpr unsigned wire_max = 4;   // frames under way in a direction; more are lost
inline constexpr unsigned conns_max = 3;  // connections that an application knows at a time

struct Scenario {
  std::string name;
  std::array<bool, 2> listens = {false, true};
  std::array<std::uint8_t, 2> connects = {1, 0};  // how many times each side may call it
  std::array<std::uint8_t, 2> writes = {0, 0};    // of one byte
  bool unlisten = false;
  std::string prefix;   // choices, by their names and commas, that lead to where the search begins
  unsigned depth = 10;  // for the quick run
  StackConfig config = {};
};

// What one application knows of one connection. Cleared when `closed` was reported.
struct Conn {
  Connection handle;
  bool live = false;
  bool own = false;        // opened, not accepted
  bool connected = false;  // told so
  bool peer_closed = false;
  bool shut = false;
  bool close_called = false;
  bool abort_called = false;
  std::uint8_t written = 0;
  std::uint8_t read = 0;
};

struct Packet {
  std::uint16_t length = 0;
  std::array<std::byte, 126> bytes = {};
};

struct Wire {
  std::uint32_t count = 0;
  std::array<Packet, wire_max> packets = {};
};

struct Side {
  std::array<Conn, conns_max> conns = {};
  std::uint8_t connects_left = 0;
  std::uint8_t writes_left = 0;
  bool listening = false;
  std::uint16_t listener = 0;
  std::uint32_t ends = 0;  // `closed` events; not part of a state
};

// What the arena holds beside the engines.
struct World {
  Instant now;
  std::array<Side, 2> sides = {};
  std::array<Wire, 2> wires = {};  // 0: from a to b
};

enum class Kind : std::uint8_t {
  deliver,
  drop,
  duplicate,  // the next frame from `side`
  timer,      // let the next one fire
  connect,
  unlisten,  // of the application on `side`
  close,
  shutdown,
  abort,
  write,
  read,  // … on connection `conn`
};

struct Choice {
  Kind kind = Kind::timer;
  std::uint8_t side = 0;
  std::uint8_t conn = 0;
  friend bool operator==(const Choice&, const Choice&) = default;
};

std::string describe(const Choice& choice);               // "a:close0"
bool parse_choice(const std::string& text, Choice& out);  // false: no such choice
bool parse_path(const std::string& text, std::vector<Choice>& path);

class Port;

class Model {
 public:
  explicit Model(const Scenario& scenario);
  ~Model();
  Model(const Model&) = delete;

  // What may happen next, in a fixed order.
  void choices(std::vector<Choice>& out) const;
  // Makes it happen, and checks what must hold after every step; error() says what does not.
  void apply(const Choice& choice);
  // Equal for states that no sequence of choices can tell apart.
  std::uint64_t fingerprint() const;

  // Lets everything come to its end: both applications read and close what they have, and the
  // network delivers all or nothing. One step of it; false if nothing is left to happen.
  bool drain_step(bool network_works);
  // REQUIRES: drain_step() said that nothing is left.
  void check_at_rest();

  const std::string& error() const { return error_; }
  const oracle::Edges& edges_seen() const { return edges_; }
  const Scenario& scenario() const { return scenario_; }
  Arena& arena() { return arena_; }

  // A line per step and frame, for people; empty unless chart(true).
  void chart(bool on) { charting_ = on; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  friend class Port;
  stack::Engine& engine(unsigned side) const { return *engines_[side]; }
  bool step_of_drain(bool network_works, Choice& out) const;
  void call(const Choice& choice);
  void connect(unsigned side);
  void read(unsigned side, Conn& conn);
  void deliver(unsigned from);
  bool fire_next_timer();
  void poll(unsigned side);
  void on_event(unsigned side, const Event& event);
  void on_closed(unsigned side, Conn& conn, Reason reason);
  void sent(unsigned from, const Frame& frame);
  void fail(unsigned side, const std::string& what);
  void note(unsigned side, const std::string& what);

  Scenario scenario_;
  Arena arena_;
  World* world_ = nullptr;
  std::array<Port*, 2> ports_ = {};
  std::array<stack::Engine*, 2> engines_ = {};
  oracle::Edges edges_;
  std::string error_;
  bool charting_ = false;
  std::vector<std::string> lines_;
};

}  // namespace salut::search
