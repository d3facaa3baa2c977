#include "actors.hpp"

#include <algorithm>
#include <vector>

namespace salut::sim {

bool Actor::connect(Host& to, std::uint32_t address, std::uint16_t port, const Plan& mine,
                    const Plan& theirs, Actor& peer, std::uint64_t stream) {
  static_cast<void>(to);
  const std::uint64_t user = next_user_++;
  const auto connection =
      host_.engine->connect({IpAddress::v4(address), port}, {}, user, world_.now());
  if (!connection) return false;
  const auto info = host_.engine->info(*connection);
  ends[user] = EndState{.plan = mine,

                        .stream = stream * 2,
                        .connection = *connection};
  peer.expected[{info->local.port, port}] = EndState{.plan = theirs,

                                                     .stream = stream * 2 + 1,
                                                     .connection = {}};
  return true;
}

void Actor::adopt(const Event& event) {
  const auto info = host_.engine->info(event.connection);
  if (!info) return;  // reset in the same burst
  const auto found = expected.find({info->remote.port, info->local.port});
  if (found == expected.end()) return fail("accepted a connection that nobody opened");
  const std::uint64_t user = next_user_++;
  ends[user] = found->second;
  ends[user].connection = event.connection;
  expected.erase(found);
  host_.engine->set_user(event.connection, user);
}

void Actor::on_events(std::span<const Event> events) {
  for (const Event& event : events) {
    if (event.has(Event::accepted)) adopt(event);
  }
  for (const Event& event : events) {
    // An accepted connection that ended in the same burst was never ours to name.
    if (!event.has(Event::closed)) continue;
    for (auto& [user, end] : ends) {
      if (end.connection != event.connection) continue;
      ++end.reports;
      end.reason = event.reason;
      if (end.reports > 1) fail("`closed` reported twice");
    }
  }
  for (auto& [user, end] : ends) {
    if (end.reports == 0) drive(end);
  }
}

const EndState* Actor::find_stream(std::uint64_t stream) const {
  for (const auto& [user, end] : ends) {
    if (end.stream == stream) return &end;
  }
  return nullptr;
}

void Actor::abort_half_open(const Actor& peer) {
  for (auto& [user, end] : ends) {
    if (end.reports != 0) continue;
    const EndState* other = peer.find_stream(end.stream ^ 1);
    const bool gone = other != nullptr && other->reports == 1 && other->reason != Reason::closed;
    if (gone) host_.engine->abort(end.connection);
  }
}

void Actor::drive(EndState& end) {
  stack::Engine& engine = *host_.engine;
  const auto info = engine.info(end.connection);
  if (!info || end.closed_by_us) return;
  if (info->state == State::syn_sent || info->state == State::syn_received) return;
  if (end.plan.abort_after != 0 && end.written >= end.plan.abort_after) {
    engine.abort(end.connection);
    end.closed_by_us = true;
    return;
  }
  read_all(end);
  write_some(end);
  const bool all_written = end.written == end.plan.bytes;
  if (all_written && end.plan.half_close && !end.shut) {
    end.shut = true;
    engine.shutdown(end.connection);
  }
  if (all_written && (end.end_of_stream || end.plan.close_early)) {
    end.closed_by_us = true;
    engine.close(end.connection);
  }
}

void Actor::read_all(EndState& end) {
  std::vector<std::byte> bytes(end.plan.read_size);
  for (;;) {
    const auto n = host_.engine->read(end.connection, bytes);
    if (!n) {
      if (n.error() == Errc::end_of_stream) end.end_of_stream = true;
      return;
    }
    if (*n == 0) return;
    for (std::size_t i = 0; i < *n; ++i) {
      if (bytes[i] != byte_at(end.stream ^ 1, end.received++)) return fail("a byte is wrong");
    }
  }
}

void Actor::write_some(EndState& end) {
  while (end.written < end.plan.bytes && !end.shut) {
    const std::uint32_t n = std::min(end.plan.chunk, end.plan.bytes - end.written);
    std::vector<std::byte> bytes(n);
    for (std::uint32_t i = 0; i < n; ++i) bytes[i] = byte_at(end.stream, end.written + i);
    const auto taken = host_.engine->write(end.connection, bytes);
    if (!taken) return fail("write() failed on an open connection");
    end.written += static_cast<std::uint32_t>(*taken);
    if (*taken < n) return;
  }
}

}  // namespace salut::sim
