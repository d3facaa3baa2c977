// Reads TOML into a Config and checks types, ranges and unknown keys; check.cpp checks the whole.
#include "salut/config.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <optional>
#include <sstream>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "config/keys.hpp"
#include "host/text_file.hpp"

namespace salut {
namespace {

using namespace config;

constexpr std::size_t file_max = 16u << 20;  // all routes and neighbours that we take are a tenth

// The value as the file has it, short enough for one line.
std::string as_written(const toml::node& node) {
  if (node.is_table()) return "{...}";
  if (node.is_array()) return "[...]";
  if (const auto* text = node.as_string()) return quoted(text->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) return number_text(number->get());
  std::ostringstream other;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_value<decltype(value)>) other << value.get();
  });
  return other.str();
}

// One table of the file. The first error is kept; after it, reading does nothing.
class Table {
 public:
  Table(std::string_view file, const toml::table& table, std::string prefix,
        std::optional<Error>& error)
      : file_(file), table_(table), prefix_(std::move(prefix)), error_(error) {}

  void allow(std::span<const std::string_view> known) {
    for (const auto& [key, node] : table_) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
      const std::string_view meant = nearest(key.str(), known);
      if (!meant.empty()) {
        return bad(key.str(), nullptr, fmt::format("unknown key; did you mean {}?", quoted(meant)),
                   "");
      }
      std::vector<std::string> words(known.begin(), known.end());
      return bad(key.str(), nullptr, "unknown key", list_text(words));
    }
  }

  // Reads a number in min..max. `fraction`: it may have one, as values with a unit may.
  std::optional<double> number(std::string_view key, double min, double max, bool fraction) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    const std::string range = range_text(min, max);
    if (!node->is_integer() && !(fraction && node->is_floating_point())) {
      bad(key, node, "wrong type",
          fmt::format("{} {}", fraction ? "a number" : "an integer", range));
      return std::nullopt;
    }
    const double value = node->is_integer() ? static_cast<double>(node->as_integer()->get())
                                            : node->as_floating_point()->get();
    if (!in_range(value, min, max)) {
      bad(key, node, "out of range", range);
      return std::nullopt;
    }
    return value;
  }

  template <typename T>
  void integer(std::string_view key, double min, double max, T& out) {
    if (const auto value = number(key, min, max, false)) out = static_cast<T>(*value);
  }

  void unsigned_64(std::string_view key, std::uint64_t& out) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const std::string_view want = "an integer 0..9223372036854775807";
    if (!node->is_integer()) return bad(key, node, "wrong type", want);
    if (node->as_integer()->get() < 0) return bad(key, node, "out of range", want);
    out = static_cast<std::uint64_t>(node->as_integer()->get());
  }

  void flag(std::string_view key, bool& out) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_boolean()) return bad(key, node, "wrong type", "true or false");
    out = node->as_boolean()->get();
  }

  // `want`: the words that would be right, where they are few.
  void string(std::string_view key, std::string& out, std::string_view want = "a string") {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_string()) return bad(key, node, "wrong type", want);
    out = node->as_string()->get();
  }

  // Reads each string of a list with T::parse; `example` is what would be right.
  template <typename T>
  void parsed_list(std::string_view key, std::string_view example, std::vector<T>& out) {
    each(key, fmt::format("a list, [{}]", example),
         [&](const std::string& at, const toml::node& e) {
           if (!e.is_string()) return bad(at, &e, "wrong type", example);
           const auto value = T::parse(e.as_string()->get());
           if (!value) return bad(at, &e, "not understood", example);
           out.push_back(*value);
         });
  }

  void strings(std::string_view key, std::string_view example, std::vector<std::string>& out) {
    each(key, fmt::format("a list, [{}]", example),
         [&](const std::string& at, const toml::node& e) {
           if (!e.is_string()) return bad(at, &e, "wrong type", example);
           out.push_back(e.as_string()->get());
         });
  }

  // Reads a string with T::parse.
  template <typename T>
  void parsed(std::string_view key, std::string_view example, T& out) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_string()) return bad(key, node, "wrong type", example);
    const auto value = T::parse(node->as_string()->get());
    if (!value) return bad(key, node, "not understood", example);
    out = *value;
  }

  void integers(std::string_view key, double min, double max, std::vector<std::uint32_t>& out) {
    const std::string range = fmt::format("an integer {}", range_text(min, max));
    each(key, "a list, [0, 1]", [&](const std::string& at, const toml::node& e) {
      if (!e.is_integer()) return bad(at, &e, "wrong type", range);
      const double value = static_cast<double>(e.as_integer()->get());
      if (!in_range(value, min, max)) return bad(at, &e, "out of range", range);
      out.push_back(static_cast<std::uint32_t>(value));
    });
  }

  // The table under `key`, empty if absent.
  Table table(std::string_view key) {
    static const toml::table empty;
    const toml::node* node = find(key);
    if (node != nullptr && !node->is_table()) {
      bad(key, node, "wrong type",
          prefix_.empty() ? fmt::format("a table, [{}]", key)
                          : fmt::format("a table, {{ KEY = VALUE, ... }}"));
      node = nullptr;
    }
    const toml::table& found = node == nullptr ? empty : *node->as_table();
    return Table(file_, found, fmt::format("{}{}.", prefix_, key), error_);
  }

  template <typename Read>
  void tables(std::string_view key, Read read) {
    const std::string want = fmt::format("a list of tables, [[{}]]", key);
    each(key, want, [&](const std::string& at, const toml::node& element) {
      if (!element.is_table()) return bad(at, &element, "wrong type", want);
      Table inner(file_, *element.as_table(), at + ".", error_);
      read(inner);
    });
  }

  void bad(std::string_view key, const toml::node* node, std::string_view problem,
           std::string_view want) {
    if (error_) return;
    error_ = complaint(file_, prefix_ + std::string(key),
                       node == nullptr ? std::string() : as_written(*node), problem, want);
  }
  const toml::node* find(std::string_view key) const { return error_ ? nullptr : table_.get(key); }

 private:
  template <typename Read>
  void each(std::string_view key, std::string_view want, Read read) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_array()) return bad(key, node, "wrong type", want);
    std::size_t i = 0;
    for (const toml::node& element : *node->as_array()) {
      read(fmt::format("{}[{}]", key, i++), element);
    }
  }

  std::string_view file_;
  const toml::table& table_;
  std::string prefix_;
  std::optional<Error>& error_;
};

