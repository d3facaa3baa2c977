// Many peers of one engine at once, some of them hostile, and the application between them.
//
// A peer is one connection and what its far end does. The application answers an honest peer with
// `answer` bytes and reads what comes; from a hostile one it takes a request, answers with 300 KB
// and reads no further until that is written, as a server of HTTP does. It acts on events only.
#pragma once

#include <map>
#include <set>

#include "harness.hpp"

namespace salut::test {

class Crowd {
 public:
  static constexpr std::size_t answer = 100'000;
  static constexpr std::size_t hostile_answer = 300'000;

  struct Peer {
    bool honest = true;
    std::uint16_t port = 0;
    std::uint16_t wnd = 0xffff;
    std::uint32_t rcv_nxt = 0;  // absolute: what it expects of us
    std::uint32_t nxt = 1;      // relative: what it sends next
    std::uint32_t una = 1;
    std::uint32_t shown = 0;  // our window
    unsigned duplicates = 0;  // ACKs in a row
    std::size_t to_send = 0;  // bytes in all
    std::size_t got = 0;      // of ours
    std::size_t wanted = 0;
    bool reset = false;
    bool open = false;
    bool owes_ack = false;
    Instant moved;
    // The application's side.
    Connection connection;
    std::size_t left = 0;
    std::size_t taken = 0;
    bool done() const { return !reset && got == wanted && taken == to_send; }
  };

