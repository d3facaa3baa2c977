#include "tcp/buffers.hpp"

#include "ip/interfaces.hpp"

namespace salut::tcp {

Buffers::~Buffers() {
  if (frames_kept() == 0) return;
  for (std::uint32_t block = 0; block < untouched_; ++block) {
    if (blocks_[block].kind == Kind::frame) give_back(block);
  }
}

bool Buffers::keep(Chain& chain, const Frame& frame, std::span<const std::byte> payload,
                   std::uint32_t limit) {
  const bool fits = payload.size() <= limit - std::min(limit, chain.bytes);
  if (payload.size() < lent_least || frames_left_ == 0 || !fits) return false;
  if (!extend(chain, Kind::frame, {payload.data(), frame},
              static_cast<std::uint16_t>(payload.size()))) {
    return false;
  }
  --frames_left_;
  return true;
}

std::size_t Buffers::refer(Chain& chain, std::span<const std::byte> from, std::uint32_t most,
                           std::uint32_t limit) {
  std::size_t left = std::min<std::size_t>(from.size(), limit - std::min(limit, chain.bytes));
  std::size_t taken = continued(chain, from.first(left));
  chain.tail_end = static_cast<std::uint16_t>(chain.tail_end + taken);
  chain.bytes += static_cast<std::uint32_t>(taken);
  left -= taken;
  for (std::uint32_t block = 0; left > 0 && block < most; ++block) {
    const auto n = static_cast<std::uint16_t>(std::min<std::size_t>(left, reference_most));
    if (!extend(chain, Kind::reference, {from.data() + taken, {}}, n)) break;
    taken += n;
    left -= n;
  }
  return taken;
}

bool Buffers::extend(Chain& chain, Kind kind, const Lent& lent, std::uint16_t size) {
  if (!extend(chain, kind)) return false;
  std::memcpy(blocks_[chain.tail].data, &lent, sizeof(lent));
  chain.tail_end = size;
  chain.bytes += size;
  return true;
}

void Buffers::give_back(std::uint32_t block) {
  Lent lent;
  std::memcpy(&lent, blocks_[block].data, sizeof(lent));
  blocks_[block].kind = Kind::own;
  ++frames_left_;
  interfaces_->recycle(lent.frame);
}

}  // namespace salut::tcp
