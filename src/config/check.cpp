// Checks a whole configuration, whether a file or code made it.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "config/checking.hpp"
#include "config/keys.hpp"
#include "host/cores.hpp"
#include "salut/config.hpp"

namespace salut {
namespace {

using namespace config;

class Check : Checking {
 public:
  explicit Check(const Config& config) : Checking(config) {}

  Result<void> run() {
    instance();
    workers();
    memory();
    stack();
    if (config_.ports.empty()) bad("port", "", "missing", "at least one [[port]]");
    for (std::size_t i = 0; i < config_.ports.size(); ++i) port(i);
    for (std::size_t i = 0; i < config_.ports.size(); ++i) between(i);
    if (config_.routes.size() > routes_max) {
      bad("route", std::to_string(config_.routes.size()), "too many",
          fmt::format("at most {}", routes_max));
    }
    if (!error_) error_ = check_links(config_);
    if (!error_) error_ = check_devices(config_);
    for (std::size_t i = 0; i < config_.neighbours.size() && !error_; ++i) {
      error_ = check_neighbours(config_, i);
    }
    for (std::uint32_t w = 0; w < config_.workers && !error_; ++w) worker(w);
    if (!error_) error_ = check_cluster(config_);
    if (error_) return tl::unexpected<Error>(*error_);
    return {};
  }

 private:
  void instance() {
    if (!is_instance_name(config_.name)) {
      bad("name", quoted(config_.name), "not a name", name_rule());
    }
  }

  void workers() {
    range("workers.count", config_.workers, 1, workers_max);
    if (idle_name(config_.idle) == "?") {
      bad("workers.idle", std::to_string(static_cast<unsigned>(config_.idle)), "unknown word",
          idle_want);
    }
    if (config_.cores.empty()) return;
    if (config_.cores.size() != config_.workers) {
      bad("workers.cores", fmt::format("[{}]", fmt::join(config_.cores, ", ")),
          fmt::format("{} for workers.count = {}", plural(config_.cores.size(), "core"),
                      config_.workers),
          fmt::format("{}, one per worker", config_.workers));
    }
    const std::vector<std::uint32_t> allowed = allowed_cores();
    for (std::size_t i = 0; i < config_.cores.size(); ++i) {
      if (std::find(allowed.begin(), allowed.end(), config_.cores[i]) == allowed.end()) {
        bad(fmt::format("workers.cores[{}]", i), std::to_string(config_.cores[i]),
            "no core that this process may use",
            fmt::format("one of {}", fmt::join(allowed, ", ")));
      }
    }
  }

  void memory() {
    const std::string& pages = config_.hugepages;
    if (pages != "auto" && pages != "on" && pages != "off") {
      bad("memory.hugepages", quoted(pages), "unknown word", hugepages_want);
    }
    range("memory.megabytes", config_.megabytes, 0, megabytes_max);
    range("memory.mbufs", config_.mbufs, mbufs_min, mbufs_max);
  }

  void stack() {
    if (const auto found = find_problem(config_.stack)) {
      bad("stack." + found->key, found->value, found->problem, found->want);
    }
  }

