#include "io/dpdk/rss.hpp"

#include <rte_ethdev.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash.hpp"

namespace salut::io {
namespace {

constexpr std::uint64_t flows_v4 = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
constexpr std::uint64_t flows_v6 = RTE_ETH_RSS_NONFRAG_IPV6_TCP;

}  // namespace

void Rss::ask(const RssWish& wish, const rte_eth_dev_info& info, rte_eth_conf& conf) {
  wish_ = wish;
  flows_ = (wish.ip4 ? flows_v4 : 0) | (wish.ip6 ? flows_v6 : 0);
  if ((info.flow_type_rss_offloads & flows_) != flows_) return give_up("no RSS over TCP ports");
  // Some devices report a table only while they run with RSS (vmxnet3).
  const bool later = info.reta_size == 0;
  if (!later && !lay_table(info.reta_size)) return;
  const std::size_t length =
      info.hash_key_size == 0 ? flow::Steering::key_bytes : info.hash_key_size;
  if (length < flow::Steering::key_bytes) return give_up("RSS key too short");
  std::uint64_t seed = wish.seed;
  // A key that is usable for a large table is usable for a small one too.
  key_ = flow::Steering::make_key(seed, flow::Steering::Input::received,
                                  later ? flow::Steering::table_max : info.reta_size);
  device_key_.assign(key_.begin(), key_.end());
  while (device_key_.size() < length) {
    device_key_.push_back(static_cast<std::uint8_t>(expand(seed) >> 56));
  }
  conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  conf.rx_adv_conf.rss_conf.rss_key = device_key_.data();
  conf.rx_adv_conf.rss_conf.rss_key_len = static_cast<std::uint8_t>(device_key_.size());
  conf.rx_adv_conf.rss_conf.rss_hf = flows_;
  asked_ = true;
  why_not_.clear();
}

bool Rss::lay_table(unsigned entries) {
  if (entries < wish_.queues || entries > flow::Steering::table_max ||
      !std::has_single_bit(entries)) {
    give_up("no RSS table of a size that we know");
    return false;
  }
  table_.resize(entries);
  for (unsigned entry = 0; entry < entries; ++entry) {
    table_[entry] = static_cast<std::uint16_t>(entry % wish_.queues);
  }
  return true;
}

void Rss::confirm(std::uint16_t port) {
  if (!asked_ || !key_is_set(port)) return;
  if (table_.empty()) {
    rte_eth_dev_info info = {};
    rte_eth_dev_info_get(port, &info);
    if (!lay_table(info.reta_size)) return;
  }
  if (!table_is_set(port)) give_up("RSS table cannot be set");
}

// If the driver cannot read its key back, only packets can show whether it is right.
bool Rss::key_is_set(std::uint16_t port) {
  std::vector<std::uint8_t> bytes(device_key_.size(), 0);
  rte_eth_rss_conf conf = {};
  conf.rss_key = bytes.data();
  conf.rss_key_len = static_cast<std::uint8_t>(bytes.size());
  const int rc = rte_eth_dev_rss_hash_conf_get(port, &conf);
  if (rc == -ENOTSUP) return true;
  if (rc != 0) {
    give_up("RSS key cannot be read back");
  } else if (bytes != device_key_) {
    give_up("another RSS key read back than was set");
  } else if ((conf.rss_hf & flows_) != flows_) {
    give_up("RSS over TCP ports not taken");
  }
  return asked_;
}

bool Rss::table_is_set(std::uint16_t port) {
  const auto groups = (table_.size() + RTE_ETH_RETA_GROUP_SIZE - 1) / RTE_ETH_RETA_GROUP_SIZE;
  std::vector<rte_eth_rss_reta_entry64> wanted(groups);
  for (std::size_t entry = 0; entry < table_.size(); ++entry) {
    rte_eth_rss_reta_entry64& group = wanted[entry / RTE_ETH_RETA_GROUP_SIZE];
    group.mask |= std::uint64_t{1} << entry % RTE_ETH_RETA_GROUP_SIZE;
    group.reta[entry % RTE_ETH_RETA_GROUP_SIZE] = table_[entry];
  }
  std::vector<rte_eth_rss_reta_entry64> read = wanted;
  for (rte_eth_rss_reta_entry64& group : read) std::fill_n(group.reta, RTE_ETH_RETA_GROUP_SIZE, 0);
  const auto size = static_cast<std::uint16_t>(table_.size());
  // Only the table that it reads back counts: one that cannot be set may still be usable.
  rte_eth_dev_rss_reta_update(port, wanted.data(), size);
  if (rte_eth_dev_rss_reta_query(port, read.data(), size) != 0) return false;
  for (std::size_t entry = 0; entry < table_.size(); ++entry) {
    const std::uint16_t queue =
        read[entry / RTE_ETH_RETA_GROUP_SIZE].reta[entry % RTE_ETH_RETA_GROUP_SIZE];
    if (queue >= wish_.queues) return false;
    table_[entry] = queue;
  }
  return true;
}

}  // namespace salut::io
