#include "load/reflect.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"

namespace salut::load {

namespace {

constexpr std::uint16_t port_of_nobody = 80;
constexpr auto mac_of_nobody = "02:00:00:00:00:02";

Result<BenchSetup> embedded_reflector(const BenchOptions& options) {
  BenchSetup setup;
  Config& config = setup.config;
  config.name = fmt::format("bench-{}", getpid());
  config.prefault = true;  // page faults are the kernel's time, not the stack's
  const std::size_t cores = options.runtime.cores.size();
  config.workers = options.workers != 0
                       ? options.workers
                       : static_cast<std::uint32_t>(std::max<std::size_t>(cores, 1));
  if (cores != 0 && cores != config.workers) {
    return tl::unexpected<Error>(complaint("--cores", fmt::format("{} cores", cores),
                                           "not one for each worker",
                                           std::to_string(config.workers)));
  }
  const IpAddress nobody =
      options.ip6 ? IpAddress::v6(0xfd00'0000'0000'0000, 2) : IpAddress::v4(0x0a000002);
  const Prefix own = options.ip6 ? Prefix{IpAddress::v6(0xfd00'0000'0000'0000, 1), 64}
                                 : Prefix{IpAddress::v4(0x0a000001), 24};
  const AddressRange sources = options.ip6
                                   ? AddressRange{IpAddress::v6(0xfd00'0001'0000'0000, 0), 65'536}
                                   : AddressRange{IpAddress::v4(0x0a010000), 65'536};
  const AddressRange range = options.local.value_or(sources);
  if (range.first.is_v4() == options.ip6 || range.contains(nobody)) {
    return tl::unexpected<Error>(complaint("--local", range.to_string(),
                                           "not for connections to " + nobody.to_string(),
                                           "addresses of its family, without it"));
  }
  PortConfig port;
  port.name = "mirror";
  port.type = PortType::mirror;
  port.addresses = {own};
  port.ranges = {range};
  config.ports.push_back(port);
  config.neighbours.push_back({nobody, mac_of_nobody, port.name});
  for (std::uint32_t worker = 0; worker < config.workers; ++worker) {
    setup.clients.push_back(worker);
  }
  setup.target = Endpoint{nobody, port_of_nobody};
  return setup;
}

}  // namespace

Result<BenchSetup> reflect_setup(const BenchOptions& options) {
  if (options.runtime.config.empty()) return embedded_reflector(options);
  BenchSetup setup;
  Result<Config> config = load_config(options.runtime.config);
  if (!config) return tl::unexpected<Error>(std::move(config.error()));
  setup.config = std::move(*config);
  if (options.connect) {
    setup.target = *options.connect;
  } else if (!setup.config.neighbours.empty()) {
    setup.target = Endpoint{setup.config.neighbours.front().address, port_of_nobody};
  } else {
    return tl::unexpected<Error>(complaint("--reflect", options.runtime.config,
                                           "no [[neighbour]] there to connect to",
                                           "an address that nobody has, and a MAC for it"));
  }
  if (port_with(setup.config, setup.target.addresses().first) != nullptr ||
      port_with(setup.config, setup.target.addresses().last()) != nullptr) {
    return tl::unexpected<Error>(complaint("--connect", setup.target.to_string(),
                                           "an address of our own, which nothing reflects to us",
                                           "one that nobody has, with a [[neighbour]]"));
  }
  setup.clients = client_workers(setup.config, {});
  add_local_range(options, setup);
  return setup;
}

}  // namespace salut::load
