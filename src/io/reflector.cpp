#include "io/reflector.hpp"

#include <algorithm>

#include "wire/reflect.hpp"

namespace salut::io {

unsigned Reflector::transmit(const Frame* frames, unsigned count) {
  // Swap only frames that the wire takes: the caller offers the rest again, unchanged.
  const auto taken = static_cast<unsigned>(std::min<std::size_t>(count, wire_->write_available()));
  for (unsigned i = 0; i < taken; ++i) wire::reflect(frames[i].data, frames[i].length);
  return end_.transmit(frames, taken);
}

}  // namespace salut::io
