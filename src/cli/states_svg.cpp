#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "cli/states.hpp"

namespace salut::cli {

namespace {

using tcp::StateEvent;

constexpr int width = 1260;
constexpr int box_width = 150;
constexpr int box_height = 46;
constexpr int line_height = 16;
constexpr int legend_top = 1000;

struct Box {
  State state;
  int x;  // of its centre
  int y;
};
constexpr Box boxes[] = {
    {State::closed, 670, 60},        {State::listen, 670, 220},
    {State::syn_received, 280, 360}, {State::syn_sent, 1060, 360},
    {State::established, 670, 440},  {State::fin_wait_1, 280, 600},
    {State::close_wait, 1060, 600},  {State::fin_wait_2, 280, 780},
    {State::closing, 670, 700},      {State::last_ack, 1060, 780},
    {State::time_wait, 670, 910},    {State::closed, 1060, 910},  // drawn twice, as in the RFC
};

enum class Anchor { start, middle, end };

// Where an edge runs and where its label stands: the first line's baseline.
struct Route {
  State from;
  State to;
  const char* path;
  int x;
  int y;
  Anchor anchor;
};
constexpr Route routes[] = {
    {State::closed, State::listen, "M640,83 V197", 630, 145, Anchor::end},
    {State::listen, State::closed, "M700,197 V83", 710, 125, Anchor::start},
    {State::closed, State::syn_sent, "M745,55 C990,55 1100,180 1100,337", 1040, 135, Anchor::start},
    {State::syn_sent, State::closed, "M1040,337 C1010,220 880,110 745,75", 900, 175, Anchor::end},
    {State::listen, State::syn_received, "M595,222 L322,337", 440, 265, Anchor::end},
    {State::syn_received, State::listen, "M355,352 L612,243", 500, 312, Anchor::start},
    {State::listen, State::syn_sent, "M745,230 L985,345", 858, 308, Anchor::end},
    {State::syn_sent, State::syn_received, "M985,365 H355", 800, 358, Anchor::middle},
    {State::syn_received, State::established, "M355,380 L595,432", 450, 422, Anchor::end},
    {State::syn_sent, State::established, "M985,380 L745,432", 890, 422, Anchor::start},
    {State::syn_received, State::fin_wait_1, "M265,383 V577", 255, 480, Anchor::end},
    {State::established, State::fin_wait_1, "M595,455 L340,577", 450, 505, Anchor::end},
    {State::established, State::close_wait, "M745,455 L1000,577", 890, 505, Anchor::start},
    {State::fin_wait_1, State::fin_wait_2, "M280,623 V757", 290, 695, Anchor::start},
    {State::fin_wait_1, State::closing, "M355,612 L595,690", 490, 640, Anchor::start},
    {State::close_wait, State::last_ack, "M1060,623 V757", 1070, 695, Anchor::start},
    {State::fin_wait_2, State::time_wait, "M340,803 L595,902", 450, 872, Anchor::end},
    {State::closing, State::time_wait, "M670,723 V887", 680, 810, Anchor::start},
    {State::last_ack, State::closed, "M1060,803 V887", 1070, 850, Anchor::start},
    {State::time_wait, State::closed, "M745,910 H985", 865, 902, Anchor::middle},
    {State::time_wait, State::syn_received, "M595,922 C60,1000 20,480 205,372", 165, 930,
     Anchor::middle},
};

// Transitions that nearly every state has. Drawn, they would cover the picture.
bool is_sudden(StateEvent event, State to) {
  const std::string_view what = short_name(event);
  return to == State::closed && (what == "abort" || what == "reset" || what == "retries_out");
}

bool cannot_be(State from, StateEvent event) {
  return tcp::step(from, event).note.starts_with("cannot be");
}

// The segments that are sent, and the 2MSL timer. Reports to the application are left out.
std::string wire_acts(State from, StateEvent event) {
  using tcp::Act;
  constexpr std::uint16_t shown = Act::send_syn | Act::send_syn_ack | Act::send_ack |
                                  Act::send_challenge | Act::send_fin | Act::send_rst |
                                  Act::arm_2msl;
  const auto acts = static_cast<std::uint16_t>(tcp::step(from, event).acts & shown);
  return acts == 0 ? "" : " / " + acts_text(acts);
}

std::string label(State from, StateEvent event) {
  const bool passive = short_name(event) != tcp::name(event);
  return std::string(short_name(event)) + (passive ? " (passive open)" : "") +
         wire_acts(from, event);
}

const Route* route_of(const Edge& edge) {
  const auto* const found = std::ranges::find_if(
      routes, [&](const Route& route) { return route.from == edge.from && route.to == edge.to; });
  return found == std::end(routes) ? nullptr : found;
}

class Svg {
 public:
  void text(int x, int y, Anchor anchor, std::string_view what, std::string_view style = "") {
    constexpr const char* anchors[] = {"start", "middle", "end"};
    fmt::format_to(std::back_inserter(body_),
                   "<text x=\"{}\" y=\"{}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                   anchors[static_cast<int>(anchor)], style, what);
  }
  void box(const Box& box) {
    fmt::format_to(std::back_inserter(body_),
                   "<rect class=\"s\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
                   box.x - box_width / 2, box.y - box_height / 2, box_width, box_height);
    text(box.x, box.y + 5, Anchor::middle, name(box.state), " class=\"n\"");
  }
  void edge(std::string_view path) {
    fmt::format_to(std::back_inserter(body_), "<path class=\"e\" d=\"{}\"/>\n", path);
  }
  std::string finish(int height) const {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\">\n"
        "<title>TCP connection states, from src/tcp/transitions.hpp</title>\n"
        "<style>text{{font:13px sans-serif;fill:#222}}.n{{font-weight:bold;font-size:15px}}"
        ".s{{fill:#eef4fb;stroke:#24527a;stroke-width:1.5}}"
        ".e{{fill:none;stroke:#555;stroke-width:1.3;marker-end:url(#a)}}</style>\n"
        "<defs><marker id=\"a\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" "
        "markerHeight=\"8\" orient=\"auto\"><path d=\"M0,0 L10,5 L0,10 z\" fill=\"#555\"/>"
        "</marker></defs>\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n{2}</svg>\n",
        width, height, body_);
  }

