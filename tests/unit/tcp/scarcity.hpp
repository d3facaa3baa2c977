// Somebody else has the blocks of the pool, all but `left`, until this ends.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "harness.hpp"

namespace salut::test {

class Scarcity {
 public:
  explicit Scarcity(Harness& h, std::uint32_t left = 0) : buffers_(h.engine().context().buffers) {
    const std::uint32_t taken = buffers_.available_blocks() - left;
    const std::string bytes(std::size_t{taken} * tcp::block_bytes, 'o');
    buffers_.append(chain_, std::as_bytes(std::span(bytes)), 0xffff'ffff);
    EXPECT_EQ(buffers_.available_blocks(), left);
  }
  ~Scarcity() { end(); }
  Scarcity(const Scarcity&) = delete;

  void end() { buffers_.clear(chain_); }

 private:
  tcp::Buffers& buffers_;
  tcp::Chain chain_;
};

}  // namespace salut::test
