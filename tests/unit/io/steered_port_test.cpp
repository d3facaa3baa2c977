// Several workers on one port: fake queues, real mailboxes.
#include "io/steered_port.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "io/sim/world.hpp"
#include "scripted_device.hpp"
#include "wire/headers.hpp"

namespace salut {
namespace {

using Trust = io::SteeredPorts::Trust;
using flow::Steering;

using Queue = ScriptedDevice;  // one queue of a device

struct Rig {
  Rig(unsigned workers, unsigned queue_count, bool claimed, std::size_t room = 1'024) {
    std::vector<std::uint16_t> table(128);
    for (unsigned i = 0; i < 128; ++i) table[i] = static_cast<std::uint16_t>(i % workers);
    const auto input = claimed ? Steering::Input::received : Steering::Input::folded;
    std::vector<Device*> devices;
    for (unsigned i = 0; i < queue_count; ++i) {
      queues.push_back(std::make_unique<Queue>(pool));
      devices.push_back(queues.back().get());
    }
    dispatch = std::make_unique<io::SteeredPorts>(
        Steering(Steering::make_key(5, input, 128), input, table, workers), devices, workers,
        io::SteeredPorts::Claim{claimed, false}, pool, room);
  }

  // A segment of the remote port `n`.
  Frame segment(std::uint16_t n) {
    Frame frame;
    EXPECT_TRUE(pool.acquire(&frame, 1));
    std::memset(frame.data, 0, 60);
    wire::view<wire::EthernetHeader>(frame.data).type = net16(wire::ether_type_ipv4);
    auto& ip = wire::view<wire::Ipv4Header>(frame.data + wire::ethernet_size);
    ip.version_ihl = wire::ipv4_plain;
    ip.protocol = wire::protocol_tcp;
    ip.total_length = net16(wire::ipv4_size + wire::tcp_size);
    ip.source = net32(0x0a000002);
    ip.destination = net32(0x0a000001);
    auto& tcp = wire::view<wire::TcpHeader>(frame.data + wire::tcp_at);
    tcp.source_port = net16(n);
    tcp.destination_port = net16(80);
    frame.length = 60;
    return frame;
  }
  unsigned owner(std::uint16_t n) const {
    return dispatch->steering().worker_of(make_key(0x0a000002, n, 0x0a000001, 80));
  }
  // Everything that `worker` gets now; gives it back.
  std::vector<std::uint16_t> take(unsigned worker) {
    std::vector<std::uint16_t> ports;
    Frame frames[64];
    for (;;) {
      const unsigned got = dispatch->port(worker).receive(frames, 64);
      if (got == 0) return ports;
      for (unsigned i = 0; i < got; ++i) {
        const auto& tcp = wire::view<wire::TcpHeader>(frames[i].data + wire::tcp_at);
        ports.push_back(net16(tcp.source_port));
      }
      pool.release(frames, got);
    }
  }
  std::uint64_t dropped(unsigned worker) const {
    Counters counters;
    dispatch->port(worker).add_to(counters);
    return counters.drops[static_cast<std::size_t>(Drop::mailbox_full)];
  }
  std::uint64_t redirected(unsigned worker) const {
    Counters counters;
    dispatch->port(worker).add_to(counters);
    return counters.redirected;
  }