  // One port by itself.
  void port(std::size_t i) {
    const PortConfig& p = config_.ports[i];
    if (p.name.empty()) bad_port(i, "name", "", "missing", name_rule());
    if (!is_instance_name(p.name)) {
      bad_port(i, "name", quoted(p.name), "not a name", name_rule());
    }
    own_key(i, PortType::loop, "peer", p.peer, "the name of the port at the other end");
    own_key(i, PortType::tap, "interface", p.interface, "the kernel's name for it, \"salut0\"");
    own_key(i, PortType::vdev, "vdev", p.vdev, "DPDK's words, \"net_virtio_user0,path=/tmp/s\"");
    own_key(i, PortType::pci, "pci", p.pci, "a PCI address, \"0000:03:00.0\"");
    if (p.type == PortType::tap) tap_interface(i);
    if (p.type == PortType::vdev) vdev(i);
    if (p.type == PortType::pci && !is_pci_address(p.pci)) {
      bad_port(i, "pci", quoted(p.pci), "not a PCI address", "one such as \"0000:03:00.0\"");
    }
    addresses(i);
    mac(i);
    range(fmt::format("port[{}].mtu", i), p.mtu, mtu_min, mtu_max);
    range(fmt::format("port[{}].txqueuelen", i), p.txqueuelen, 1, txqueuelen_max);
    if (has_v6(p) && p.mtu < mtu_min_v6) {
      bad_port(i, "mtu", std::to_string(p.mtu), "too small for IPv6",
               range_text(mtu_min_v6, mtu_max));
    }
    impairment(i);
    range(fmt::format("port[{}].vlan", i), p.vlan, 0, vlan_max);
    range(fmt::format("port[{}].queues", i), p.queues, 0, workers_max);
    port_workers(i);
  }

  void port_workers(std::size_t i) {
    const std::vector<std::uint32_t>& all = config_.ports[i].workers;
    for (std::size_t k = 0; k < all.size(); ++k) {
      const std::string key = all.size() == 1 ? "worker" : fmt::format("workers[{}]", k);
      if (all[k] >= config_.workers) {
        bad_port(i, key, std::to_string(all[k]),
                 fmt::format("no such worker; workers.count is {}", config_.workers),
                 range_text(0, config_.workers - 1));
      } else if (std::find(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k), all[k]) !=
                 all.begin() + static_cast<std::ptrdiff_t>(k)) {
        bad_port(i, key, std::to_string(all[k]), "twice in the list", "each worker once");
      }
    }
  }

  void impairment(std::size_t i) {
    const ImpairConfig& impair = config_.ports[i].impair;
    for (const ImpairNumber& entry : impair_numbers) {
      const double value = std::visit(
          [&](auto field) {
            if constexpr (std::is_same_v<decltype(field), Duration ImpairConfig::*>) {
              return static_cast<double>((impair.*field).count()) / entry.unit_ns;
            } else {
              return impair.*field;
            }
          },
          entry.field);
      range(fmt::format("port[{}].impair.{}", i, entry.key), value, entry.min, entry.max);
    }
  }

  // A key that one type of port must have and the others must not.
  void own_key(std::size_t i, PortType type, std::string_view key, const std::string& value,
               std::string_view want) {
    const PortType has = config_.ports[i].type;
    if (has == type && value.empty()) bad_port(i, key, "", "missing", want);
    if (has != type && !value.empty()) {
      bad_port(i, key, quoted(value), fmt::format("not for a port of type \"{}\"", type_name(has)),
               fmt::format("type = \"{}\", or no such key", type_name(type)));
    }
  }

  void tap_interface(std::size_t i) {
    const std::string& name = config_.ports[i].interface;
    const bool good = name.size() <= interface_max && name != "." && name != ".." &&
                      std::all_of(name.begin(), name.end(), [](unsigned char c) {
                        return std::isgraph(c) != 0 && c != '/' && c != ':' && c != ',' && c != '%';
                      });
    if (!good) {
      bad_port(i, "interface", quoted(name), "not a name for an interface",
               fmt::format("at most {} letters, digits, - and _", interface_max));
    }
  }

  void vdev(std::size_t i) {
    const std::string& words = config_.ports[i].vdev;
    if (words.starts_with("net_tap")) {
      bad_port(i, "vdev", quoted(words), "a TAP has a type of its own",
               "type = \"tap\" and interface = \"NAME\"");
    }
    vdev_words(i, "vdev", words);
    for (std::size_t k = 0; k < config_.ports[i].members.size(); ++k) {
      vdev_words(i, fmt::format("members[{}]", k), config_.ports[i].members[k]);
    }
  }

