#include "io/sim/world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "wire/checksum.hpp"
#include "wire/emit.hpp"
#include "wire/parse.hpp"

namespace salut::sim {

Pool::Pool(unsigned capacity) : capacity_(capacity), memory_(std::make_unique<Buffer[]>(capacity)) {
  for (unsigned i = 0; i < capacity; ++i) free_.push_back(memory_[i].bytes.data());
}

bool Pool::acquire(Frame* frames, unsigned count) {
  if (free_.size() < count) return false;
  for (unsigned i = 0; i < count; ++i) {
    frames[i] = Frame{};
    frames[i].data = free_.back();
    frames[i].handle = free_.back();
    frames[i].room = static_cast<std::uint16_t>(buffer_bytes);
    free_.pop_back();
  }
  return true;
}

void Pool::release(const Frame* frames, unsigned count) {
  for (unsigned i = 0; i < count; ++i) free_.push_back(static_cast<std::byte*>(frames[i].handle));
}

unsigned LinkEnd::receive(Frame* frames, unsigned count) {
  unsigned n = 0;
  while (n < count && !arriving.empty() && arriving.begin()->first <= world->now()) {
    if (!pool->acquire(&frames[n], 1)) break;
    const std::vector<std::byte>& bytes = arriving.begin()->second;
    std::copy(bytes.begin(), bytes.end(), frames[n].data);
    frames[n].length = static_cast<std::uint16_t>(bytes.size());
    arriving.erase(arriving.begin());
    ++n;
  }
  return n;
}

unsigned LinkEnd::transmit(const Frame* frames, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    complete_checksum(frames[i]);
    world->carry(*this, frames[i]);
  }
  pool->release(frames, count);
  return count;
}

void LinkEnd::send(std::span<std::byte> bytes) {
  Frame frame;
  frame.data = bytes.data();
  frame.length = static_cast<std::uint16_t>(bytes.size());
  world->carry(*this, frame);
}

void complete_checksum(const Frame& frame) {
  if ((frame.flags & l4_checksum_left) == 0) return;
  const std::size_t tcp = wire::layers_of(frame.data).tcp();
  std::byte* at = frame.data + tcp;
  wire::store(at + offsetof(wire::TcpHeader, checksum),
              wire::internet_checksum(at, frame.length - tcp));
}

World::World(std::uint64_t seed, Instant start) : seed_(seed), random_(seed), now_(start) {}

Host& World::add_end(unsigned frames) {
  auto host = std::make_unique<Host>();
  const auto id = static_cast<std::uint8_t>(hosts_.size());
  host->name = std::string(1, static_cast<char>(id < 26 ? 'a' + id : 'A' + id - 26));
  host->pool = std::make_unique<Pool>(frames);
  host->end = std::make_unique<LinkEnd>();
  host->end->world = this;
  host->end->pool = host->pool.get();
  host->end->name = host->name;
  host->end->mac = Mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(id + 1)}};
  hosts_.push_back(std::move(host));
  return *hosts_.back();
}

Host& World::add_station() { return add_end(64); }

Host& World::add_host(const IpAddress& address, const StackConfig& config,
                      const HostOptions& options) {
  Host& host = add_end(options.frames);
  const auto id = static_cast<std::uint8_t>(hosts_.size() - 1);
  host.memory = std::make_unique<HeapMemory>();
  ip::Interface interface;
  interface.device = host.end.get();
  interface.mac = host.end->mac;
  interface.mtu = options.mtu;
  interface.completes_checksums = options.completes_checksums;
  interface.ranges = options.ranges;
  interface.siblings = options.siblings;
  interface.gateway6 = options.gateway6;
  (options.gateway.is_v4() ? interface.gateway : interface.gateway6) = options.gateway;
  const auto add = [&](const IpAddress& own) {
    const unsigned length = options.alone ? (own.is_v4() ? 32 : 128) : (own.is_v4() ? 8 : 64);
    interface.addresses.push_back(Prefix{own, static_cast<std::uint8_t>(length)});
  };
  add(address);
  for (const IpAddress& more : options.more_addresses) add(more);
  host.engine = std::make_unique<stack::Engine>(config, std::vector{interface}, *host.pool,
                                                *host.memory, seed_ * 64 + id + 1, id, now_);
  return host;
}

void World::join(Host& a, Host& b, const Conditions& conditions) {
  conditions_ = conditions;
  a.end->peer = b.end.get();
  b.end->peer = a.end.get();
}

bool World::chance(double probability) {
  if (probability <= 0) return false;
  return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
}

void World::join_all() { switched_ = true; }

