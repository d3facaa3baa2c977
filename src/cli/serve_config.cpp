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
  return config;
}

}  // namespace salut::cli
