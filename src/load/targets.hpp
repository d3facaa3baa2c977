// The endpoints that a load connects to, in turn: one, or a range of addresses times a range of
// ports.
//
//   10.0.0.1:80   10.0.0.0/16:80   10.0.0.1-10.0.0.9:80   10.0.0.1:80-89   [fd00:2::/120]:80-89
//
// A client has 64,512 source ports per own address and destination, and a port stays in TIME_WAIT
// for a minute after its connection: with n destinations there are n times as many. All ports of an
// address come before the next address. Each target gets `block` connections in a row, because the
// stack keeps the candidates of the last destination only (flow/source_ports.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "salut/address.hpp"
#include "salut/error.hpp"

namespace salut::load {

class Targets {
 public:
  static constexpr std::uint64_t block = 16;

  Targets() = default;
  Targets(const Endpoint& one) : addresses_{one.address, 1}, first_port_(one.port) {}  // NOLINT
  static Result<Targets> parse(std::string_view text);

  std::uint64_t size() const { return std::uint64_t{addresses_.count} * ports_; }
  // REQUIRES: n < size().
  Endpoint at(std::uint64_t n) const {
    return {addresses_.first.plus(n / ports_),
            static_cast<std::uint16_t>(first_port_ + n % ports_)};
  }
  const AddressRange& addresses() const { return addresses_; }
  std::uint32_t ports() const { return ports_; }
  // What a server listens on to serve the nth port: the one address, or all; for a range of IPv6
  // addresses it is ::, which takes both families.
  Endpoint listen_at(std::uint32_t nth) const;
  std::string to_string() const;
  friend bool operator==(const Targets&, const Targets&) = default;

 private:
  AddressRange addresses_;
  std::uint16_t first_port_ = 0;
  std::uint32_t ports_ = 1;
};

}  // namespace salut::load