Duration World::time_on_wire(const Conditions& link, std::uint64_t bytes) {
  if (link.rate == 0) return Duration{0};
  return Duration{static_cast<std::int64_t>(bytes * 1'000'000'000 / link.rate)};
}

void World::carry(LinkEnd& from, const Frame& frame) {
  ++frames_;
  if (from.peer != nullptr) return cross(from, *from.peer, frame);
  Mac to;
  std::memcpy(&to, frame.data, sizeof(to));
  bool taken = false;
  for (const auto& host : hosts_) {
    LinkEnd& end = *host->end;
    if (!switched_ || &end == &from || !(to.is_group() || end.mac == to)) continue;
    cross(from, end, frame);
    taken = true;
  }
  if (!taken) note(from, nullptr, frame, "  lost");
}

// Carries a frame over one link, or with a switch over two; the rate is that of the sender's link.
void World::cross(LinkEnd& from, LinkEnd& to, const Frame& frame) {
  const Conditions& out = switched_ ? from.conditions : conditions_;
  const Conditions none{.delay_min = Duration{0}, .delay_max = Duration{0}};
  const Conditions& in = switched_ ? to.conditions : none;
  if (from.cut_until > now_ || to.cut_until > now_) return note(from, &to, frame, "  cut");
  const bool full = switched_ && to.arriving.size() >= LinkEnd::arriving_max;
  if (full || chance(out.loss) || chance(in.loss)) return note(from, &to, frame, "  lost");
  const Instant leaves = std::max(now_, from.busy_until) + time_on_wire(out, frame.length);
  if (out.rate != 0) {
    const Duration waits = from.busy_until > now_ ? from.busy_until - now_ : Duration{0};
    if (waits > time_on_wire(out, out.queue)) return note(from, &to, frame, "  queue full");
    from.busy_until = leaves;
  }
  const int copies = chance(out.duplicate) || chance(in.duplicate) ? 2 : 1;
  note(from, &to, frame, copies == 2 ? "  twice" : "");
  const auto delay_on = [this](const Conditions& link) {
    const auto spread = (link.delay_max - link.delay_min).count();
    const Duration delay =
        link.delay_min +
        Duration{spread > 0 ? static_cast<std::int64_t>(random_() % (spread + 1)) : 0};
    return delay + (chance(link.late) ? link.late_by : Duration{0});
  };
  for (int i = 0; i < copies; ++i) {
    std::vector<std::byte> bytes(frame.data, frame.data + frame.length);
    const bool arp = bytes[12] == std::byte{8} && bytes[13] == std::byte{6};
    if (!arp && (chance(out.corrupt) || chance(in.corrupt))) {
      // Not in the Ethernet header and not in ARP, which no checksum of ours covers.
      const std::size_t at = 14 + random_() % (bytes.size() - 14);
      bytes[at] ^= static_cast<std::byte>(1u << (random_() % 8));
    }
    to.arriving.emplace(leaves + delay_on(out) + delay_on(in), std::move(bytes));
  }
}

void World::note(const LinkEnd& from, const LinkEnd* to, const Frame& frame, const char* fate) {
  if (!keep_trace_) return;
  char line[64];
  std::snprintf(line, sizeof(line), "%12.3f ms  %s>%s  ",
                static_cast<double>(now_.time_since_epoch().count()) / 1e6, from.name.c_str(),
                to != nullptr ? to->name.c_str() : "?");
  trace_.push_back(line + describe_frame(frame) + fate);
}

void World::say(const Host& host, const std::string& what) {
  if (!keep_trace_) return;
  char line[64];
  std::snprintf(line, sizeof(line), "%12.3f ms  %s    ",
                static_cast<double>(now_.time_since_epoch().count()) / 1e6, host.name.c_str());
  trace_.push_back(line + what);
}

Instant World::due(const Host& host) const {
  Instant next = host.wake_at;
  if (!host.end->arriving.empty()) next = std::min(next, host.end->arriving.begin()->first);
  if (host.engine == nullptr) return next;
  if (const auto timer = host.engine->next_timer()) next = std::min(next, *timer);
  return std::max(next, host.paused_until);
}

bool World::step(Instant until) {
  Instant next = Instant::max();
  for (const auto& host : hosts_) next = std::min(next, due(*host));
  if (next > until) return false;
  now_ = std::max(now_, next);
  for (const auto& host : hosts_) {
    if (switched_ ? due(*host) > now_ : host->paused_until > now_) continue;
    if (host->wake_at <= now_) host->wake_at = Instant::max();
    host->on_events(host->engine != nullptr ? host->engine->poll(now_) : std::span<const Event>{});
  }
  return true;
}

void World::run_until(Instant until) {
  while (step(until)) {
  }
  now_ = std::max(now_, until);
}

std::string describe_frame(const Frame& frame) {
  wire::Segment s;
  Mac destination;
  if (frame.length >= sizeof(destination)) std::memcpy(&destination, frame.data, sizeof(Mac));
  const wire::ParseOptions options(false, destination);
  const wire::Parsed parsed = wire::parse_step_by_step(frame, options, s);
  if (parsed.kind == wire::Kind::arp) return "ARP";
  if (parsed.kind == wire::Kind::icmp) return "ICMP";
  std::string flags;
  const auto add = [&](unsigned bit, const char* text) {
    if ((s.flags & bit) == 0) return;
    if (!flags.empty()) flags += ',';
    flags += text;
  };
  add(wire::syn, "SYN"), add(wire::fin, "FIN"), add(wire::rst, "RST"), add(wire::ack, "ACK");
  char line[128];
  std::snprintf(line, sizeof(line), "%u>%u %s seq %u ack %u len %u wnd %u",
                net16(s.key.remote_port), net16(s.key.local_port), flags.c_str(), s.seq, s.ack,
                s.payload_length, s.wnd);
  return line;
}

}  // namespace salut::sim
