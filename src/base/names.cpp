// The text of enumerators. Reports, logs and messages take it from here.
#include "salut/counters.hpp"
#include "salut/error.hpp"

namespace salut {

std::string_view describe(Errc code) {
  switch (code) {
    case Errc::ok:
      return "no error";
    case Errc::invalid_argument:
      return "a value that can never be right";
    case Errc::bad_config:
      return "the configuration is wrong";
    case Errc::not_found:
      return "what was named is not there";
    case Errc::in_use:
      return "the address or name is in use";
    case Errc::no_permission:
      return "not permitted";
    case Errc::no_memory:
      return "not enough memory";
    case Errc::not_connected:
      return "the connection has ended";
    case Errc::not_writable:
      return "the sending half is closed";
    case Errc::end_of_stream:
      return "the peer has closed and everything was read";
    case Errc::no_port:
      return "no local address and port is free for this peer";
    case Errc::no_route:
      return "no configured port leads to the destination";
    case Errc::overload:
      return "a limit of the stack is reached";
    case Errc::unsupported:
      return "cannot be done here";
    case Errc::stopped:
      return "the stack has stopped";
  }
  return "unknown error";
}

std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "none";
    case Reason::closed:
      return "closed";
    case Reason::reset:
      return "reset";
    case Reason::refused:
      return "refused";
    case Reason::timed_out:
      return "timed_out";
    case Reason::unreachable:
      return "unreachable";
    case Reason::aborted:
      return "aborted";
    case Reason::overload:
      return "overload";
  }
  return "unknown";
}

std::string_view name(Drop drop) {
  static constexpr std::array<std::string_view, drop_count> names = {
#define SALUT_DROP_NAME(id, sentence) #id,
      SALUT_DROPS(SALUT_DROP_NAME)
#undef SALUT_DROP_NAME
  };
  const auto index = static_cast<std::size_t>(drop);
  return index < drop_count ? names[index] : "none";
}

std::string_view sentence(Drop drop) {
  static constexpr std::array<std::string_view, drop_count> sentences = {
#define SALUT_DROP_SENTENCE(id, sentence) sentence,
      SALUT_DROPS(SALUT_DROP_SENTENCE)
#undef SALUT_DROP_SENTENCE
  };
  const auto index = static_cast<std::size_t>(drop);
  return index < drop_count ? sentences[index] : "not dropped";
}

}  // namespace salut
