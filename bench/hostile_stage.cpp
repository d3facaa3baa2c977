#include "hostile_stage.hpp"

#include <cstring>

#include "tools.hpp"

namespace salut::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t port = 80;
constexpr std::size_t exchange = 64;  // bytes each way of an honest connection
constexpr std::byte honest_request{'e'};
constexpr Duration patience = 10s;  // of the server with its clients, and for an honest connection

using sim::station_address;

constexpr Mac mac_of(std::uint8_t last) { return Mac{{2, 0, 0, 0, 0, last}}; }

}  // namespace

unsigned SwitchPort::receive(Frame* frames, unsigned count) {
  unsigned n = 0;
  for (; n < count && !in_.empty(); ++n) {
    frames[n] = in_.front();
    frames[n].flags = 0;
    in_.pop_front();
  }
  return n;
}

unsigned SwitchPort::transmit(const Frame* frames, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    sim::complete_checksum(frames[i]);
    pass_on(frames[i]);
  }
  return count;
}

void SwitchPort::pass_on(const Frame& frame) {
  Mac to;
  std::memcpy(&to, frame.data, sizeof(to));
  for (SwitchPort* other : others) {
    if (to.is_group()) {
      other->send({frame.data, frame.length});  // into its own queue
    } else if (other->mac == to && other->in_.size() < queue) {
      return other->in_.push_back(frame);
    } else if (other->mac == to) {
      ++other->lost;
    }
  }
  pool->release(&frame, 1);
}

void SwitchPort::send(std::span<std::byte> bytes) {
  Frame frame;
  if (in_.size() >= queue || !pool->acquire(&frame, 1)) {
    ++lost;
    return;
  }
  std::memcpy(frame.data, bytes.data(), bytes.size());
  frame.length = static_cast<std::uint16_t>(bytes.size());
  in_.push_back(frame);
}

void SwitchPort::drop_all() {
  for (const Frame& frame : in_) pool->release(&frame, 1);
  in_.clear();
}

Instant Stage::clock() const {
  return Instant{Duration{static_cast<std::int64_t>(Stopwatch::now(clock_))}};
}

