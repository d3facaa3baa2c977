#include "app/echo.hpp"

namespace salut::app {

void Echo::pump(Connection connection, StreamState& state) {
  state.progressed = true;
  while (state.has_input() || fill(connection, state)) {
    consume(state, send(connection, state, input(state)));
    if (state.has_input()) return;  // `writable` follows
  }
}

Wait Echo::waits_for(const StreamState& state) {
  return state.has_input() ? Wait::send : Wait::idle;
}

}  // namespace salut::app
