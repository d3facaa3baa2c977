// From mbufs to frames and back, a burst at a time.
#include <fcntl.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "io/dpdk/eth_queue.hpp"
#include "io/dpdk/tx_mbuf.hpp"

namespace salut::io {
namespace {

constexpr unsigned burst = 64;

// DPDK has two bits for each checksum: good and bad; both together mean that the sender did not
// fill it in and the data is intact (a virtio peer on this machine). So a good bit means good,
// whatever the bad bit says.
std::uint16_t checksum_flags(std::uint64_t ol_flags) {
  const bool ip_good = (ol_flags & RTE_MBUF_F_RX_IP_CKSUM_GOOD) != 0;
  const bool l4_good = (ol_flags & RTE_MBUF_F_RX_L4_CKSUM_GOOD) != 0;
  const bool ip_bad = !ip_good && (ol_flags & RTE_MBUF_F_RX_IP_CKSUM_BAD) != 0;
  const bool l4_bad = !l4_good && (ol_flags & RTE_MBUF_F_RX_L4_CKSUM_BAD) != 0;
  return static_cast<std::uint16_t>((ip_good ? ip_checksum_good : 0) |
                                    (l4_good ? l4_checksum_good : 0) |
                                    (ip_bad || l4_bad ? checksum_bad : 0));
}
static_assert(RTE_MBUF_F_RX_IP_CKSUM_NONE ==
              (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_BAD));
static_assert(RTE_MBUF_F_RX_L4_CKSUM_NONE ==
              (RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD));

Frame frame_of(rte_mbuf* mbuf) {
  return {.data = rte_pktmbuf_mtod(mbuf, std::byte*),
          .handle = mbuf,
          .length = mbuf->data_len,
          .room = static_cast<std::uint16_t>(mbuf->buf_len - mbuf->data_off),
          .flags = checksum_flags(mbuf->ol_flags),
          .port = 0};
}

}  // namespace

// Makes the mbuf what all code behind receive() relies on: one segment, direct, of our pool and
// unshared. False: there was no buffer for a copy, and the frame is gone. This is rare: jumbo
// frames and devices that lend their own memory.
[[gnu::noinline]] bool EthQueue::make_ordinary(rte_mbuf*& mbuf, Frame& frame) {
  const std::uint16_t checksums = checksum_flags(mbuf->ol_flags);
  if (mbuf->pool != pool_.pool() || !RTE_MBUF_DIRECT(mbuf) || rte_mbuf_refcnt_read(mbuf) != 1) {
    rte_mbuf* own = rte_pktmbuf_copy(mbuf, pool_.pool(), 0, UINT32_MAX);
    rte_pktmbuf_free(mbuf);
    if (own == nullptr) return false;
    mbuf = own;
  }
  std::uint16_t flags = checksums;
  if (mbuf->nb_segs != 1 && rte_pktmbuf_linearize(mbuf) != 0) {
    rte_pktmbuf_free(mbuf->next);
    mbuf->next = nullptr;
    mbuf->nb_segs = 1;
    mbuf->pkt_len = mbuf->data_len;
    flags |= scattered;
  }
  frame = frame_of(mbuf);
  frame.flags = flags;
  return true;
}

unsigned EthQueue::receive(Frame* frames, unsigned count) {
  if (rests()) return 0;
  std::array<rte_mbuf*, burst> mbufs;
  const unsigned got = rte_eth_rx_burst(port_, queue_, mbufs.data(),
                                        static_cast<std::uint16_t>(std::min(count, burst)));
  unsigned kept = 0;
  for (unsigned i = 0; i < got; ++i) {
    rte_mbuf* mbuf = mbufs[i];
    // One condition per line; each is an exit from the fast path.
    bool unusual = mbuf->nb_segs != 1;
    unusual |= mbuf->pool != pool_.pool();
    unusual |= !RTE_MBUF_DIRECT(mbuf);
    unusual |= rte_mbuf_refcnt_read(mbuf) != 1;
    if (unusual) [[unlikely]] {
      kept += make_ordinary(mbuf, frames[kept]) ? 1 : 0;
      continue;
    }
    frames[kept++] = frame_of(mbuf);
  }
  return kept;
}

// A driver that cannot say whether frames wait is not trusted with this: one that came between our
// last look and arm() would not wake us.
void EthQueue::find_interrupt(bool readable) {
  const int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(port_, queue_);
  if (fd < 0) return;
  if (readable) {
    interrupt_fd_ = fd;
    return;
  }
  if (rte_eth_rx_queue_count(port_, queue_) < 0) return;
  if (rte_eth_dev_rx_intr_enable(port_, queue_) != 0) return;
  rte_eth_dev_rx_intr_disable(port_, queue_);
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) return;
  interrupt_fd_ = fd;
  needs_arming_ = true;
}

// A card that was pulled out refuses both for ever. "A frame waits" would keep its worker awake.
bool EthQueue::arm() {
  if (!needs_arming_ || broken_) return true;
  const bool enabled = rte_eth_dev_rx_intr_enable(port_, queue_) == 0;
  const int waiting = enabled ? rte_eth_rx_queue_count(port_, queue_) : -1;
  broken_ = waiting < 0;
  return waiting <= 0;
}

void EthQueue::disarm() {
  if (!needs_arming_) return;
  rte_eth_dev_rx_intr_disable(port_, queue_);
  std::uint64_t count = 0;  // of an eventfd
  while (read(interrupt_fd_, &count, sizeof(count)) > 0) {
  }
}

unsigned EthQueue::transmit(const Frame* frames, unsigned count) {
  if (rests()) return 0;
  if (large_.frames > 1) return transmit_large(frames, count);
  std::array<rte_mbuf*, burst> mbufs;
  unsigned sent = 0;
  while (sent < count) {
    const unsigned now = std::min(count - sent, burst);
    for (unsigned i = 0; i < now; ++i) mbufs[i] = outgoing(frames[sent + i]);
    const unsigned taken =
        rte_eth_tx_burst(port_, queue_, mbufs.data(), static_cast<std::uint16_t>(now));
    sent += taken;
    if (taken < now) break;
  }
  return sent;
}

unsigned EthQueue::transmit_large(const Frame* frames, unsigned count) {
  unsigned sent = 0;
  while (sent < count) {
    LargeSegments large(large_);
    const unsigned packets = large.build(frames + sent, count - sent);
    if (!prepare(large, packets)) {
      // A driver that refuses one chain would refuse it for ever: from now on none is built.
      large.reclaim(0);
      large_.frames = 0;
      return sent + transmit(frames + sent, count - sent);
    }
    const unsigned taken =
        rte_eth_tx_burst(port_, queue_, large.packets(), static_cast<std::uint16_t>(packets));
    sent += large.reclaim(taken);
    if (taken < packets) break;
  }
  return sent;
}

// Has the driver prepare chains. A frame alone needs nothing: its checksum is the pseudo-header's.
bool EthQueue::prepare(LargeSegments& large, unsigned packets) {
  for (unsigned i = 0; i < packets; ++i) {
    if (large.is_chain(i) && rte_eth_tx_prepare(port_, queue_, &large.packets()[i], 1) != 1) {
      return false;
    }
  }
  return true;
}

}  // namespace salut::io
