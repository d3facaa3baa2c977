#include <cstdio>
#include <utility>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "host/text_file.hpp"
#include "report/merge.hpp"

namespace salut::cli {
namespace {

constexpr std::size_t file_max = 64u << 20;  // a result has some 10 KiB for each part

}  // namespace

int run_merge(const MergeOptions& options) {
  if (!can_write(options.json)) return refuse(cannot_write("--json", options.json));
  std::vector<report::ReportText> reports;
  for (const std::string& path : options.files) {
    Result<std::string> text =
        read_text_file(path, file_max, "a result of `salut bench --json FILE`");
    if (!text) return refuse(text.error());
    reports.push_back({path, std::move(*text)});
  }
  Result<report::BenchReport> merged = report::merge_reports(reports);
  if (!merged) return refuse(merged.error());
  merged->command = options.command;
  const Result<void> done[] = {
      print_result(options.json == "-" ? stderr : stdout, report::to_table(*merged)),
      write_text("--json", options.json, report::to_json(*merged))};
  return refuse_failed(done);
}

}  // namespace salut::cli
