#include "cli/states.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

namespace salut::cli {
namespace {

TEST(States, json_has_every_cell) {
  const auto json = nlohmann::json::parse(states_json());
  EXPECT_EQ(json["states"].size(), state_count);
  EXPECT_EQ(json["events"].size(), tcp::event_count);
  ASSERT_EQ(json["transitions"].size(), state_count * tcp::event_count);
  std::size_t i = 0;
  for (std::size_t s = 0; s < state_count; ++s) {
    for (std::size_t e = 0; e < tcp::event_count; ++e, ++i) {
      const tcp::Cell& cell = tcp::step(static_cast<State>(s), static_cast<tcp::StateEvent>(e));
      const auto& row = json["transitions"][i];
      EXPECT_EQ(row["from"], state_names[s]);
      EXPECT_EQ(row["on"], tcp::event_names[e]);
      EXPECT_EQ(row["to"], name(cell.to));
      EXPECT_EQ(row["note"], cell.note);
      EXPECT_EQ(row["acts"].size(), static_cast<std::size_t>(__builtin_popcount(cell.acts)));
    }
  }
}

TEST(States, text_and_dot_have_every_change) {
  const std::string text = states_text();
  const std::string dot = states_dot();
  for (const Edge& edge : state_changes()) {
    const std::string arrow = std::string(name(edge.from)) + " -> " + std::string(name(edge.to));
    EXPECT_NE(dot.find(arrow), std::string::npos) << arrow;
  }
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(text, '\n')),
            state_count * (tcp::event_count + 2) - 1);
}

// Drawn or listed below the picture: no change of state is missing from it.
TEST(States, svg_has_every_change) {
  const std::string svg = states_svg();
  for (const Edge& edge : state_changes()) {
    bool possible = false;
    for (const tcp::StateEvent event : edge.events) {
      if (tcp::step(edge.from, event).note.starts_with("cannot be")) continue;
      possible = true;
      EXPECT_NE(svg.find(short_name(event)), std::string::npos) << tcp::name(event);
    }
    if (possible) {
      EXPECT_NE(svg.find(name(edge.to)), std::string::npos) << name(edge.to);
    }
  }
  for (const std::string_view state : state_names) {
    EXPECT_NE(svg.find(">" + std::string(state) + "<"), std::string::npos) << state;
  }
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

// README shows docs/states.svg and says that this program drew it.
TEST(States, picture_in_the_documents_is_the_one_that_is_drawn) {
  std::ifstream file(SALUT_DOCS_DIRECTORY "/states.svg");
  const std::string kept{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_TRUE(kept == states_svg())
      << "docs/states.svg is not what is drawn; mend: salut states --format svg > docs/states.svg";
}

// No name of a C++ type slips into what people read.
TEST(States, legend_is_in_plain_words) {
  EXPECT_NE(states_svg().find("Event / what is sent"), std::string::npos);
  EXPECT_EQ(states_svg().find("StateEvent"), std::string::npos);
}

}  // namespace
}  // namespace salut::cli
