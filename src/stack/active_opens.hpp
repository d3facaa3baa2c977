// Active opens: connect(), and the local endpoints that it may choose from.
//
// Threads: the stack's lcore.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "flow/source_ports.hpp"
#include "salut/stack.hpp"
#include "tcp/context.hpp"

namespace salut::stack {

class ActiveOpens {
 public:
  // Opens come from the addresses and ranges of the interfaces of `c`.
  ActiveOpens(const tcp::Context& c, std::uint64_t seed);

  // Makes a connection in SYN_SENT and queues its SYN; in the quiet time a timer will send it.
  tl::expected<Connection, Errc> connect(tcp::Context& c, const Endpoint& remote,
                                         const Endpoint& local, std::uint64_t user,
                                         const ConnectionOptions& options);
  // The opens until the next call are of one turn, whatever the clock says.
  void begin_turn() { opened_ = false; }

 private:
  static constexpr unsigned connects_ahead = flow::SourcePorts::ahead_max;

  // The two ends that connect() was given, and what follows from them. Whoever opens a connection
  // often opens many to the same, so the last one is kept. Interfaces and routes do not change
  // while a stack lives; neighbours do, so `hop` only says where to look first.
  struct Destination {
    Endpoint remote;
    Endpoint local;
    Address to;
    Address from;            // any: whichever is free
    std::uint32_t to32 = 0;  // `to`, or what stands for it, as SourcePorts wants it
    std::uint32_t from32 = 0;
    std::uint32_t source = 0;  // the interface's number in SourcePorts
    std::uint16_t remote_port = 0;
    std::uint16_t port = 0;  // interface
    Address next_hop;
    std::uint16_t hop = ip::Neighbours::none;
    std::uint16_t mss = 0;
    bool ip6 = false;
  };

  // A candidate of SourcePorts with what the table of connections wants to know of it.
  struct Candidate {
    std::uint64_t step = ~std::uint64_t{0};  // none
    std::uint64_t hash = 0;
    Key key;
    Address from;  // IPv6 only
  };

  void add_sources(const tcp::Context& c, std::uint32_t port);
  static tl::expected<Destination, Errc> resolve(const tcp::Context& c, const Endpoint& remote,
                                                 const Endpoint& local);
  flow::LocalWish wish(const AddressPair& whole) const;
  AddressPair whole(const Candidate& candidate) const { return {to_->to, candidate.from}; }
  const Candidate& candidate(const tcp::Context& c, const Key& chosen, std::uint64_t step);
  const Candidate* choose_port(tcp::Context& c);
  void prefetch_next(const tcp::Context& c, const flow::LocalWish& wish);

  flow::SourcePorts ports_;
  std::optional<Destination> to_;
  std::array<Candidate, connects_ahead> candidates_;  // by step, of to_
  bool opened_ = false;                               // in this turn
  std::uint64_t prefetched_ = 0;  // the last eight of SourcePorts::step() that were prefetched
};

}  // namespace salut::stack
