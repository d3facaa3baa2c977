// What an honest server does for connections of strangers: it reads a request at a time, answers,
// reads no further until the answer is written, and ends those who take too long, as a server of
// HTTP does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "stack/engine.hpp"

namespace salut::hostile {

class Guests {
 public:
  // `patience`: for a request, and for a part of an answer to be taken.
  Guests(stack::Engine& engine, Duration patience) : engine_(engine), patience_(patience) {}

  // A request that begins so is answered with so many bytes, beside those of attacker.hpp.
  void answer(std::byte request, std::uint32_t bytes) { own_ = {request, bytes}; }

  void adopt(Connection connection, Instant now);
  bool on_event(const Event& event, Instant now);  // is it one of theirs?
  // Ends those who take too long. Returns when it has something to do again, `now` if the engine
  // has: resets to send.
  Instant turn(Instant now);
  // They are ended, and whoever comes from now on.
  void end_all();

 private:
  struct Guest {
    std::uint32_t left = 0;  // of the answer
    bool last = false;       // close() follows
    bool closed = false;
    Instant moved;
  };

  void serve(Connection connection, Guest& guest, Instant now);
  bool read(Connection connection, Guest& guest, Instant now);
  bool write(Connection connection, Guest& guest, Instant now);

  stack::Engine& engine_;
  Duration patience_;
  std::pair<std::byte, std::uint32_t> own_;  // the request and the answer's length
  std::map<Connection, Guest> guests_;
  Instant swept_;
  bool ended_ = false;
};

}  // namespace salut::hostile
