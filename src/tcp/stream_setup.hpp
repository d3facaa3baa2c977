// The first byte either way: a connection gets its Stream.
#pragma once

#include "tcp/context.hpp"

namespace salut::tcp {

// Makes the data line of the TCB valid and takes a Stream, unless it has one (Flag::data_ready).
void take_stream(Context& c, Tcb& tcb);
inline void prepare_data(Context& c, Tcb& tcb) {
  if (!tcb.has(Flag::data_ready)) take_stream(c, tcb);
}

}  // namespace salut::tcp