  sim::Pool pool{16'384};
  std::vector<std::unique_ptr<Queue>> queues;
  std::unique_ptr<io::SteeredPorts> dispatch;
};

TEST(SteeredPorts, every_segment_reaches_its_owner_from_any_queue_in_order) {
  Rig rig(3, 2, false);
  EXPECT_EQ(rig.dispatch->trust(), Trust::software);
  for (std::uint16_t n = 1; n <= 600; ++n) rig.queues[n % 2]->arriving.push_back(rig.segment(n));
  std::vector<std::vector<std::uint16_t>> got(3);
  for (int round = 0; round < 30; ++round) {
    for (unsigned w = 0; w < 3; ++w) {
      for (const std::uint16_t n : rig.take(w)) got[w].push_back(n);
    }
  }
  std::size_t all = 0;
  for (unsigned w = 0; w < 3; ++w) {
    all += got[w].size();
    std::map<unsigned, std::uint16_t> last;  // of each queue
    for (const std::uint16_t n : got[w]) {
      EXPECT_EQ(rig.owner(n), w);
      EXPECT_GT(n, last[n % 2]);
      last[n % 2] = n;
    }
  }
  EXPECT_EQ(all, 600u);
  EXPECT_EQ(rig.redirected(2), 0u);  // it has no queue
  EXPECT_GT(rig.redirected(0) + rig.redirected(1), 300u);
}

TEST(SteeredPorts, a_full_mailbox_drops_and_counts_and_leaks_nothing) {
  Rig rig(2, 1, false, 32);
  for (std::uint16_t n = 1; n <= 500; ++n) rig.queues[0]->arriving.push_back(rig.segment(n));
  const std::size_t mine = rig.take(0).size();
  const std::size_t others = rig.take(1).size();
  EXPECT_EQ(others, 32u);
  EXPECT_EQ(rig.redirected(0), 32u);
  EXPECT_EQ(mine + others + rig.dropped(0), 500u);
  EXPECT_EQ(rig.pool.outstanding(), 0u);
}

TEST(SteeredPorts, what_is_under_way_goes_back_to_the_pool_at_the_end) {
  Rig rig(2, 1, false);
  for (std::uint16_t n = 1; n <= 60; ++n) rig.queues[0]->arriving.push_back(rig.segment(n));
  rig.take(0);
  for (std::uint16_t n = 1; n <= 40; ++n) {
    const Frame frame = rig.segment(n);
    EXPECT_EQ(rig.dispatch->port(1).transmit(&frame, 1), 1u);
  }
  rig.queues[0]->takes = 5;
  Frame frames[64];
  EXPECT_EQ(rig.dispatch->port(0).receive(frames, 64), 0u);
  EXPECT_GT(rig.pool.outstanding(), 0u);
  rig.dispatch.reset();
  EXPECT_EQ(rig.pool.outstanding(), 0u);
}

TEST(SteeredPorts, a_worker_without_a_queue_sends_through_one_that_has) {
  Rig rig(2, 1, false, 64);
  unsigned taken = 0;
  for (std::uint16_t n = 1; n <= 100; ++n) {
    const Frame frame = rig.segment(n);
    const unsigned now = rig.dispatch->port(1).transmit(&frame, 1);
    taken += now;
    if (now == 0) rig.pool.release(&frame, 1);
  }
  EXPECT_EQ(taken, 64u);      // back-pressure, no loss
  rig.queues[0]->takes = 10;  // at a time
  for (int turn = 0; turn < 20; ++turn) rig.take(0);
  EXPECT_EQ(rig.queues[0]->sent.size(), 64u);
  EXPECT_EQ(rig.pool.outstanding(), 0u);
}

TEST(SteeredPorts, rss_is_believed_after_its_proofs) {
  Rig rig(2, 2, true);
  EXPECT_EQ(rig.dispatch->trust(), Trust::probation);
  for (std::uint16_t n = 1; n <= 1'000; ++n) {
    rig.queues[rig.owner(n)]->arriving.push_back(rig.segment(n));
  }
  rig.take(0);
  EXPECT_EQ(rig.dispatch->trust(), Trust::probation);  // the other one has seen nothing
  rig.take(1);
  EXPECT_EQ(rig.dispatch->trust(), Trust::believed);
  EXPECT_EQ(rig.redirected(0) + rig.redirected(1), 0u);
}

TEST(SteeredPorts, one_connection_proves_nothing) {
  Rig rig(2, 2, true);
  std::uint16_t mine = 1;
  while (rig.owner(mine) != 0) ++mine;
  for (int n = 0; n < 5'000; ++n) rig.queues[0]->arriving.push_back(rig.segment(mine));
  rig.take(0);
  EXPECT_FALSE(rig.dispatch->port(0).believes());
}

TEST(SteeredPorts, a_family_that_was_not_asked_for_is_dispatched_and_not_judged) {
  Rig rig(2, 2, true);
  for (std::uint16_t n = 1; n <= 200; ++n) {
    Frame frame = rig.segment(n);
    std::memset(frame.data, 0, 74);
    wire::view<wire::EthernetHeader>(frame.data).type = net16(wire::ether_type_ipv6);
    auto& ip = wire::view<wire::Ipv6Header>(frame.data + wire::ethernet_size);
    ip.version_class_label = 0x60;
    ip.payload_length = net16(wire::tcp_size);
    ip.next_header = wire::protocol_tcp;
    wire::view<wire::TcpHeader>(frame.data + wire::tcp_at_6).source_port = net16(n);
    frame.length = 74;
    rig.queues[0]->arriving.push_back(frame);
  }
  const std::size_t first = rig.take(0).size();
  const std::size_t second = rig.take(1).size();
  EXPECT_EQ(first + second, 200u);
  EXPECT_GT(second, 50u);
  EXPECT_EQ(rig.dispatch->trust(), Trust::probation);
}

TEST(SteeredPorts, a_device_that_puts_all_into_one_queue_is_caught_and_nothing_is_lost) {
  Rig rig(2, 2, true);
  for (std::uint16_t n = 1; n <= 500; ++n) rig.queues[0]->arriving.push_back(rig.segment(n));
  const auto first = rig.take(0);
  const auto second = rig.take(1);
  EXPECT_EQ(rig.dispatch->trust(), Trust::lying);
  for (const std::uint16_t n : first) EXPECT_EQ(rig.owner(n), 0u);
  for (const std::uint16_t n : second) EXPECT_EQ(rig.owner(n), 1u);
  EXPECT_EQ(first.size() + second.size(), 500u);
}

TEST(SteeredPorts, one_that_begins_to_lie_later_is_caught_too) {
  Rig rig(2, 2, true);
  const auto arrive = [&](bool lies) {
    for (std::uint16_t n = 1; n <= 8'000; ++n) {
      rig.queues[lies ? 0 : rig.owner(n)]->arriving.push_back(rig.segment(n));
    }
  };
  arrive(false);
  rig.take(0);
  rig.take(1);
  ASSERT_EQ(rig.dispatch->trust(), Trust::believed);
  arrive(true);
  rig.take(0);
  rig.take(1);
  EXPECT_EQ(rig.dispatch->trust(), Trust::lying);
}

TEST(SteeredPorts, arp_reaches_all_and_is_for_one_to_answer) {
  Rig rig(4, 1, false);
  Frame frame = rig.segment(1);
  std::memset(frame.data, 0, 60);
  wire::view<wire::EthernetHeader>(frame.data).type = net16(wire::ether_type_arp);
  rig.queues[0]->arriving.push_back(frame);
  for (unsigned w = 0; w < 4; ++w) {
    Frame got;
    ASSERT_EQ(rig.dispatch->port(w).receive(&got, 1), 1u);
    EXPECT_EQ((got.flags & for_learning) != 0, w != 0);
    EXPECT_EQ(got.length, 60);
    rig.pool.release(&got, 1);
  }
  EXPECT_EQ(rig.pool.outstanding(), 0u);
}

}  // namespace
}  // namespace salut
