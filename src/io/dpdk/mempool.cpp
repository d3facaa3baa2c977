#include "io/dpdk/mempool.hpp"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <new>

namespace salut::io {
namespace {

constexpr unsigned bulk = 256;
// Ethernet header, FCS, a VLAN tag, and virtio's header before them. A frame must fit into one
// buffer, or the driver would want to scatter it.
constexpr std::uint32_t frame_overhead = 14 + 4 + 4 + 12;

// Drivers expect 2 KiB; an MTU above 1,500 takes more.
std::uint16_t data_room_for(std::uint16_t mtu) {
  const std::uint32_t frame = (mtu + frame_overhead + 63u) / 64 * 64;
  return static_cast<std::uint16_t>(std::max<std::uint32_t>(frame, RTE_MBUF_DEFAULT_DATAROOM) +
                                    RTE_PKTMBUF_HEADROOM);
}

// Where the data of a fresh mbuf begins. It is computed from the address, so that the mbuf need not
// be in the CPU's cache.
std::byte* data_of(void* mbuf) {
  return static_cast<std::byte*>(mbuf) + sizeof(rte_mbuf) + RTE_PKTMBUF_HEADROOM;
}

}  // namespace

std::uint64_t MbufPool::bytes_for(std::uint64_t mbufs, std::uint16_t mtu) {
  rte_mempool_objsz sizes = {};
  return mbufs * rte_mempool_calc_obj_size(
                     static_cast<std::uint32_t>(sizeof(rte_mbuf)) + data_room_for(mtu), 0, &sizes);
}

Result<std::unique_ptr<MbufPool>> MbufPool::create(const MbufPoolOptions& options) {
  auto made = std::unique_ptr<MbufPool>(new MbufPool());
  MbufPool& self = *made;
  // A cache holds up to 1.5 times its size. So the caches, of the workers and of the control
  // thread, hold at most half of the buffers.
  const std::uint32_t share = options.mbufs / 3 / (options.workers + 1);
  const std::uint32_t cache = std::min<std::uint32_t>(RTE_MEMPOOL_CACHE_MAX_SIZE, share);
  const std::uint16_t data_room = data_room_for(options.mtu);
  self.size_ = options.mbufs;
  // Our own memory is contiguous in virtual addresses, and software devices use no others.
  const unsigned flags = options.memory == nullptr ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
  self.pool_ = rte_mempool_create_empty(
      options.name.c_str(), options.mbufs, static_cast<unsigned>(sizeof(rte_mbuf)) + data_room,
      cache, sizeof(rte_pktmbuf_pool_private), static_cast<int>(rte_socket_id()), flags);
  if (self.pool_ == nullptr) {
    return fail(Errc::no_memory, fmt::format("no memory for {} packet buffers: {}", options.mbufs,
                                             rte_strerror(rte_errno)));
  }
  if (auto done = self.populate(data_room, options.memory); !done) {
    return tl::unexpected<Error>(done.error());
  }
  return made;
}

Result<void> MbufPool::populate(std::uint16_t data_room, Memory* memory) {
  // Without DPDK's stack mempool driver the default ring works too, with more cache misses.
  if (rte_mempool_set_ops_byname(pool_, "lf_stack", nullptr) != 0) {
    rte_mempool_set_ops_byname(pool_, "ring_mp_mc", nullptr);
  }
  rte_pktmbuf_pool_private sizes = {};
  sizes.mbuf_data_room_size = data_room;
  rte_pktmbuf_pool_init(pool_, &sizes);

  bytes_ = std::uint64_t{size_} * (pool_->header_size + pool_->elt_size + pool_->trailer_size);
  int placed = 0;
  if (memory == nullptr) {
    placed = rte_mempool_populate_default(pool_);
  } else {
    const std::size_t wanted = bytes_ + RTE_MEMPOOL_ALIGN;
    try {
      storage_ = memory->allocate(wanted, Use::mbufs);
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory, fmt::format("no {} bytes for packet buffers", wanted));
    }
    memory_ = memory;
    storage_bytes_ = wanted;
    placed =
        rte_mempool_populate_iova(pool_, static_cast<char*>(storage_),
                                  reinterpret_cast<rte_iova_t>(storage_), wanted, nullptr, nullptr);
  }
  if (placed < 0 || static_cast<std::uint32_t>(placed) != size_) {
    return fail(Errc::no_memory, fmt::format("no memory for {} packet buffers: {}", size_,
                                             placed < 0 ? rte_strerror(-placed) : "too small"));
  }
  rte_mempool_obj_iter(pool_, rte_pktmbuf_init, nullptr);
  return {};
}

MbufPool::~MbufPool() {
  rte_mempool_free(pool_);
  if (memory_ != nullptr) memory_->release(storage_, storage_bytes_, Use::mbufs);
}

bool MbufPool::acquire(Frame* frames, unsigned count) {
  std::array<void*, bulk> mbufs;
  for (unsigned done = 0; done < count;) {
    const unsigned now = std::min(count - done, bulk);
    if (rte_mempool_get_bulk(pool_, mbufs.data(), now) != 0) {
      release(frames, done);
      return false;
    }
    const auto room =
        static_cast<std::uint16_t>(pool_->elt_size - sizeof(rte_mbuf) - RTE_PKTMBUF_HEADROOM);
    for (unsigned i = 0; i < now; ++i) {
      frames[done + i] = {.data = data_of(mbufs[i]), .handle = mbufs[i], .room = room};
    }
    done += now;
  }
  return true;
}

// Every frame's mbuf is one segment, direct, of this pool and unshared: EthQueue::receive() returns
// no other, and our code shares none. So mbufs go back without a look at them.
void MbufPool::release(const Frame* frames, unsigned count) {
  std::array<void*, bulk> mbufs;
  for (unsigned done = 0; done < count;) {
    const unsigned now = std::min(count - done, bulk);
    for (unsigned i = 0; i < now; ++i) {
      mbufs[i] = frames[done + i].handle;
      [[maybe_unused]] const auto* mbuf = static_cast<const rte_mbuf*>(mbufs[i]);
      assert(mbuf->nb_segs == 1 && rte_mbuf_refcnt_read(mbuf) == 1 && mbuf->pool == pool_);
    }
    rte_mempool_put_bulk(pool_, mbufs.data(), now);
    done += now;
  }
}

std::uint32_t MbufPool::extent() const { return pool_->elt_size; }

std::uint32_t MbufPool::available() const { return rte_mempool_avail_count(pool_); }

}  // namespace salut::io
