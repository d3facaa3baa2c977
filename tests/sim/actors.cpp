#include "actors.hpp"

#include <algorithm>

#include "guests.hpp"

namespace salut::sim {

void Actor::listen(std::uint16_t port, std::uint32_t backlog) {
  if (listening_) return;
  const auto v4 = host_.engine->listen({IpAddress{}, port}, backlog);
  const auto v6 = host_.engine->listen({IpAddress::any_v6(), port}, backlog);
  if (!v4 || !v6) {
    error_ = host_.name + ": listen() failed";
    return;
  }
  listeners_ = {*v4, *v6};
  listening_ = true;
  world_.say(host_, "listens");
}

void Actor::unlisten() {
  if (!listening_) return;
  listening_ = false;
  for (const std::uint16_t listener : listeners_) {
    if (host_.engine->unlisten(listener) != Errc::ok) error_ = host_.name + ": unlisten() failed";
  }
  world_.say(host_, "listens no more");
  host_.wake_at = world_.now();
}

std::uint64_t Actor::add(EndState end) {
  ends_.push_back(std::move(end));
  by_stream_[ends_.back().stream] = ends_.size();
  by_handle_[ends_.back().connection] = ends_.size();
  return ends_.size();
}

const EndState* Actor::connect(const Endpoint& to, const Endpoint& from, const Action& action,
                               Actor* peer, std::uint64_t stream) {
  const auto connection = host_.engine->connect(to, from, ends_.size() + 1, world_.now());
  if (!connection) {
    const bool full = connection.error() == Errc::overload || connection.error() == Errc::no_port;
    if (!full && error_.empty()) error_ = host_.name + ": connect() failed";
    return nullptr;
  }
  const auto info = host_.engine->info(*connection);
  add(EndState{
      .plan = action.mine, .stream = stream * 2, .connection = *connection, .begun = world_.now()});
  say(ends_.back(),
      "connects to " + to.to_string() + " from port " + std::to_string(info->local.port));
  if (peer != nullptr) {
    peer->expected_[{info->local.address, info->local.port, to.port}] =
        EndState{.plan = action.theirs, .stream = stream * 2 + 1, .connection = {}};
  }
  host_.wake_at = std::min(host_.wake_at, world_.now());
  return &ends_.back();
}

void Actor::adopt(const Event& event) {
  const auto info = host_.engine->info(event.connection);
  if (!info) return;  // ended in the same burst
  const auto found = expected_.find({info->remote.address, info->remote.port, info->local.port});
  EndState end;
  if (found == expected_.end() && guests_ != nullptr) {
    return guests_->adopt(event.connection, world_.now());
  }
  if (found == expected_.end()) {
    // A cookie says only that somebody got an answer to a SYN not long ago: an old duplicate of its
    // ACK opens the connection once more.
    if (host_.engine->counters().cookies_good == 0) {
      return fail(end, "accepted a connection that nobody opened");
    }
    static_cast<void>(host_.engine->abort(event.connection));
    return;
  }
  end = found->second;
  expected_.erase(found);
  end.connection = event.connection;
  end.begun = world_.now();
  const std::uint64_t user = add(std::move(end));
  static_cast<void>(host_.engine->set_user(event.connection, user));
  say(ends_.back(), "accepts " + info->remote.to_string());
}

void Actor::on_events(std::span<const Event> events) {
  for (const Event& event : events) {
    if (event.has(Event::accepted)) adopt(event);
  }
  for (const Event& event : events) on_event(event);
  // It may have ended in the same turn, which only a later event says.
  for (const EndState* end : refused_) {
    if (end->reports == 0) fail(*end, "write() failed on an open connection");
  }
  refused_.clear();
  while (!timers_.empty() && timers_.top().first <= world_.now()) {
    const std::uint64_t user = timers_.top().second;
    timers_.pop();
    drive(user);
  }
  if (!timers_.empty()) host_.wake_at = std::min(host_.wake_at, timers_.top().first);
  if (guests_ != nullptr) host_.wake_at = std::min(host_.wake_at, guests_->turn(world_.now()));
}

void Actor::on_event(const Event& event) {
  // By its handle: what was raised before set_user() carries no user.
  const auto at = by_handle_.find(event.connection);
  if (at == by_handle_.end()) {
    // Or not ours to name: it ended in the turn that accepted it.
    if (guests_ != nullptr) guests_->on_event(event, world_.now());
    return;
  }
  const std::uint64_t user = at->second;
  EndState& end = ends_[user - 1];
  if (event.user != 0 && event.user != user) return fail(end, "an event of somebody else's");
  if (end.reports > 0) return fail(end, "an event after `closed`");
  if (event.has(Event::accepted | Event::connected)) {
    if (end.open) return fail(end, "connected twice");
    end.open = true;
    end.opened = world_.now();
    end.next_read = world_.now() + end.plan.read_after;
    if (end.plan.abort_at.count() > 0) wake(user, world_.now() + end.plan.abort_at);
  }
  if (event.has(Event::peer_closed)) {
    if (end.peer_closed) return fail(end, "peer_closed twice");
    end.peer_closed = true;
  }
  if (event.has(Event::closed)) {
    ++end.reports;
    end.ended = world_.now();
    end.reason = event.reason;
    spoil(end, end.written);
    say(end, "closed, " + std::string(name(event.reason)));
    if (host_.engine->info(end.connection)) fail(end, "the handle lives on after `closed`");
    return;
  }
  drive(user);
}

void Actor::drive(std::uint64_t user) {
  EndState& end = ends_[user - 1];
  if (end.reports > 0 || end.closed_by_us || !end.open) return;
  stack::Engine& engine = *host_.engine;
  const Plan& plan = end.plan;
  if (const auto info = engine.info(end.connection); info && plan.lends) {
    spoil(end, end.written - info->send_lent);
  }
  const bool abort_now = (plan.abort_after != 0 && end.written >= plan.abort_after) ||
                         (plan.abort_at.count() > 0 && world_.now() >= end.opened + plan.abort_at);
  if (abort_now) {
    say(end, "aborts");
    end.closed_by_us = true;
    static_cast<void>(engine.abort(end.connection));
    host_.wake_at = world_.now();
    return;
  }
  if (world_.now() < end.next_read && !hurry_) {
    wake(user, end.next_read);
  } else {
    read_all(end);
    if (!end.end_of_stream && world_.now() < end.next_read) wake(user, end.next_read);
  }
  write_some(end);
  const bool all_written = end.written == plan.bytes;
  if (all_written && plan.half_close && !end.shut) {
    end.shut = true;
    say(end, "shuts down");
    static_cast<void>(engine.shutdown(end.connection));
  }
  if (all_written && (end.end_of_stream || plan.close_early)) {
    end.closed_by_us = true;
    say(end, "closes");
    static_cast<void>(engine.close(end.connection));
  }
}

// Once, or until nothing is left for those who need no time to think.
void Actor::read_all(EndState& end) {
  while (read_some(end)) {
    if (end.plan.think.count() > 0 && !hurry_) {
      end.next_read = world_.now() + end.plan.think;
      return;
    }
  }
}

bool Actor::read_some(EndState& end) {
  if (end.plan.peeks) {
    const auto run = host_.engine->peek(end.connection);
    if (!run) {
      if (run.error() == Errc::end_of_stream) end.end_of_stream = true;
      return false;
    }
    const std::size_t n = std::min<std::size_t>(run->size(), end.plan.read_size);
    if (!check_bytes(end, run->first(n))) return false;
    if (host_.engine->consume(end.connection, n) != Errc::ok) fail(end, "consume() failed");
    return n > 0;
  }
  scratch_.resize(std::max<std::size_t>(end.plan.read_size, scratch_.size()));
  const auto n = host_.engine->read(end.connection, {scratch_.data(), end.plan.read_size});
  if (!n) {
    if (n.error() == Errc::end_of_stream) end.end_of_stream = true;
    return false;
  }
  return check_bytes(end, {scratch_.data(), *n}) && *n > 0;
}

bool Actor::check_bytes(EndState& end, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    if (byte != byte_at(end.stream ^ 1, end.received++)) {
      fail(end, "byte " + std::to_string(end.received - 1) + " is wrong");
      return false;
    }
  }
  return true;
}

