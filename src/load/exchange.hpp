// What both ends of a load know: the exchange on each connection, and how one can fail.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "load/targets.hpp"
#include "salut/address.hpp"

namespace salut::load {

// The life of a connection: handshake, `request` bytes to the server, `response` bytes back, close.
struct Exchange {
  std::uint64_t request = 0;
  std::uint32_t response = 0;
  bool server_closes = false;  // who sends the first FIN, and so holds TIME_WAIT
  // The request is a stream: every connection waits for release() before it sends, so that all of
  // them run at once, and stop_opening() ends what is still sending.
  bool stream = false;
  bool verify = false;  // the request is Pattern, and the server compares
  bool copy = false;    // a stream goes by write() and read(), not by lend() and peek()

  bool lends() const { return stream && !copy; }
  bool bare() const { return request == 0 && response == 0; }
};

// A stream that goes on until it is told to end.
inline constexpr std::uint64_t endless_request = ~std::uint64_t{0} >> 1;

struct LoadOptions {
  Targets target;
  std::uint64_t first_target = 0;  // which of them is the first
  Exchange exchange;
  std::optional<AddressRange> local;  // source addresses, one after the other; else the stack's
  std::uint32_t slots = 65'536;       // StackConfig::connections
  std::uint64_t limit = ~std::uint64_t{0};  // connections to open in all
  double phase = 0;   // 0..1: of a rate, how far into its first interval the first open is due
  bool hold = false;  // keep every connection open until release()
  double hz = 1e9;    // ticks to the second
};

enum class Failure : std::uint8_t {
  refused,      // RST in answer to the SYN
  reset,        // RST later
  timed_out,    // no answer
  unreachable,  // no next hop, no route
  no_port,      // every local address and port is taken
  overload,     // no free slot, or the schedule could not be held
  cut_short,    // the server closed before its response was whole
  unfinished,   // still open when the run ended, and then reset by us
  count,
};
inline constexpr std::size_t failure_count = static_cast<std::size_t>(Failure::count);
inline constexpr std::array<std::string_view, failure_count> failure_names = {
    "refused", "reset",    "timed out", "unreachable",
    "no port", "overload", "cut short", "unfinished"};

struct LoadTotals {
  std::uint64_t attempted = 0;
  std::uint64_t established = 0;
  std::uint64_t closed = 0;  // both halves, in order
  std::array<std::uint64_t, failure_count> failed = {};

  std::uint64_t& failures(Failure why) { return failed[static_cast<std::size_t>(why)]; }
  std::uint64_t failures(Failure why) const { return failed[static_cast<std::size_t>(why)]; }
  std::uint64_t all_failures() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : failed) sum += count;
    return sum;
  }
  LoadTotals& operator+=(const LoadTotals& other);
  LoadTotals& operator-=(const LoadTotals& other);
};

}  // namespace salut::load
