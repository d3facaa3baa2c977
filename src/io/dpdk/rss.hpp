// Receive side scaling: asking a device to spread flows over its queues under a key of ours, and
// reading back whether it says that it does.
//
// A device may offer no RSS, refuse the key or the table, or read back others than were set: then
// software steers the flows, and why_not() says why. Whether the device does with packets what it
// says, only packets show (io/steered_port.hpp).
//
// Threads: control thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flow/steering.hpp"

struct rte_eth_conf;
struct rte_eth_dev_info;

namespace salut::io {

struct RssWish {
  std::uint16_t queues = 1;
  bool ip4 = false;  // the port has addresses of this family
  bool ip6 = false;
  std::uint64_t seed = 0;  // for the key
};

class Rss {
 public:
  // Adds the wish to `conf`, which rte_eth_dev_configure() takes, if the device offers it.
  void ask(const RssWish& wish, const rte_eth_dev_info& info, rte_eth_conf& conf);
  // The device refused to be configured with RSS.
  void refuse() {
    refused_ = true;
    give_up("RSS, or its key, refused by the device");
  }
  bool is_refused() const { return refused_; }
  // After the start of the port: sets the table, and reads it and the key back.
  void confirm(std::uint16_t port);

  void give_up(std::string why) {
    asked_ = false;
    why_not_ = std::move(why);
  }

  const RssWish& wish() const { return wish_; }
  bool asked() const { return asked_; }
  const std::string& why_not() const { return why_not_; }
  // The key, and the queue of each table entry. REQUIRES: why_not() is empty.
  const flow::Steering::SecretKey& key() const { return key_; }
  const std::vector<std::uint16_t>& table() const { return table_; }

 private:
  bool lay_table(unsigned entries);
  bool key_is_set(std::uint16_t port);
  bool table_is_set(std::uint16_t port);

  RssWish wish_;
  bool asked_ = false;
  bool refused_ = false;
  std::string why_not_ = "not asked for";
  flow::Steering::SecretKey key_ = {};
  std::vector<std::uint8_t> device_key_;  // key_, and random bytes up to the device's length
  std::uint64_t flows_ = 0;
  std::vector<std::uint16_t> table_;
};

}  // namespace salut::io
