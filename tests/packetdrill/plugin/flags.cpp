#include "packetdrill/plugin/flags.hpp"

#include <charconv>
#include <functional>
#include <stdexcept>
#include <string>

namespace salut::packetdrill {

namespace {

[[noreturn]] void refuse(std::string_view key, std::string_view value, std::string_view right) {
  throw std::invalid_argument("--so_flags: " + std::string(key) + "=" + std::string(value) +
                              ", expected " + std::string(right));
}

std::uint64_t number(std::string_view key, std::string_view value, std::uint64_t most) {
  std::uint64_t n = 0;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), n);
  if (failed != std::errc{} || end != value.data() + value.size() || n > most) {
    refuse(key, value, "a number from 0 to " + std::to_string(most));
  }
  return n;
}

bool on_off(std::string_view key, std::string_view value) {
  if (value != "on" && value != "off") refuse(key, value, "on or off");
  return value == "on";
}

Duration milliseconds(std::string_view key, std::string_view value) {
  return std::chrono::milliseconds{number(key, value, 3'600'000)};
}

std::uint32_t bytes(std::string_view key, std::string_view value) {
  return static_cast<std::uint32_t>(number(key, value, 1u << 30));
}

IpAddress address(std::string_view key, std::string_view value, bool v4) {
  const auto parsed = IpAddress::parse(value);
  if (!parsed || parsed->is_v4() != v4)
    refuse(key, value, v4 ? "an IPv4 address" : "an IPv6 address");
  return *parsed;
}

struct Key {
  std::string_view name;
  std::function<void(Flags&, std::string_view key, std::string_view value)> set;
};

const Key keys[] = {
    {"seed", [](Flags& f, auto k, auto v) { f.stack.seed = number(k, v, ~std::uint64_t{0}); }},
    {"local", [](Flags& f, auto k, auto v) { f.local = address(k, v, true); }},
    {"gateway", [](Flags& f, auto k, auto v) { f.gateway = address(k, v, true); }},
    {"local6", [](Flags& f, auto k, auto v) { f.local6 = address(k, v, false); }},
    {"gateway6", [](Flags& f, auto k, auto v) { f.gateway6 = address(k, v, false); }},
    {"mtu",
     [](Flags& f, auto k, auto v) { f.mtu = static_cast<std::uint16_t>(number(k, v, 9000)); }},
    {"trace", [](Flags& f, auto k, auto v) { f.trace = on_off(k, v); }},
    {"receive_limit_s",
     [](Flags& f, auto k, auto v) {
       f.receive_limit = std::chrono::seconds{number(k, v, 86'400)};
     }},
    {"msl_ms", [](Flags& f, auto k, auto v) { f.stack.msl = milliseconds(k, v); }},
    {"rto_min_ms", [](Flags& f, auto k, auto v) { f.stack.rto_min = milliseconds(k, v); }},
    {"rto_initial_ms", [](Flags& f, auto k, auto v) { f.stack.rto_initial = milliseconds(k, v); }},
    {"delayed_ack_ms", [](Flags& f, auto k, auto v) { f.stack.delayed_ack = milliseconds(k, v); }},
    {"window_scale", [](Flags& f, auto k, auto v) { f.stack.window_scale = on_off(k, v); }},
    {"timestamps", [](Flags& f, auto k, auto v) { f.stack.timestamps = on_off(k, v); }},
    {"sack", [](Flags& f, auto k, auto v) { f.stack.sack = on_off(k, v); }},
    {"ecn", [](Flags& f, auto k, auto v) { f.stack.ecn = on_off(k, v); }},
    {"initial_window",
     [](Flags& f, auto k, auto v) {
       f.stack.initial_window = static_cast<std::uint32_t>(number(k, v, 100));
     }},
    {"congestion",
     [](Flags& f, auto k, auto v) {
       if (v != "cubic" && v != "newreno") refuse(k, v, "cubic or newreno");
       f.stack.congestion = v == "cubic" ? Congestion::cubic : Congestion::newreno;
     }},
    {"send_buffer", [](Flags& f, auto k, auto v) { f.stack.send_buffer = bytes(k, v); }},
    {"recv_buffer", [](Flags& f, auto k, auto v) { f.stack.recv_buffer = bytes(k, v); }},
};

void set(Flags& flags, std::string_view item) {
  const std::size_t equals = item.find('=');
  const std::string_view name = item.substr(0, equals);
  const std::string_view value =
      equals == std::string_view::npos ? std::string_view{"on"} : item.substr(equals + 1);
  std::string names;
  for (const Key& key : keys) {
    if (key.name == name) return key.set(flags, name, value);
    names += (names.empty() ? "" : " ") + std::string(key.name);
  }
  refuse(name, value, "one of: " + names);
}

}  // namespace

Flags::Flags() {
  stack.connections = 1024;
  stack.time_wait = 1024;
  stack.buffer_blocks = 32'768;  // recv_buffer is at most a quarter of them
  stack.seed = 1;
  stack.recv_buffer = 15u << 20;    // tcp_rmem's largest, hence a window scale of 8
  stack.delayed_ack = Duration{0};  // Linux starts a connection so ("quick ACKs")
}

Flags parse_flags(std::string_view text) {
  Flags flags;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (comma != 0) set(flags, text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return flags;
}

}  // namespace salut::packetdrill
