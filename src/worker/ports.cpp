#include "worker/ports.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/dpdk/eal.hpp"
#include "worker/clock.hpp"

namespace salut {
namespace {

constexpr std::size_t wire_frames_max = 8'192;
constexpr std::size_t wire_frames_min = 256;
constexpr std::size_t held_min = 32;

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
  // These first: what they held goes to the wires, which then give it back.
  for (Port& port : ports_) port.impaired.reset();
  for (Port& port : ports_) {
    if (port.loop != nullptr) port.loop->drain(pool_);
    if (port.mirror != nullptr) port.mirror->drain(pool_);
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
    if (port.plain() == nullptr) {
      auto opened = io::EthPort::open(wanted, i, port.mac, pool_);
      if (!opened) {
        return fail(opened.error().code, fmt::format("port[{}].{}", i, opened.error().message));
      }
      port.eth = std::move(*opened);
      port.mac = port.eth->mac();
      for (const io::EthPort::Link& link : port.eth->links(wanted.name)) {
        port.links.push_back({.port = link.name, .up = link.up});
      }
    }
    wanted.mac = port.mac.to_string();
  }
  impair(config);
  return {};
}

void Ports::impair(const Config& config) {
  // All that could wait at once, in four rings per port, is half of the buffers.
  const auto held = static_cast<std::uint32_t>(
      std::clamp<std::size_t>(pool_.size() / (8 * ports_.size()), held_min, wire_frames_max));
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (!config.ports[i].impair.any()) continue;
    ports_[i].impaired =
        std::make_unique<io::ImpairedPort>(*ports_[i].plain(), pool_, config.ports[i].impair, i,
                                           held, read_tsc, static_cast<double>(io::tsc_hz()));
  }
}

void Ports::open_loops(const Config& config) {
  // A wire that is full must leave buffers for everybody else.
  const std::size_t frames =
      std::clamp<std::size_t>(pool_.size() / 4, wire_frames_min, wire_frames_max);
  std::vector<std::shared_ptr<io::LoopPort::Wire>> towards(ports_.size());
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (config.ports[i].type == PortType::loop) towards[i] = io::LoopPort::make_wire(frames);
    if (config.ports[i].type == PortType::mirror) {
      ports_[i].mirror = std::make_unique<io::MirrorPort>(frames);
    }
  }
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (towards[i] == nullptr) continue;
    const auto peer = std::find_if(config.ports.begin(), config.ports.end(),
                                   [&](const auto& p) { return p.name == config.ports[i].peer; });
    const auto other = static_cast<std::size_t>(peer - config.ports.begin());
    ports_[i].loop = std::make_unique<io::LoopPort>(towards[other], towards[i]);
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
    std::vector<stack::StaticNeighbour> neighbours;
    for (const NeighbourConfig& given : config.neighbours) {
      const auto mac = wire::Mac::parse(given.mac);
      if (given.port == port.name && mac) neighbours.push_back({given.address, *mac});
    }
    interfaces.push_back({.device = ports_[i].device(),
                          .mac = ports_[i].mac,
                          .mtu = port.mtu,
                          .vlan = port.vlan,
                          .completes_checksums = ports_[i].completes_checksums(),
                          .addresses = port.addresses,
                          .ranges = port.ranges,
                          .gateway = port.gateway,
                          .gateway6 = port.gateway6,
                          .routes = std::move(routes),
                          .neighbours = std::move(neighbours)});
  }
  return interfaces;
}

std::vector<PortImpaired> Ports::impaired(const Config& config) const {
  std::vector<PortImpaired> all;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const auto& impaired = ports_[i].impaired;
    if (impaired != nullptr) all.push_back({config.ports[i].name, impaired->in(), impaired->out()});
  }
  return all;
}

std::vector<PortLink> Ports::links(const Config& config) {
  std::vector<PortLink> all;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i].eth == nullptr) continue;
    const auto now = ports_[i].eth->links(config.ports[i].name);
    for (std::size_t k = 0; k < now.size(); ++k) {
      PortLink& link = ports_[i].links[k];
      link.changed = now[k].up != link.up;
      if (link.changed) ++(now[k].up ? link.ups : link.downs);
      link.up = now[k].up;
      all.push_back(link);
    }
  }
  return all;
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
    text += fmt::format("{} {}: {}{}, worker {} on core {}\n", port.name, addresses, device,
                        impair_text(port.impair), port.worker, config.cores[port.worker]);
  }
  return text;
}

}  // namespace salut
