// Attacks that hold connections: what they have is opened as anybody's, and then used badly.
#include <algorithm>

#include "attack.hpp"

namespace salut::hostile {
namespace {

using namespace std::chrono_literals;

constexpr Duration patience = 500ms;  // for a SYN,ACK

struct Puppet {
  enum class State : std::uint8_t { fresh, opening, open, ended };
  State state = State::fresh;
  Side self;
  const Victim* victim = nullptr;
  std::uint32_t nxt = 0;      // what it sends next
  std::uint32_t una = 0;      // what the victim has acknowledged
  std::uint32_t room = 0;     // the victim's window
  std::uint32_t rcv_nxt = 0;  // what it expects
  std::uint32_t acked = 0;    // what it has acknowledged: rcv_nxt, or less
  std::uint16_t wnd = 65'535;
  std::uint32_t steps = 0;
  Instant since;
};

class Hold final : public Attack {
 public:
  Hold(const Means& means, const Orders& what) : Attack(means, what) {
    puppets_.resize(std::clamp<unsigned>(what.connections, 1, ports_each));
  }

  // The next puppet is opened, opened again, or takes a step.
  void act(Instant now) override {
    const std::size_t index = turn_++ % puppets_.size();
    Puppet& p = puppets_[index];
    switch (p.state) {
      case Puppet::State::opening:
        if (now - p.since < patience) return;
        [[fallthrough]];
      case Puppet::State::fresh:
      case Puppet::State::ended:
        return connect(p, index, now);
      case Puppet::State::open:
        return step(p);
    }
  }

  bool take(const Seen& seen, Instant) override {
    const unsigned at = seen.to.port - unsigned{first_port};
    if (seen.to.port < first_port || at >= ports_each) return false;
    Puppet& p = puppets_[at % puppets_.size()];
    if (p.self.port != seen.to.port || p.self.address != seen.to.address) return false;
    if (seen.has(rst)) {
      p.state = Puppet::State::ended;
      return true;
    }
    if (seen.has(syn | ack)) {
      if (p.state == Puppet::State::opening && seen.ack == p.nxt) {
        p.state = Puppet::State::open;
        p.rcv_nxt = p.acked = seen.seq + 1;
        p.una = seen.ack;
        p.room = seen.wnd;
      }
      say(p, ack);
      if (orders.kind == Kind::churn) step(p);
      return true;
    }
    if (p.state == Puppet::State::open) hear(p, seen);
    return true;
  }

 private:
  void connect(Puppet& p, std::size_t index, Instant now) {
    // A port that was not used lately, as a client's are.
    const std::size_t rounds = ports_each / puppets_.size();
    const std::size_t place = p.steps++ % rounds * puppets_.size() + index;
    const bool one_station = orders.kind == Kind::slots || orders.kind == Kind::churn;
    p.self = {near(one_station ? 0 : static_cast<std::uint32_t>(place) * 7),
              static_cast<std::uint16_t>(first_port + place)};
    p.victim = &victim();
    p.nxt = any32();
    p.rcv_nxt = p.acked = 0;
    p.wnd = orders.kind == Kind::one_byte_window && one_in(2) ? std::uint16_t{1} : 65'535;
    p.since = now;
    p.state = Puppet::State::opening;
    say(p, syn);
    ++p.nxt;
  }

  void say(const Puppet& p, unsigned flags, std::span<const std::byte> payload = {}) {
    say_at(p, p.nxt, p.acked, flags, payload);
  }
  void say_at(const Puppet& p, std::uint32_t seq, std::uint32_t acknowledges, unsigned flags,
              std::span<const std::byte> payload = {}) {
    send(writer.tcp({site.mac, p.victim->mac},
                    {.from = p.self,
                     .to = {p.victim->address(orders.ip6), p.victim->port},
                     .seq = seq,
                     .ack = (flags & ack) != 0 ? acknowledges : 0,
                     .wnd = p.wnd,
                     .flags = static_cast<std::uint8_t>(flags),
                     .payload = payload}));
  }
  void tell(Puppet& p, std::span<const std::byte> payload) {
    say(p, psh | ack, payload);
    p.nxt += static_cast<std::uint32_t>(payload.size());
  }
  void ask(Puppet& p, std::byte what) { tell(p, std::span(&what, 1)); }

