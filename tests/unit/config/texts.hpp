// Configurations to begin with, and what the reader says to one.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "salut/config.hpp"

namespace salut::test {

inline const std::string loop_port = R"(
[[port]]
name = "wire"
peer = "wire"
addresses = ["10.0.0.1/24"]
)";

inline const std::string address = "addresses = [\"10.0.0.1/24\"]\n";
inline const std::string address6 = "addresses = [\"fd00::1/64\"]\n";

inline std::string tap_port(const std::string& more) {
  return "[[port]]\nname = \"wire\"\ntype = \"tap\"\ninterface = \"salut0\"\n" + more;
}

inline std::string complaint_about(const std::string& toml) {
  const auto config = parse_config(toml, "echo.toml");
  return config ? "accepted" : config.error().message;
}

inline std::string complaint_about(const Config& config) {
  const auto valid = validate(config);
  return valid ? "accepted" : valid.error().message;
}

// A text that is wrong in one place, and the line that answers it, without the file's name. The
// test itself is in wrong_test.cpp; each table of the configuration gives it its own.
struct Wrong {
  std::string toml;
  std::string line;
};
class WrongValue : public testing::TestWithParam<Wrong> {};

}  // namespace salut::test
