#include "model.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "io/sim/world.hpp"
#include "port.hpp"

namespace salut::search {
namespace {

constexpr std::size_t arena_bytes = std::size_t{16} << 20;
// On a tick, and not far below the wrap of the tick counter.
constexpr Instant start{Duration{(std::int64_t{0xffff'f800}) << tick_shift}};

constexpr std::array<const char*, 11> kind_names = {"deliver", "drop",     "duplicate", "timer",
                                                    "connect", "unlisten", "close",     "shutdown",
                                                    "abort",   "write",    "read"};

// ARP, or neighbour discovery, which is all the ICMPv6 there is here.
bool is_resolution(const std::byte* frame) {
  if (frame[12] == std::byte{8}) return frame[13] == std::byte{6};
  return frame[20] == std::byte{wire::protocol_icmp6};
}
bool is_question(const std::byte* frame) {
  return frame[12] == std::byte{8} ? frame[21] == std::byte{1} : frame[54] == std::byte{135};
}

constexpr std::byte byte_of(unsigned side, unsigned position) {
  return static_cast<std::byte>(side * 16 + position);
}

}  // namespace

bool over_ip6() {
  static const char* family = std::getenv("SALUT_TEST_FAMILY");
  static const bool ip6 = family != nullptr && std::string(family) == "6";
  return ip6;
}

std::string describe(const Choice& choice) {
  std::string text = kind_names[static_cast<std::size_t>(choice.kind)];
  if (choice.kind == Kind::timer) return text;
  text = std::string(1, choice.side == 0 ? 'a' : 'b') + ':' + text;
  if (choice.kind >= Kind::close) text += std::to_string(choice.conn);
  return text;
}

bool parse_choice(const std::string& text, Choice& out) {
  for (std::size_t kind = 0; kind < kind_names.size(); ++kind) {
    for (std::uint8_t side = 0; side < 2; ++side) {
      for (std::uint8_t conn = 0; conn < conns_max; ++conn) {
        out = Choice{static_cast<Kind>(kind), side, conn};
        if (describe(out) == text) return true;
      }
    }
  }
  return false;
}

bool parse_path(const std::string& text, std::vector<Choice>& path) {
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    path.emplace_back();
    if (!parse_choice(word, path.back())) return false;
  }
  return true;
}

Model::Model(const Scenario& scenario) : scenario_(scenario), arena_(arena_bytes) {
  world_ = arena_.make<World>();
  world_->now = start;
  for (unsigned side = 0; side < 2; ++side) {
    ports_[side] = arena_.make<Port>();
    ports_[side]->set(
        this, side,
        static_cast<std::byte*>(arena_.allocate(Port::capacity * Port::frame_bytes, Use::mbufs)));
    ip::Interface interface;
    interface.device = ports_[side];
    interface.mac = Mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(side + 1)}};
    interface.addresses = {
        Prefix{address_of(side), static_cast<std::uint8_t>(over_ip6() ? 64 : 8)}};
    void* memory = arena_.allocate(sizeof(stack::Engine), Use::tcb);
    engines_[side] =
        new (memory) stack::Engine(scenario.config, std::vector{interface}, *ports_[side], arena_,
                                   side + 1, static_cast<std::uint8_t>(side), start);
    Side& s = world_->sides[side];
    s.connects_left = scenario.connects[side];
    s.writes_left = scenario.writes[side];
    if (!scenario.listens[side]) continue;
    s.listener = *engine(side).listen({address_of(side), ports[side]}, 4);
    s.listening = true;
  }
  std::vector<Choice> path;
  if (!parse_path(scenario.prefix, path)) error_ = "no such choice in the prefix";
  for (const Choice& choice : path) apply(choice);
  arena_.freeze();
}

Model::~Model() {
  arena_.thaw();
  for (stack::Engine* engine : engines_) engine->~Engine();
}

void Model::choices(std::vector<Choice>& out) const {
  out.clear();
  for (std::uint8_t side = 0; side < 2; ++side) {
    const Wire& wire = world_->wires[side];
    if (wire.count == 0) continue;
    out.push_back({Kind::deliver, side});
    out.push_back({Kind::drop, side});
    if (wire.count < wire_max) out.push_back({Kind::duplicate, side});
  }
  if (engine(0).next_timer() || engine(1).next_timer()) out.push_back({Kind::timer});
  for (std::uint8_t side = 0; side < 2; ++side) {
    const Side& s = world_->sides[side];
    bool own = false;
    bool room = false;
    for (std::uint8_t i = 0; i < conns_max; ++i) {
      const Conn& conn = s.conns[i];
      room = room || !conn.live;
      if (!conn.live) continue;
      own = own || conn.own;
      out.push_back({Kind::abort, side, i});
      if (conn.close_called) continue;
      out.push_back({Kind::close, side, i});
      if (!conn.shut) out.push_back({Kind::shutdown, side, i});
      if (!conn.shut && s.writes_left > 0) out.push_back({Kind::write, side, i});
      const auto info = engine(side).info(conn.handle);
      if (info && info->recv_queued > 0) out.push_back({Kind::read, side, i});
    }
    if (s.connects_left > 0 && !own && room) out.push_back({Kind::connect, side});
    if (s.listening && scenario_.unlisten) out.push_back({Kind::unlisten, side});
  }
}

void Model::apply(const Choice& choice) {
  const std::array<Counters, 2> before = {engine(0).counters(), engine(1).counters()};
  if (charting_) note(choice.side, describe(choice));
  Wire& wire = world_->wires[choice.side];
  switch (choice.kind) {
    case Kind::deliver:
      deliver(choice.side);
      break;
    case Kind::drop:
      std::rotate(wire.packets.begin(), wire.packets.begin() + 1, wire.packets.end());
      wire.packets[--wire.count] = Packet{};
      break;
    case Kind::duplicate:
      wire.packets[wire.count++] = wire.packets[0];
      break;
    case Kind::timer:
      fire_next_timer();
      break;
    default:
      call(choice);
      poll(choice.side);
  }
  for (unsigned side = 0; side < 2; ++side) {
    std::string wrong = oracle::unexplained(before[side], engine(side).counters(), &edges_);
    if (wrong.empty()) wrong = oracle::inconsistent(engine(side));
    if (!wrong.empty()) fail(side, wrong);
  }
}

void Model::call(const Choice& choice) {
  stack::Engine& e = engine(choice.side);
  Side& s = world_->sides[choice.side];
  Conn& conn = s.conns[choice.conn];
  switch (choice.kind) {
    case Kind::connect:
      return connect(choice.side);
    case Kind::unlisten:
      s.listening = false;
      if (e.unlisten(s.listener) != Errc::ok) fail(choice.side, "unlisten() failed");
      return;
    case Kind::close:
      conn.close_called = true;
      if (e.close(conn.handle) != Errc::ok) fail(choice.side, "close() failed");
      return;
    case Kind::shutdown:
      conn.shut = true;
      static_cast<void>(e.shutdown(conn.handle));  // CLOSED already with bytes unread: refused
      return;
    case Kind::abort:
      conn.abort_called = true;
      if (e.abort(conn.handle) != Errc::ok) fail(choice.side, "abort() failed");
      return;
    case Kind::write: {
      const std::byte byte = byte_of(choice.side, conn.written);
      const auto taken = e.write(conn.handle, {&byte, 1});
      if (taken && *taken == 1) ++conn.written, --s.writes_left;
      return;
    }
    default:
      return read(choice.side, conn);
  }
}

void Model::connect(unsigned side) {
  Side& s = world_->sides[side];
  --s.connects_left;
  const auto free =
      std::find_if(s.conns.begin(), s.conns.end(), [](const Conn& c) { return !c.live; });
  const auto slot = static_cast<std::uint64_t>(free - s.conns.begin());
  const unsigned peer = 1 - side;
  const auto connection = engine(side).connect(
      {address_of(peer), ports[peer]}, {address_of(side), ports[side]}, slot + 1, world_->now);
  if (!connection) {
    // The tuple is in use: by the peer's connection, or in TIME_WAIT.
    if (connection.error() != Errc::no_port) fail(side, "connect() failed");
    return;
  }
  *free = Conn{.handle = *connection, .live = true, .own = true};
}

void Model::read(unsigned side, Conn& conn) {
  std::array<std::byte, 16> bytes;
  const auto n = engine(side).read(conn.handle, bytes);
  if (!n) return;
  for (std::size_t i = 0; i < *n; ++i) {
    if (bytes[i] != byte_of(1 - side, conn.read++)) fail(side, "read a byte twice or out of order");
  }
}

void Model::deliver(unsigned from) {
  Wire& wire = world_->wires[from];
  const Packet packet = wire.packets[0];
  std::rotate(wire.packets.begin(), wire.packets.begin() + 1, wire.packets.end());
  wire.packets[--wire.count] = Packet{};
  ports_[1 - from]->put(packet.bytes.data(), packet.length);
  poll(1 - from);
}

// To the next instant at which a timer does something; false if there is none. The wheel's bound is
// a lower one, so that it may take several looks.
bool Model::fire_next_timer() {
  const auto sum = [this] {
    std::uint64_t total = 0;
    for (unsigned side = 0; side < 2; ++side) {
      const Counters& c = engine(side).counters();
      total += c.retransmits + c.time_wait_expired + c.segments_out;
      for (const std::uint64_t n : c.states_entered) total += n;
    }
    return total + world_->sides[0].ends + world_->sides[1].ends;
  };
  const std::uint64_t before = sum();
  for (unsigned looks = 0; sum() == before; ++looks) {
    if (looks == 10'000) return fail(0, "a timer that is due and never fires"), false;
    Instant next = Instant::max();
    for (unsigned side = 0; side < 2; ++side) {
      next = std::min(next, engine(side).next_timer().value_or(Instant::max()));
    }
    if (next == Instant::max()) return false;
    world_->now = std::max(world_->now, next);
    poll(0);
    poll(1);
  }
  return true;
}

void Model::poll(unsigned side) {
  do {
    for (const Event& event : engine(side).poll(world_->now)) on_event(side, event);
  } while (ports_[side]->pending());  // the answer to a question
}

void Model::on_event(unsigned side, const Event& event) {
  Side& s = world_->sides[side];
  auto at = std::find_if(s.conns.begin(), s.conns.end(),
                         [&](const Conn& c) { return c.live && c.handle == event.connection; });
  if (event.has(Event::accepted)) {
    if (at != s.conns.end()) return fail(side, "accepted twice");
    at = std::find_if(s.conns.begin(), s.conns.end(), [](const Conn& c) { return !c.live; });
    if (at == s.conns.end()) return fail(side, "more connections than can be");
    *at = Conn{.handle = event.connection, .live = true};
    const auto slot = static_cast<std::uint64_t>(at - s.conns.begin());
    static_cast<void>(engine(side).set_user(event.connection, slot + 1));
  }
  if (at == s.conns.end()) return fail(side, "an event of a connection that has ended");
  Conn& conn = *at;
  if (event.has(Event::accepted | Event::connected)) {
    if (conn.connected) fail(side, "connected twice");
    if (conn.own != event.has(Event::connected)) fail(side, "accepted for connected");
    conn.connected = true;
  }
  if (event.has(Event::peer_closed)) {
    if (conn.peer_closed) fail(side, "peer_closed twice");
    conn.peer_closed = true;
  }
  if (event.has(Event::closed)) on_closed(side, conn, event.reason);
}

void Model::on_closed(unsigned side, Conn& conn, Reason reason) {
  const bool asked = conn.close_called || conn.shut;
  bool right = false;
  switch (reason) {
    case Reason::closed:
      // Without the peer's FIN: closed before the handshake, or FIN_WAIT_2's limit.
      right = asked && (conn.peer_closed || conn.close_called || !conn.connected);
      break;
    case Reason::reset:
      right = conn.connected || asked;
      break;
    case Reason::refused:
      right = conn.own && !conn.connected;
      break;
    case Reason::timed_out:
      right = engine(side).counters().retransmits > 0;
      break;
    case Reason::aborted:
      right = conn.abort_called || conn.close_called;  // close() with data unread or to come
      break;
    default:
      break;
  }
  if (!right) fail(side, "ended as " + std::string(name(reason)) + ", which it was not");
  if (charting_) note(side, "told: closed, " + std::string(name(reason)));
  ++world_->sides[side].ends;
  const Connection handle = conn.handle;
  conn = Conn{};
  if (engine(side).info(handle)) fail(side, "the handle lives on after `closed`");
}

void Model::sent(unsigned from, const Frame& frame) {
  if (is_resolution(frame.data)) {
    // At once: one turn of the peer's, which answers within it.
    ports_[1 - from]->put(frame.data, frame.length);
    if (is_question(frame.data)) poll(1 - from);
    return;
  }
  Wire& wire = world_->wires[from];
  const bool fits = wire.count < wire_max && frame.length <= sizeof(Packet::bytes);
  if (charting_) {
    note(from, std::string(from == 0 ? "a ──► " : "b ──► ") + sim::describe_frame(frame) +
                   (fits ? "" : "  (no room: lost)"));
  }
  if (frame.length > sizeof(Packet::bytes)) return fail(from, "a segment larger than can be");
  if (!fits) return;
  Packet& packet = wire.packets[wire.count++];
  packet = Packet{};
  packet.length = frame.length;
  std::memcpy(packet.bytes.data(), frame.data, frame.length);
}

bool Model::drain_step(bool network_works) {
  Choice choice;
  if (!step_of_drain(network_works, choice)) return false;
  if (choice.kind != Kind::timer) {
    apply(choice);
    return true;
  }
  const std::array<Counters, 2> before = {engine(0).counters(), engine(1).counters()};
  if (charting_) note(0, "timer");
  const bool fired = fire_next_timer();
  for (unsigned side = 0; side < 2; ++side) {
    const std::string wrong = oracle::unexplained(before[side], engine(side).counters(), &edges_);
    if (!wrong.empty()) fail(side, wrong);
  }
  return fired;
}

bool Model::step_of_drain(bool network_works, Choice& out) const {
  std::vector<Choice> possible;
  choices(possible);
  const auto find = [&](Kind kind) {
    const auto at = std::find_if(possible.begin(), possible.end(),
                                 [kind](const Choice& c) { return c.kind == kind; });
    if (at == possible.end()) return false;
    out = *at;
    return true;
  };
  return find(Kind::read) || find(Kind::close) ||
         find(network_works ? Kind::deliver : Kind::drop) || find(Kind::timer);
}

void Model::check_at_rest() {
  for (unsigned side = 0; side < 2; ++side) {
    const std::string wrong = oracle::not_at_rest(engine(side));
    if (!wrong.empty()) fail(side, "at rest: " + wrong);
    if (ports_[side]->outstanding() != 0) fail(side, "at rest: frames are missing");
    for (const Conn& conn : world_->sides[side].conns) {
      if (conn.live) fail(side, "at rest: a connection was never told of its end");
    }
  }
}

void Model::fail(unsigned side, const std::string& what) {
  if (error_.empty()) error_ = std::string(1, side == 0 ? 'a' : 'b') + ": " + what;
  if (charting_) note(side, "WRONG: " + what);
}

void Model::note(unsigned side, const std::string& what) {
  const auto state_of = [this](unsigned s) {
    const Counters& c = engine(s).counters();
    for (std::size_t i = state_count; i-- > 0;) {
      if (c.states[i] > 0) return state_names[i].data();
    }
    return "CLOSED";
  };
  char line[320];
  std::snprintf(line, sizeof(line), "%12.3f ms  %-12s %-12s  %s%s",
                static_cast<double>((world_->now - start).count()) / 1e6, state_of(0), state_of(1),
                side == 0 ? "" : "                    ", what.c_str());
  lines_.push_back(line);
}

}  // namespace salut::search
