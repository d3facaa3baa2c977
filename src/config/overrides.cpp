#include "config/overrides.hpp"

namespace salut {

IpAddress kernel_address(const Prefix& ours) {
  const bool v4 = ours.address.is_v4();
  if (ours.length > (v4 ? 30 : 126)) return v4 ? IpAddress{} : IpAddress::any_v6();
  const IpAddress first = ours.first().plus(1);
  return first == ours.address ? first.plus(1) : first;
}

PortConfig tap_port(const ConfigFlags& options) {
  PortConfig port;
  port.name = "tap";
  port.type = PortType::tap;
  port.interface = options.interface;
  port.addresses = options.addresses;
  for (const Prefix& ours : options.addresses) {
    (ours.address.is_v4() ? port.gateway : port.gateway6) = kernel_address(ours);
  }
  return port;
}

void apply(const ConfigFlags& options, Config& config) {
  if (!options.name.empty()) config.name = options.name;
  if (!options.cores.empty()) config.cores = options.cores;
  if (options.msl) config.stack.msl = *options.msl;
  if (!options.impair) return;
  for (PortConfig& port : config.ports) {
    port.impair = *options.impair;
    // The port at one end of a wire in memory impairs both directions: once is enough.
    if (port.type == PortType::loop) break;
  }
}

Error in_words_of_flags(Error error, const ConfigFlags& options) {
  const std::string file = options.config.empty() ? "" : options.config + ": ";
  const auto name_flag = [&](std::string_view key, std::string_view flag) {
    const std::string start = file + std::string(key);
    if (!error.message.starts_with(start)) return;
    const std::size_t value = error.message.find(" = ", start.size());
    if (value != std::string::npos) error.message = std::string(flag) + error.message.substr(value);
  };
  if (!options.cores.empty()) name_flag("workers.cores", "--cores");
  if (options.config.empty()) {
    name_flag("port[0].interface", "--interface");
    name_flag("port[0].addresses", "--address");
  }
  return error;
}

}  // namespace salut
