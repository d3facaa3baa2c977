#include "app/echo.hpp"

namespace salut::app {

void Echo::pump(Connection connection, StreamState& state) {
  while (state.has_input() || fill(connection, state)) {
    consume(state, send(connection, state, input(state)));
    if (state.has_input()) return;  // `writable` follows
  }
}

}  // namespace salut::app
