#include "stack/links.hpp"

#include <algorithm>
#include <cstring>

#include "wire/parse.hpp"

namespace salut::stack {

Links::Links(std::vector<Interface> interfaces, FramePool& pool, Memory& memory, Counters& counters)
    : interfaces_(std::move(interfaces)),
      pool_(pool),
      counters_(counters),
      staged_frames_(memory, interfaces_.size() * staged_max, Use::buffers),
      neighbours_(memory) {
  for (unsigned port = 0; port < interfaces_.size(); ++port) {
    staged_[port].frames = &staged_frames_[port * staged_max];
    const auto add = [this](std::uint32_t first, std::uint32_t count) {
      if (local_count_ < local_.size()) local_[local_count_++] = Local{first, count};
    };
    for (const Prefix& prefix : interfaces_[port].addresses) add(prefix.address.v4(), 1);
    for (const AddressRange& range : interfaces_[port].ranges) add(range.first.v4(), range.count);
  }
  add_networks();
}

Links::~Links() {
  for (unsigned port = 0; port < interfaces_.size(); ++port) {
    if (staged_[port].count > 0) pool_.release(staged_[port].frames, staged_[port].count);
  }
  release_spare();
}

void Links::add_networks() {
  const auto add = [this](std::uint16_t port, std::uint32_t address, std::uint32_t mask,
                          std::uint32_t gateway) {
    if (network_count_ == networks_.size()) return;
    networks_[network_count_++] =
        Network{net32(address & mask), net32(mask), net32(gateway), port};
  };
  for (unsigned length = 33; length-- > 0;) {
    for (std::uint16_t port = 0; port < interfaces_.size(); ++port) {
      for (const Prefix& prefix : interfaces_[port].addresses) {
        if (prefix.length == length) add(port, prefix.address.v4(), prefix.mask_v4(), 0);
      }
    }
  }
  for (std::uint16_t port = 0; port < interfaces_.size(); ++port) {
    const IpAddress gateway = interfaces_[port].gateway;
    if (!gateway.is_any()) add(port, 0, 0, gateway.v4());
  }
}

bool Links::acquire_slow(Frame& frame) {
  constexpr unsigned batch = 32;
  if (pool_.acquire(spare_.data(), batch)) {
    spare_count_ = batch;
  } else if (pool_.acquire(spare_.data(), 1)) {
    spare_count_ = 1;
  } else {
    ++counters_.drops[static_cast<std::size_t>(Drop::no_buffer)];
    return false;
  }
  frame = spare_[--spare_count_];
  return true;
}

unsigned Links::receive(unsigned port, Frame* frames, unsigned count) {
  const unsigned received = interfaces_[port].device->receive(frames, count);
  // The headers lie in the cache of whoever wrote them: ask for all before the first is read.
  for (unsigned i = 0; i < received; ++i) __builtin_prefetch(frames[i].data);
  for (unsigned i = 0; i < received; ++i) {
    frames[i].port = static_cast<std::uint16_t>(port);
    counters_.rx_bytes += frames[i].length;
  }
  counters_.rx_frames += received;
  return received;
}

void Links::flush() {
  sent_ = false;
  for (unsigned port = 0; port < interfaces_.size(); ++port) {
    Staged& staged = staged_[port];
    if (staged.count == 0) continue;
    std::uint64_t bytes = 0;
    const unsigned sent = interfaces_[port].device->transmit(staged.frames, staged.count);
    for (unsigned i = 0; i < sent; ++i) bytes += staged.frames[i].length;
    counters_.tx_frames += sent;
    counters_.tx_bytes += bytes;
    staged.count -= sent;
    if (staged.count > 0) {
      std::memmove(staged.frames, staged.frames + sent, staged.count * sizeof(Frame));
    }
    sent_ = sent_ || sent > 0;
  }
}

void Links::release_spare() {
  if (spare_count_ > 0) pool_.release(spare_.data(), spare_count_);
  spare_count_ = 0;
}

std::uint32_t Links::source_for(std::uint16_t port, std::uint32_t target) const {
  const Interface& interface = interfaces_[port];
  for (const Prefix& prefix : interface.addresses) {
    if (prefix.contains(IpAddress::v4(net32(target)))) return net32(prefix.address.v4());
  }
  return interface.addresses.empty() ? 0 : net32(interface.addresses.front().address.v4());
}

void Links::send_arp_request(std::uint16_t port, std::uint32_t target_ip,
                             const wire::Mac* unicast) {
  Frame frame;
  if (!acquire(frame)) return;
  wire::Arp arp;
  arp.op = wire::arp_request;
  arp.sender_mac = interfaces_[port].mac;
  arp.sender_ip = source_for(port, target_ip);
  arp.target_ip = target_ip;
  wire::emit_arp(frame, arp, unicast != nullptr ? *unicast : wire::broadcast_mac);
  frame.port = port;
  stage(frame);
}

void Links::on_arp(const Frame& frame, Instant now) {
  wire::Arp arp;
  if (!wire::parse_arp(frame, arp)) return drop(frame, Drop::arp_malformed);
  const bool for_us = is_local(arp.target_ip);
  // RFC 826: a packet for us teaches the sender's address; another one only refreshes.
  neighbours_.learn(frame.port, arp.sender_ip, arp.sender_mac, now, *this,
                    for_us && arp.op == wire::arp_request);
  if (arp.op != wire::arp_request) return recycle(frame);
  if (!for_us) return drop(frame, Drop::arp_not_for_us);
  wire::Arp reply;
  reply.op = wire::arp_reply;
  reply.sender_mac = interfaces_[frame.port].mac;
  reply.sender_ip = arp.target_ip;
  reply.target_mac = arp.sender_mac;
  reply.target_ip = arp.sender_ip;
  Frame out = frame;
  wire::emit_arp(out, reply, arp.sender_mac);
  stage(out);
}

void Links::unresolved(Frame& frame) {
  if (unresolved_ != nullptr) unresolved_->on_unresolved(frame);
  drop(frame, Drop::neighbour_unresolved);
}

}  // namespace salut::stack
