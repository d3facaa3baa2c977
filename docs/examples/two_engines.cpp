// Two TCP stacks in one thread and in virtual time: no network card, no clock, no system call.
// The client opens, sends, reads the echo and closes; its minute of TIME_WAIT is one jump.
//
//   g++ two_engines.cpp $(pkg-config --cflags --libs salut-core) && ./a.out
#include <algorithm>
#include <cstdio>
#include <deque>
#include <utility>

#include <salut/core.hpp>

using namespace salut;

struct Heap final : FramePool {  // packet buffers
  bool acquire(Frame* frames, unsigned count) override {
    for (Frame& frame : std::span(frames, count)) {
      auto* buffer = new std::byte[2048];
      frame = {.data = buffer, .handle = buffer, .room = 2048};
    }
    return true;
  }
  void release(const Frame* frames, unsigned count) override {
    for (const Frame& f : std::span(frames, count)) delete[] static_cast<std::byte*>(f.handle);
  }
};

struct WireEnd final : Device {  // what it transmits, the other end receives
  unsigned receive(Frame* frames, unsigned count) override {
    unsigned n = 0;
    for (; n < count && !arrived.empty(); arrived.pop_front()) frames[n++] = arrived.front();
    return n;
  }
  unsigned transmit(const Frame* frames, unsigned count) override {
    peer->arrived.insert(peer->arrived.end(), frames, frames + count);
    return count;
  }
  std::deque<Frame> arrived;
  WireEnd* peer = nullptr;
};

static Result<Engine> host(std::uint8_t number, Device& device, FramePool& pool, Memory& memory) {
  Interface wire;
  wire.device = &device;
  wire.mac = {2, 0, 0, 0, 0, number};
  wire.addresses = {{IpAddress::v4(0x0a000000u + number), 24}};  // 10.0.0.`number`/24
  StackConfig config;
  config.connections = config.time_wait = config.buffer_blocks = 16;
  return Engine::make(config, {wire}, pool, memory, /*seed=*/number, Instant{}, /*id=*/number);
}

static std::string_view state_of(const Engine& engine) {  // of its one connection
  for (auto s = std::size_t(State::syn_sent); s < state_count; ++s)
    if (engine.counters().states[s] > 0) return state_names[s];
  return "CLOSED";
}

int main() {
  Heap pool;
  HeapMemory memory;
  WireEnd left, right;
  left.peer = &right, right.peer = &left;
  auto client = host(1, left, pool, memory), server = host(2, right, pool, memory);
  if (!client || !server) return 1;  // error().message says why

  Instant now;
  server->listen({IpAddress{}, 7});
  client->connect({IpAddress::v4(0x0a000002), 7}, now);
  std::byte bytes[256];
  std::pair<std::string_view, std::string_view> before, after;
  for (bool moving = true; moving || after.first != "CLOSED";) {
    for (const Event& event : client->poll(now)) {
      const Connection c = event.connection;
      if (event.has(Event::connected)) client->write(c, std::as_bytes(std::span("hello", 5)));
      if (event.has(Event::readable) && client->read(c, bytes).value_or(0) == 5) client->close(c);
    }
    for (const Event& event : server->poll(now)) {
      const Connection c = event.connection;
      if (!event.has(Event::readable | Event::peer_closed)) continue;
      const auto come = server->peek(c);  // end_of_stream once the client has closed
      if (!come)
        server->close(c);
      else if (auto taken = server->write(c, *come))
        server->consume(c, *taken);
    }
    after = {state_of(*client), state_of(*server)};
    if (after != before) {
      std::printf("%9.2f ms  client %-11s server %s\n",
                  double(now.time_since_epoch().count()) / 1e6, after.first.data(),
                  after.second.data());
    }
    before = after;
    // A frame takes 50 us; when none is on the wire, time jumps to what happens next.
    moving = !left.arrived.empty() || !right.arrived.empty();
    const Instant due = std::min(client->next_timer().value_or(Instant::max()),
                                 server->next_timer().value_or(Instant::max()));
    now = moving ? now + std::chrono::microseconds{50} : std::max(now, due);
  }
}
