// An echo server outside the tree: what a user of the installed library writes.
#include <array>
#include <csignal>
#include <cstdio>
#include <optional>

#include <salut/salut.hpp>

static std::optional<salut::Runtime> runtime;

static void serve(salut::Stack& stack) {
  if (auto listener = stack.listen({salut::IpAddress{}, 7}); !listener) {
    std::fprintf(stderr, "%s\n", listener.error().message.c_str());
    return;
  }
  std::puts("ready");
  std::fflush(stdout);
  std::array<std::byte, 4096> bytes;
  while (!stack.stopping()) {
    for (const salut::Event& event : stack.poll()) {
      if (event.has(salut::Event::readable)) {
        while (auto n = event.connection.read(bytes)) {
          if (*n == 0) break;
          // Takes less when its buffer is full; a real server keeps the rest until `writable`.
          event.connection.write({bytes.data(), *n});
        }
      }
      if (event.has(salut::Event::peer_closed)) event.connection.close();
    }
  }
}

int main(int, char** argv) {
  auto opened = salut::Runtime::open(argv[1]);
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), 2;
  runtime.emplace(std::move(*opened));
  std::signal(SIGTERM, [](int) { runtime->stop(); });
  runtime->run(serve);
}
