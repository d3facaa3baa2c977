// Makes, sets up and closes a port; eth_queue.cpp moves the packets.
#include "io/dpdk/eth_port.hpp"

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <utility>

#include "io/capture_output.hpp"
#include "io/dpdk/eal.hpp"
#include "io/dpdk/panic_guard.hpp"
#include "io/link_state.hpp"
#include "io/reserved_fd.hpp"
#include "io/sigpipe.hpp"
#include "io/sleep.hpp"
#include "io/tap_check.hpp"

namespace salut::io {
namespace {

// The key and value with which an error about this port starts.
std::string device_key(const PortConfig& config) {
  switch (config.type) {
    case PortType::tap:
      return fmt::format("interface = \"{}\"", config.interface);
    case PortType::vdev:
      return fmt::format("vdev = \"{}\"", config.vdev);
    default:
      return fmt::format("pci = \"{}\"", config.pci);
  }
}

IpAddress first_of(const Prefix& prefix) { return prefix.address; }
IpAddress first_of(const AddressRange& range) { return range.first; }

// What an error says would be right, after DPDK's own words about what is wrong.
constexpr auto other_words = "what DPDK's guide to the driver has (doc.dpdk.org/guides/nics)";

std::string reason(int rc) {
  const std::string line = last_error_line();
  return line.empty() ? std::strerror(std::abs(rc)) : line;
}

// Some drivers only say how long a frame may be. Then the overhead of a frame is computed as
// rte_eth_dev_configure() does it.
std::uint32_t most_mtu(const rte_eth_dev_info& info) {
  const bool says = info.max_mtu != UINT16_MAX && info.max_rx_pktlen > info.max_mtu;
  const std::uint32_t overhead =
      says ? info.max_rx_pktlen - info.max_mtu : RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
  if (info.max_rx_pktlen <= overhead) return info.max_mtu;
  return std::min<std::uint32_t>(info.max_mtu, info.max_rx_pktlen - overhead);
}

bool is_up(std::uint16_t port, const Vdev& vdev) {
  if (!vdev.netdev.empty() && !netdev_runs(vdev.netdev)) return false;
  rte_eth_link link = {};
  return rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

}  // namespace

Result<std::unique_ptr<EthPort>> EthPort::open(const PortConfig& config,
                                               const EthPortOptions& options, MbufPool& pool) {
  const NoSigpipe quiet;
  const CaptureOutput capture(append_to_log);  // libbpf and libxdp print past the log
  const PanicGuard guard{panic_line};
  auto port = std::unique_ptr<EthPort>(new EthPort(config, options, pool));
  take_log();  // lines from here on are about this port
  auto done = port->create(config);
  if (done) done = port->set_up(config);
  if (done) done = port->take_address(config);
  if (done) done = port->take_multicast(config);
  if (!done) return tl::unexpected<Error>(done.error());
  port->opened_ = true;
  return port;
}

// A bond names its members, so that they must exist before it.
Result<void> EthPort::create_members(const PortConfig& config) {
  for (std::size_t i = 0; i < config.members.size(); ++i) {
    const std::string key = fmt::format("members[{}]", i);
    const Vdev member = Vdev::parse(config.members[i]);
    if (auto ready = member.prepare(key); !ready) return ready;
    const int rc = rte_eal_hotplug_add("vdev", member.name.c_str(), member.arguments.c_str());
    if (rc != 0) {
      return fail(Errc::not_found, fmt::format("{} = \"{}\": DPDK cannot make it: {}; want {}", key,
                                               member.words, reason(rc), other_words));
    }
    members_.push_back(member);
  }
  return {};
}

Result<void> EthPort::create(const PortConfig& config) {
  const std::string key = device_key(config);
  if (config.type == PortType::pci) {
    device_name_ = config.pci;
    if (rte_eth_dev_get_port_by_name(device_name_.c_str(), &id_) != 0) {
      return fail(Errc::not_found,
                  fmt::format("{}: no driver of DPDK took this device; want a network card that is "
                              "bound to vfio-pci or uio_pci_generic (dpdk-devbind.py --status)",
                              key));
    }
    created_ = true;
    return {};
  }
  if (config.type == PortType::tap) {
    vdev_ = Vdev::parse(fmt::format("net_tap{},iface={}", options_.index, config.interface));
  } else {
    vdev_ = Vdev::parse(config.vdev);
    if (auto ready = vdev_.prepare(); !ready) return ready;
    if (auto made = create_members(config); !made) return made;
  }
  device_name_ = vdev_.name;
  const int rc = rte_eal_hotplug_add("vdev", vdev_.name.c_str(), vdev_.arguments.c_str());
  if (rc != 0 || rte_eth_dev_get_port_by_name(device_name_.c_str(), &id_) != 0) {
    if (last_error_line().find("failed to parse device") != std::string::npos) {
      return fail(
          Errc::not_found,
          fmt::format("{}: no driver of DPDK has this name; want one such as net_virtio_user0",
                      key));
    }
    return fail(Errc::not_found,
                fmt::format("{}: DPDK cannot make it: {}; want {}", key, reason(rc), other_words));
  }
  created_ = true;
  if (config.type == PortType::tap && !set_tap_queue(config.interface, config.txqueuelen)) {
    return fail(Errc::no_permission,
                fmt::format("txqueuelen = {}: the kernel refuses it: {}; want a smaller one",
                            config.txqueuelen, std::strerror(errno)));
  }
  return {};
}

// Sets the device up, with RSS if we want it. Some drivers refuse RSS only when they start: then
// all is done again without it.
Result<void> EthPort::set_up(const PortConfig& config) {
  rte_eth_dev_info info = {};
  if (const int rc = rte_eth_dev_info_get(id_, &info); rc != 0) {
    return fail(Errc::not_found, fmt::format("{}: {}", device_key(config), reason(rc)));
  }
  const auto all = [&] {
    auto done = configure(config, info);
    if (done) done = set_up_queues(config);
    return done;
  };
  auto done = all();
  if (!done && std::exchange(interrupts_, false)) done = all();
  if (!done && rss_.asked()) {
    rss_.refuse();
    done = all();
  }
  if (done) rss_.confirm(id_);
  return done;
}

Result<void> EthPort::configure(const PortConfig& config, const rte_eth_dev_info& info) {
  mtu_ = config.mtu;
  const std::uint32_t most = most_mtu(info);
  if (mtu_ > most || mtu_ < info.min_mtu) {
    return fail(Errc::bad_config,
                mtu_ > most ? fmt::format("mtu = {}: the driver, {}, takes {} at most; want that",
                                          mtu_, info.driver_name, most)
                            : fmt::format("mtu = {}: the device takes {} at least; want that", mtu_,
                                          info.min_mtu));
  }
  offloads_ = Offloads::choose(config, info);
  // If the device refuses a number of queues, try powers of two below it: some drivers take no
  // other, and all take one. A device that is made again must have as many queues as before, since
  // workers have them; else it stays away.
  unsigned queues = opened_ ? this->queues() : queues_of(config, info);
  int rc = queues_of(config, info) < queues ? -ENOTSUP : configure_queues(config, info, queues);
  while (rc != 0 && queues > 1 && !opened_) {
    queues = std::bit_floor(queues - 1);
    rc = configure_queues(config, info, queues);
  }
  if (rc != 0) {
    return fail(Errc::bad_config, fmt::format("{}: the device refuses its set-up: {}; want {}",
                                              device_key(config), reason(rc), other_words));
  }
  while (queues_.size() > queues) queues_.pop_back();
  for (const auto& queue : queues_) queue->attach(id_, offloads_.large);
  while (queues_.size() < queues) {
    queues_.push_back(std::make_unique<EthQueue>(
        pool_, id_, static_cast<std::uint16_t>(queues_.size()), offloads_.large));
  }
  // A device without this call takes any frame that its buffers hold.
  if (rc = rte_eth_dev_set_mtu(id_, mtu_); rc != 0 && rc != -ENOTSUP) {
    return fail(Errc::bad_config, fmt::format("mtu = {}: the device refuses it: {}; want a smaller "
                                              "one, such as 1500",
                                              mtu_, reason(rc)));
  }
  return {};
}

// Configures so many queues, with RSS if we ask for it, and without if the device refuses that.
int EthPort::configure_queues(const PortConfig& config, const rte_eth_dev_info& info,
                              unsigned queues) {
  rte_eth_conf conf = {};
  conf.rxmode.mtu = mtu_;
  conf.rxmode.offloads = offloads_.rx;
  conf.txmode.offloads = offloads_.tx;
  const auto count = static_cast<std::uint16_t>(queues);
  ask_for_rss(config, queues, info, conf);
  conf.intr_conf.rxq = interrupts_ ? 1 : 0;
  int rc = rte_eth_dev_configure(id_, count, count, &conf);
  if (rc != 0 && std::exchange(interrupts_, false)) {
    conf.intr_conf.rxq = 0;
    rc = rte_eth_dev_configure(id_, count, count, &conf);
  }
  if (rc != 0 && rss_.asked()) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
    conf.rx_adv_conf = {};
    rc = rte_eth_dev_configure(id_, count, count, &conf);
    if (rc == 0) rss_.refuse();
  }
  return rc;
}

unsigned EthPort::queues_of(const PortConfig& config, const rte_eth_dev_info& info) const {
  unsigned most = std::min(info.max_rx_queues, info.max_tx_queues);
  // A virtual device has as many queues as `vdev` says: the driver's maximum says nothing about
  // the peer.
  if (config.queues != 0) {
    most = std::min(most, config.queues);
  } else if (config.type == PortType::vdev) {
    most = std::min(most, vdev_.queues());
  }
  return std::clamp(options_.workers, 1u, std::max(most, 1u));
}

void EthPort::ask_for_rss(const PortConfig& config, unsigned queues, const rte_eth_dev_info& info,
                          rte_eth_conf& conf) {
  if (options_.workers == 1 || rss_.is_refused()) return;
  if (!config.rss) return rss_.give_up("off by rss = false");
  if (queues < options_.workers) {
    return rss_.give_up(fmt::format("{} for {} workers",
                                    queues == 1 ? "one queue" : fmt::format("{} queues", queues),
                                    options_.workers));
  }
  // The kernel chooses the queue of a TAP by itself; the driver's claim of RSS is not true.
  if (config.type == PortType::tap) return rss_.give_up("no RSS");
  const auto is_v4 = [](const auto& of) { return first_of(of).is_v4(); };
  RssWish wish;
  wish.queues = static_cast<std::uint16_t>(queues);
  wish.ip4 =
      std::ranges::any_of(config.addresses, is_v4) || std::ranges::any_of(config.ranges, is_v4);
  wish.ip6 =
      !std::ranges::all_of(config.addresses, is_v4) || !std::ranges::all_of(config.ranges, is_v4);
  wish.seed = options_.seed;
  rss_.ask(wish, info, conf);
}

Result<void> EthPort::set_up_queues(const PortConfig& config) {
  // A TAP fills one buffer at a time but keeps a whole ring of them. On any device all rings
  // together may take an eighth of the pool, if they do not get too short.
  if (config.type == PortType::tap) rx_descriptors_ = 64;
  while (rx_descriptors_ > 64 && rx_descriptors_ * queues() > pool_.size() / 8) {
    rx_descriptors_ /= 2;
  }
  tx_descriptors_ = std::max<std::uint16_t>(rx_descriptors_, 256);
  rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx_descriptors_, &tx_descriptors_);
  const auto socket = static_cast<unsigned>(std::max(rte_eth_dev_socket_id(id_), 0));
  int rc = 0;
  for (std::uint16_t queue = 0; queue < queues() && rc == 0; ++queue) {
    rc = rte_eth_rx_queue_setup(id_, queue, rx_descriptors_, socket, nullptr, pool_.pool());
    if (rc == 0) rc = rte_eth_tx_queue_setup(id_, queue, tx_descriptors_, socket, nullptr);
  }
  if (rc == 0) rc = rte_eth_dev_start(id_);
  started_ = rc == 0;
  if (!started_ && vdev_.waits && vdev_.is_revived()) {
    for (const auto& queue : queues_) queue->pause();
    resting_ = true;  // no lcore has used the queues yet, and each will see the pause first
    return {};
  }
  if (rc != 0) {
    return fail(Errc::no_memory, fmt::format("{}: the device does not start: {}; want {}",
                                             device_key(config), reason(rc), other_words));
  }
  for (const auto& queue : queues_) {
    if (interrupts_) queue->find_interrupt(config.type == PortType::tap);
  }
  return {};
}

