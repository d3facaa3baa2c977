// An echo server outside the tree: what a user of the installed library writes.
#include <csignal>
#include <cstdio>
#include <optional>

#include <salut/salut.hpp>

using salut::Event;

static std::optional<salut::Runtime> runtime;

// Sends back what has come, from where it lies. What write() does not take stays unread, so that a
// peer which does not read shuts its own window.
static void echo(salut::Connection peer) {
  auto bytes = peer.peek();
  while (bytes && !bytes->empty()) {
    const std::size_t taken = peer.write(*bytes).value_or(0);
    peer.consume(taken);
    if (taken < bytes->size()) {  // nothing to read for until `writable`
      peer.want(Event::writable);
      return;
    }
    bytes = peer.peek();
  }
  if (!bytes) peer.close();  // end_of_stream: the peer has closed, and all of it was read
}

static void serve(salut::Stack& stack) {
  if (auto listener = stack.listen({salut::IpAddress::any_v6(), 7}); !listener) {
    std::fprintf(stderr, "%s\n", listener.error().message.c_str());
    return;
  }
  std::puts("ready");
  std::fflush(stdout);
  while (!stack.stopping()) {
    for (const Event& event : stack.poll()) {
      if (event.has(Event::writable)) event.connection.want(Event::readable | Event::writable);
      if (event.has(Event::readable | Event::writable | Event::peer_closed)) echo(event.connection);
    }
  }
}

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: echo CONFIG, such as config/tap.toml\n"), 2;
  auto opened = salut::Runtime::open(argv[1]);
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), 2;
  runtime.emplace(std::move(*opened));
  std::signal(SIGTERM, [](int) { runtime->stop(); });
  runtime->run(serve);
  return 0;
}
