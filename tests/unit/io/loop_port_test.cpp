// The embedded wire: what goes in at one end comes out at the other, in order, from the same
// buffer.
#include "io/loop_port.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace salut::io {
namespace {

constexpr std::uint32_t extent = 2'048;

struct alignas(64) Buffer {
  std::array<std::byte, extent> bytes = {};
};

Frame frame_in(Buffer& buffer, std::size_t begin, std::uint16_t length) {
  Frame frame;
  frame.handle = buffer.bytes.data();
  frame.data = buffer.bytes.data() + begin;
  frame.length = length;
  frame.room = static_cast<std::uint16_t>(extent - begin);
  for (unsigned i = 0; i < length; ++i) frame.data[i] = static_cast<std::byte>(i * 7 + begin);
  return frame;
}

struct Wires {
  std::shared_ptr<LoopPort::Wire> there = LoopPort::make_wire(8, extent);
  std::shared_ptr<LoopPort::Wire> back = LoopPort::make_wire(8, extent);
  LoopPort left{there, back};
  LoopPort right{back, there};
};

TEST(LoopPort, frames_cross_with_their_place_and_length) {
  Wires wires;
  std::array<Buffer, 3> buffers;
  std::array<Frame, 3> sent = {frame_in(buffers[0], 256, 54), frame_in(buffers[1], 252, 1'514),
                               frame_in(buffers[2], 1'020, 60)};
  sent[1].flags = l4_checksum_good;
  sent[1].port = 3;
  ASSERT_EQ(wires.left.transmit(sent.data(), 3), 3u);
  std::array<Frame, 8> got;
  ASSERT_EQ(wires.right.receive(got.data(), 8), 3u);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(got[i].handle, sent[i].handle);
    EXPECT_EQ(got[i].data, sent[i].data);
    EXPECT_EQ(got[i].length, sent[i].length);
    EXPECT_EQ(got[i].room, sent[i].room);
    EXPECT_EQ(got[i].flags, 0) << "nobody has verified a checksum on the way";
    EXPECT_EQ(got[i].port, 0);
  }
  EXPECT_EQ(wires.left.receive(got.data(), 8), 0u);
}

TEST(LoopPort, the_largest_frame_crosses) {
  const auto wire = LoopPort::make_wire(1, 16'384);
  struct alignas(64) Jumbo {
    std::array<std::byte, 16'384> bytes = {};
  } buffer;
  Frame frame;
  frame.handle = buffer.bytes.data();
  frame.data = buffer.bytes.data() + 256;
  frame.length = 9'018;
  frame.room = 16'384 - 256;
  ASSERT_EQ(wire->push(&frame, 1), 1u);
  Frame got;
  ASSERT_EQ(wire->pop(&got, 1), 1u);
  EXPECT_EQ(got.length, 9'018);
  EXPECT_EQ(got.room, 16'384 - 256);
}

// A device may have put the bytes anywhere: they arrive all the same.
TEST(LoopPort, bytes_in_an_odd_place_arrive) {
  for (const std::size_t begin : {1u, 254u, 255u, 257u, 1'021u, 1'100u}) {
    Wires wires;
    Buffer buffer;
    const Frame sent = frame_in(buffer, begin, 100);
    std::array<std::byte, 100> want;
    std::memcpy(want.data(), sent.data, want.size());
    ASSERT_EQ(wires.left.transmit(&sent, 1), 1u);
    Frame got;
    ASSERT_EQ(wires.right.receive(&got, 1), 1u);
    ASSERT_EQ(got.length, 100);
    EXPECT_EQ(got.handle, buffer.bytes.data());
    EXPECT_EQ(std::memcmp(got.data, want.data(), want.size()), 0) << begin;
    EXPECT_EQ(got.data + got.room, buffer.bytes.data() + extent) << begin;
  }
}

TEST(LoopPort, a_full_wire_takes_from_the_front_and_touches_nothing_else) {
  Wires wires;
  std::array<Buffer, 12> buffers;
  std::array<Frame, 12> sent;
  for (unsigned i = 0; i < sent.size(); ++i) {
    sent[i] = frame_in(buffers[i], 255, static_cast<std::uint16_t>(60 + i));
  }
  const Buffer untouched = buffers[11];
  ASSERT_EQ(wires.left.transmit(sent.data(), 12), 8u);
  EXPECT_EQ(std::memcmp(untouched.bytes.data(), buffers[11].bytes.data(), extent), 0);
  std::array<Frame, 12> got;
  ASSERT_EQ(wires.right.receive(got.data(), 12), 8u);
  for (unsigned i = 0; i < 8; ++i) EXPECT_EQ(got[i].length, 60 + i);
  EXPECT_EQ(wires.left.transmit(sent.data() + 8, 4), 4u);
}

}  // namespace
}  // namespace salut::io
