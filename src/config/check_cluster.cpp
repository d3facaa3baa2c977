// Checks the keys that make several instances one service, siblings and [announce], and [serve].
#include <fmt/format.h>

#include <algorithm>

#include "config/checking.hpp"
#include "config/keys.hpp"

namespace salut::config {
namespace {

class Check : Checking {
 public:
  explicit Check(const Config& config) : Checking(config) {}

  std::optional<Error> run() {
    for (std::size_t i = 0; i < config_.ports.size(); ++i) siblings(i);
    announce();
    serve();
    return std::move(error_);
  }

 private:
  void siblings(std::size_t i) {
    const PortConfig& p = config_.ports[i];
    for (std::size_t k = 0; k < p.siblings.size(); ++k) {
      const IpAddress& sibling = p.siblings[k];
      const auto bad_sibling = [&](std::string_view problem, std::string_view want) {
        bad(fmt::format("port[{}].siblings[{}]", i, k), quoted(sibling.to_string()), problem, want);
      };
      const auto on_link = [&](const Prefix& prefix) { return prefix.contains(sibling); };
      const auto shared = [&](const AddressRange& range) {
        return range.first.is_v4() == sibling.is_v4();
      };
      if (std::none_of(p.addresses.begin(), p.addresses.end(), on_link)) {
        bad_sibling("on no link of this port", "an address in the prefix of one of `addresses`");
      } else if (is_own(p, sibling)) {
        bad_sibling("an address of this instance", "those of the other instances");
      } else if (std::count(p.siblings.begin(), p.siblings.end(), sibling) > 1) {
        bad_sibling("twice", "each once");
      } else if (std::none_of(p.ranges.begin(), p.ranges.end(), shared)) {
        bad_sibling("the port shares no address of its family",
                    "the addresses that all instances have in `ranges`");
      }
    }
    if (p.siblings.size() > siblings_max) {
      bad(fmt::format("port[{}].siblings", i), std::to_string(p.siblings.size()), "too many",
          fmt::format("at most {}", siblings_max));
    }
  }

  static bool is_own(const PortConfig& p, const IpAddress& address) {
    const auto has = [&](const auto& all, const auto& test) {
      return std::any_of(all.begin(), all.end(), test);
    };
    return has(p.addresses, [&](const Prefix& prefix) { return prefix.address == address; }) ||
           has(p.ranges, [&](const AddressRange& range) { return range.contains(address); });
  }

  void announce() {
    const AnnounceConfig& a = config_.announce;
    for (const AnnounceNumber& entry : announce_numbers) {
      range(fmt::format("announce.{}", entry.key), in_seconds(a.*entry.field), entry.min,
            entry.max);
    }
    range("announce.failures", a.failures, 1, failures_max);
    const auto needs_down = [&](std::string_view key, const std::string& command) {
      if (command.empty() || !a.down.empty()) return;
      bad(fmt::format("announce.{}", key), quoted(command), "nothing takes it back",
          "announce.down, a command that does");
    };
    needs_down("up", a.up);
    needs_down("check", a.check);
  }

  void serve() {
    for (const ServeNumber& entry : serve_numbers) {
      range(fmt::format("serve.{}", entry.key), in_seconds(config_.serve.*entry.field), 0,
            serve_timeout_max);
    }
  }

  static double in_seconds(Duration d) { return static_cast<double>(d.count()) / seconds_ns; }
};

}  // namespace

std::optional<Error> check_cluster(const Config& config) { return Check(config).run(); }

}  // namespace salut::config