// Chooses the MAC: the configured one, the device's, or else `own_mac`.
Result<void> EthPort::take_address(const PortConfig& config) {
  mac_ = options_.own_mac;
  // A TAP's MAC is that of the kernel's end. The stack is another station on that wire, and a TAP
  // gives it every frame that the kernel sends.
  if (config.type == PortType::tap) return {};

  rte_ether_addr device = {};
  const bool has = (vdev_.name.empty() || vdev_.has_mac()) &&
                   rte_eth_macaddr_get(id_, &device) == 0 && rte_is_unicast_ether_addr(&device) &&
                   !rte_is_zero_ether_addr(&device);
  if (config.mac.empty() && has) {
    std::memcpy(mac_.bytes.data(), device.addr_bytes, mac_.bytes.size());
    return {};
  }
  std::memcpy(device.addr_bytes, mac_.bytes.data(), mac_.bytes.size());
  if (rte_eth_dev_default_mac_addr_set(id_, &device) == 0) return {};
  promiscuous_ = rte_eth_promiscuous_enable(id_) == 0;
  if (!promiscuous_ && config.type == PortType::pci) {
    return fail(Errc::bad_config,
                fmt::format("mac = \"{}\": the device takes no other address than "
                            "its own; want no such key",
                            config.mac));
  }
  return {};
}

