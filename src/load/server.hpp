// The server of a load: takes `request` bytes, answers with `response` bytes, and closes first or
// after the client.
//
// For a bare exchange (0 and 0 bytes) it keeps no state: one event in, one close() out. Only as
// `salut serve --app load`, whose clients may stay, does it remember its connections.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "app/application.hpp"
#include "load/exchange.hpp"
#include "load/pattern.hpp"
#include "salut/connection_table.hpp"

namespace salut::load {

class LoadServer final : public app::Application {
 public:
  // `serves_alone`: the clients are not ours, and stop() must close what they leave open.
  LoadServer(const Targets& local, const Exchange& exchange, std::uint32_t slots,
             bool serves_alone = false);

  Result<void> start(Stack& stack) override;
  void on_events(Stack& stack, std::span<const Event> events) override;
  void stop(Stack& stack) override;
  void abort(Stack& stack) override;

  // With Exchange::verify: how many pieces differed from what the client sent.
  std::uint64_t wrong() const { return wrong_; }

 private:
  struct Record {
    std::uint32_t generation = 0;
    std::uint32_t to_write = 0;
    std::uint64_t to_read = 0;
    bool peer_closed = false;
    bool closing = false;
  };

  void on_event(const Event& event);
  void remember(const Event& event);
  void on_bare_event(const Event& event);
  void read(Connection connection, Record& record);
  void read_lent(Connection connection, Record& record);
  void take(Record& record, std::span<const std::byte> bytes);
  void write(Connection connection, Record& record);

  Targets local_;
  Exchange exchange_;
  ConnectionTable<Record> table_;
  bool keeps_;
  bool stopped_ = false;
  std::vector<std::byte> bytes_;
  Pattern pattern_;
  std::uint64_t wrong_ = 0;
  std::vector<Listener> listeners_;  // one for each port
};

}  // namespace salut::load
