// The configuration of `salut serve` and of `salut doctor`: the file's, or one TAP whose other end
// is the kernel.
#pragma once

#include "cli/options.hpp"

namespace salut::cli {

Result<Config> serve_config(const ServeOptions& options);

}  // namespace salut::cli