void read_idle(Table& table, Idle& idle) {
  std::string text(idle_name(idle));
  table.string("idle", text, idle_want);
  for (const Idle known : {Idle::spin, Idle::yield, Idle::sleep}) {
    if (text == idle_name(known)) {
      idle = known;
      return;
    }
  }
  table.bad("idle", table.find("idle"), "unknown word", idle_want);
}

void read_workers(Table table, Config& config) {
  static constexpr std::array<std::string_view, 3> known = {"count", "cores", "idle"};
  table.allow(known);
  read_idle(table, config.idle);
  table.integer("count", 1, workers_max, config.workers);
  table.integers("cores", 0, cores_max, config.cores);
}

void read_memory(Table table, Config& config) {
  static constexpr std::array<std::string_view, 5> known = {"hugepages", "megabytes", "mbufs",
                                                            "prefault", "prefault_time_wait"};
  table.allow(known);
  table.string("hugepages", config.hugepages, hugepages_want);
  table.flag("prefault", config.prefault);
  table.flag("prefault_time_wait", config.prefault_time_wait);
  table.integer("megabytes", 0, megabytes_max, config.megabytes);
  table.integer("mbufs", mbufs_min, mbufs_max, config.mbufs);
}

void read_congestion(Table& table, Congestion& congestion) {
  std::string text = "cubic";
  if (table.find("congestion") == nullptr) return;
  table.string("congestion", text, congestion_want);
  if (text == "newreno") {
    congestion = Congestion::newreno;
  } else if (text == "cubic") {
    congestion = Congestion::cubic;
  } else {
    table.bad("congestion", table.find("congestion"), "unknown word", congestion_want);
  }
}

