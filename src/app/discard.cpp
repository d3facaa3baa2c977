#include "app/discard.hpp"

namespace salut::app {

void Discard::pump(Connection connection, StreamState& state) {
  if (discard(connection, state) && state.phase == Phase::finishing) linger(connection, state);
}

}  // namespace salut::app
