#include "io/dpdk/large_segments.hpp"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "io/dpdk/tx_mbuf.hpp"
#include "wire/checksum.hpp"
#include "wire/segment.hpp"

namespace salut::io {
namespace {

using wire::Ipv4Header;
using wire::Ipv6Header;
using wire::Layers;
using wire::TcpHeader;

constexpr std::size_t ip_length_max = 65'535;
// A device that segments sets these on the last segment only.
constexpr std::uint8_t of_the_last = wire::psh | wire::fin;
// The only flags of a segment that others of its run may follow. Another flag, such as CWR or URG,
// belongs to one segment only, and a device might set it on all.
constexpr std::uint8_t of_the_others = wire::ack | wire::ece;

std::size_t headers_size(const Layers& layers) { return layers.tcp() + layers.l4; }

const TcpHeader& tcp_of(const std::byte* frame, const Layers& layers) {
  return wire::view<TcpHeader>(frame + layers.tcp());
}

// Are the header fields equal that a device does not write? REQUIRES: `layers` are those of `a`.
bool same_headers(const std::byte* a, const std::byte* b, const Layers& layers) {
  const auto same = [a, b](std::size_t from, std::size_t to) {
    return std::memcmp(a + from, b + from, to - from) == 0;
  };
  const std::size_t ip = layers.l2;
  const std::size_t tcp = layers.tcp();
  const bool ip_same = layers.ip6 ? same(0, ip + offsetof(Ipv6Header, payload_length)) &&
                                        same(ip + offsetof(Ipv6Header, next_header), tcp)
                                  : same(0, ip + offsetof(Ipv4Header, total_length)) &&
                                        same(ip + offsetof(Ipv4Header, fragment),
                                             ip + offsetof(Ipv4Header, checksum)) &&
                                        same(ip + offsetof(Ipv4Header, source), tcp);
  return ip_same && same(tcp, tcp + offsetof(TcpHeader, seq)) &&
         same(tcp + offsetof(TcpHeader, ack), tcp + offsetof(TcpHeader, flags)) &&
         same(tcp + offsetof(TcpHeader, window), tcp + offsetof(TcpHeader, checksum)) &&
         same(tcp + offsetof(TcpHeader, urgent), tcp + layers.l4);
}

// Is run[n] what a device would send as segment n, after n segments of full size?
bool continues(const Frame* run, unsigned n, const Layers& layers) {
  const Frame& first = run[0];
  const Frame& next = run[n];
  const std::size_t headers = headers_size(layers);
  // One condition per line; each ends the run.
  if (next.flags != first.flags) return false;
  if (next.length <= headers || next.length > first.length) return false;
  if (run[n - 1].length != first.length) return false;
  const auto before = tcp_of(run[n - 1].data, layers).flags;
  if ((before & ~of_the_others) != 0) return false;
  const std::size_t mss = first.length - headers;
  if (mss < LargeSegments::mss_min) return false;
  const TcpHeader& tcp = tcp_of(next.data, layers);
  if (((tcp.flags ^ before) & ~of_the_last) != 0) return false;
  const std::uint32_t seq = net32(tcp_of(first.data, layers).seq);
  if (net32(tcp.seq) != seq + static_cast<std::uint32_t>(n * mss)) return false;
  if (n * mss + next.length - layers.l2 > ip_length_max) return false;
  if (!layers.ip6) {
    const auto id_of = [&](const Frame& frame) {
      return net16(wire::view<Ipv4Header>(frame.data + layers.l2).id);
    };
    // IDs are all 0 (with DF, RFC 6864), or consecutive.
    const bool without_id = id_of(first) == 0 && id_of(next) == 0;
    const auto step = static_cast<std::uint16_t>(id_of(next) - id_of(first));
    if (!without_id && step != n) return false;
  }
  return same_headers(first.data, next.data, layers);
}

// The pseudo-header's sum without a length, as rte_mbuf wants it for TSO; the driver adapts it to
// its device.
std::uint16_t pseudo_header(const std::byte* ip, bool ip6) {
  if (ip6) {
    return wire::fold(
        wire::pseudo_header_sum_6(ip + offsetof(Ipv6Header, source), wire::protocol_tcp, 0));
  }
  const auto& header = wire::view<Ipv4Header>(ip);
  return wire::fold(wire::pseudo_header_sum(header.source, header.destination, 0));
}

}  // namespace

unsigned LargeSegments::build(const Frame* frames, unsigned count) {
  packets_ = 0;
  count = std::min(count, burst);
  for (unsigned at = 0; at < count;) {
    const unsigned left = std::min(count - at, limits_.frames);
    unsigned run = 1;
    // The core leaves the checksum of segments with data to the device; no other can be in a run.
    if (left > 1 && (frames[at].flags & frames[at + 1].flags & l4_checksum_left) != 0) {
      const Layers layers = wire::layers_of(frames[at].data);
      while (run < left && continues(frames + at, run, layers)) ++run;
      if (run > 1) chain(frames + at, run, layers);
    }
    if (run == 1) mbufs_[packets_] = outgoing(frames[at]);
    counts_[packets_++] = static_cast<std::uint8_t>(run);
    at += run;
  }
  return packets_;
}

void LargeSegments::chain(const Frame* run, unsigned count, const Layers& layers) {
  const std::size_t headers = headers_size(layers);
  const std::size_t mss = run[0].length - headers;
  rte_mbuf* const head = outgoing(run[0]);
  head->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
  if (!layers.ip6 && limits_.completes_ip4) head->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
  head->tx_offload = rte_mbuf_tx_offload(layers.l2, layers.l3, layers.l4, mss, 0, 0, 0);
  rte_mbuf* tail = head;
  for (unsigned i = 1; i < count; ++i) {
    auto* mbuf = static_cast<rte_mbuf*>(run[i].handle);
    mbuf->data_off =
        static_cast<std::uint16_t>(run[i].data + headers - static_cast<std::byte*>(mbuf->buf_addr));
    mbuf->data_len = static_cast<std::uint16_t>(run[i].length - headers);
    mbuf->ol_flags = 0;
    head->pkt_len += mbuf->data_len;
    tail->next = mbuf;
    tail = mbuf;
  }
  head->nb_segs = static_cast<std::uint16_t>(count);
  mbufs_[packets_] = head;

  // Change the first frame's headers to those of the whole chain.
  Saved& saved = saved_[packets_];
  std::byte* const ip = run[0].data + layers.l2;
  auto& tcp = wire::view<TcpHeader>(run[0].data + layers.tcp());
  if (layers.ip6) {
    auto& header = wire::view<Ipv6Header>(ip);
    saved.ip_length = header.payload_length;
    header.payload_length =
        net16(static_cast<std::uint16_t>(head->pkt_len - layers.l2 - layers.l3));
  } else {
    auto& header = wire::view<Ipv4Header>(ip);
    saved.ip_length = header.total_length;
    saved.ip_checksum = header.checksum;
    header.total_length = net16(static_cast<std::uint16_t>(head->pkt_len - layers.l2));
    header.checksum = wire::update_checksum(header.checksum, saved.ip_length, header.total_length);
  }
  saved.tcp_flags = tcp.flags;
  saved.tcp_checksum = tcp.checksum;
  tcp.flags = tcp_of(run[count - 1].data, layers).flags;
  tcp.checksum = pseudo_header(ip, layers.ip6);
}

void LargeSegments::take_apart(unsigned packet) {
  rte_mbuf* const head = mbufs_[packet];
  std::byte* const data = rte_pktmbuf_mtod(head, std::byte*);
  const Layers layers = wire::layers_of(data);
  const Saved& saved = saved_[packet];
  if (layers.ip6) {
    wire::view<Ipv6Header>(data + layers.l2).payload_length = saved.ip_length;
  } else {
    auto& header = wire::view<Ipv4Header>(data + layers.l2);
    header.total_length = saved.ip_length;
    header.checksum = saved.ip_checksum;
  }
  auto& tcp = wire::view<TcpHeader>(data + layers.tcp());
  tcp.flags = saved.tcp_flags;
  tcp.checksum = saved.tcp_checksum;
  // The pool wants its buffers back one by one.
  for (rte_mbuf* mbuf = head; mbuf != nullptr;) {
    rte_mbuf* const next = mbuf->next;
    mbuf->next = nullptr;
    mbuf->nb_segs = 1;
    mbuf = next;
  }
}

unsigned LargeSegments::reclaim(unsigned taken) {
  unsigned frames = 0;
  for (unsigned packet = 0; packet < packets_; ++packet) {
    if (packet < taken) {
      frames += counts_[packet];
    } else if (is_chain(packet)) {
      take_apart(packet);
    }
  }
  packets_ = 0;
  return frames;
}

}  // namespace salut::io