void read_stack(Table table, StackConfig& stack) {
  std::vector<std::string_view> known = {"seed", "congestion"};
  for (const StackFlag& entry : stack_flags) known.push_back(entry.key);
  for (const StackNumber& entry : stack_numbers) known.push_back(entry.key);
  table.allow(known);
  for (const StackFlag& entry : stack_flags) table.flag(entry.key, stack.*entry.field);
  table.unsigned_64("seed", stack.seed);
  read_congestion(table, stack.congestion);
  for (const StackNumber& entry : stack_numbers) {
    if (const auto* field = std::get_if<std::uint32_t StackConfig::*>(&entry.field)) {
      table.integer(entry.key, entry.min, entry.max, stack.**field);
    } else if (const auto value = table.number(entry.key, entry.min, entry.max, true)) {
      stack.*std::get<Duration StackConfig::*>(entry.field) =
          Duration(std::llround(*value * entry.unit_ns));
    }
  }
}

void read_type(Table& table, PortType& type) {
  std::string text(type_name(type));
  table.string("type", text);
  for (const PortType known :
       {PortType::loop, PortType::mirror, PortType::tap, PortType::vdev, PortType::pci}) {
    if (text == type_name(known)) {
      type = known;
      return;
    }
  }
  table.bad("type", table.find("type"), "unknown type",
            "\"loop\", \"mirror\", \"tap\", \"vdev\" or \"pci\"");
}

void read_impair(Table table, ImpairConfig& impair) {
  std::vector<std::string_view> known = {"seed"};
  for (const ImpairNumber& entry : impair_numbers) known.push_back(entry.key);
  table.allow(known);
  table.unsigned_64("seed", impair.seed);
  for (const ImpairNumber& entry : impair_numbers) {
    const auto value = table.number(entry.key, entry.min, entry.max, true);
    if (!value) continue;
    if (const auto* share = std::get_if<double ImpairConfig::*>(&entry.field)) {
      impair.** share = *value;
    } else {
      impair.*std::get<Duration ImpairConfig::*>(entry.field) =
          Duration(std::llround(*value * entry.unit_ns));
    }
  }
}

// Reads `workers`, a list, or `worker`, a single one.
void read_port_workers(Table& table, PortConfig& port) {
  if (const auto one = table.number("worker", 0, workers_max - 1, false)) {
    port.workers = {static_cast<std::uint32_t>(*one)};
    if (const auto* list = table.find("workers")) {
      table.bad("workers", list, "beside worker", "one of the two");
    }
    return;
  }
  table.integers("workers", 0, workers_max - 1, port.workers);
  if (table.find("workers") != nullptr && port.workers.empty()) {
    table.bad("workers", table.find("workers"), "nobody", "a list, [0, 1], or no such key for all");
  }
}

void read_port(Table& table, PortConfig& port) {
  static constexpr std::array<std::string_view, 22> known = {
      "name",      "txqueuelen", "type",     "peer",     "interface", "vdev",  "members", "pci",
      "addresses", "ranges",     "gateway",  "gateway6", "vlan",      "mac",   "mtu",     "worker",
      "workers",   "rss",        "siblings", "tso",      "queues",    "impair"};
  table.allow(known);
  table.string("name", port.name);
  read_type(table, port.type);
  table.string("peer", port.peer);
  table.string("interface", port.interface);
  table.string("vdev", port.vdev);
  table.strings("members", "\"net_memif0,role=client\"", port.members);
  table.string("pci", port.pci);
  table.parsed_list("addresses", "\"10.0.0.1/24\"", port.addresses);
  table.parsed_list("ranges", "\"10.1.0.0/16\"", port.ranges);
  table.parsed_list("siblings", "\"10.0.0.3\"", port.siblings);
  table.parsed("gateway", "an IPv4 address, \"10.0.0.1\"", port.gateway);
  table.parsed("gateway6", "an IPv6 address, \"fd00::1\"", port.gateway6);
  table.integer("vlan", 0, vlan_max, port.vlan);
  table.string("mac", port.mac);
  table.integer("mtu", mtu_min, mtu_max, port.mtu);
  read_port_workers(table, port);
  table.flag("rss", port.rss);
  table.flag("tso", port.tso);
  table.integer("queues", 0, workers_max, port.queues);
  table.integer("txqueuelen", 1, txqueuelen_max, port.txqueuelen);
  read_impair(table.table("impair"), port.impair);
}

