#include "worker/ports.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace salut {
namespace {

constexpr std::size_t wire_frames_max = 8'192;
constexpr std::size_t wire_frames_min = 256;

// Locally administered, the same at every start, and of this instance and port alone: FNV-1a.
wire::Mac derived_mac(const std::string& instance, const std::string& port) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : instance + "/" + port) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  }
  wire::Mac mac;
  for (std::size_t i = 1; i < mac.bytes.size(); ++i) {
    mac.bytes[i] = static_cast<std::uint8_t>(hash >> (8 * i));
  }
  mac.bytes[0] = 0x02;
  return mac;
}

}  // namespace

Ports::~Ports() {
  for (Port& port : ports_) {
    if (port.loop != nullptr) port.loop->drain(pool_);
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
      const auto parsed = wire::Mac::parse(wanted.mac);
      if (!parsed) return tl::unexpected<Error>(parsed.error());
      port.mac = *parsed;
    }
    if (wanted.type != PortType::loop) {
      auto opened = io::EthPort::open(wanted, i, port.mac, pool_);
      if (!opened) {
        return fail(opened.error().code, fmt::format("port[{}].{}", i, opened.error().message));
      }
      port.eth = std::move(*opened);
      port.mac = port.eth->mac();
    }
    wanted.mac = port.mac.to_string();
  }
  return {};
}

void Ports::open_loops(const Config& config) {
  // A wire that is full must leave buffers for everybody else.
  const std::size_t frames =
      std::clamp<std::size_t>(pool_.size() / 4, wire_frames_min, wire_frames_max);
  std::vector<std::shared_ptr<io::LoopPort::Wire>> towards(ports_.size());
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (config.ports[i].type == PortType::loop) towards[i] = io::LoopPort::make_wire(frames);
  }
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (towards[i] == nullptr) continue;
    const auto peer = std::find_if(config.ports.begin(), config.ports.end(),
                                   [&](const auto& p) { return p.name == config.ports[i].peer; });
    const auto other = static_cast<std::size_t>(peer - config.ports.begin());
    ports_[i].loop = std::make_unique<io::LoopPort>(towards[other], towards[i]);
    ports_[i].loop->lose(config.ports[i].loss, config.ports[i].loss_seed, pool_);
  }
}

std::vector<stack::Interface> Ports::interfaces(const Config& config, std::uint32_t worker) const {
  std::vector<stack::Interface> interfaces;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const PortConfig& port = config.ports[i];
    if (port.worker != worker) continue;
    std::vector<stack::StaticRoute> routes;
    for (const RouteConfig& route : config.routes) {
      if (route.port == port.name) routes.push_back({route.to, route.via});
    }
    interfaces.push_back({.device = ports_[i].device(),
                          .mac = ports_[i].mac,
                          .mtu = port.mtu,
                          .vlan = port.vlan,
                          .addresses = port.addresses,
                          .ranges = port.ranges,
                          .gateway = port.gateway,
                          .gateway6 = port.gateway6,
                          .routes = std::move(routes)});
  }
  return interfaces;
}

std::uint64_t Ports::lost() const {
  std::uint64_t sum = 0;
  for (const Port& port : ports_) sum += port.loop != nullptr ? port.loop->lost() : 0;
  return sum;
}

std::string Ports::describe(const Config& config) const {
  std::string text;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const PortConfig& port = config.ports[i];
    const std::string device =
        ports_[i].eth != nullptr
            ? ports_[i].eth->describe()
            : fmt::format("embedded wire to {}, {}, MTU {}", port.peer, port.mac, port.mtu);
    std::string addresses;
    for (const Prefix& prefix : port.addresses) {
      addresses += (addresses.empty() ? "" : ", ") + prefix.to_string();
    }
    if (port.loss != 0) {
      addresses += fmt::format(", loses {:g} % (seed {})", 100 * port.loss, port.loss_seed);
    }
    if (port.vlan != 0) addresses += fmt::format(", VLAN {}", port.vlan);
    text += fmt::format("{} {}: {}, worker {} on core {}\n", port.name, addresses, device,
                        port.worker, config.cores[port.worker]);
  }
  return text;
}

}  // namespace salut
