#include "app/echo.hpp"

#include <cstddef>
#include <span>

namespace salut::app {

void Echo::pump(Connection connection, StreamState& state) {
  while (true) {
    const std::span<const std::byte> bytes = input(connection, state);
    if (bytes.empty()) return;
    const std::size_t taken = send(connection, state, bytes);
    consume(connection, taken);
    if (taken != 0) state.progressed = true;
    if (taken < bytes.size()) return;  // `writable` follows
  }
}

Wait Echo::waits_for(const StreamState& state) { return state.paused ? Wait::send : Wait::idle; }

}  // namespace salut::app
