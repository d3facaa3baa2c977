// Reads back a result of `salut bench --json`. The file is not trusted: each value is checked.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/report.hpp"
#include "salut/error.hpp"

namespace salut::report {

using ReportJson = nlohmann::ordered_json;

// The parts of a merged result, or the result itself.
Result<std::vector<ReportJson>> read_parts(const std::string& file, const std::string& text);
Result<BenchReport> read_report(const std::string& file, const ReportJson& json);

}  // namespace salut::report
