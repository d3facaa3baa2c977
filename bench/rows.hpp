// What a bench writes for the report: rows with target, alternative and verdict's ingredients,
// plots, notes, and a checksum that is the same in every run of the same sizes.
//
//   Rows rows(text_flag(argc, argv, "rows"));      // --rows=FILE; without it nothing is written
//   rows.add({.what = "…", .figure = 27.1, .unit = "ns", .target = 30,
//             .alternative = "rte_hash bulk", .alternative_figure = 89.0});
//   rows.write();
//
// A figure that was not taken (a contender that is not installed) has no row of its own: say it
// with note().
#pragma once

#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace salut::bench {

struct Row {
  std::string what;
  double figure = 0;
  std::string unit = "ns";
  bool lower_is_better = true;
  std::optional<double> target = {};
  std::string alternative = {};
  std::optional<double> alternative_figure = {};
  std::string note = {};
};

using Points = std::vector<std::pair<double, double>>;

struct Plot {
  std::string title, x, y;
  std::vector<std::pair<std::string, Points>> series;
  bool log_x = false, log_y = false;
};

class Rows {
 public:
  explicit Rows(std::string file) : file_(std::move(file)) {}

  void add(const Row& row) {
    Json json = {{"what", row.what},
                 {"figure", rounded(row.figure)},
                 {"unit", row.unit},
                 {"better", row.lower_is_better ? "lower" : "higher"},
                 {"target", nullptr},
                 {"alternative", nullptr},
                 {"alternative_figure", nullptr},
                 {"ratio", nullptr},
                 {"note", row.note}};
    if (row.target) json["target"] = *row.target;
    if (row.alternative_figure) {
      json["alternative"] = row.alternative;
      json["alternative_figure"] = rounded(*row.alternative_figure);
      const double above = row.lower_is_better ? *row.alternative_figure : row.figure;
      const double below = row.lower_is_better ? row.figure : *row.alternative_figure;
      if (below > 0) json["ratio"] = rounded(above / below);
    }
    json_["rows"].push_back(json);
  }

  void add(const Plot& plot) {
    Json series = Json::array();
    for (const auto& [name, points] : plot.series) {
      series.push_back({{"name", name}, {"points", points}});
    }
    json_["plots"].push_back({{"title", plot.title},
                              {"x", plot.x},
                              {"y", plot.y},
                              {"log_x", plot.log_x},
                              {"log_y", plot.log_y},
                              {"series", series}});
  }

  void note(const std::string& line) { json_["notes"].push_back(line); }

  // Of what was computed, in the order of the calls; no time and nothing of the machine.
  void check(const std::string& what, std::uint64_t sum) {
    checksum_ += (checksum_.empty() ? "" : " ") + what + "=" + std::to_string(sum);
  }

  // False: the file cannot be written, and standard error says so.
  bool write() {
    json_["checksum"] = checksum_;
    std::printf("checksum %s\n", checksum_.c_str());
    if (file_.empty()) return true;
    std::ofstream out(file_);
    out << json_.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    out.close();
    if (!out) std::fprintf(stderr, "bench: cannot write %s\n", file_.c_str());
    return !out.fail();
  }

 private:
  using Json = nlohmann::ordered_json;

  // Four digits are more than any of these figures has.
  static double rounded(double value) {
    if (value == 0 || !std::isfinite(value)) return value;
    const double scale = std::pow(10.0, 4 - std::ceil(std::log10(std::fabs(value))));
    return std::round(value * scale) / scale;
  }

  std::string file_;
  std::string checksum_;
  Json json_ = {{"rows", Json::array()}, {"plots", Json::array()}, {"notes", Json::array()}};
};

}  // namespace salut::bench
