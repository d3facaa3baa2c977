// Active opens: connect(), and what only it needs to know, which is what local ends there are.
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

  // A connection in SYN_SENT, its SYN queued.
  tl::expected<Connection, Errc> connect(tcp::Context& c, Endpoint remote, Endpoint local,
                                         std::uint64_t user, const ConnectionOptions& options);

 private:
  struct Opening;

  void add_sources(const tcp::Context& c, std::uint32_t port);
  Key complete(const tcp::Context& c, Opening& opening, const Key& chosen) const;
  bool choose_port(tcp::Context& c, Opening& opening);
  void prefetch_next(const tcp::Context& c, const Opening& opening, std::uint32_t to);

  flow::SourcePorts ports_;
  Instant last_;                  // the turn of the last open
  std::uint64_t prefetched_ = 0;  // SourcePorts::step() whose buckets were prefetched, in eights
};

}  // namespace salut::stack
