// What is asked of a device that says what it has; no device.
#include "io/dpdk/rss.hpp"

#include <gtest/gtest.h>
#include <rte_ethdev.h>

namespace salut::io {
namespace {

constexpr std::uint64_t both = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;

struct Asked {
  Asked(std::uint64_t flows, std::uint16_t entries, std::uint8_t key_bytes, bool ip6 = true) {
    rte_eth_dev_info info = {};
    info.flow_type_rss_offloads = flows;
    info.reta_size = entries;
    info.hash_key_size = key_bytes;
    rss.ask({.queues = 2, .ip4 = true, .ip6 = ip6, .seed = 7}, info, conf);
  }
  Rss rss;
  rte_eth_conf conf = {};
};

TEST(Rss, a_device_that_has_it_is_asked_for_the_families_of_the_port) {
  for (const bool ip6 : {true, false}) {
    const Asked asked(both | RTE_ETH_RSS_IP, 128, 40, ip6);
    ASSERT_TRUE(asked.rss.asked());
    EXPECT_EQ(asked.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
    EXPECT_EQ(asked.conf.rx_adv_conf.rss_conf.rss_hf,
              ip6 ? both : std::uint64_t{RTE_ETH_RSS_NONFRAG_IPV4_TCP});
  }
}

// The first bytes decide about tuples; a device with a longer key gets more of them.
TEST(Rss, the_key_has_the_length_of_the_device) {
  const Asked shorter(both, 128, 40);
  const Asked longer(both, 128, 52);
  EXPECT_EQ(shorter.conf.rx_adv_conf.rss_conf.rss_key_len, 40);
  EXPECT_EQ(longer.conf.rx_adv_conf.rss_conf.rss_key_len, 52);
  EXPECT_EQ(shorter.rss.key(), longer.rss.key());
}

TEST(Rss, what_a_device_cannot_do_is_not_asked_and_said) {
  for (const Asked& asked :
       {Asked(RTE_ETH_RSS_IP, 128, 40), Asked(RTE_ETH_RSS_NONFRAG_IPV4_TCP, 128, 40),
        Asked(both, 128, 16), Asked(both, 100, 40), Asked(both, 4'096, 40)}) {
    EXPECT_FALSE(asked.rss.asked());
    EXPECT_FALSE(asked.rss.why_not().empty());
    EXPECT_EQ(asked.conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
  }
}

TEST(Rss, a_refusal_is_said) {
  Asked asked(both, 128, 40);
  asked.rss.refuse();
  EXPECT_FALSE(asked.rss.asked());
  EXPECT_TRUE(asked.rss.is_refused());
  EXPECT_NE(asked.rss.why_not().find("refused"), std::string::npos);
}

}  // namespace
}  // namespace salut::io
