#include "worker/ports.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/clock.hpp"
#include "io/dpdk/eal.hpp"
#include "io/log.hpp"
#include "io/tap_check.hpp"
#include "worker/stack_memory.hpp"

namespace salut {
namespace {

constexpr std::size_t wire_frames_max = 8'192;
constexpr std::size_t wire_frames_min = 256;
constexpr std::size_t held_min = 32;
constexpr std::size_t mailbox_frames_max = 4'096;
constexpr std::size_t mailbox_frames_min = 64;
constexpr unsigned software_entries = 256;  // at least four for each of 64 workers

// REQUIRES: port.workers is filled in.
unsigned worker_count(const PortConfig& port) { return static_cast<unsigned>(port.workers.size()); }

// The place of a worker among those of the port; their number if it is not one of them.
unsigned nth_of(const PortConfig& port, std::uint32_t worker) {
  return static_cast<unsigned>(std::ranges::find(port.workers, worker) - port.workers.begin());
}

// "worker 0 on core 0", "workers 0, 1 on cores 0, 1"
std::string workers_text(const Config& config, const PortConfig& port) {
  std::vector<std::uint32_t> cores;
  for (const std::uint32_t worker : port.workers) cores.push_back(config.cores[worker]);
  const char* plural = cores.size() == 1 ? "" : "s";
  return fmt::format("worker{} {} on core{} {}", plural, fmt::join(port.workers, ", "), plural,
                     fmt::join(cores, ", "));
}

std::string why_software(const io::EthPort* eth) {
  return eth == nullptr ? "" : eth->rss().why_not();
}

// How flows find their workers. `why`: the reason that a device's RSS is not used, or empty.
std::string steering_text(io::SteeredPorts::Trust trust, const std::string& why) {
  switch (trust) {
    case io::SteeredPorts::Trust::probation:
      return "flows by RSS, on probation";
    case io::SteeredPorts::Trust::believed:
      return "flows by RSS, proved";
    case io::SteeredPorts::Trust::lying:
      return "flows dispatched in software: the device claims RSS and does not do it";
    default:
      return "flows dispatched in software" + (why.empty() ? "" : ": " + why);
  }
}

// A locally administered MAC from a hash (FNV-1a) of instance and port: the same at every start,
// and another one for each instance and port.
Mac derived_mac(const std::string& instance, const std::string& port) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : instance + "/" + port) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  }
  Mac mac;
  for (std::size_t i = 1; i < mac.bytes.size(); ++i) {
    mac.bytes[i] = static_cast<std::uint8_t>(hash >> (8 * i));
  }
  mac.bytes[0] = 0x02;
  return mac;
}

// ", impaired with seed 1: drop 1 %, delay 500 us"
std::string impair_text(const ImpairConfig& impair) {
  if (!impair.any()) return "";
  std::string text = fmt::format(", impaired with seed {}:", impair.seed);
  const auto micros = [](Duration d) { return static_cast<double>(d.count()) / 1e3; };
  const auto share = [&](std::string_view what, double value) {
    if (value > 0) text += fmt::format(" {} {:g} %,", what, value * 100);
  };
  share("drop", impair.drop);
  share("duplicate", impair.duplicate);
  share("corrupt", impair.corrupt);
  share("reorder", impair.reorder);
  if (impair.reorder > 0) text += fmt::format(" by {:g} us,", micros(impair.reorder_by));
  if (impair.delay > Duration{0}) text += fmt::format(" delay {:g} us,", micros(impair.delay));
  text.pop_back();
  return text;
}

}  // namespace

Ports::~Ports() {
  // From the workers to the wires: each layer passes the frames that it holds to the next.
  for (Port& port : ports_) port.steered.reset();
  for (Port& port : ports_) port.impaired.clear();
  for (Port& port : ports_) {
    for (const auto& loop : port.loops) loop->drain(pool_);
    for (const auto& reflector : port.reflectors) reflector->drain(pool_);
  }
}

Result<void> Ports::open(Config& config) {
  ports_.resize(config.ports.size());
  open_loops(config);
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    PortConfig& wanted = config.ports[i];
    Port& port = ports_[i];
    port.mac = derived_mac(config.name, wanted.name);
    if (!wanted.mac.empty()) {
      const auto parsed = Mac::parse(wanted.mac);
      if (!parsed) return tl::unexpected<Error>(parsed.error());
      port.mac = *parsed;
    }
    if (port.queues() == 0) {
      const io::EthPortOptions options{i, worker_count(wanted), port.mac, seed_ + i,
                                       config.idle == Idle::sleep};
      auto opened = io::EthPort::open(wanted, options, pool_);
      if (!opened) {
        return fail(opened.error().code, fmt::format("port[{}].{}", i, opened.error().message));
      }
      port.eth = std::move(*opened);
      port.mac = port.eth->mac();
      port.risen = true;
      for (const io::EthPort::Link& link : port.eth->links(wanted.name)) {
        port.links.push_back({.port = link.name, .up = link.up});
      }
    }
    wanted.mac = port.mac.to_string();
  }
  impair(config);
  steer(config);
  return {};
}