void Actor::write_some(EndState& end) {
  while (end.written < end.plan.bytes && !end.shut) {
    const auto info = host_.engine->info(end.connection);
    const std::uint32_t size = host_.engine->context().config.send_buffer;
    // Only so that bytes are not made in vain: write() itself takes what fits.
    const std::uint32_t room = info && info->send_queued < size ? size - info->send_queued : 1;
    const std::uint32_t n = std::min({end.plan.chunk, end.plan.bytes - end.written, room});
    const auto taken = hand_over(end, n);
    if (!taken) return refused_.push_back(&end);
    end.written += static_cast<std::uint32_t>(*taken);
    if (*taken < n) return;
  }
}

tl::expected<std::size_t, Errc> Actor::hand_over(EndState& end, std::uint32_t count) {
  if (end.plan.lends && end.lent.empty()) end.lent.resize(end.plan.bytes);
  if (!end.plan.lends) scratch_.resize(std::max<std::size_t>(count, scratch_.size()));
  std::byte* bytes = end.plan.lends ? end.lent.data() + end.written : scratch_.data();
  for (std::uint32_t i = 0; i < count; ++i) bytes[i] = byte_at(end.stream, end.written + i);
  stack::Engine& engine = *host_.engine;
  return end.plan.lends ? engine.lend(end.connection, {bytes, count})
                        : engine.write(end.connection, {bytes, count});
}

// A byte that is sent after it was returned is one that is wrong.
void Actor::spoil(EndState& end, std::uint32_t until) {
  for (; end.plan.lends && end.spoilt < until; ++end.spoilt) {
    end.lent[end.spoilt] = ~byte_at(end.stream, end.spoilt);
  }
}

void Actor::hurry() {
  hurry_ = true;
  for (std::uint64_t user = 1; user <= ends_.size(); ++user) wake(user, world_.now());
  host_.wake_at = world_.now();
}

void Actor::abort_half_open(const Actor& peer) {
  for (EndState& end : ends_) {
    if (end.reports != 0) continue;
    const EndState* other = peer.find_stream(end.stream ^ 1);
    // Never accepted: its handshake was complete on one side only.
    const bool gone =
        other == nullptr ? end.open : other->reports == 1 && other->reason != Reason::closed;
    if (!gone) continue;
    say(end, "aborts, for its peer is gone");
    end.closed_by_us = true;
    static_cast<void>(host_.engine->abort(end.connection));
    host_.wake_at = world_.now();
  }
}

const EndState* Actor::find_stream(std::uint64_t stream) const {
  const auto at = by_stream_.find(stream);
  return at == by_stream_.end() ? nullptr : &ends_[at->second - 1];
}

void Actor::fail(const EndState& end, const std::string& what) {
  if (error_.empty()) error_ = host_.name + ", stream " + std::to_string(end.stream) + ": " + what;
  say(end, "WRONG: " + what);
}

void Actor::say(const EndState& end, const std::string& what) {
  if (world_.keeps_trace()) world_.say(host_, "stream " + std::to_string(end.stream) + " " + what);
}

}  // namespace salut::sim
