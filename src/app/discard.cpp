#include "app/discard.hpp"

namespace salut::app {

void Discard::pump(Connection connection, StreamState& state) {
  state.progressed = true;
  if (discard(connection, state) && state.phase == Phase::finishing) linger(connection, state);
}

}  // namespace salut::app
