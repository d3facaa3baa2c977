// The results of several machines as one: `salut report merge`.
//
// A percentile of percentiles is no percentile, and a mean of means is none of what was measured.
// So each result carries what its figures are made of, histograms with their counts among it, and
// the merged one is computed from all of that. It carries its parts along: merging what was merged
// takes these again, hence the order and the grouping make no difference, not in the last digit.
//
// Counts are summed, states and memory among them: the machines ran side by side. Cycles are
// turned into those of the fastest clock, so that as nanoseconds they are what they were. What does
// not fit together, durations and targets, is said in a note.
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