// Neighbour solicitations go to a multicast group per address (RFC 4291 section 2.7.1). A range may
// have more groups than a card's filter, so the card must pass all groups. Virtual devices filter
// nothing.
Result<void> EthPort::take_multicast(const PortConfig& config) {
  const auto is_v6 = [](const auto& of) { return !first_of(of).is_v4(); };
  const bool wanted =
      std::ranges::any_of(config.addresses, is_v6) || std::ranges::any_of(config.ranges, is_v6);
  if (!wanted || promiscuous_ || config.type == PortType::tap) return {};
  if (rte_eth_allmulticast_enable(id_) == 0) return {};
  promiscuous_ = rte_eth_promiscuous_enable(id_) == 0;
  if (promiscuous_ || config.type != PortType::pci) return {};
  return fail(Errc::unsupported,
              fmt::format("{}: the device hears no multicast, which IPv6 needs; want addresses of "
                          "IPv4 alone",
                          device_key(config)));
}

void EthPort::remove_device() {
  if (!std::exchange(created_, false)) return;
  const bool virtio_server = vdev_.server && vdev_.shares_memory();
  if (virtio_server) {
    // If the peer has just gone, a thread of DPDK is still at work on that and needs the port.
    is_up(id_, vdev_);
    sleep_for(std::chrono::milliseconds{50});
  }
  const ReservedFd number(virtio_server ? vdev_.socket : "");
  rte_eth_dev_stop(id_);
  rte_eth_dev_close(id_);
  if (!vdev_.name.empty()) rte_eal_hotplug_remove("vdev", vdev_.name.c_str());
  started_ = false;
  promiscuous_ = false;
}

