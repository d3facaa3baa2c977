#include "app/discard.hpp"

namespace salut::app {

void Discard::pump(Connection connection, StreamState& state) {
  const std::uint64_t before = totals_.bytes_in;
  const bool open = discard(connection, state);
  if (totals_.bytes_in != before) state.progressed = true;
  if (open && state.phase == Phase::finishing) linger(connection, state);
}

}  // namespace salut::app
