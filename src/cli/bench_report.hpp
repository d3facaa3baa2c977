// What the controller measured, as a report.
#pragma once

#include <string>

#include "cli/options.hpp"
#include "load/controller.hpp"
#include "load/scenario.hpp"
#include "report/report.hpp"
#include "salut/runtime.hpp"

namespace salut::cli {

// "512 at once", "100000 per second", …
std::string mode_text(const load::BenchOptions& options);

report::BenchReport make_report(const load::BenchOptions& options, const load::BenchSetup& setup,
                                const load::Controller& controller, Runtime& runtime);

}  // namespace salut::cli
