#include "engine_rig.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

namespace salut::fuzz {
namespace {

using namespace std::chrono_literals;
using wire::test::get16;
using wire::test::naive_checksum;
using wire::test::naive_sum;
using wire::test::our_ip;
using wire::test::our_mac;
using wire::test::peer_ip;
using wire::test::peer_mac;

constexpr unsigned pool_frames = 96;
constexpr unsigned stranger_port = 50'000;  // of the connection that must still work at the end
constexpr unsigned turns_to_rest = 20'000;

std::uint32_t get32(const Bytes& bytes, std::size_t at) {
  return static_cast<std::uint32_t>(get16(bytes, at)) << 16 | get16(bytes, at + 2);
}

bool after(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) > 0; }

std::multimap<std::size_t, void*>& kept_blocks() {
  static auto& blocks = *new std::multimap<std::size_t, void*>;  // for the next run, and for ever
  return blocks;
}

// Every run gives all frames back, or dies.
sim::Pool& kept_pool() {
  static sim::Pool pool(pool_frames);
  return pool;
}

Bytes arp_reply() { return wire::test::arp_packet(2, our_mac); }

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

Rig::Rig(const StackConfig& config, Instant start, std::uint16_t mtu)
    : pool_(kept_pool()), now_(start), mtu_(mtu) {
  stack::Interface interface;
  interface.device = this;
  interface.mac = our_mac;
  interface.mtu = mtu;
  interface.addresses = {Prefix{IpAddress::v4(our_ip), 24}};
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
  put(wire::test::arp_packet(1));
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

void Rig::poll() {
  const Counters before = engine_->counters();
  for (const Event& event : engine_->poll(now_)) on_event(event);
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
    const auto listener = engine_->listen({IpAddress{}, served_port}, 3);
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
  const auto connection = engine_->connect({IpAddress::v4(peer_ip), flow.remote_port},
                                           {IpAddress::v4(our_ip), flow.local_port}, 0, now_);
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

void Rig::read(Conn& conn, std::size_t most) {
  Bytes bytes(most);
  const auto n = engine_->read(conn.handle, std::as_writable_bytes(std::span(bytes)));
  if (!n) {
    require(n.error() != Errc::end_of_stream || conn.peer_closed || forged_,
            "an end of stream of which nobody was told");
    return;
  }
  require(*n <= most, "read() returned more than there was room for");
  for (std::size_t i = 0; i < *n; ++i) {
    const auto seq = static_cast<std::uint32_t>(conn.irs + conn.read++);
    require(forged_ || std::byte{bytes[i]} == peer_byte(seq), "read() gave a byte nobody sent");
  }
}

void Rig::write(Conn& conn, std::size_t size) {
  const auto info = engine_->info(conn.handle);
  if (!info) return;
  // Bytes are counted from the first: what was taken before is queued or acknowledged.
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] =
        std::to_integer<std::uint8_t>(our_byte(conn.written + static_cast<std::uint32_t>(i)));
  }
  const auto taken = engine_->write(conn.handle, std::as_bytes(std::span(bytes)));
  if (!taken) return;
  require(*taken <= size, "write() took more than it was offered");
  conn.written += static_cast<std::uint32_t>(*taken);
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
          engine_->context().tcbs[conn.handle.slot() & ((1u << tcp::slot_bits) - 1)];
      conn.irs = t.rcv_nxt.value - info->recv_queued - (t.has(tcp::Flag::fin_received) ? 1u : 0u);
    }
  }
  if (event.has(Event::peer_closed)) {
    require(!conn.peer_closed, "peer_closed twice");
    conn.peer_closed = true;
  }
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

void Rig::check_frame(const Frame& frame) {
  Bytes bytes(frame.length);
  std::memcpy(bytes.data(), frame.data, frame.length);
  require(bytes.size() >= 34, "a frame too short");
  require(std::equal(our_mac.bytes.begin(), our_mac.bytes.end(), bytes.begin() + 6),
          "a frame from another station");
  const unsigned type = get16(bytes, 12);
  if (type == 0x0806) return check_arp(bytes);
  if (type != 0x0800) return;
  require(get16(bytes, 16) == bytes.size() - 14, "an IPv4 length that lies");
  require(naive_checksum(naive_sum(&bytes[14], 20)) == 0, "an IPv4 checksum that is wrong");
  require(get32(bytes, 26) == our_ip || forged_, "a packet from somebody else's address");
  if (bytes[23] == 6) check_tcp(bytes);
}

