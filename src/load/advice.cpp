#include "load/advice.hpp"

#include <fmt/format.h>

#include <chrono>

#include "base/text.hpp"

namespace salut::load {

namespace {

std::string line_of(Failure failure, const StackConfig& stack) {
  const double msl_s = std::chrono::duration<double>(stack.msl).count();
  switch (failure) {
    case Failure::no_port:
      return fmt::format(
          "every source port to the target was open or in TIME_WAIT ({:g} s); more addresses "
          "(--local), more targets (--connect with a range), or a shorter --msl (stack.msl_s)",
          2 * msl_s);
    case Failure::no_slot:
      return fmt::format(
          "all {} connections of a worker were open; a larger stack.connections, or fewer at once "
          "(--rate, --concurrency, --hold)",
          with_commas(stack.connections));
    case Failure::time_wait_full:
      return fmt::format(
          "all {} records of a worker were in TIME_WAIT ({:g} s); a larger stack.time_wait, a "
          "shorter --msl (stack.msl_s), or --close server",
          with_commas(stack.time_wait), 2 * msl_s);
    case Failure::saturated:
      return "the workers had more to handle than they could; a lower --rate, or more workers "
             "(workers.count, --workers)";
    case Failure::late:
      return "a worker had no turn when connections were due; cores of its own (--cores, "
             "workers.cores), or a lower --rate";
    case Failure::overload:
      return fmt::format("a pool was empty; a larger stack.buffer_blocks (now {}) or memory.mbufs",
                         with_commas(stack.buffer_blocks));
    case Failure::data_after_close:
      return "the server sent when the client had closed; --response takes what it sends, --close "
             "server waits for its end";
    default:
      return "";
  }
}

}  // namespace

std::vector<std::string> advice(const LoadTotals& totals, const StackConfig& stack) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < failure_count; ++i) {
    if (totals.failed[i] == 0) continue;
    const std::string line = line_of(static_cast<Failure>(i), stack);
    if (!line.empty()) lines.push_back(fmt::format("{}: {}", failure_names[i].text, line));
  }
  return lines;
}

}  // namespace salut::load
