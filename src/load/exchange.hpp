// What client and server of a load share: the exchange on each connection, and how it can fail.
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
// The client reads and counts other bytes of the server; they change nothing.
struct Exchange {
  std::uint64_t request = 0;
  std::uint32_t response = 0;
  bool server_closes = false;  // the server sends the first FIN, and so is the one in TIME_WAIT
  // The request is a stream. Every connection waits for release() before it sends, so that all of
  // them send at once; stop_opening() ends those that are still sending.
  bool stream = false;
  bool verify = false;  // the request is a Pattern, and the server compares it
  bool copy = false;    // a stream uses write() and read(), not lend() and peek()

  bool lends() const { return stream && !copy; }
  bool bare() const { return request == 0 && response == 0; }
};

// A request without end: the stream goes on until stop_opening().
inline constexpr std::uint64_t endless_request = ~std::uint64_t{0} >> 1;

// Of LoadOptions::burst: what one turn opens at most, so that no connection waits long for it.
inline constexpr std::uint32_t burst_max = 128;

struct LoadOptions {
  Targets target;
  std::uint64_t first_target = 0;  // index of the target to begin with
  Exchange exchange;
  std::optional<AddressRange> local;  // source addresses, one after the other; else the stack's
  std::uint32_t slots = 65'536;       // StackConfig::connections
  std::uint64_t limit = ~std::uint64_t{0};  // connections to open in all
  std::uint32_t burst = 0;  // of a rate: opens that leave together; 0: what is due in 20 us
  double phase = 0;         // 0..1, for a rate: when in its first interval the first open is due
  bool hold = false;        // keep every connection open until release()
  bool search = false;      // the rate is a guess: opens still due when it is given up do not fail
  std::uint64_t time_wait = ~std::uint64_t{0};  // StackConfig::time_wait
  double hz = 1e9;                              // ticks to the second
};

// How a connection, or the attempt to open one, can fail: its name, also in JSON, what the table
// calls it, and the sentence of docs/bench.md. Every report since the first has the first eight.
#define SALUT_FAILURES(X)                                                                       \
  X(refused, "refused", "RST in answer to the SYN")                                             \
  X(reset, "reset", "RST later")                                                                \
  X(timed_out, "timed out", "no answer, to the SYN or later")                                   \
  X(unreachable, "unreachable", "no route, or the next hop does not answer")                    \
  X(no_port, "no port", "every source port to the target is open or in TIME_WAIT")              \
  X(overload, "overload", "another pool of the stack was empty")                                \
  X(cut_short, "cut short", "the server closed before its response was whole")                  \
  X(unfinished, "unfinished", "still open when the drain was over, and reset")                  \
  X(no_slot, "no slot", "every slot of `stack.connections` is taken")                           \
  X(time_wait_full, "TIME_WAIT full",                                                           \
    "`stack.time_wait` has no room for those that closed, which keep their slots")              \
  X(saturated, "saturated",                                                                     \
    "due by the schedule of `--rate`, while the stack had more to do than it could")            \
  X(late, "late", "due by the schedule, while the worker had no turn: its core was taken")      \
  X(closed_while_held, "closed while held", "`--hold`: the server closed what was to be held")  \
  X(data_after_close, "data after close",                                                       \
    "the server sent when the client had closed, which is answered with RST (RFC 1122 section " \
    "4.2.2.13)")

enum class Failure : std::uint8_t {
#define SALUT_FAILURE_ENUM(id, text, sentence) id,
  SALUT_FAILURES(SALUT_FAILURE_ENUM)
#undef SALUT_FAILURE_ENUM
      count,
};
inline constexpr std::size_t failure_count = static_cast<std::size_t>(Failure::count);
inline constexpr std::size_t first_failures = 8;

struct FailureName {
  std::string_view text;
  const char* key;  // in JSON
  std::string_view sentence;
};
inline constexpr std::array<FailureName, failure_count> failure_names = {{
#define SALUT_FAILURE_NAME(id, text, sentence) {text, #id, sentence},
    SALUT_FAILURES(SALUT_FAILURE_NAME)
#undef SALUT_FAILURE_NAME
}};
using FailureCounts = std::array<std::uint64_t, failure_count>;

struct LoadTotals {
  std::uint64_t attempted = 0;
  std::uint64_t established = 0;
  std::uint64_t closed = 0;  // both halves, in order
  FailureCounts failed = {};
  // Bytes that were not asked for: before the request began, or beyond the response. A server that
  // greets first sends them.
  std::uint64_t unexpected_bytes = 0;

  std::uint64_t& failures(Failure why) { return failed[static_cast<std::size_t>(why)]; }
  std::uint64_t failures(Failure why) const { return failed[static_cast<std::size_t>(why)]; }
  std::uint64_t all_failures() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : failed) sum += count;
    return sum;
  }
  constexpr LoadTotals& operator+=(const LoadTotals& other);
  constexpr LoadTotals& operator-=(const LoadTotals& other);
};

// All but `failed`, as the JSON has them. Those that came later are there only if there were some.
struct LoadTotalField {
  const char* key;
  std::uint64_t LoadTotals::* member;
  bool later = false;
};
inline constexpr auto load_total_fields = std::to_array<LoadTotalField>({
    {"attempted", &LoadTotals::attempted},
    {"established", &LoadTotals::established},
    {"closed", &LoadTotals::closed},
    {"unexpected_bytes", &LoadTotals::unexpected_bytes, true},
});
static_assert(sizeof(LoadTotals) ==
              load_total_fields.size() * sizeof(std::uint64_t) + sizeof(FailureCounts));

constexpr LoadTotals& LoadTotals::operator+=(const LoadTotals& other) {
  for (const LoadTotalField& field : load_total_fields) {
    this->*field.member += other.*field.member;
  }
  for (std::size_t i = 0; i < failure_count; ++i) failed[i] += other.failed[i];
  return *this;
}
constexpr LoadTotals& LoadTotals::operator-=(const LoadTotals& other) {
  for (const LoadTotalField& field : load_total_fields) {
    this->*field.member -= other.*field.member;
  }
  for (std::size_t i = 0; i < failure_count; ++i) failed[i] -= other.failed[i];
  return *this;
}

}  // namespace salut::load
