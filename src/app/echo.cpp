#include "app/echo.hpp"

namespace salut::app {

void Echo::pump(Connection connection, StreamState& state) {
  while (state.has_input() || fill(connection, state)) {
    const std::size_t taken = send(connection, state, input(state));
    consume(state, taken);
    if (taken != 0) state.progressed = true;
    if (state.has_input()) return;  // `writable` follows
  }
}

Wait Echo::waits_for(const StreamState& state) {
  return state.has_input() ? Wait::send : Wait::idle;
}

}  // namespace salut::app