  void vdev_words(std::size_t i, std::string_view key, const std::string& words) {
    // A path may have a space, a device's name may not.
    const std::string_view name = std::string_view(words).substr(0, words.find(','));
    const bool text = std::all_of(words.begin(), words.end(),
                                  [](unsigned char c) { return std::isprint(c) != 0; });
    const bool named = (name.starts_with("net_") || name.starts_with("eth_")) &&
                       name.find(' ') == std::string_view::npos;
    if (!text || !named) {
      bad_port(i, key, quoted(words), "not a network vdev",
               "one such as \"net_virtio_user0,path=/tmp/s,queues=1\"");
    }
  }

  static bool is_pci_address(std::string_view text) {
    static constexpr std::string_view shape = "hhhh:hh:hh.o";
    if (text.size() != shape.size()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (shape[i] == 'h'   ? std::isxdigit(c) == 0
          : shape[i] == 'o' ? c < '0' || c > '7'
                            : c != shape[i]) {
        return false;
      }
    }
    return true;
  }

  static bool has_v6(const PortConfig& p) {
    const auto v6_address = [](const Prefix& prefix) { return prefix.address.is_v6(); };
    const auto v6_range = [](const AddressRange& range) { return range.first.is_v6(); };
    return std::any_of(p.addresses.begin(), p.addresses.end(), v6_address) ||
           std::any_of(p.ranges.begin(), p.ranges.end(), v6_range);
  }

  void addresses(std::size_t i) {
    const PortConfig& p = config_.ports[i];
    if (p.addresses.empty()) {
      bad_port(i, "addresses", "", "missing",
               "at least one, [\"10.0.0.1/24\"] or [\"fd00::1/64\"]");
    }
    for (std::size_t k = 0; k < p.addresses.size(); ++k) {
      const Prefix& prefix = p.addresses[k];
      if (!is_of_hosts(prefix)) {
        bad_port(i, fmt::format("addresses[{}]", k), quoted(prefix.to_string()),
                 "not an address of a host",
                 "a unicast address, \"10.0.0.1/24\" or \"fd00::1/64\"");
      }
    }
    for (std::size_t k = 0; k < p.ranges.size(); ++k) {
      const AddressRange& range = p.ranges[k];
      if (!is_of_hosts(range)) {
        bad_port(i, fmt::format("ranges[{}]", k), quoted(range.to_string()),
                 "not addresses of hosts",
                 "unicast addresses, \"10.1.0.0/16\" or \"fd00:1::/112\"");
      }
    }
  }

  void mac(std::size_t i) {
    const std::string& text = config_.ports[i].mac;
    if (text.empty()) return;
    if (const auto wrong = mac_problem(text)) {
      bad_port(i, "mac", quoted(text), wrong->what, wrong->want);
    }
  }

  // The addresses of one port must not overlap: active opens would use an address twice.
  void overlap_within(std::size_t i) {
    const std::vector<Span> all = spans(i);
    const std::size_t ranges_at = config_.ports[i].addresses.size();
    for (std::size_t a = 1; a < all.size(); ++a) {
      for (std::size_t b = a < ranges_at ? 0 : ranges_at; b < a; ++b) {
        if (all[a].first > all[b].last || all[b].first > all[a].last) continue;
        bad_port(i, all[a].key, quoted(all[a].text),
                 fmt::format("overlaps {} = {}", all[b].key, quoted(all[b].text)),
                 "each address once");
      }
    }
  }

  // One port against the others.
  void between(std::size_t i) {
    overlap_within(i);
    for (std::size_t j = 0; j < i; ++j) {
      const PortConfig& a = config_.ports[i];
      const PortConfig& b = config_.ports[j];
      if (a.name == b.name) {
        bad_port(i, "name", quoted(a.name), fmt::format("port[{}] has this name", j),
                 "a name of its own");
      }
      if (share_worker(a, b)) overlap(i, j);
      same(i, j, "interface", a.interface, b.interface);
      same(i, j, "pci", lower(a.pci), lower(b.pci));
    }
    if (config_.ports[i].type == PortType::loop) peer(i);
  }