// Makes every lcore keep off the device. False if one did not within 200 ms.
bool EthPort::rest() {
  constexpr auto patience = std::chrono::milliseconds{200};
  if (resting_) return true;
  for (const auto& queue : queues_) queue->pause();
  const auto until = std::chrono::steady_clock::now() + patience;
  const auto all = [this] {
    return std::ranges::all_of(queues_, [](const auto& queue) { return queue->at_rest(); });
  };
  while (!all() && std::chrono::steady_clock::now() < until) {
    sleep_for(std::chrono::microseconds{100});
  }
  resting_ = all();
  if (!resting_ && started_) {
    for (const auto& queue : queues_) queue->resume();
  }
  return resting_;
}

void EthPort::revive() {
  if (!vdev_.is_revived() || (created_ && started_ && is_up(id_, vdev_))) return;
  if (!vdev_.socket.empty() && !vdev_.has_socket()) return;
  const NoSigpipe quiet;
  if (!rest()) return;
  remove_device();
  take_log();
  auto done = create(config_);
  if (done) done = set_up(config_);
  if (done) done = take_address(config_);
  if (done) done = take_multicast(config_);
  if (!done || !started_) return remove_device();
  resting_ = false;
  for (const auto& queue : queues_) queue->resume();
}

EthPort::~EthPort() {
  const NoSigpipe quiet;
  const CaptureOutput capture(append_to_log);
  const bool was_there = created_;
  remove_device();
  if (was_there) vdev_.clean_up();
  for (const Vdev& member : members_) {
    rte_eal_hotplug_remove("vdev", member.name.c_str());
    member.clean_up();
  }
}

std::vector<EthPort::Link> EthPort::links(const std::string& port) const {
  std::vector<Link> links = {{port, started_ && is_up(id_, vdev_)}};
  for (const Vdev& member : members_) {
    std::uint16_t id = 0;
    const bool there = rte_eth_dev_get_port_by_name(member.name.c_str(), &id) == 0;
    links.push_back({fmt::format("{} ({})", port, member.name), there && is_up(id, member)});
  }
  return links;
}

std::string EthPort::describe() const {
  rte_eth_dev_info info = {};
  rte_eth_dev_info_get(id_, &info);
  const std::string count = queues() > 1 ? fmt::format(", {} queues", queues()) : "";
  return fmt::format(
      "{} {}, {}, MTU {}{}, {}{}{}, link {}", info.driver_name == nullptr ? "?" : info.driver_name,
      device_name_, mac_.to_string(), mtu_, count, offloads_.describe(),
      queues_.front()->fd() >= 0 ? ", wakes its worker" : "", promiscuous_ ? ", promiscuous" : "",
      started_ && is_up(id_, vdev_) ? "up" : "down");
}

}  // namespace salut::io