Stage::Stage(bool ip6, bool cookies, const Lengths& lengths)
    : clock_(lengths.clock),
      ip6_(ip6),
      every_(1'000'000'000 / static_cast<std::int64_t>(lengths.rate)),
      pool_(32'768) {
  now_ = clock();
  SwitchPort* const ports[] = {&server_port_, &client_port_, &attacker_port_};
  for (std::uint8_t i = 0; i < 3; ++i) {
    ports[i]->mac = mac_of(i + 1);
    ports[i]->pool = &pool_;
    for (SwitchPort* other : ports) {
      if (other != ports[i]) ports[i]->others.push_back(other);
    }
  }
  const auto make = [&](SwitchPort& device, std::uint8_t id) {
    StackConfig config;
    config.syn_cookies = cookies;
    ip::Interface interface;
    interface.device = &device;
    interface.mac = device.mac;
    interface.addresses = {
        Prefix{station_address(id, ip6), ip6 ? std::uint8_t{64} : std::uint8_t{8}}};
    // What the server sends off the link goes to the attacker's station: its router is no better.
    (ip6 ? interface.gateway6 : interface.gateway) = station_address(0xfe, ip6);
    return std::make_unique<stack::Engine>(config, std::vector{interface}, pool_, memory_, id, id,
                                           now_);
  };
  server_ = make(server_port_, 1);
  client_ = make(client_port_, 2);
  guests_ = std::make_unique<hostile::Guests>(*server_, patience);
  guests_->answer(honest_request, exchange);
  static_cast<void>(server_->listen({station_address(1, ip6), port}, 16'384));
  site_.mac = site_.router = attacker_port_.mac;
  site_.near4 = IpAddress::v4(0x0a420000);
  site_.near6 = IpAddress::v6(sim::link6, 0x660000);
  site_.far4 = IpAddress::v4(0xac100000);
  site_.far6 = IpAddress::v6(0x2001'0db8'0066'0000, 0);
  site_.victims = {{server_port_.mac, station_address(1, false), station_address(1, true), port}};
  // The first one alone: it learns the server's MAC.
  now_ = clock();
  open(now_, nullptr);
  for (const Instant limit = now_ + patience; now_ < limit && !trips_.empty(); now_ = clock())
    turn();
}

void Stage::attack(hostile::Orders orders, Duration length) {
  orders.from = now_;
  orders.until = now_ + length;
  attacker_ = std::make_unique<hostile::Attacker>(
      site_, std::vector{orders}, 1, [this](std::span<std::byte> frame) {
        // As a switch: to the station whose MAC it bears.
        for (SwitchPort* other : attacker_port_.others) {
          if (std::memcmp(frame.data(), &other->mac, sizeof(Mac)) == 0 ||
              std::to_integer<unsigned>(frame[0]) % 2 == 1) {
            other->send(frame);
          }
        }
      });
}

void Stage::run(Duration length, Window* window) {
  const Instant begin = clock(), end = begin + length;
  next_due_ = begin;
  for (now_ = begin; now_ < end; now_ = clock()) {
    for (; next_due_ <= now_; next_due_ += every_) open(next_due_, window);
    turn();
  }
}

void Stage::turn() {
  if (attacker_ != nullptr) attacker_->turn(now_);
  on_client_events(client_->poll(now_));
  for (const Event& event : server_->poll(now_)) {
    if (event.has(Event::accepted)) guests_->adopt(event.connection, now_);
    guests_->on_event(event, now_);
  }
  static_cast<void>(guests_->turn(now_));
  Frame frame;
  while (attacker_port_.receive(&frame, 1) == 1) {
    if (attacker_ != nullptr) attacker_->receive({frame.data, frame.length}, now_);
    pool_.release(&frame, 1);
  }
}

void Stage::open(Instant due, Window* window) {
  if (window != nullptr) ++window->opened;
  const auto connection = client_->connect({station_address(1, ip6_), port}, {}, 0, now_);
  if (!connection) {
    if (window != nullptr) ++window->failed;
    return;
  }
  trips_[*connection] = Trip{.due = due, .window = window};
  if (site_.flows.size() >= 1'024) site_.flows.clear();
  const auto info = client_->info(*connection);
  site_.flows.push_back({server_port_.mac,
                         client_port_.mac,
                         {info->local.address, info->local.port},
                         {info->remote.address, info->remote.port}});
}

void Stage::on_client_events(std::span<const Event> events) {
  std::array<std::byte, 2 * exchange> bytes;
  for (const Event& event : events) {
    const auto at = trips_.find(event.connection);
    if (at == trips_.end()) continue;
    Trip& trip = at->second;
    if (event.has(Event::connected)) {
      bytes.fill(honest_request);
      static_cast<void>(client_->write(event.connection, std::span(bytes).first(exchange)));
    }
    if (event.has(Event::readable)) {
      const std::size_t n = client_->read(event.connection, bytes).value_or(0);
      trip.received += static_cast<std::uint32_t>(n);
      if (trip.received == exchange) {
        const Instant done = clock();
        if (trip.window != nullptr) {
          trip.window->latency.record(static_cast<std::uint64_t>((done - trip.due).count()));
        }
        static_cast<void>(client_->close(event.connection));
      }
    }
    if (!event.has(Event::closed)) continue;
    const bool well = event.reason == Reason::closed && trip.received == exchange;
    if (!well && trip.window != nullptr) ++trip.window->failed;
    trips_.erase(at);
  }
}

void Stage::finish(Window* window) {
  const Instant limit = now_ + patience;
  for (now_ = clock(); now_ < limit && !trips_.empty(); now_ = clock()) turn();
  for (const auto& [connection, trip] : trips_) {
    if (trip.window != nullptr) ++window->failed;
    static_cast<void>(client_->abort(connection));
  }
  trips_.clear();
  guests_->end_all();
  attacker_.reset();
  // From timer to timer: nobody waits for them.
  const Instant end = now_ + 4min;
  while (now_ < end) {
    turn();
    const Instant next =
        std::min(server_->next_timer().value_or(end), client_->next_timer().value_or(end));
    now_ = std::max(now_ + 1ms, std::min(next, end));
  }
  for (SwitchPort* each : {&server_port_, &client_port_, &attacker_port_}) each->drop_all();
}

std::string Stage::left() const {
  for (const auto* engine : {server_.get(), client_.get()}) {
    const tcp::Context& c = engine->context();
    const auto lacks = [](std::uint64_t n, const char* what) {
      return std::to_string(n) + ' ' + what;
    };
    if (c.tcbs.in_use() != 0) return lacks(c.tcbs.in_use(), "slots taken");
    if (c.time_wait.size() != 0) return lacks(c.time_wait.size(), "TIME_WAIT records");
    if (c.streams.in_use() != 0) return lacks(c.streams.in_use(), "streams taken");
    const std::uint32_t blocks = c.config.buffer_blocks - c.buffers.available_blocks();
    if (blocks != 0) return lacks(blocks, "blocks taken");
    if (c.half_open != 0) return lacks(c.half_open, "half-open");
    const std::uint32_t waiting = c.interfaces.neighbours().waiting();
    if (waiting != 0) return lacks(waiting, "frames wait for a MAC");
  }
  if (pool_.outstanding() != 0) return std::to_string(pool_.outstanding()) + " frames out";
  return {};
}

}  // namespace salut::bench
