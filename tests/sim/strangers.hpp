// What an honest server does for connections of strangers: it reads a request at a time, answers,
// reads no further until the answer is written, and ends those who take too long, as a server of
// HTTP does.
#pragma once

#include <cstdint>
#include <map>

#include "io/sim/world.hpp"

namespace salut::sim {

class Strangers {
 public:
  // `patience`: for a request, and for a part of an answer to be taken.
  Strangers(Host& host, World& world, Duration patience)
      : host_(host), world_(world), patience_(patience) {}

  void adopt(Connection connection);
  bool on_event(const Event& event);  // is it one of theirs?
  void turn();
  // They are ended, and whoever comes from now on.
  void end_all();
  std::uint64_t served() const { return served_; }

 private:
  struct Guest {
    std::uint32_t left = 0;  // of the answer
    bool last = false;       // close() follows
    bool closed = false;
    Instant moved;
  };

  void serve(Connection connection, Guest& guest);
  bool read(Connection connection, Guest& guest);
  bool write(Connection connection, Guest& guest);

  Host& host_;
  World& world_;
  Duration patience_;
  std::map<Connection, Guest> guests_;
  Instant swept_;
  std::uint64_t served_ = 0;
  bool ended_ = false;
};

}  // namespace salut::sim