  void step(Puppet& p) {
    const bool first = p.since != Instant{};  // since it was opened
    p.since = Instant{};
    switch (orders.kind) {
      case Kind::sockstress:
        p.wnd = 0;
        if (first) ask(p, asks_for_much);
        return;
      case Kind::pipeline:
        return pipeline(p);
      case Kind::one_byte_window:
        p.wnd = 1;
        if (first) return ask(p, asks_for_much);
        p.acked = p.rcv_nxt;
        return say(p, ack);
      case Kind::one_byte_acks:
        if (first) return ask(p, asks_for_much);
        if (p.acked == p.rcv_nxt) return;
        ++p.acked;
        return say(p, ack);
      case Kind::slow_read:
        if (first) return ask(p, asks_for_much);
        p.acked = p.rcv_nxt;
        p.wnd = one_in(8) ? std::uint16_t{300} : std::uint16_t{0};
        return say(p, ack);
      case Kind::islands: {
        const std::uint32_t most = std::clamp<std::uint32_t>(p.room / 2, 2, 1'000) - 1;
        return say_at(p, p.nxt + 1 + 2 * (p.steps++ % most), p.acked, ack, filler(1));
      }
      case Kind::slowloris:
        return tell(p, filler(1));
      case Kind::challenge:
        return provoke(p);
      case Kind::churn:
        if (first) ask(p, asks_for_little);
        return;
      default:
        return;
    }
  }

  // As much as the victim's window takes, and nothing is read.
  void pipeline(Puppet& p) {
    static const std::vector<std::byte> requests(1460, asks_for_much);
    p.wnd = 0;
    const std::uint32_t flying = p.nxt - p.una;
    if (p.room <= flying) return;
    tell(p, std::span(requests).first(std::min<std::size_t>(p.room - flying, requests.size())));
  }

  void provoke(Puppet& p) {
    switch (below(6)) {
      case 0:
        return say_at(p, p.nxt - 1 - below(30'000), p.acked, ack);
      case 1:
        return say_at(p, p.nxt + p.room + 1 + below(1'000'000), p.acked, ack);
      case 2:
        return say_at(p, p.nxt + 1 + below(1'000), p.acked, rst);
      case 3:
        return say_at(p, p.nxt + below(1'000), 0, syn);
      case 4:
        return say_at(p, p.nxt, p.acked + 1 + below(1'000'000), ack);
      default:
        return say_at(p, p.nxt - 1, p.acked, ack);  // a keepalive probe
    }
  }

  void hear(Puppet& p, const Seen& seen) {
    if (seen.has(ack)) {
      if (static_cast<std::int32_t>(seen.ack - p.una) > 0) p.una = seen.ack;
      p.room = seen.wnd;
    }
    const bool ends = seen.has(fin);
    const bool probe = seen.seq + 1 == p.rcv_nxt && !ends;
    if (seen.payload.empty() && !ends && !probe) return;
    std::uint32_t taken = 0;
    if (seen.seq == p.rcv_nxt) {
      taken = static_cast<std::uint32_t>(std::min<std::size_t>(seen.payload.size(), p.wnd));
      p.rcv_nxt += taken;
    }
    if (ends && seen.seq + seen.payload.size() == p.rcv_nxt) {
      p.acked = ++p.rcv_nxt;
      say(p, ack | fin);
      p.state = Puppet::State::ended;
      return;
    }
    // These acknowledge when it suits them.
    const bool later = orders.kind == Kind::one_byte_acks || orders.kind == Kind::slow_read ||
                       orders.kind == Kind::one_byte_window;
    if (later && taken > 0) return;
    if (!later) p.acked = p.rcv_nxt;
    say(p, ack);
  }

  std::vector<Puppet> puppets_;
  std::size_t turn_ = 0;
};

}  // namespace

std::unique_ptr<Attack> make_hold(const Attack::Means& means, const Orders& orders) {
  return std::make_unique<Hold>(means, orders);
}

}  // namespace salut::hostile