void Rig::check_arp(const Bytes& frame) {
  require(frame.size() >= 42, "an ARP packet too short");
  const bool asks = get16(frame, 20) == 1 && get32(frame, 38) == peer_ip;
  if (asks && !silent_) put(arp_reply());
}

void Rig::check_tcp(const Bytes& frame) {
  constexpr std::size_t tcp = 34;
  const std::size_t length = frame.size() - tcp;
  require(length >= 20, "a TCP header too short");
  require(frame.size() <= 14u + mtu_, "a segment longer than the MTU");
  const std::uint32_t pseudo = naive_sum(&frame[26], 8) + 6 + static_cast<std::uint32_t>(length);
  require(naive_checksum(pseudo + naive_sum(&frame[tcp], length)) == 0, "a TCP checksum is wrong");
  const std::size_t header = static_cast<std::size_t>(frame[tcp + 12] >> 4) * 4;
  require(header >= 20 && header <= length, "a TCP offset that lies");
  const unsigned flags = frame[tcp + 13];
  const bool syn = (flags & wire::syn) != 0, fin = (flags & wire::fin) != 0;
  const bool rst = (flags & wire::rst) != 0, ack = (flags & wire::ack) != 0;
  require(syn + fin + rst <= 1, "two of SYN, FIN and RST at once");
  require(ack || syn || rst, "a segment without ACK");
  const std::size_t payload = length - header;
  require(payload == 0 || !(syn || rst), "data on a SYN or RST");
  Flow* flow = find_flow(get16(frame, tcp + 2), get16(frame, tcp));
  check_options(frame, tcp + 20, header - 20, flow);
  if (flow == nullptr || rst) return;
  const std::uint32_t seq = get32(frame, tcp + 4);
  for (std::size_t i = 0; i < payload && flow->known && !forged_; ++i) {
    const auto offset = static_cast<std::uint32_t>(seq + i - flow->iss - 1);
    require(std::byte{frame[tcp + header + i]} == our_byte(offset), "a byte left that is wrong");
  }
  learn(*flow, frame, tcp, static_cast<std::uint32_t>(payload + (syn || fin ? 1 : 0)));
}

void Rig::check_options(const Bytes& frame, std::size_t at, std::size_t size, Flow* flow) {
  const std::size_t end = at + size;
  while (at < end && frame[at] != 0) {
    if (frame[at] == 1) {
      ++at;
      continue;
    }
    require(at + 2 <= end && frame[at + 1] >= 2 && at + frame[at + 1] <= end,
            "an option that is malformed");
    if (flow != nullptr && frame[at] == 8) flow->tsval = get32(frame, at + 2);
    at += frame[at + 1];
  }
}

void Rig::learn(Flow& flow, const Bytes& frame, std::size_t tcp, std::uint32_t len) {
  const std::uint32_t seq = get32(frame, tcp + 4);
  const unsigned flags = frame[tcp + 13];
  if ((flags & wire::syn) != 0 && (!flow.known || flow.iss != seq)) {
    flow.known = true;
    flow.iss = seq;
    flow.snd_nxt = seq + 1;
  }
  if (flow.known && after(seq + len, flow.snd_nxt)) flow.snd_nxt = seq + len;
  if ((flags & wire::ack) == 0) return;
  flow.rcv_nxt = get32(frame, tcp + 8);
  flow.edge = flow.rcv_nxt + get16(frame, tcp + 14);
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
  put(wire::test::tcp_packet(spec));
  for (unsigned i = 0; i < 3 && !flow.known; ++i) poll();
  require(flow.known, "a new SYN is not answered");
  spec.seq += 1, spec.ack = flow.iss + 1, spec.flags = wire::ack;
  put(wire::test::tcp_packet(spec));
  const std::size_t before = conns_.size();
  poll();
  require(conns_.size() == before + 1, "a new connection is not accepted");
}

}  // namespace salut::fuzz
