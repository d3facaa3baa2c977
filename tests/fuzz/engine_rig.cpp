#include "engine_rig.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

namespace salut::fuzz {
namespace {

using namespace std::chrono_literals;
using wire::test::our_ip;
using wire::test::our_ip6;
using wire::test::our_mac;
using wire::test::peer_ip;
using wire::test::peer_ip6;

constexpr unsigned pool_frames = 96;
constexpr unsigned stranger_port = 50'000;  // of the connection that must still work at the end
constexpr unsigned turns_to_rest = 20'000;

std::multimap<std::size_t, void*>& kept_blocks() {
  static auto& blocks = *new std::multimap<std::size_t, void*>;  // for the next run, and for ever
  return blocks;
}

// Every run gives all frames back, or dies.
sim::Pool& kept_pool() {
  static sim::Pool pool(pool_frames);
  return pool;
}

// Extension headers by number, as they stand before TCP, and the type of the first.
struct Extensions {
  Bytes headers;
  unsigned first = 0;
};
Extensions extensions(unsigned which) {
  constexpr unsigned hop_by_hop = 0, routing = 43, fragment = 44, destination = 60;
  switch (which) {
    case 1:
      return {{6, 0, 1, 4, 0, 0, 0, 0}, hop_by_hop};
    case 2:
      return {{6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, destination};
    case 3:
      return {{6, 0, 4, 0, 0, 0, 0, 0}, routing};
    case 4:  // an atomic fragment: the whole
      return {{6, 0, 0, 0, 0xca, 0xfe, 0, 1}, fragment};
    case 5:
      return {
          {destination, 0, 1, 4, 0, 0, 0, 0, fragment, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 1},
          hop_by_hop};
    // Not for us to accept: a fragment, and an option that says so.
    case 6:
      return {{6, 0, 0, 1, 0xca, 0xfe, 0, 2}, fragment};
    case 7:
      return {{6, 0, 0xc2, 4, 0, 1, 0, 0}, destination};
    default:
      return {};
  }
}

}  // namespace

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz engine: %s\n", what);
  std::abort();
}

static void require_none(const std::string& wrong) { require(wrong.empty(), wrong.c_str()); }

void* KeptMemory::allocate(std::size_t bytes, Use use) {
  bytes_[static_cast<std::size_t>(use)] += bytes;
  auto& blocks = kept_blocks();
  const std::size_t rounded = std::max<std::size_t>(64, (bytes + 63) / 64 * 64);
  const auto at = blocks.find(rounded);
  void* memory = at == blocks.end() ? std::aligned_alloc(64, rounded) : at->second;
  if (at != blocks.end()) blocks.erase(at);
  require(memory != nullptr, "out of memory");
  std::memset(memory, 0, rounded);
  return memory;
}

void KeptMemory::release(void* memory, std::size_t bytes, Use use) noexcept {
  bytes_[static_cast<std::size_t>(use)] -= bytes;
  kept_blocks().emplace(std::max<std::size_t>(64, (bytes + 63) / 64 * 64), memory);
}

Rig::Rig(const StackConfig& config, Instant start, std::uint16_t mtu, Family family)
    : pool_(kept_pool()), now_(start), mtu_(mtu), family_(family) {
  ip::Interface interface;
  interface.device = this;
  interface.mac = our_mac;
  interface.mtu = mtu;
  interface.addresses = {ip6() ? Prefix{our_ip6, 64} : Prefix{IpAddress::v4(our_ip), 24}};
  engine_ = std::make_unique<stack::Engine>(config, std::vector{interface}, pool_, memory_, 1,
                                            std::uint8_t{1}, start);
  for (unsigned i = 0; i < flow_count; ++i) {
    flows_[i].remote_port = static_cast<std::uint16_t>(remote_port_base + i);
    flows_[flow_count + i].remote_port = static_cast<std::uint16_t>(active_port_base + i);
    flows_[flow_count + i].local_port = static_cast<std::uint16_t>(2'000 + i);
  }
  // Just below the wrap.
  for (Flow& flow : flows_) flow.peer_nxt = 0xffff'fff0;
}

void Rig::introduce() {
  put(ip6() ? wire::test::ndp_packet(wire::icmp6_solicitation) : wire::test::arp_packet(1));
  poll();
}

Rig::~Rig() = default;

unsigned Rig::receive(Frame* frames, unsigned count) {
  unsigned n = 0;
  while (n < count && n < arriving_.size() && pool_.acquire(&frames[n], 1)) {
    const Bytes& bytes = arriving_[n];
    std::memcpy(frames[n].data, bytes.data(), bytes.size());
    frames[n].length = static_cast<std::uint16_t>(bytes.size());
    ++n;
  }
  arriving_.clear();  // what found no frame is lost
  return n;
}

unsigned Rig::transmit(const Frame* frames, unsigned count) {
  if (stuck_) return 0;
  for (unsigned i = 0; i < count; ++i) check_frame(frames[i]);
  pool_.release(frames, count);
  return count;
}

void Rig::put(Bytes frame) {
  if (frame.size() > 1'600) frame.resize(1'600);
  if (!frame.empty()) arriving_.push_back(std::move(frame));
}

Bytes Rig::packet(const wire::test::TcpSpec& spec, unsigned more) const {
  if (ip6()) {
    const Extensions e = extensions(more % 8);
    return wire::test::tcp_packet_6(spec, e.headers, e.first);
  }
  if (more % 8 == 0) return wire::test::tcp_packet(spec);
  wire::test::TcpSpec with_options = spec;
  with_options.ip_options = Bytes(std::size_t{4} * (more % 8), 1);
  return wire::test::tcp_packet(with_options);
}

Bytes Rig::icmp_error(unsigned type, unsigned code, unsigned mtu, const Flow& flow,
                      std::uint32_t seq) const {
  Bytes message(8);
  message[0] = static_cast<std::uint8_t>(type), message[1] = static_cast<std::uint8_t>(code);
  wire::test::put16(message, 6, mtu);
  // The IP header and eight bytes of a segment of ours: one of the peer's, turned round.
  Bytes quoted =
      packet({.source_port = flow.local_port, .destination_port = flow.remote_port, .seq = seq});
  const std::size_t addresses = ip6() ? 22 : 26, tcp = ip6() ? 54 : 34;
  const auto from = quoted.begin() + static_cast<std::ptrdiff_t>(addresses);
  const auto middle = from + (ip6() ? 16 : 4);
  std::swap_ranges(from, middle, middle);
  message.insert(message.end(), quoted.begin() + 14,
                 quoted.begin() + static_cast<std::ptrdiff_t>(tcp + 8));
  return ip6() ? wire::test::ipv6(58, message) : wire::test::ipv4(1, message);
}

void Rig::poll() {
  const Counters before = engine_->counters();
  for (Conn& conn : conns_) conn.returned = false;
  for (const Event& event : engine_->poll(now_)) on_event(event);
  for (Conn& conn : conns_) take_back(conn);
  require_none(oracle::unexplained(before, engine_->counters()));
  require_none(oracle::inconsistent(*engine_));
  require(pool_.outstanding() <= pool_frames, "a frame was given back twice");
}

void Rig::advance(Duration by) {
  now_ += by;
  poll();
}

bool Rig::advance_to_timer() {
  const auto next = engine_->next_timer();
  if (!next || *next > now_ + 24h) return false;
  now_ = std::max(now_, *next);
  poll();
  return true;
}

void Rig::listen(bool on) {
  if (on == listener_.has_value()) return;
  if (on) {
    const auto listener =
        engine_->listen({ip6() ? IpAddress::any_v6() : IpAddress{}, served_port}, 3);
    require(listener.has_value(), "listen() failed");
    listener_ = *listener;
    return;
  }
  require(engine_->unlisten(*listener_) == Errc::ok, "unlisten() failed");
  listener_.reset();
}

void Rig::connect(unsigned which) {
  const unsigned index = flow_count + which % flow_count;
  const Flow& flow = flows_[index];
  const IpAddress to = ip6() ? peer_ip6 : IpAddress::v4(peer_ip);
  const IpAddress from = ip6() ? our_ip6 : IpAddress::v4(our_ip);
  const auto connection =
      engine_->connect({to, flow.remote_port}, {from, flow.local_port}, 0, now_);
  if (connection) conns_.push_back(Conn{.handle = *connection, .flow = index, .own = true});
}

Conn* Rig::conn(unsigned which) {
  unsigned live = 0;
  for (const Conn& conn : conns_) live += conn.ends == 0 ? 1 : 0;
  if (live == 0) return nullptr;
  which %= live;
  for (Conn& conn : conns_) {
    if (conn.ends == 0 && which-- == 0) return &conn;
  }
  return nullptr;
}

bool Rig::may_end(const Conn& conn, Errc error) const {
  return error != Errc::end_of_stream || conn.peer_closed || forged_;
}

void Rig::check_read(Conn& conn, std::span<const std::byte> bytes) const {
  auto seq = static_cast<std::uint32_t>(conn.irs + conn.read);
  for (const std::byte byte : bytes) {
    require(forged_ || byte == peer_byte(seq++), "a byte to read that nobody sent");
  }
}

void Rig::read(Conn& conn, std::size_t most) {
  std::vector<std::byte> bytes(most);
  const auto n = engine_->read(conn.handle, bytes);
  if (!n) return require(may_end(conn, n.error()), "an end of stream of which nobody was told");
  require(*n <= most, "read() returned more than there was room for");
  check_read(conn, std::span(bytes).first(*n));
  conn.read += static_cast<std::uint32_t>(*n);
}

void Rig::look(Conn& conn, std::size_t most) {
  for (std::size_t left = most;;) {
    const auto run = engine_->peek(conn.handle);
    if (!run) return require(may_end(conn, run.error()), "an end of stream nobody was told of");
    const auto info = engine_->info(conn.handle);
    require(info.has_value(), "bytes to read and no connection");
    require(run->size() <= info->recv_queued, "peek() shows more than was received");
    require(run->empty() == (info->recv_queued == 0), "peek() hides what was received");
    require(engine_->consume(conn.handle, info->recv_queued + 1u) == Errc::invalid_argument,
            "consume() takes what is not there");
    check_read(conn, *run);
    const std::size_t n = std::min(left, run->size());
    if (n == 0) return;
    require(engine_->consume(conn.handle, n) == Errc::ok, "consume() refuses what peek() showed");
    conn.read += static_cast<std::uint32_t>(n);
    left -= n;
  }
}

// The next `size` bytes of the connection: what was taken before is queued or acknowledged.
static Bytes next_bytes(const Conn& conn, std::size_t size) {
  Bytes bytes(size);
  auto at = conn.written;
  for (std::uint8_t& byte : bytes) byte = std::to_integer<std::uint8_t>(Rig::our_byte(at++));
  return bytes;
}

void Rig::write(Conn& conn, std::size_t size) {
  const Bytes bytes = next_bytes(conn, size);
  const auto taken = engine_->write(conn.handle, std::as_bytes(std::span(bytes)));
  if (!taken) return;
  require(*taken <= size, "write() took more than it was offered");
  conn.written += static_cast<std::uint32_t>(*taken);
}

static void spoil(std::span<std::uint8_t> bytes) {
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(~byte);
}

void Rig::lend(Conn& conn, std::size_t size) {
  Bytes bytes = next_bytes(conn, size);
  const auto taken = engine_->lend(conn.handle, std::as_bytes(std::span(bytes)));
  if (!taken) return;
  require(*taken <= size, "lend() took more than it was offered");
  conn.written += static_cast<std::uint32_t>(*taken);
  spoil(std::span(bytes).subspan(*taken));
  if (*taken > 0) {
    bytes.resize(*taken);  // where it is: vectors do not move when they shrink
    conn.lent.push_back(std::move(bytes));
  }
}

// Runs that the engine is done with: whole ones, from the first, and told of by an event.
void Rig::take_back(Conn& conn) {
  if (conn.lent.empty()) return require(!conn.returned, "returned what was not lent");
  std::size_t out = 0;
  for (const Bytes& run : conn.lent) out += run.size();
  std::size_t still_out = 0;
  if (conn.ends == 0) {
    const auto info = engine_->info(conn.handle);
    if (!info) return;  // aborted: `closed` is to come
    still_out = info->send_lent;
    require(conn.returned == (still_out < out), "an event and send_lent that do not agree");
  }
  std::size_t done = 0;
  for (; out > still_out; ++done) {
    out -= conn.lent[done].size();
    spoil(conn.lent[done]);
    conn.was_lent.push_back(std::move(conn.lent[done]));
  }
  require(out == still_out, "a part of a run came back");
  conn.lent.erase(conn.lent.begin(), conn.lent.begin() + static_cast<std::ptrdiff_t>(done));
}

void Rig::set_starved(bool starved) {
  if (starved) {
    Frame frame;
    while (pool_.acquire(&frame, 1)) held_.push_back(frame);
  } else {
    pool_.release(held_.data(), static_cast<unsigned>(held_.size()));
    held_.clear();
  }
}

void Rig::on_event(const Event& event) {
  if (event.has(Event::accepted)) on_accepted(event);
  const auto at = std::find_if(conns_.begin(), conns_.end(),
                               [&](const Conn& conn) { return conn.handle == event.connection; });
  require(at != conns_.end(), "an event of a connection nobody knows");
  Conn& conn = *at;
  require(conn.ends == 0, "an event after `closed`");
  if (event.has(Event::accepted | Event::connected)) {
    require(!conn.connected, "connected twice");
    conn.connected = true;
    if (const auto info = engine_->info(conn.handle)) {
      const tcp::Tcb& t =
          engine_->context().tcbs[conn.handle.slot() & ((1u << Connection::slot_bits) - 1)];
      conn.irs = t.rcv_nxt.value - info->recv_queued - (t.has(tcp::Flag::fin_received) ? 1u : 0u);
      // No frame may have been free for the SYN, and the peer learned our number from an ACK.
      Flow* flow = find_flow(info->remote.port, info->local.port);
      if (flow != nullptr) know(*flow, t.snd_una.value - 1);
    }
  }
  if (event.has(Event::peer_closed)) {
    require(!conn.peer_closed, "peer_closed twice");
    conn.peer_closed = true;
  }
  if (event.has(Event::returned)) conn.returned = true;
  if (event.has(Event::closed)) {
    require(event.reason != Reason::none, "an end without a reason");
    conn.ends = 1;
    require(!engine_->info(conn.handle), "a handle that lives on after `closed`");
  }
}

void Rig::on_accepted(const Event& event) {
  const auto info = engine_->info(event.connection);
  Conn conn{.handle = event.connection};
  // One that ended in the same turn has no ports any more.
  if (info) {
    const Flow* flow = find_flow(info->remote.port, info->local.port);
    conn.flow = flow == nullptr ? 0 : static_cast<unsigned>(flow - flows_.data());
  }
  for (const Conn& known : conns_) {
    require(known.handle != event.connection, "accepted twice");
  }
  conns_.push_back(conn);
}

Flow* Rig::find_flow(unsigned remote_port, unsigned local_port) {
  for (Flow& flow : flows_) {
    if (flow.remote_port == remote_port && flow.local_port == local_port) return &flow;
  }
  return nullptr;
}

void Rig::finish() {
  set_stuck(false), set_silent(false);
  set_starved(false);
  arriving_.clear();
  listen(false);
  for (Conn& conn : conns_) {
    if (conn.ends == 0) static_cast<void>(engine_->abort(conn.handle));
  }
  poll();
  // Frames that waited for a next hop are let go by the neighbours' own clock.
  for (unsigned i = 0; i < 8; ++i) advance(1s);
  unsigned turns = 0;
  while (advance_to_timer()) require(++turns < turns_to_rest, "the engine never comes to rest");
  for (const Conn& conn : conns_) require(conn.ends == 1, "an end of which nobody was told");
  require_none(oracle::not_at_rest(*engine_));
  require(pool_.outstanding() == 0, "frames are missing");
  live_on();
}

// Whatever the peers did: somebody else can still open, and is reported.
void Rig::live_on() {
  listen(true);
  Flow& flow = flows_[0];
  flow = Flow{.remote_port = static_cast<std::uint16_t>(stranger_port)};
  wire::test::TcpSpec spec{
      .source_port = stranger_port, .seq = 7'000, .ack = 0, .flags = wire::syn};
  put(packet(spec, 5));  // headers that a host must step over
  for (unsigned i = 0; i < 3 && !flow.known; ++i) poll();
  require(flow.known, "a new SYN is not answered");
  spec.seq += 1, spec.ack = flow.iss + 1, spec.flags = wire::ack;
  put(packet(spec));
  const std::size_t before = conns_.size();
  poll();
  require(conns_.size() == before + 1, "a new connection is not accepted");
}

}  // namespace salut::fuzz
