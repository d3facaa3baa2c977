#include "packetdrill/plugin/virtual_loop.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

namespace salut::packetdrill {

using namespace std::chrono_literals;

namespace {

// Local are all of the /16 around `local`, because packetdrill takes one at random, without the
// network's own address, the usual router, the gateway and the broadcast address.
ip::Interface interface_for(const Flags& flags, Device& device) {
  ip::Interface interface;
  interface.device = &device;
  interface.mac = our_mac;
  interface.mtu = flags.mtu;
  interface.gateway = flags.gateway;
  interface.addresses = {Prefix{flags.local, 16}, Prefix{flags.local6, 16}};
  interface.gateway6 = flags.gateway6;
  const std::uint32_t network = flags.local.v4() & 0xffff'0000;
  std::uint32_t next = network + 2;
  for (const std::uint32_t except :
       std::set{flags.local.v4(), flags.gateway.v4(), network + 0xffff}) {
    if (except < next || except > network + 0xffff) continue;
    if (except > next) interface.ranges.push_back({IpAddress::v4(next), except - next});
    next = except + 1;
  }
  return interface;
}

}  // namespace

VirtualLoop::VirtualLoop(const Flags& flags)
    : flags_(flags), driver_(std::this_thread::get_id()), now_(Instant{1s}), netdev_(pool_) {
  engine_ =
      std::make_unique<stack::Engine>(flags_.stack, std::vector{interface_for(flags_, netdev_)},
                                      pool_, memory_, flags_.stack.seed, std::uint8_t{0}, now_);
}

VirtualLoop::Lock VirtualLoop::enter(bool* returning) {
  Lock lock(mutex_);
  const bool was_waiting = returning_.erase(std::this_thread::get_id()) > 0;
  if (returning != nullptr) *returning = was_waiting;
  if (was_waiting) {
    finishing_.push_back(gettid());
    changed_.notify_all();
  } else {
    wait_for_returning(lock);
  }
  return lock;
}

void VirtualLoop::wait_for_returning(Lock& lock) {
  if (!changed_.wait_for(lock, 200ms, [this] { return returning_.empty(); })) returning_.clear();
}

// A thread that sleeps has nothing more to do: usleep() is called without packetdrill's own lock.
void VirtualLoop::let_finish(Lock& lock) {
  const auto limit = std::chrono::steady_clock::now() + 200ms;
  for (const int id : std::exchange(finishing_, {})) {
    const std::string stat = "/proc/self/task/" + std::to_string(id) + "/stat";
    while (std::chrono::steady_clock::now() < limit) {
      std::ifstream file(stat);
      std::string pid, name, state;
      if (!(file >> pid >> name >> state) || state == "S") break;
      lock.unlock();
      std::this_thread::sleep_for(50us);
      lock.lock();
    }
  }
}

void VirtualLoop::sleep(Lock& lock, Duration time) {
  let_finish(lock);
  advance(lock, now_ + time);
}

void VirtualLoop::run() {
  netdev_.set_time(now_);
  for (unsigned turns = 0; turns < 100'000; ++turns) {
    const std::size_t before = netdev_.sent.size();
    for (const Event& event : engine_->poll(now_)) on_event(event);
    for (std::size_t i = before; i < netdev_.sent.size(); ++i) trace("<", netdev_.sent[i].bytes);
    if (!engine_->last_poll_busy() && netdev_.idle()) return wake();
  }
  std::fprintf(stderr, "libsalut_packetdrill: the engine is never quiet\n");
  std::abort();
}

void VirtualLoop::wake() {
  for (Waiter& waiter : waiters_) {
    if (waiter.woken || (now_ < waiter.deadline && !(*waiter.ready)())) continue;
    waiter.woken = true;
    returning_.insert(waiter.thread);
  }
  if (!returning_.empty()) changed_.notify_all();
}

void VirtualLoop::step(Lock& lock, Instant until) {
  Instant next = until;
  if (const auto timer = engine_->next_timer()) next = std::min(next, *timer);
  for (const Waiter& waiter : waiters_) next = std::min(next, waiter.deadline);
  now_ = std::max(next, now_ + 1us);  // whatever the engine says: time passes
  run();
  wait_for_returning(lock);
}

void VirtualLoop::advance(Lock& lock, Instant to) {
  while (now_ < to) step(lock, to);
}

bool VirtualLoop::wait(Lock& lock, const std::function<bool()>& ready, Instant deadline) {
  if (ready()) return true;
  if (now_ >= deadline) return false;
  if (std::this_thread::get_id() == driver_) {
    const Instant limit = std::min(deadline, now_ + std::chrono::hours{24});
    while (!ready() && now_ < limit) step(lock, limit);
    return ready();
  }
  const auto self =
      waiters_.insert(waiters_.end(), {&ready, deadline, std::this_thread::get_id(), false});
  changed_.wait(lock, [&] { return self->woken; });
  waiters_.erase(self);
  return ready();
}

void VirtualLoop::inject(std::span<const std::byte> packet) {
  trace(">", packet);
  netdev_.inject(packet);
  run();
}

std::optional<Netdev::Packet> VirtualLoop::receive(Lock& lock) {
  const Instant limit = now_ + flags_.receive_limit;
  while (netdev_.sent.empty() && now_ < limit) step(lock, limit);
  if (netdev_.sent.empty()) return std::nullopt;
  Netdev::Packet packet = std::move(netdev_.sent.front());
  netdev_.sent.pop_front();
  return packet;
}

void VirtualLoop::trace(const char* direction, std::span<const std::byte> packet) const {
  if (!flags_.trace || packet.size() < 40) return;
  const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(packet[i]); };
  const std::size_t tcp = at(0) >> 4 == 6 ? 40 : 4 * (at(0) & 15);
  if (packet.size() < tcp + 20) return;
  const auto at32 = [&](std::size_t i) {
    return at(i) << 24 | at(i + 1) << 16 | at(i + 2) << 8 | at(i + 3);
  };
  std::string flags;
  const unsigned bits = at(tcp + 13);
  for (unsigned i = 0; i < 8; ++i) {
    if ((bits >> i & 1) != 0) flags += "FSRP.UEW"[i];
  }
  std::fprintf(stderr, "%12.6f %s %s %u:%u(%zu) ack %u win %u options %zu\n",
               static_cast<double>(now_.time_since_epoch().count()) / 1e9, direction, flags.c_str(),
               at32(tcp + 4),
               at32(tcp + 4) + unsigned(packet.size() - tcp - 4 * (at(tcp + 12) >> 4)),
               packet.size() - tcp - 4 * (at(tcp + 12) >> 4), at32(tcp + 8),
               at(tcp + 14) << 8 | at(tcp + 15), 4 * std::size_t{at(tcp + 12) >> 4} - 20);
}

}  // namespace salut::packetdrill
