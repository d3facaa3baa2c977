#include "app/application.hpp"

namespace salut::app {

namespace {
void turn(Stack& stack, Application& application) { application.on_events(stack, stack.poll()); }
}  // namespace

void serve_loop(Stack& stack, Application& application, Duration drain) {
  while (!stack.stopping()) turn(stack, application);

  application.stop(stack);
  const Instant deadline = stack.now() + drain;
  while (stack.open_connections() != 0 && stack.now() < deadline) turn(stack, application);

  if (stack.open_connections() != 0) application.abort(stack);
  turn(stack, application);
  send_rest(stack);  // the last ACKs and resets
}

}  // namespace salut::app
