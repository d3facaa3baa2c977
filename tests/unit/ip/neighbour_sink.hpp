// What the tests of the neighbour cache share: addresses of either family, and a sink that writes
// down what it is asked.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ip/neighbours.hpp"

namespace salut::ip {

using namespace std::chrono_literals;
using State = Neighbours::State;

inline constexpr Mac mac_a = {{2, 0, 0, 0, 0, 0xa}};
inline constexpr Mac mac_b = {{2, 0, 0, 0, 0, 0xb}};
inline constexpr std::uint32_t ip_a = net32(0x0a000002);
inline constexpr std::uint32_t ip_b = net32(0x0a000003);

enum class Family { v4, v6, mixed };
inline Family family = Family::v4;  // of what at() makes

// An address of the family in hand; all of its bits count.
inline Address at(std::uint32_t ip) {
  const bool v6 = family == Family::v6 || (family == Family::mixed && (ip >> 24) % 2 == 1);
  if (!v6 || ip == 0) return Address::v4(ip);
  return Address{(ip >> 25) % 2 == 0 ? 0xfdu : 0x80feu, std::uint64_t{ip} << 32};
}

struct FakeSink : Neighbours::Sink {
  void solicit(std::uint16_t port, const Address& ip, const Mac* unicast) override {
    const std::string to = unicast == nullptr ? "all" : unicast->to_string();
    log.push_back("ask " + std::to_string(port) + ' ' + std::to_string(ip.byte(15)) + ' ' + to);
  }
  void transmit(Frame& frame) override {
    Mac mac;
    std::memcpy(mac.bytes.data(), frame.data, 6);
    log.push_back("send " + number(frame) + ' ' + mac.to_string());
    ++returned;
  }
  void unresolved(Frame& frame) override {
    log.push_back("lost " + number(frame));
    ++returned;
  }
  void crowded_out(Frame& frame) override {
    log.push_back("out " + number(frame));
    ++returned;
  }
  void unreachable(std::uint16_t index) override {
    log.push_back("nobody at " + std::to_string(index));
  }
  static std::string number(const Frame& frame) { return std::to_string(frame.flags); }
  std::vector<std::string> take() { return std::exchange(log, {}); }

  std::vector<std::string> log;
  std::size_t returned = 0;
};

using Log = std::vector<std::string>;
inline const std::string ask_a = "ask 0 2 all";
inline const std::string probe_a = "ask 0 2 02:00:00:00:00:0a";

}  // namespace salut::ip
