#include "report/read.hpp"

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "base/text.hpp"
#include "host/say.hpp"

namespace salut::report {
namespace {

constexpr std::string_view schema = "salut.bench/1";
constexpr const char* want_result = "want a result of `salut bench --json FILE`";
constexpr double numbers_max = 1e18;  // no figure of ours is larger; sums stay finite
constexpr int depth_max = 16;         // a merged result has half of it

// An object of the file. The first error is kept; after it every value reads as 0 or empty.
class Object {
 public:
  Object(const std::string& file, const ReportJson* json, std::string path,
         std::optional<Error>& error)
      : file_(file), json_(json), path_(std::move(path)), error_(error) {}

  Object object(const char* key) const {
    const ReportJson* found = find(key);
    if (found != nullptr && !found->is_object()) {
      bad(key, "not an object");
      found = nullptr;
    }
    return Object(file_, found, path_ + key + ".", error_);
  }
  bool has(const char* key) const {
    return json_ != nullptr && json_->contains(key) && !(*json_)[key].is_null();
  }
  double number(const char* key) const {
    const ReportJson* found = find(key);
    if (found == nullptr) return 0;
    const double value = found->is_number() ? found->get<double>() : -1;
    if (value >= 0 && value <= numbers_max) return value;
    bad(key, "not a number of 0 or more");
    return 0;
  }
  std::uint64_t count(const char* key) const {
    const ReportJson* found = find(key);
    if (found == nullptr) return 0;
    if (found->is_number_unsigned()) return found->get<std::uint64_t>();
    bad(key, "not a count");
    return 0;
  }
  std::uint32_t small(const char* key) const {
    const std::uint64_t value = count(key);
    if (value <= std::numeric_limits<std::uint32_t>::max())
      return static_cast<std::uint32_t>(value);
    bad(key, "too large");
    return 0;
  }
  bool flag(const char* key) const {
    const ReportJson* found = find(key);
    if (found == nullptr) return false;
    if (found->is_boolean()) return found->get<bool>();
    bad(key, "neither true nor false");
    return false;
  }
  std::string text(const char* key) const {
    const ReportJson* found = find(key);
    if (found == nullptr) return {};
    if (found->is_string()) return found->get<std::string>();
    bad(key, "not a string");
    return {};
  }
  // Calls read(object) for each element of a list.
  template <typename Read>
  void each(const char* key, Read read) const {
    const ReportJson* found = find(key);
    if (found == nullptr) return;
    if (!found->is_array()) return bad(key, "not a list");
    for (std::size_t i = 0; i < found->size(); ++i) {
      const std::string at = fmt::format("{}[{}]", key, i);
      if (!(*found)[i].is_object()) return bad(at, "not an object");
      read(Object(file_, &(*found)[i], path_ + at + ".", error_));
    }
  }
  // Calls read(key) for each member.
  template <typename Read>
  void members(Read read) const {
    if (json_ == nullptr || error_) return;
    for (const auto& [key, value] : json_->items()) read(key);
  }
  std::vector<std::uint32_t> numbers(const char* key) const {
    std::vector<std::uint32_t> all;
    const ReportJson* found = find(key);
    if (found == nullptr) return all;
    if (!found->is_array()) {
      bad(key, "not a list");
      return all;
    }
    for (const ReportJson& one : *found) {
      if (!one.is_number_unsigned()) {
        bad(key, "not a list of numbers");
        break;
      }
      all.push_back(one.get<std::uint32_t>());
    }
    return all;
  }
  void bad(std::string_view key, std::string_view problem) const {
    if (error_) return;
    error_ = Error{Errc::invalid_argument,
                   fmt::format("{}: {}: {}; {}", file_, printable(path_ + std::string(key)),
                               problem, want_result)};
  }

 private:
  const ReportJson* find(const char* key) const {
    if (json_ == nullptr || error_) return nullptr;
    const auto found = json_->find(key);
    if (found != json_->end()) return &*found;
    bad(key, "missing");
    return nullptr;
  }

