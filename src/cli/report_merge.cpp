#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "host/say.hpp"
#include "report/merge.hpp"

namespace salut::cli {
namespace {

constexpr std::size_t file_max = 256u << 20;  // a result is a hundredth of a megabyte

Result<report::ReportText> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             std::fclose);
  report::ReportText report{path, {}};
  char chunk[65'536];
  std::size_t got = 0;
  while (file && report.text.size() < file_max &&
         (got = std::fread(chunk, 1, sizeof(chunk), file.get())) > 0) {
    report.text.append(chunk, got);
  }
  if (file && std::ferror(file.get()) == 0) return report;
  return fail(Errc::not_found,
              fmt::format("{}: cannot read: {}; want a result of `salut bench --json FILE`", path,
                          std::strerror(errno)));
}

}  // namespace

int run_merge(const MergeOptions& options) {
  if (!can_write(options.json)) return refuse(cannot_write("--json", options.json));
  std::vector<report::ReportText> reports;
  for (const std::string& path : options.files) {
    Result<report::ReportText> read = read_file(path);
    if (!read) return refuse(read.error());
    reports.push_back(std::move(*read));
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