// Sets up steering for every port with several workers. In software all ports use one key, so that
// both ends of a wire choose the same worker.
void Ports::steer(const Config& config) {
  using flow::Steering;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    Port& port = ports_[i];
    const unsigned workers = worker_count(config.ports[i]);
    if (workers == 1 || !port.reflectors.empty())
      continue;  // reflected frames stay with their worker
    // An impaired link flips bits after the device has steered the frame, so RSS would look wrong.
    const bool claimed =
        port.eth != nullptr && port.impaired.empty() && port.eth->rss().why_not().empty();
    io::SteeredPorts::Claim claim;
    if (claimed) claim = {port.eth->rss().wish().ip4, port.eth->rss().wish().ip6};
    Steering::SecretKey key;
    std::vector<std::uint16_t> table;
    if (claimed) {
      key = port.eth->rss().key();
      table = port.eth->rss().table();
    } else {
      table.resize(software_entries);
      for (unsigned entry = 0; entry < software_entries; ++entry) {
        table[entry] = static_cast<std::uint16_t>(entry % workers);
      }
      key = Steering::make_key(seed_, Steering::Input::folded, software_entries);
    }
    const auto input = claimed ? Steering::Input::received : Steering::Input::folded;
    std::vector<Device*> queues;
    for (unsigned queue = 0; queue < port.queues(); ++queue) queues.push_back(port.queue(queue));
    // All mailboxes of a port together hold at most a quarter of the buffers, if not too small.
    const std::size_t room = std::clamp<std::size_t>(pool_.size() / (4 * workers * workers),
                                                     mailbox_frames_min, mailbox_frames_max);
    port.steered = std::make_unique<io::SteeredPorts>(
        Steering(key, input, table, workers), std::move(queues), workers, claim, pool_, room);
  }
}

void Ports::impair(const Config& config) {
  // All frames that may wait, in four rings per queue, are half of the buffers.
  std::size_t all = 0;
  for (const Port& port : ports_) all += port.queues();
  const auto held = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(pool_.size() / (8 * all), held_min, wire_frames_max));
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (!config.ports[i].impair.any()) continue;
    Port& port = ports_[i];
    for (unsigned queue = 0; queue < port.queues(); ++queue) {
      const std::uint64_t salt = i + queue * ports_.size();
      port.impaired.push_back(std::make_unique<io::ImpairedPort>(
          *port.plain(queue), pool_, config.ports[i].impair, salt, held, read_tsc,
          static_cast<double>(io::tsc_hz())));
    }
  }
}

// One reflector per worker: a worker's frames come back to the same worker.
void Ports::open_reflectors(const PortConfig& config, Port& port) {
  const unsigned workers = worker_count(config);
  const std::size_t frames =
      std::clamp<std::size_t>(pool_.size() / (4 * workers), wire_frames_min, wire_frames_max);
  for (unsigned nth = 0; nth < workers; ++nth) {
    port.reflectors.push_back(std::make_unique<io::Reflector>(frames, pool_.extent()));
  }
}

void Ports::open_loops(const Config& config) {
  const auto index_of = [&](const std::string& name) {
    const auto port = std::ranges::find(config.ports, name, &PortConfig::name);
    return static_cast<std::size_t>(port - config.ports.begin());
  };
  // One wire in each direction for each pair of workers: the nth of one end with the nth of the
  // other.
  std::vector<std::vector<std::shared_ptr<io::LoopPort::Wire>>> towards(ports_.size());
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (config.ports[i].type == PortType::mirror) open_reflectors(config.ports[i], ports_[i]);
    if (config.ports[i].type != PortType::loop) continue;
    const PortConfig& peer = config.ports[index_of(config.ports[i].peer)];
    unsigned queues = std::min(worker_count(config.ports[i]), worker_count(peer));
    for (const PortConfig* end : {&config.ports[i], &peer}) {
      if (end->queues != 0) queues = std::min(queues, end->queues);
    }
    // Full wires must leave packet buffers for all others.
    const std::size_t frames =
        std::clamp<std::size_t>(pool_.size() / (4 * queues), wire_frames_min, wire_frames_max);
    for (unsigned queue = 0; queue < queues; ++queue) {
      towards[i].push_back(io::LoopPort::make_wire(frames, pool_.extent()));
    }
  }
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (towards[i].empty()) continue;
    const std::size_t other = index_of(config.ports[i].peer);
    for (std::size_t queue = 0; queue < towards[i].size(); ++queue) {
      ports_[i].loops.push_back(
          std::make_unique<io::LoopPort>(towards[other][queue], towards[i][queue]));
    }
  }
}

