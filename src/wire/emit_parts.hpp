// The body of emit_tcp(), for emit.cpp and tcp/transmit.cpp. It is inlined into callers that have
// the fields in registers, where they then stay.
#pragma once

#include <cassert>
#include <cstring>

#include "wire/checksum.hpp"
#include "wire/emit.hpp"
#include "wire/options.hpp"

namespace salut::wire::detail {

// A TCP header as its words lie in a frame, without checksum and urgent pointer.
struct TcpWords {
  std::uint32_t ports;
  std::uint32_t seq;
  std::uint32_t ack;
  std::uint32_t rest;  // header length, flags, window
};

// `header_length` in bytes; numbers in host order.
[[gnu::always_inline]] inline TcpWords tcp_words(const Key& key, std::uint32_t seq,
                                                 std::uint32_t ack, std::uint16_t wnd,
                                                 std::uint8_t flags, std::size_t header_length) {
  const std::uint32_t ports = key.local_port | std::uint32_t{key.remote_port} << 16;
  const auto offset = static_cast<std::uint32_t>(header_length << 2);  // words, in the upper half
  return {ports, net32(seq), net32(ack),
          offset | std::uint32_t{flags} << 8 | std::uint32_t{net16(wnd)} << 16};
}

// The options of a segment, of four kinds. put() writes them and returns their sum.
struct NoOptions {
  static constexpr std::size_t size() { return 0; }
  std::uint64_t put(std::byte*) const { return 0; }
};

struct Timestamps {  // alone
  std::uint32_t tsval;
  std::uint32_t tsecr;
  static constexpr std::size_t size() { return 12; }
  [[gnu::always_inline]] std::uint64_t put(std::byte* to) const {
    const std::uint32_t value = net32(tsval);
    const std::uint32_t echo = net32(tsecr);
    store(to, timestamps_word);
    store(to + 4, std::uint64_t{echo} << 32 | value);
    return std::uint64_t{timestamps_word} + value + echo;
  }
};

struct SynOptions {  // all that a SYN of ours can have, as emit_options() writes them
  std::uint16_t mss;
  std::uint8_t wscale;
  std::uint32_t tsval;
  std::uint32_t tsecr;
  static constexpr std::size_t size() { return 20; }
  [[gnu::always_inline]] std::uint64_t put(std::byte* to) const {
    const std::uint32_t most = syn_mss_word | std::uint32_t{net16(mss)} << 16;
    const std::uint32_t scale = syn_scale_word | std::uint32_t{wscale} << 24;
    const std::uint32_t value = net32(tsval);
    const std::uint32_t echo = net32(tsecr);
    store(to, std::uint64_t{syn_timestamps_word} << 32 | most);
    store(to + 8, std::uint64_t{echo} << 32 | value);
    store(to + 16, scale);
    return std::uint64_t{syn_timestamps_word} + most + scale + value + echo;
  }
};

struct OptionSpan {  // any, as bytes
  std::span<const std::byte> bytes;
  std::size_t size() const { return bytes.size(); }
  [[gnu::always_inline]] std::uint64_t put(std::byte* to) const {
    std::uint64_t total = 0;
    for (std::size_t at = 0; at < bytes.size(); at += 4) {
      const auto word = load<std::uint32_t>(bytes.data() + at);
      store(to + at, word);
      total += word;
    }
    return total;
  }
};

// What follows the IP header. `pseudo` is the pseudo-header's sum.
template <class Options>
[[gnu::always_inline]] inline void put_tcp(std::byte* at, const TcpWords& words,
                                           const Options& options, std::size_t payload_length,
                                           std::uint64_t pseudo, bool leave_sum) {
  store(at, words.ports);
  store(at + offsetof(TcpHeader, seq), words.seq);
  store(at + offsetof(TcpHeader, ack), words.ack);
  store(at + offsetof(TcpHeader, offset), words.rest);
  std::uint64_t total = pseudo + words.ports + words.seq + words.ack + words.rest;
  total += options.put(at + tcp_size);
  if (payload_length != 0 && !leave_sum) {
    total += sum(at + tcp_size + options.size(), payload_length);
  }
  const std::uint16_t checksum = leave_sum ? fold(pseudo) : complement(total);
  store(at + offsetof(TcpHeader, checksum), std::uint32_t{checksum});  // and no urgent pointer
}

// What both families share of a segment.
struct Inner {
  TcpWords words;
  std::size_t payload_length = 0;
  std::uint8_t traffic_class = 0;
  bool leave_sum = false;
};

// Each returns the length of the frame. `to`: see FrameTemplate::put().
// REQUIRES: room for headers, options and payload; options are a multiple of 4 and at most 40.
template <class Options>
[[gnu::always_inline]] inline std::size_t put_4(std::byte* data, const FrameTemplate& from,
                                                std::uint64_t to, std::uint32_t source,
                                                std::uint32_t destination, const Inner& inner,
                                                const Options& options) {
  const std::size_t tcp_length = tcp_size + options.size() + inner.payload_length;
  const std::size_t total = ipv4_size + tcp_length;
  const std::uint64_t addresses = std::uint64_t{source} + destination;
  const std::uint32_t first = ipv4_plain | std::uint32_t{inner.traffic_class} << 8 |
                              std::uint32_t{net16(static_cast<std::uint16_t>(total))} << 16;
  from.put(data, to);
  std::byte* ip = data + ethernet_size;
  store(ip, first);
  store(ip + offsetof(Ipv4Header, checksum), complement(addresses + first + from.sum()));
  store(ip + offsetof(Ipv4Header, source), std::uint64_t{destination} << 32 | source);
  put_tcp(data + tcp_at, inner.words, options, inner.payload_length,
          addresses + net16(static_cast<std::uint16_t>(tcp_length)) +
              net16(std::uint16_t{protocol_tcp}),
          inner.leave_sum);
  return ethernet_size + total;
}

template <class Options>
[[gnu::always_inline]] inline std::size_t put_6(std::byte* data, const FrameTemplate& from,
                                                std::uint64_t to, const AddressPair& addresses,
                                                std::uint32_t flow_label, const Inner& inner,
                                                const Options& options) {
  const std::size_t length = tcp_size + options.size() + inner.payload_length;
  const std::uint32_t first =
      6u << 28 | std::uint32_t{inner.traffic_class} << 20 | (flow_label & 0xfffff);
  const Address& source = addresses.local;
  const Address& destination = addresses.remote;
  from.put(data, to);
  std::byte* ip = data + ethernet_size;
  store(ip, net32(first));
  store(ip + offsetof(Ipv6Header, payload_length), net16(static_cast<std::uint16_t>(length)));
  std::memcpy(ip + offsetof(Ipv6Header, source), &source, sizeof(Address));
  std::memcpy(ip + offsetof(Ipv6Header, destination), &destination, sizeof(Address));
  const std::uint64_t pseudo = wire::halves(source.high) + wire::halves(source.low) +
                               wire::halves(destination.high) + wire::halves(destination.low) +
                               net32(static_cast<std::uint32_t>(length)) +
                               net32(std::uint32_t{protocol_tcp});
  put_tcp(data + tcp_at_6, inner.words, options, inner.payload_length, pseudo, inner.leave_sum);
  return tcp_at_6 + length;
}

}  // namespace salut::wire::detail
