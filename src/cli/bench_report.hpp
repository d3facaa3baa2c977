// What the conductor measured, as a report.
#pragma once

#include <string>

#include "app/conductor.hpp"
#include "cli/options.hpp"
#include "cli/setup.hpp"
#include "ops/report.hpp"
#include "salut/runtime.hpp"

namespace salut::cli {

// "512 at once", "100000 per second", …
std::string mode_text(const BenchOptions& options);

ops::BenchReport make_report(const BenchOptions& options, const BenchSetup& setup,
                             const app::Conductor& conductor, Runtime& runtime);

}  // namespace salut::cli