  static std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  }

  void same(std::size_t i, std::size_t j, std::string_view key, const std::string& a,
            const std::string& b) {
    if (a.empty() || a != b) return;
    bad_port(i, key, quoted(a), fmt::format("port[{}] has it", j), "a device of its own");
  }

  bool share_worker(const PortConfig& a, const PortConfig& b) const {
    for (std::uint32_t w = 0; w < config_.workers; ++w) {
      if (a.on_worker(w) && b.on_worker(w)) return true;
    }
    return false;
  }

  struct Span {
    std::string key;
    std::string text;
    IpAddress first;
    IpAddress last;
  };

  std::vector<Span> spans(std::size_t i) const {
    std::vector<Span> all;
    const PortConfig& p = config_.ports[i];
    for (std::size_t k = 0; k < p.addresses.size(); ++k) {
      const IpAddress& at = p.addresses[k].address;
      all.push_back({fmt::format("addresses[{}]", k), p.addresses[k].to_string(), at, at});
    }
    for (std::size_t k = 0; k < p.ranges.size(); ++k) {
      const AddressRange& range = p.ranges[k];
      all.push_back({fmt::format("ranges[{}]", k), range.to_string(), range.first, range.last()});
    }
    return all;
  }

  // On one worker a local address must belong to one port only, or we would not know by which port
  // to answer.
  void overlap(std::size_t i, std::size_t j) {
    const std::vector<Span> others = spans(j);
    for (const Span& a : spans(i)) {
      for (const Span& b : others) {
        if (a.first > b.last || b.first > a.last) continue;  // the families never overlap
        if (a.first.is_link_local()) continue;               // each has its own link
        bad_port(
            i, a.key, quoted(a.text),
            fmt::format("overlaps port[{}].{} = {} on the same worker", j, b.key, quoted(b.text)),
            "addresses of its own");
      }
    }
  }

  void peer(std::size_t i) {
    const PortConfig& a = config_.ports[i];
    std::vector<std::string> loops;
    for (const PortConfig& b : config_.ports) {
      if (b.type == PortType::loop) loops.push_back(quoted(b.name));
      if (b.name != a.peer) continue;
      if (b.type != PortType::loop) {
        bad_port(i, "peer", quoted(a.peer), fmt::format("a port of type \"{}\"", type_name(b.type)),
                 "one of type \"loop\"");
      } else if (b.peer != a.name) {
        bad_port(i, "peer", quoted(a.peer), fmt::format("that port has peer = {}", quoted(b.peer)),
                 fmt::format("peer = {} there", quoted(a.name)));
      }
      return;
    }
    bad_port(i, "peer", quoted(a.peer), "no port has this name", list_text(loops));
  }

  // The limits of all ports of a worker together.
  void worker(std::uint32_t w) {
    std::size_t ports = 0;
    std::size_t addresses = 0;
    for (std::size_t i = 0; i < config_.ports.size(); ++i) {
      const PortConfig& p = config_.ports[i];
      if (!p.on_worker(w)) continue;
      addresses += p.addresses.size() + p.ranges.size();
      if (++ports > ports_max) {
        bad_port(i, "worker", std::to_string(w), "too many ports for one worker",
                 fmt::format("at most {}", ports_max));
      }
      if (addresses > addresses_max) {
        bad_port(i, "addresses", fmt::format("{} with ranges", addresses),
                 fmt::format("too many for worker {}", w),
                 fmt::format("at most {}", addresses_max));
      }
    }
    if (ports != 0) return;
    bad("workers.count", std::to_string(config_.workers), fmt::format("worker {} has no port", w),
        fmt::format("a [[port]] with worker = {}, or fewer workers", w));
  }

  static std::string plural(std::size_t n, std::string_view noun) {
    return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
  }
};

}  // namespace

Result<void> validate(const Config& config) { return Check(config).run(); }

}  // namespace salut
