#include "load/targets.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace salut::load {

namespace {

tl::unexpected<Error> invalid(std::string_view text, std::string_view why) {
  return fail(Errc::invalid_argument, std::string(text) + " " + std::string(why));
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failed != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

Result<Targets> Targets::parse(std::string_view text) {
  const bool bracketed = text.starts_with('[');
  const std::size_t close = text.find(']');
  const std::size_t colon = bracketed ? close + 1 : text.find(':');
  if ((bracketed && close == text.npos) || colon >= text.size() || text[colon] != ':') {
    return invalid(text, "has no port");
  }
  const auto addresses =
      AddressRange::parse(bracketed ? text.substr(1, close - 1) : text.substr(0, colon));
  if (!addresses || addresses->first.is_v6() != bracketed) {
    return invalid(text, "does not begin with addresses");
  }
  const std::string_view ports = text.substr(colon + 1);
  const std::size_t dash = std::min(ports.find('-'), ports.size());
  const auto first = port_of(ports.substr(0, dash));
  const auto last = dash == ports.size() ? first : port_of(ports.substr(dash + 1));
  if (!first || !last || *last < *first) return invalid(text, "does not end in ports");
  Targets targets;
  targets.addresses_ = *addresses;
  targets.first_port_ = *first;
  targets.ports_ = static_cast<std::uint32_t>(*last - *first + 1);
  return targets;
}

Endpoint Targets::listen_at(std::uint32_t nth) const {
  const auto port = static_cast<std::uint16_t>(first_port_ + nth);
  if (addresses_.count == 1) return {addresses_.first, port};
  return {addresses_.first.is_v4() ? IpAddress{} : IpAddress::any_v6(), port};
}

std::string Targets::to_string() const {
  const std::string text = addresses_.to_string();
  const std::string last = ports_ == 1 ? "" : '-' + std::to_string(first_port_ + ports_ - 1);
  return (addresses_.first.is_v4() ? text : '[' + text + ']') + ':' + std::to_string(first_port_) +
         last;
}

}  // namespace salut::load