  explicit Crowd(const StackConfig& config) : h_(config, 1, 16'384) { listener_ = h_.listen(4096); }
  ~Crowd() {
    for (auto& [port, peer] : peers_) {
      if (peer.open) (void)h_.engine().abort(peer.connection);
    }
    h_.settle();
    h_.sent.clear(), h_.events.clear();
    EXPECT_EQ(free_blocks(), h_.config().buffer_blocks) << "blocks were lost";
    EXPECT_EQ(h_.engine().context().island_blocks, 0u);
  }

  Harness& harness() { return h_; }
  std::uint32_t free_blocks() { return h_.engine().context().buffers.available_blocks(); }
  const Counters& counters() const { return h_.counters(); }

  Peer& open(bool honest, std::uint16_t wnd = 0xffff) {
    const auto port = static_cast<std::uint16_t>(10'000 + peers_.size());
    Peer& peer = peers_[port];
    peer.honest = honest;
    peer.port = port;
    peer.wnd = wnd;
    peer.moved = h_.now();
    if (honest) peer.to_send = peer.wanted = answer;
    h_.send({.flags = "S", .seq = 0, .wnd = wnd, .mss = 1460, .from_port = port});
    work();
    say(peer);
    work();
    EXPECT_TRUE(peer.open);
    return peer;
  }
  // A segment of a peer, with what it would correctly acknowledge.
  void say(Peer& peer, std::uint32_t at, std::string payload, bool settle = true) {
    h_.queue({.flags = "A",
              .seq = at,
              .ack = peer.rcv_nxt - h_.iss,
              .wnd = peer.wnd,
              .payload = std::move(payload),
              .from_port = peer.port});
    if (settle) h_.settle();
  }
  void say(Peer& peer) { say(peer, peer.nxt, ""); }
  void request(Peer& peer, std::size_t size = 100) {
    say(peer, peer.nxt, std::string(size, 'r'));
    peer.nxt += static_cast<std::uint32_t>(size);
    work();
  }
  // Everybody does what he has to until all honest peers are done; how long that took.
  Duration run(Duration limit) {
    const Instant start = h_.now();
    while (h_.now() - start < limit && !honest_done()) pass(10ms);
    return h_.now() - start;
  }
  void pass(Duration time) {
    for (auto& [port, peer] : peers_) {
      if (peer.honest && peer.open && !peer.reset) send_some(peer);
    }
    h_.advance(time);
    work();
  }
  // The honest ones carry as much again.
  void again() {
    for (auto& [port, peer] : peers_) {
      if (!peer.honest || !peer.done()) continue;
      peer.to_send += answer;
      peer.wanted += answer;
      peer.left += answer;
      peer.moved = h_.now();
    }
  }
  bool honest_done() const {
    for (const auto& [port, peer] : peers_) {
      if (peer.honest && !peer.done()) return false;
    }
    return true;
  }
  unsigned honest_left() const {
    unsigned n = 0;
    for (const auto& [port, peer] : peers_) n += peer.honest && !peer.done() ? 1 : 0;
    return n;
  }
  unsigned reset(bool honest) const {
    unsigned n = 0;
    for (const auto& [port, peer] : peers_) n += peer.honest == honest && peer.reset ? 1 : 0;
    return n;
  }

  // What was sent and reported is taken notice of, until nothing new comes of it.
  void work() {
    for (int i = 0; i < 1000; ++i) {
      if (h_.sent.empty() && h_.events.empty()) return;
      while (!h_.sent.empty()) {
        receive(h_.sent.front());
        h_.sent.pop_front();
      }
      while (!h_.events.empty()) {
        const Event event = h_.events.front();
        h_.events.pop_front();
        serve(event);
      }
      for (auto& [port, peer] : peers_) {
        if (peer.owes_ack && !peer.reset) say(peer, peer.nxt, "", false);
        peer.owes_ack = false;
      }
      h_.settle();
    }
    ADD_FAILURE() << "never quiet";
  }

 private:
  void receive(const Seen& seen) {
    const wire::Segment& s = seen.segment;
    Peer& peer = peers_[net16(s.key.local_port)];
    if ((s.flags & wire::rst) != 0) {
      peer.reset = true;
      return;
    }
    if ((s.flags & wire::syn) != 0) peer.rcv_nxt = s.seq + 1;
    const std::uint32_t una = s.ack - h_.irs;
    if (static_cast<std::int32_t>(una - peer.una) > 0) {
      peer.una = una;
      if (static_cast<std::int32_t>(una - peer.nxt) > 0) peer.nxt = una;
      peer.moved = h_.now();
      peer.duplicates = 0;
    } else if (peer.honest && s.payload_length == 0 && peer.nxt != una && ++peer.duplicates == 3) {
      peer.nxt = una;
    }
    peer.shown = s.wnd;
    if (s.payload_length == 0) return;
    // A shut window takes nothing, and says so to each probe.
    peer.owes_ack = true;
    if (s.seq != peer.rcv_nxt || peer.wnd == 0) return;
    const std::uint32_t n = std::min<std::uint32_t>(s.payload_length, peer.wnd);
    peer.rcv_nxt += n;
    peer.got += n;
  }
  // As many as the window takes; from the first on after the third duplicate ACK, or a second
  // without progress.
  void send_some(Peer& peer) {
    if (peer.nxt != peer.una && h_.now() - peer.moved > 1s) {
      peer.nxt = peer.una;
      peer.moved = h_.now();
    }
    while (peer.nxt - 1 < peer.to_send && peer.nxt - peer.una < peer.shown) {
      const std::size_t n = std::min<std::size_t>(
          {1460, peer.to_send - (peer.nxt - 1), peer.shown - (peer.nxt - peer.una)});
      say(peer, peer.nxt, std::string(n, 'u'), false);
      peer.nxt += static_cast<std::uint32_t>(n);
    }
  }

  void serve(const Event& event) {
    if (event.has(Event::accepted)) {
      const auto info = h_.engine().info(event.connection);
      if (!info) return;
      Peer& peer = peers_[info->remote.port];
      peer.connection = event.connection;
      peer.open = true;
      if (peer.honest) peer.left = answer;
      ports_[event.connection.slot()] = peer.port;
    }
    const auto port = ports_.find(event.connection.slot());
    if (port == ports_.end()) return;
    Peer& peer = peers_[port->second];
    if (event.has(Event::closed)) {
      peer.open = false;
      return;
    }
    for (;;) {
      const bool more = read(peer);
      if (!write(peer) || !more) return;
    }
  }
  bool read(Peer& peer) {
    if (!peer.honest && peer.left > 0) return false;
    std::array<std::byte, 4096> bytes;
    const std::size_t most = peer.honest ? bytes.size() : 100;
    const auto n = h_.engine().read(peer.connection, std::span(bytes).first(most));
    if (!n || *n == 0) return false;
    peer.taken += *n;
    if (!peer.honest) peer.left = hostile_answer;
    return true;
  }
  bool write(Peer& peer) {
    static const std::string text(hostile_answer, 'w');
    while (peer.left > 0) {
      const auto from = std::as_bytes(std::span(text)).first(peer.left);
      const auto n = h_.engine().write(peer.connection, from);
      if (!n) return false;
      peer.left -= *n;
      if (*n < from.size()) return peer.honest;
    }
    return true;
  }

  Harness h_;
  std::uint16_t listener_ = 0;
  std::map<std::uint16_t, Peer> peers_;
  std::map<std::uint32_t, std::uint16_t> ports_;
};

}  // namespace salut::test