 private:
  std::string body_;
};

// Transitions without a place in the picture: event, action and next state, with the states that
// they leave.
using Legend = std::map<std::tuple<std::string, State>, std::vector<State>>;

void draw(const Edge& edge, Svg& svg, Legend& legend) {
  const Route* const route = route_of(edge);
  int line = 0;
  for (const StateEvent event : edge.events) {
    if (cannot_be(edge.from, event)) continue;
    if (route == nullptr || is_sudden(event, edge.to)) {
      const std::string what = std::string(short_name(event)) + wire_acts(edge.from, event);
      std::vector<State>& states = legend[{what, edge.to}];
      if (std::ranges::count(states, edge.from) == 0) states.push_back(edge.from);
      continue;
    }
    if (line == 0) svg.edge(route->path);
    svg.text(route->x, route->y + line * line_height, route->anchor, label(edge.from, event));
    ++line;
  }
}

}  // namespace

std::string states_svg() {
  Svg svg;
  Legend legend;
  for (const Edge& edge : state_changes()) draw(edge, svg, legend);
  for (const Box& box : boxes) svg.box(box);
  int y = legend_top;
  svg.text(40, y, Anchor::start, "Event / what is sent. Not drawn:", " class=\"n\"");
  for (const auto& [key, states] : legend) {
    std::string from;
    for (const State state : states) {
      from += (from.empty() ? "" : ", ") + std::string(name(state));
    }
    y += line_height + 4;
    svg.text(40, y, Anchor::start,
             fmt::format("{}: {} → {}", std::get<0>(key), from, name(std::get<1>(key))));
  }
  return svg.finish(y + 30);
}

}  // namespace salut::cli
