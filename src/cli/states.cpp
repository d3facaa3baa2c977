#include "cli/states.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "cli/commands.hpp"
#include "cli/files.hpp"

namespace salut::cli {

namespace {

using tcp::Cell;

State state_at(std::size_t i) { return static_cast<State>(i); }
tcp::StateEvent event_at(std::size_t i) { return static_cast<tcp::StateEvent>(i); }

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string acts_json(std::uint16_t acts) {
  std::string out;
  for (std::size_t i = 0; i < tcp::act_count; ++i) {
    if ((acts >> i & 1) == 0) continue;
    out += (out.empty() ? "" : ", ") + json_string(tcp::act_names[i]);
  }
  return "[" + out + "]";
}

template <typename Names>
std::string names_json(const Names& names) {
  std::string out;
  for (const std::string_view one : names) out += (out.empty() ? "" : ", ") + json_string(one);
  return "[" + out + "]";
}

}  // namespace

std::string acts_text(std::uint16_t acts) {
  std::string out;
  for (std::size_t i = 0; i < tcp::act_count; ++i) {
    if ((acts >> i & 1) == 0) continue;
    if (!out.empty()) out += ", ";
    out += tcp::act_names[i];
  }
  return out.empty() ? "-" : out;
}

std::string_view short_name(tcp::StateEvent event) {
  const std::string_view full = tcp::name(event);
  constexpr std::string_view passive = "_passive";
  if (event == tcp::StateEvent::open_passive || !full.ends_with(passive)) return full;
  return full.substr(0, full.size() - passive.size());
}

std::vector<Edge> state_changes() {
  std::vector<Edge> edges;
  for (std::size_t s = 0; s < state_count; ++s) {
    for (std::size_t e = 0; e < tcp::event_count; ++e) {
      const Cell& cell = tcp::step(state_at(s), event_at(e));
      if (cell.to == state_at(s)) continue;
      const auto known = std::ranges::find_if(
          edges, [&](const Edge& edge) { return edge.from == state_at(s) && edge.to == cell.to; });
      Edge& edge =
          known != edges.end() ? *known : edges.emplace_back(Edge{state_at(s), cell.to, {}});
      edge.events.push_back(event_at(e));
    }
  }
  return edges;
}

std::string states_text() {
  std::string out;
  for (std::size_t s = 0; s < state_count; ++s) {
    fmt::format_to(std::back_inserter(out), "{}{}\n", s == 0 ? "" : "\n", name(state_at(s)));
    for (std::size_t e = 0; e < tcp::event_count; ++e) {
      const Cell& cell = tcp::step(state_at(s), event_at(e));
      fmt::format_to(std::back_inserter(out), "  {:<20}{:<14}{:<40}{}\n", name(event_at(e)),
                     cell.to == state_at(s) ? "." : name(cell.to), acts_text(cell.acts), cell.note);
    }
  }
  return out;
}

std::string states_json() {
  std::string out = fmt::format(
      "{{\n  \"schema\": \"salut.states/1\",\n  \"states\": {},\n  \"events\": {},\n"
      "  \"transitions\": [\n",
      names_json(state_names), names_json(tcp::event_names));
  for (std::size_t s = 0; s < state_count; ++s) {
    for (std::size_t e = 0; e < tcp::event_count; ++e) {
      const Cell& cell = tcp::step(state_at(s), event_at(e));
      const bool last = s + 1 == state_count && e + 1 == tcp::event_count;
      fmt::format_to(std::back_inserter(out),
                     "    {{\"from\": {}, \"on\": {}, \"to\": {}, \"acts\": {}, \"note\": {}}}{}\n",
                     json_string(name(state_at(s))), json_string(name(event_at(e))),
                     json_string(name(cell.to)), acts_json(cell.acts), json_string(cell.note),
                     last ? "" : ",");
    }
  }
  return out + "  ]\n}\n";
}

std::string states_dot() {
  std::string out = "digraph tcp {\n  node [shape=box, style=rounded];\n";
  for (const Edge& edge : state_changes()) {
    std::string label;
    for (const tcp::StateEvent event : edge.events) {
      fmt::format_to(std::back_inserter(label), "{}{} / {}", label.empty() ? "" : "\\n",
                     name(event), acts_text(tcp::step(edge.from, event).acts));
    }
    fmt::format_to(std::back_inserter(out), "  {} -> {} [label=\"{}\"];\n", name(edge.from),
                   name(edge.to), label);
  }
  return out + "}\n";
}

int run_states(const StatesOptions& options) {
  std::string text;
  switch (options.format) {
    case StatesFormat::text:
      text = states_text();
      break;
    case StatesFormat::dot:
      text = states_dot();
      break;
    case StatesFormat::svg:
      text = states_svg();
      break;
    case StatesFormat::json:
      text = states_json();
      break;
  }
  const auto told = print_result(stdout, text);
  return told ? exit_ok : refuse(told.error());
}

}  // namespace salut::cli
