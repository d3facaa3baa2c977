// From results of the engine to errno.
#pragma once

#include "salut/error.hpp"
#include "salut/event.hpp"

namespace salut::posix {

// Of a call that the engine refused.
int errno_of(Errc code);

// Of an ICMP error: Linux's icmp_err_convert[] and icmpv6_err_convert(). Type 0 of `icmp`: there
// was none, and the next hop did not answer.
int errno_of(IcmpType icmp, bool ip6);

// Of a connection that has ended.
int errno_of(const Event& closed, bool ip6);

}  // namespace salut::posix