void read_route(Table& table, RouteConfig& route) {
  static constexpr std::array<std::string_view, 3> known = {"to", "via", "port"};
  table.allow(known);
  if (table.find("to") == nullptr) table.bad("to", nullptr, "missing", "a prefix, \"10.2.0.0/16\"");
  table.parsed("to", "a prefix, \"10.2.0.0/16\" or \"fd02::/48\"", route.to);
  if (route.to.address.is_v6()) route.via = IpAddress::any_v6();
  table.parsed("via", "an address, \"10.0.0.254\" or \"fd00::fe\"", route.via);
  table.string("port", route.port);
}

void read_announce(Table table, AnnounceConfig& announce) {
  std::vector<std::string_view> known = {"up", "down", "check", "failures"};
  for (const AnnounceNumber& entry : announce_numbers) known.push_back(entry.key);
  table.allow(known);
  table.string("up", announce.up);
  table.string("down", announce.down);
  table.string("check", announce.check);
  table.integer("failures", 1, failures_max, announce.failures);
  for (const AnnounceNumber& entry : announce_numbers) {
    if (const auto value = table.number(entry.key, entry.min, entry.max, true)) {
      announce.*entry.field = Duration(std::llround(*value * seconds_ns));
    }
  }
}

void read_serve(Table table, ServeConfig& serve) {
  std::vector<std::string_view> known;
  for (const ServeNumber& entry : serve_numbers) known.push_back(entry.key);
  table.allow(known);
  for (const ServeNumber& entry : serve_numbers) {
    if (const auto value = table.number(entry.key, 0, serve_timeout_max, true)) {
      serve.*entry.field = Duration(std::llround(*value * seconds_ns));
    }
  }
}

void read_neighbour(Table& table, NeighbourConfig& neighbour) {
  static constexpr std::array<std::string_view, 3> known = {"address", "mac", "port"};
  table.allow(known);
  table.parsed("address", "an address, \"10.0.0.9\" or \"fd00::9\"", neighbour.address);
  table.string("mac", neighbour.mac);
  table.string("port", neighbour.port);
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& file) {
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    const auto where = parsed.error().source().begin;
    return fail(Errc::bad_config, fmt::format("{}:{}:{}: {}", file, where.line, where.column,
                                              parsed.error().description()));
  }

  Config config;
  config.file = file;
  std::optional<Error> error;
  Table root(file, parsed.table(), "", error);
  static constexpr std::array<std::string_view, 9> known = {
      "announce", "serve", "name", "workers", "memory", "stack", "port", "route", "neighbour"};
  root.allow(known);
  root.string("name", config.name);
  read_workers(root.table("workers"), config);
  read_memory(root.table("memory"), config);
  read_stack(root.table("stack"), config.stack);
  root.tables("port", [&](Table& table) { read_port(table, config.ports.emplace_back()); });
  read_announce(root.table("announce"), config.announce);
  read_serve(root.table("serve"), config.serve);
  root.tables("route", [&](Table& table) { read_route(table, config.routes.emplace_back()); });
  root.tables("neighbour",
              [&](Table& table) { read_neighbour(table, config.neighbours.emplace_back()); });
  if (error) return tl::unexpected<Error>(*error);

  if (auto valid = validate(config); !valid) return tl::unexpected<Error>(valid.error());
  return config;
}

Result<Config> load_config(const std::string& path) {
  auto text = read_text_file(path, file_max, "a TOML file such as config/loop.toml");
  if (!text) return tl::unexpected<Error>(text.error());
  return parse_config(*text, path);
}

}  // namespace salut
