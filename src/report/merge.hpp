// The results of several machines as one: `salut report merge`.
//
// Percentiles cannot be merged, nor can means. So each result carries its histograms and counts,
// and the merged figures are computed from those. A merged result also carries its parts. Merging
// it again starts from them, so that order and grouping do not change a digit.
//
// Counts, states and memory are summed, because the machines ran side by side. Cycles are converted
// to the fastest clock, and stay the same in nanoseconds. Durations or targets that differ are
// named in a note.
//
// Threads: any. Errors are one line that starts with the file.
#pragma once

#include <string>
#include <vector>

#include "report/report.hpp"
#include "salut/error.hpp"

namespace salut::report {

struct ReportText {
  std::string file;  // for messages
  std::string text;  // of `salut bench --json`, or of a merge
};

// REQUIRES: at least one.
Result<BenchReport> merge_reports(const std::vector<ReportText>& reports);

}  // namespace salut::report