  const std::string& file_;
  const ReportJson* json_;
  std::string path_;
  std::optional<Error>& error_;
};

Error refused(const std::string& file, std::string_view what) {
  return {Errc::invalid_argument, fmt::format("{}: {}; {}", file, what, want_result)};
}

void read_states(const Object& object, std::array<std::uint64_t, state_count>& states,
                 State first = State::closed) {
  for (std::size_t i = static_cast<std::size_t>(first); i < state_count; ++i) {
    states[i] = object.count(std::string(state_names[i]).c_str());
  }
}

void read_drops(const Object& object, std::array<std::uint64_t, drop_count>& drops) {
  object.members([&](const std::string& key) {
    for (std::size_t i = 0; i < drop_count; ++i) {
      if (name(static_cast<Drop>(i)) != key) continue;
      drops[i] = object.count(key.c_str());
      return;
    }
    object.bad(key, "a reason that this version does not know");
  });
}

void read_counters(const Object& object, unsigned where, Counters& counters) {
  for (const CounterField& field : counter_fields) {
    if (!field.in(where)) continue;
    const auto [group, last] = field.path();
    const std::string outer(group);
    const std::string key(last);
    if (field.shown.later && !object.has((outer.empty() ? key : outer).c_str())) continue;
    const Object at = outer.empty() ? object : object.object(outer.c_str());
    counters.*field.member = at.count(key.c_str());
  }
}

template <typename Owner, std::size_t N>
void read_fields(const Object& object, const std::array<CountField<Owner>, N>& fields, Owner& to) {
  for (const auto& field : fields) {
    to.*field.member = object.count(std::string(field.name).c_str());
  }
}

std::optional<SideReport> read_side(const Object& report, const Object& measured, const char* key) {
  if (!report.has(key)) return std::nullopt;
  SideReport side;
  const Object figures = report.object(key);
  side.cores = figures.numbers("cores");
  side.busy_cycles_per_connection = figures.number("busy_cycles_per_connection");
  side.busy_percent = figures.number("busy_percent");
  read_states(figures.object("states"), side.states);
  read_states(figures.object("states_peak"), side.states_peak, State::listen);
  read_counters(figures, Shown::side, side);
  read_drops(figures.object("drops"), side.drops);
  const Object more = measured.object(key);
  side.busy_cycles = more.count("busy_cycles");
  side.total_cycles = more.count("total_cycles");
  side.busy_cycles_per_byte = more.number("busy_cycles_per_byte");
  read_counters(more, Shown::bench | Shown::stream, side);
  return side;
}

std::vector<Recording> read_recordings(const Object& histograms, const char* key) {
  std::vector<Recording> all;
  histograms.each(key, [&](const Object& one) {
    const std::uint64_t max = one.count("max");
    const auto ticks = load::Histogram::from_text(one.text("steps"), max);
    if (!ticks) return one.bad("steps", "not a histogram");
    const double hz = one.number("tsc_hz");
    if (hz < 1) return one.bad("tsc_hz", "not a rate");
    all.push_back({hz, *ticks});
  });
  return all;
}

StreamReport read_stream(const Object& object) {
  StreamReport stream;
  stream.connections = object.count("connections");
  stream.bytes = object.count("bytes");
  stream.seconds = object.number("seconds");
  stream.gbit_s = object.number("gbit_s");
  stream.gbit_s_per_core = object.number("gbit_s_per_core");
  stream.checksums = object.flag("checksums_verified");
  stream.verified = object.flag("bytes_compared");
  stream.copied = object.flag("copied");
  stream.wrong = object.count("wrong_pieces");
  return stream;
}

Impaired read_impaired(const Object& object) {
  Impaired impaired;
  read_fields(object, impaired_fields, impaired);
  return impaired;
}

void read_ports(const Object& object, BenchReport& report) {
  if (object.has("impaired")) {
    const Object ports = object.object("impaired");
    ports.members([&](const std::string& port) {
      const Object one = ports.object(port.c_str());
      report.impaired.push_back(
          {port, read_impaired(one.object("in")), read_impaired(one.object("out"))});
    });
  }
  if (!object.has("steering")) return;
  const Object ports = object.object("steering");
  ports.members([&](const std::string& port) {
    const Object one = ports.object(port.c_str());
    report.steering.push_back({port, one.small("queues"), one.text("how")});
  });
}

// Files of older versions do not have all of them.
void read_failures(const Object& failed, load::FailureCounts& counts) {
  for (std::size_t i = 0; i < load::failure_count; ++i) {
    const char* key = load::failure_names[i].key;
    if (i < load::first_failures || failed.has(key)) counts[i] = failed.count(key);
  }
}

struct NestedTooDeep {};

// Copying, printing and sorting JSON recurse: a file of '[' alone would overflow our stack.
ReportJson parse(const std::string& text) {
  const auto check_depth = [](int depth, ReportJson::parse_event_t, ReportJson&) {
    if (depth > depth_max) throw NestedTooDeep{};
    return true;
  };
  return ReportJson::parse(text, check_depth, false);
}

}  // namespace

Result<std::vector<ReportJson>> read_parts(const std::string& file, const std::string& text) {
  ReportJson json;
  try {
    json = parse(text);
  } catch (const NestedTooDeep&) {
    return tl::unexpected<Error>(refused(file, "nested too deep"));
  }
  if (json.is_discarded()) return tl::unexpected<Error>(refused(file, "not JSON"));
  if (!json.is_object() || !json.contains("schema") || !json["schema"].is_string()) {
    return tl::unexpected<Error>(refused(file, "not a report of salut"));
  }
  if (json["schema"] != schema) {
    return tl::unexpected<Error>(refused(
        file, fmt::format("schema = {}", salut::quoted(json["schema"].get<std::string>()))));
  }
  if (!json.contains("parts")) return std::vector<ReportJson>{std::move(json)};
  if (!json["parts"].is_array() || json["parts"].empty()) {
    return tl::unexpected<Error>(refused(file, "parts: not a list of results"));
  }
  return json["parts"].get<std::vector<ReportJson>>();
}

Result<BenchReport> read_report(const std::string& file, const ReportJson& json) {
  if (!json.is_object()) return tl::unexpected<Error>(refused(file, "a part is no result"));
  if (!json.contains("measured") || !json.contains("histograms")) {
    return tl::unexpected<Error>(refused(file, "no histograms: made by an older salut"));
  }
  std::optional<Error> error;
  const Object object(file, &json, "", error);
  const Object measured = object.object("measured");
  BenchReport report;
  report.version = object.text("version");
  report.transport = object.text("transport");
  report.mode = measured.text("mode");
  report.target = measured.text("target");
  report.duration_s = object.number("duration_s");
  report.msl_s = object.number("msl_s");
  report.cps = object.number("cps");
  report.packets_per_connection = object.number("packets_per_connection");
  const Object connections = object.object("connections");
  for (const load::LoadTotalField& field : load::load_total_fields) {
    if (field.later && !connections.has(field.key)) continue;
    report.*field.member = connections.count(field.key);
  }
  read_failures(measured.object("failed"), report.failed);
  const Object histograms = object.object("histograms");
  report.handshakes = read_recordings(histograms, "handshake");
  report.lifetimes = read_recordings(histograms, "lifetime");
  report.measured = {measured.count("connections"), measured.count("packets"),
                     measured.count("bytes"), measured.small("workers")};
  report.client = read_side(object, measured, "client");
  report.server = read_side(object, measured, "server");
  if (object.has("stream")) report.stream = read_stream(object.object("stream"));
  report.one_stack = measured.flag("one_stack");
  report.tsc_hz = object.number("tsc_hz");
  report.sockets_peak = object.count("sockets_peak");
  read_fields(object.object("memory_bytes"), memory_fields, report.memory);
  const Object machine = object.object("machine");
  report.machine = {machine.text("cpu"), machine.small("cores"), machine.text("kernel")};
  report.command = object.text("command");
  read_ports(object, report);
  if (report.tsc_hz < 1) object.bad("tsc_hz", "not a rate");
  if (error) return tl::unexpected<Error>(*error);
  return report;
}

}  // namespace salut::report
