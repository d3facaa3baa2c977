#include "cli/serve_config.hpp"

namespace salut::cli {

Result<Config> serve_config(const ServeOptions& options) {
  Config config;
  if (options.runtime.config.empty()) {
    config.ports = {tap_port(options.runtime)};
    config.stack.time_wait = 1'048'576;
  } else {
    Result<Config> loaded = load_config(options.runtime.config);
    if (!loaded) return loaded;
    config = std::move(*loaded);
  }
  apply(options.runtime, config);
  ServeConfig& serve = config.serve;
  serve.header_timeout = options.header_timeout.value_or(serve.header_timeout);
  serve.idle_timeout = options.idle_timeout.value_or(serve.idle_timeout);
  serve.send_timeout = options.send_timeout.value_or(serve.send_timeout);
  return config;
}

}  // namespace salut::cli
