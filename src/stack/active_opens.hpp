// Active opens: connect(), and the local endpoints that it may choose from.
//
// Threads: the stack's lcore.
#pragma once

#include <cstdint>

#include "flow/source_ports.hpp"
#include "salut/stack.hpp"
#include "tcp/context.hpp"

namespace salut::stack {

class ActiveOpens {
 public:
  // Opens come from the addresses and ranges of the interfaces of `c`.
  ActiveOpens(const tcp::Context& c, std::uint64_t seed);

  // Makes a connection in SYN_SENT and queues its SYN; in the quiet time a timer will send it.
  tl::expected<Connection, Errc> connect(tcp::Context& c, Endpoint remote, Endpoint local,
                                         std::uint64_t user, const ConnectionOptions& options);

 private:
  struct Opening;

  void add_sources(const tcp::Context& c, std::uint32_t port);
  Key complete(const tcp::Context& c, Opening& opening, const Key& chosen) const;
  bool choose_port(tcp::Context& c, Opening& opening);
  void prefetch_next(const tcp::Context& c, const Opening& opening, std::uint32_t to);

  flow::SourcePorts ports_;
  Instant last_;                  // when the last turn with an open began
  std::uint64_t prefetched_ = 0;  // the last eight of SourcePorts::step() that were prefetched
};

}  // namespace salut::stack