std::vector<ip::Interface> Ports::interfaces(const Config& config, std::uint32_t worker) const {
  std::vector<ip::Interface> interfaces;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const PortConfig& port = config.ports[i];
    const unsigned nth = nth_of(port, worker);
    if (nth == port.workers.size()) continue;
    const io::SteeredPorts* steered = ports_[i].steered.get();
    ip::Interface interface = configured_interface(config, port);
    interface.device = ports_[i].device(nth);
    interface.mac = ports_[i].mac;
    interface.completes_checksums = ports_[i].completes_checksums();
    interface.steering = steered != nullptr ? &steered->steering() : nullptr;
    interface.steered_as = nth;
    interfaces.push_back(std::move(interface));
  }
  return interfaces;
}

std::vector<const io::SteeredPort*> Ports::steered(const Config& config,
                                                   std::uint32_t worker) const {
  std::vector<const io::SteeredPort*> all;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const unsigned nth = nth_of(config.ports[i], worker);
    if (ports_[i].steered != nullptr && nth < config.ports[i].workers.size()) {
      all.push_back(&ports_[i].steered->port(nth));
    }
  }
  return all;
}

std::vector<io::Interrupt*> Ports::interrupts(const Config& config, std::uint32_t worker) const {
  std::vector<io::Interrupt*> all;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (!config.ports[i].on_worker(worker)) continue;
    const Port& port = ports_[i];
    const bool alone = port.eth != nullptr && port.impaired.empty() && port.steered == nullptr;
    if (!alone || port.eth->queue(0).fd() < 0) return {};
    all.push_back(&port.eth->queue(0));
  }
  return all;
}

std::vector<PortSteering> Ports::steering(const Config& config) const {
  std::vector<PortSteering> all;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const Port& port = ports_[i];
    if (port.steered != nullptr) {
      all.push_back({config.ports[i].name, port.queues(),
                     steering_text(port.steered->trust(), why_software(port.eth.get()))});
    }
  }
  return all;
}

std::vector<PortImpaired> Ports::impaired(const Config& config) const {
  std::vector<PortImpaired> all;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].impaired.empty()) continue;
    PortImpaired port{config.ports[i].name, {}, {}};
    for (const auto& queue : ports_[i].impaired) {
      port.in += queue->in();
      port.out += queue->out();
    }
    all.push_back(std::move(port));
  }
  return all;
}

std::vector<PortLink> Ports::links(const Config& config) {
  std::vector<PortLink> all;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].eth == nullptr) continue;
    say_if_lying(config.ports[i], ports_[i]);
    ports_[i].eth->revive();
    const auto now = ports_[i].eth->links(config.ports[i].name);
    for (std::size_t k = 0; k < now.size(); ++k) {
      PortLink& link = ports_[i].links[k];
      link.changed = now[k].up != link.up;
      if (config.ports[i].type == PortType::tap) {
        link.kernel_dropped = io::tap_dropped(config.ports[i].interface);
      }
      if (link.changed) {
        ++(now[k].up ? link.ups : link.downs);
        io::log(LogLevel::info, "port {}: link {}", link.port, now[k].up ? "up" : "down");
      }
      link.up = now[k].up;
      ports_[i].risen |= link.changed && link.up;
      all.push_back(link);
    }
  }
  return all;
}

// Once for each port, and here: its workers, who find it out, must not wait for a Log.
void Ports::say_if_lying(const PortConfig& config, Port& port) {
  using Trust = io::SteeredPorts::Trust;
  if (port.said_lying || port.steered == nullptr || port.steered->trust() != Trust::lying) return;
  port.said_lying = true;
  io::log(LogLevel::warning, "port {}: {}", config.name, steering_text(Trust::lying, ""));
}

// Interfaces are numbered as in interfaces().
std::uint32_t Ports::risen(const Config& config, std::uint32_t worker) const {
  std::uint32_t bits = 0;
  unsigned interface = 0;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (!config.ports[i].on_worker(worker)) continue;
    bits |= std::uint32_t{ports_[i].risen} << interface++;
  }
  return bits;
}

void Ports::forget_risen() {
  for (Port& port : ports_) port.risen = false;
}

std::string Ports::describe(const Config& config) const {
  std::string text;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const PortConfig& port = config.ports[i];
    const std::string device =
        ports_[i].eth != nullptr
            ? ports_[i].eth->describe()
            : fmt::format("embedded {}, {}, MTU {}",
                          port.type == PortType::mirror ? "mirror" : "wire to " + port.peer,
                          port.mac, port.mtu);
    std::string addresses;
    for (const Prefix& prefix : port.addresses) {
      addresses += (addresses.empty() ? "" : ", ") + prefix.to_string();
    }
    if (port.vlan != 0) addresses += fmt::format(", VLAN {}", port.vlan);
    const io::SteeredPorts* steered = ports_[i].steered.get();
    const std::string steering =
        steered == nullptr
            ? ""
            : ", " + steering_text(steered->trust(), why_software(ports_[i].eth.get()));
    text += fmt::format("{} {}: {}{}{}, {}\n", port.name, addresses, device,
                        impair_text(port.impair), steering, workers_text(config, port));
  }
  return text;
}

}  // namespace salut
