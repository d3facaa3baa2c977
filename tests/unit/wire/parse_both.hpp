// parse() against parse_step_by_step(), in a buffer that ends with the frame and in one that goes
// on behind it, where the frame is looked at in vectors: all three must say the same.
#pragma once

#include <gtest/gtest.h>

#include "wire/packets.hpp"
#include "wire/parse.hpp"

namespace salut::wire::test {

inline Parsed parse_both(const Frame& frame, const ParseOptions& options, Segment& out) {
  Segment stepped;
  const Parsed parsed = parse(frame, options, out);
  EXPECT_EQ(parsed, parse_step_by_step(frame, options, stepped));
  EXPECT_TRUE(parsed.kind != Kind::tcp || same_segment(out, stepped));
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(frame.data);
  Buffer roomy(Bytes(bytes, bytes + frame.length), frame.flags, 128);
  roomy.frame.port = frame.port;
  Segment vector;
  EXPECT_EQ(parse(roomy.frame, options, vector), parsed);
  EXPECT_TRUE(parsed.kind != Kind::tcp || same_segment(vector, stepped));
  return parsed;
}

}  // namespace salut::wire::test
