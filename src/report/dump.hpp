// JSON as text. JSON is UTF-8, which a command line or a file name need not be. Bytes that are not
// UTF-8 become U+FFFD. By default nlohmann's dump() throws, and the result of a run would be lost.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace salut::report {

// `indent` below 0: on one line.
inline std::string dump(const nlohmann::ordered_json& json, int indent = -1) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace salut::report
