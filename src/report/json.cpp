#include <cmath>
#include <nlohmann/json.hpp>

#include "report/dump.hpp"
#include "report/report.hpp"

namespace salut::report {

namespace {

using Json = nlohmann::ordered_json;

// Three decimals: more would only make diffs.
double rounded(double value) { return std::round(value * 1000) / 1000; }

Json json(const Latency& latency) {
  if (latency.count == 0)
    return {{"p50", nullptr}, {"p99", nullptr}, {"p999", nullptr}, {"max", nullptr}};
  return {{"p50", rounded(latency.p50)},
          {"p99", rounded(latency.p99)},
          {"p999", rounded(latency.p999)},
          {"max", rounded(latency.max)}};
}

Json json(const std::array<std::uint64_t, state_count>& states) {
  Json object = Json::object();
  for (std::size_t i = 0; i < state_count; ++i) object[std::string(state_names[i])] = states[i];
  return object;
}

// All but CLOSED: a connection in it has no slot.
Json peaks(const std::array<std::uint64_t, state_count>& states) {
  Json object = json(states);
  object.erase(std::string(state_names[static_cast<std::size_t>(State::closed)]));
  return object;
}

// The counters that are shown in one of `where`. A key with a dot, "cookies.sent", goes into an
// inner object.
void add_counters(const Counters& counters, unsigned where, Json& object) {
  for (const CounterField& field : counter_fields) {
    if (!field.in(where)) continue;
    const auto [group, key] = field.path();
    Json& at = group.empty() ? object : object[std::string(group)];
    at[std::string(key)] = counters.*field.member;
  }
}

template <typename Owner, std::size_t N>
Json json(const std::array<CountField<Owner>, N>& fields, const Owner& of) {
  Json object = Json::object();
  for (const auto& field : fields) object[std::string(field.name)] = of.*field.member;
  return object;
}

Json json(const std::optional<SideReport>& side) {
  if (!side) return nullptr;
  Json drops = Json::object();
  for (std::size_t i = 0; i < drop_count; ++i) {
    if (side->drops[i] != 0) drops[std::string(name(static_cast<Drop>(i)))] = side->drops[i];
  }
  Json object = {{"cores", side->cores},
                 {"busy_cycles_per_connection", rounded(side->busy_cycles_per_connection)},
                 {"busy_percent", rounded(side->busy_percent)},
                 {"states", json(side->states)},
                 {"states_peak", peaks(side->states_peak)}};
  add_counters(*side, Shown::side, object);
  object["drops"] = std::move(drops);
  return object;
}

Json stream_side(const std::optional<SideReport>& side) {
  if (!side) return nullptr;
  Json object = {{"busy_cycles_per_byte", rounded(side->busy_cycles_per_byte)}};
  add_counters(*side, Shown::bench | Shown::stream, object);
  return object;
}

Json stream(const BenchReport& report) {
  const StreamReport& stream = *report.stream;
  return {{"connections", stream.connections},
          {"bytes", stream.bytes},
          {"seconds", rounded(stream.seconds)},
          {"gbit_s", rounded(stream.gbit_s)},
          {"gbit_s_per_core", rounded(stream.gbit_s_per_core)},
          {"checksums_verified", stream.checksums},
          {"bytes_compared", stream.verified},
          {"copied", stream.copied},
          {"wrong_pieces", stream.wrong},
          {"client", stream_side(report.client)},
          {"server", stream_side(report.server)}};
}

Json json(const MemoryUse& memory) {
  Json object = json(memory_fields, memory);
  object["total"] = memory.total();
  return object;
}

Json json(const Impaired& impaired) { return json(impaired_fields, impaired); }

Json failures(const load::FailureCounts& failed) {
  Json object = Json::object();
  for (std::size_t i = 0; i < load::failure_count; ++i) {
    object[load::failure_names[i].key] = failed[i];
  }
  return object;
}

Json connections(const load::LoadTotals& totals) {
  Json object = Json::object();
  for (const load::LoadTotalField& field : load::load_total_fields) {
    const std::uint64_t count = totals.*field.member;
    if (count != 0 || !field.later) object[field.key] = count;
  }
  object["failed"] = failures(totals.failed);
  return object;
}

Json json(const Machine& machine) {
  return {{"cpu", machine.cpu}, {"cores", machine.cores}, {"kernel", machine.kernel}};
}

Json json(const std::vector<Recording>& recordings) {
  Json list = Json::array();
  for (const Recording& one : recordings) {
    list.push_back(
        {{"tsc_hz", std::round(one.hz)}, {"max", one.ticks.max()}, {"steps", one.ticks.to_text()}});
  }
  return list;
}

Json measured_side(const std::optional<SideReport>& side) {
  if (!side) return nullptr;
  Json object = stream_side(side);
  object["busy_cycles"] = side->busy_cycles;
  object["total_cycles"] = side->total_cycles;
  return object;
}

// The counts behind the figures, for `salut report merge`.
Json measured(const BenchReport& report) {
  return {{"mode", report.mode},
          {"target", report.target},
          {"one_stack", report.one_stack},
          {"connections", report.measured.connections},
          {"packets", report.measured.packets},
          {"bytes", report.measured.bytes},
          {"workers", report.measured.workers},
          {"failed", failures(report.failed)},
          {"client", measured_side(report.client)},
          {"server", measured_side(report.server)}};
}

// The key is there only if a port impairs frames.
void add_impaired(const std::vector<PortImpaired>& ports, Json& object) {
  for (const PortImpaired& port : ports) {
    object["impaired"][port.port] = {{"in", json(port.in)}, {"out", json(port.out)}};
  }
}

// The keys are there only for a port whose frames the kernel dropped, or whose link was down.
void add_links(const std::vector<PortLink>& ports, Json& object) {
  for (const PortLink& link : ports) {
    if (link.kernel_dropped != 0) object["kernel_dropped"][link.port] = link.kernel_dropped;
    if (link.up && link.downs == 0) continue;
    object["links"][link.port] = {{"up", link.up}, {"downs", link.downs}, {"ups", link.ups}};
  }
}

// The key is there only if a port has several workers.
void add_steering(const std::vector<PortSteering>& ports, Json& object) {
  for (const PortSteering& port : ports) {
    object["steering"][port.port] = {{"queues", port.queues}, {"how", port.how}};
  }
}

}  // namespace

std::string to_json(const ServeReport& report) {
  Json server = json(std::optional(report.side));
  add_counters(report.side, Shown::serve, server);
  Json object = {{"schema", "salut.serve/1"}, {"version", report.version}, {"app", report.app}};
  object.update(json(app::total_fields, static_cast<const app::Totals&>(report)));
  object["server"] = std::move(server);
  object["tsc_hz"] = std::round(report.tsc_hz);
  object["memory_bytes"] = json(report.memory);
  object["machine"] = json(report.machine);
  object["command"] = report.command;
  add_impaired(report.impaired, object);
  add_links(report.links, object);
  add_steering(report.steering, object);
  return dump(object, 2) + "\n";
}

std::string to_json(const BenchReport& report) {
  Json object = {
      {"schema", "salut.bench/1"},
      {"version", report.version},
      {"transport", report.transport},
      {"duration_s", rounded(report.duration_s)},
      {"msl_s", rounded(report.msl_s)},
      {"cps", rounded(report.cps)},
      {"packets_per_connection", rounded(report.packets_per_connection)},
      {"connections", connections(report)},
      {"latency_us", {{"handshake", json(report.handshake)}, {"lifetime", json(report.lifetime)}}},
      {"client", json(report.client)},
      {"server", json(report.server)},
      {"tsc_hz", std::round(report.tsc_hz)},
      {"sockets_peak", report.sockets_peak},
      {"memory_bytes", json(report.memory)},
      {"machine", json(report.machine)},
      {"command", report.command}};
  add_impaired(report.impaired, object);
  add_links(report.links, object);
  // Only of `bench --reflect`: how often each state was entered.
  if (report.reflect) object["client"]["states_entered"] = json(report.client->states_entered);
  add_steering(report.steering, object);
  if (report.stream) object["stream"] = stream(report);  // only of `bench --stream`
  object["measured"] = measured(report);
  object["histograms"] = {{"handshake", json(report.handshakes)},
                          {"lifetime", json(report.lifetimes)}};
  for (const std::string& part : report.parts) object["parts"].push_back(Json::parse(part));
  return dump(object, 2) + "\n";
}

}  // namespace salut::report
