// The table of transitions against a switch: from a segment and a connection's state to the next
// state and what is to be done.
//
//   fast    random connections, each with a segment of an opening or a close: what is expected of
//           it, which events it raises, and their transition, as tcp::input_segment() decides
//   cells   random cells: any event in any state, of which most are faults and never seen together
//
// Both contenders give the same outcomes (the checksum is of both). A thousand different ones are
// drawn again and again: they fit the second cache, so that what is measured is instructions and
// mispredictions, and the sequence is too long for a predictor to know by heart.
//
// --segments=N (65,536; how many are drawn), --rows=FILE. The report adds instructions and
// mispredictions per segment from `valgrind --tool=cachegrind` (bench/cachegrind.py), which runs
// one contender and no clock:
//   --only=fast/table, fast/switch, cells/table or cells/switch, --passes=N (1)
#include <cstdio>
#include <cstring>
#include <string>

#include "rows.hpp"
#include "tools.hpp"
#include "transition_mix.hpp"

namespace salut::bench {
namespace {

constexpr std::uint64_t seed = 1;
constexpr std::uint64_t prime = 0x100000001b3;

// Of the different ones, in the order in which they come.
constexpr std::uint64_t different = 1024;
std::vector<std::uint16_t> drawn(std::uint64_t n) {
  std::mt19937_64 random(seed + 1);
  std::vector<std::uint16_t> all(n);
  for (auto& at : all) at = static_cast<std::uint16_t>(random() % different);
  return all;
}

std::uint64_t mix(std::uint64_t sum, const Outcome& out) {
  return (sum ^ (static_cast<unsigned>(out.to) << 16 | out.acts)) * prime;
}

struct FastPath {
  static constexpr const char* name = "fast";
  explicit FastPath(std::uint64_t n) : all(meetings(different, seed)), order(drawn(n)) {}
  std::uint64_t table() const {
    return each([](const Meeting& m, Outcome& out) { table_segment(m.tcb, m.segment, out); });
  }
  std::uint64_t by_switch() const {
    return each([](const Meeting& m, Outcome& out) { switch_segment(m.tcb, m.segment, out); });
  }
  template <class F>
  std::uint64_t each(F&& decide) const {
    std::uint64_t sum = 0;
    for (const std::uint16_t at : order) {
      Outcome out;
      decide(all[at], out);
      sum = mix(sum, out);
    }
    return sum;
  }
  std::vector<Meeting> all;
  std::vector<std::uint16_t> order;
};

struct Cells {
  static constexpr const char* name = "cells";
  explicit Cells(std::uint64_t n) : all(cells(different, seed)), order(drawn(n)) {}
  std::uint64_t table() const {
    return each([](const Cell& cell) { return table_step(cell.state, cell.event); });
  }
  std::uint64_t by_switch() const {
    return each([](const Cell& cell) { return switch_step(cell.state, cell.event); });
  }
  template <class F>
  std::uint64_t each(F&& decide) const {
    std::uint64_t sum = 0;
    for (const std::uint16_t at : order) sum = mix(sum, decide(all[at]));
    return sum;
  }
  std::vector<Cell> all;
  std::vector<std::uint16_t> order;
};

template <class F>
double best_ns(std::uint64_t segments, F&& pass) {
  double best = 1e18;
  for (int round = 0; round < 20; ++round) {
    const Stopwatch watch;
    const int passes = 4;
    for (int i = 0; i < passes; ++i) pass();
    best = std::min(best, watch.ns() / passes / static_cast<double>(segments));
  }
  return best;
}

// What is computed must be kept, and a pass must not be seen to be the last one again.
inline void keep(std::uint64_t value) { asm volatile("" : : "r"(value) : "memory"); }

template <class Mix>
bool compare(std::uint64_t segments, const char* what, Rows& rows) {
  const Mix given(segments);
  const std::uint64_t sum = given.table();
  if (sum != given.by_switch()) {
    std::fprintf(stderr, "transition: the switch and the table differ on %s\n", Mix::name);
    return false;
  }
  const double ours = best_ns(segments, [&] { keep(given.table()); });
  const double other = best_ns(segments, [&] { keep(given.by_switch()); });
  std::printf("%-6s table %6.2f ns   switch %6.2f ns   x %.2f\n", Mix::name, ours, other,
              other / ours);
  rows.add({.what = what,
            .figure = ours,
            .unit = "ns per segment",
            .alternative = "switch",
            .alternative_figure = other});
  rows.check(Mix::name, sum);
  return true;
}

template <class Mix>
int run_one(std::uint64_t segments, bool table, std::uint64_t passes) {
  const Mix given(segments);
  for (std::uint64_t i = 0; i < passes; ++i) keep(table ? given.table() : given.by_switch());
  return 0;
}

int run_only(const std::string& only, std::uint64_t segments, std::uint64_t passes) {
  if (only == "fast/table") return run_one<FastPath>(segments, true, passes);
  if (only == "fast/switch") return run_one<FastPath>(segments, false, passes);
  if (only == "cells/table") return run_one<Cells>(segments, true, passes);
  if (only == "cells/switch") return run_one<Cells>(segments, false, passes);
  std::fprintf(stderr, "transition: no --only=%s\n", only.c_str());
  return 2;
}

}  // namespace
}  // namespace salut::bench

int main(int argc, char** argv) {
  using namespace salut::bench;
  Rows rows(text_flag(argc, argv, "rows"));
  const std::string only = text_flag(argc, argv, "only");
  const std::uint64_t segments = flag(argc, argv, "segments", 1 << 16);
  const std::uint64_t passes = flag(argc, argv, "passes", 1);
  if (argc > 1) {
    std::fprintf(stderr, "transition: what is %s?\n", argv[1]);
    return 2;
  }
  if (!only.empty()) return run_only(only, segments, passes);
  const bool same =
      compare<FastPath>(segments, "opening and closing in random states, from segment to outcome",
                        rows) &&
      compare<Cells>(segments, "any event in any state", rows);
  return same && rows.write() ? 0 : 1;
}
