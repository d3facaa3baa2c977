// A TCP socket as Linux behaves, on a connection of the engine.
//
// The engine says what happened once, as an event; a socket has to say it whenever it is asked, so
// it remembers: the error that has not been reported, who has shut down what, the connections that
// wait for accept(). Which errno belongs to what is here, and nowhere else:
//
//   how it ended            read                  write         poll
//   both sides closed       0                     EPIPE         IN HUP RDHUP
//   RST                     ECONNRESET, then 0    the same, then EPIPE   ERR HUP …
//   RST in CLOSE_WAIT       EPIPE once, then 0    EPIPE
//   RST to our SYN          ECONNREFUSED          (connect, or SO_ERROR)
//   no answer               ETIMEDOUT, or what an ICMP error said meanwhile
//   a hard ICMP error       its errno (errors.hpp); connect only, an established one goes on
//
// Threads: under the EngineLoop's lock.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "posix/engine_loop.hpp"
#include "posix/file.hpp"
#include "posix/socket_options.hpp"
#include "salut/event.hpp"

namespace salut::posix {

class Socket final : public File {
 public:
  // Only what the calls depend on; the state of the connection is the engine's.
  enum class Phase : std::uint8_t { fresh, listening, connecting, connected, ended };

  explicit Socket(EngineLoop& loop, int domain) : loop_(loop), domain_(domain) {}

  unsigned ready() const override;
  Result peek(std::size_t offset, Bytes& run) override;
  void consume(std::size_t count) override;
  Result write(Bytes from) override;
  void close() override;

  Result bind(Endpoint local);
  Result listen(int backlog);
  Result connect(Endpoint remote);   // -EINPROGRESS: connect_result() will know
  Result connect_result();           // -EINPROGRESS until it is decided
  std::shared_ptr<Socket> accept();  // null: none is waiting
  Result shutdown(int how);
  Result set_option(int level, int name, Bytes value);
  Result get_option(int level, int name, void* value, socklen_t* length);
  Result unread() const;  // SIOCINQ
  Result unsent() const;  // SIOCOUTQ

  // A connection that arrived on this listener. It is reset if `backlog` others wait for accept()
  // already, as Linux does with tcp_abort_on_overflow: the engine has told the peer that it is
  // established, and cannot take that back.
  void enqueue(std::shared_ptr<Socket> child);
  void attach(Connection connection, const Options& options);
  void on_event(const Event& event);

  Phase phase() const { return phase_; }
  Connection connection() const { return connection_; }
  std::uint16_t listener() const { return listener_; }
  int domain() const { return domain_; }
  Endpoint remote() const { return remote_; }
  const Options& options() const { return options_; }
  std::optional<ConnectionInfo> info() const;
  // After close(): has the peer not acknowledged our FIN yet?
  bool lingering() const;

 private:
  bool sending_closed() const { return write_shut_ || phase_ == Phase::ended; }
  std::size_t send_room() const;  // how much write() takes now
  Result take_error();

  EngineLoop& loop_;
  int domain_;
  Phase phase_ = Phase::fresh;
  Options options_;
  Endpoint local_;
  Endpoint remote_;
  Connection connection_;
  std::uint16_t listener_ = 0;
  std::deque<std::shared_ptr<Socket>> ready_children_;
  std::size_t children_max_ = 0;
  int error_ = 0;                  // SO_ERROR
  int icmp_error_ = 0;             // of the last ICMP error since the peer was last heard
  bool connect_reported_ = false;  // connect() has returned 0 once
  bool read_shut_ = false;
  bool write_shut_ = false;
  bool peer_closed_ = false;
};

}  // namespace salut::posix
