// libFuzzer target: the input is a frame. Beside not crashing, parse() must give bounds that lie
// in the frame, its fast path must agree with the careful one, and what it made of a TCP frame
// must come back from emit_tcp().
//
//   fuzz_parse -max_len=256 FOUND tests/fuzz/corpus/parse     (clang; new inputs go to FOUND)
//   fuzz_parse_replay tests/fuzz/corpus/parse [mutations [seed [first]]]
#include "wire/parse.hpp"
#include "ip/arp.hpp"
#include "ip/icmp.hpp"
#include "wire/options.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "ip/ndp.hpp"
#include "salut/frame.hpp"
#include "wire/emit.hpp"

namespace {

using namespace salut;
using namespace salut::wire;

constexpr Mac our_mac = {{0x02, 0, 0, 0, 0, 0x01}};

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz parse: %s\n", what);
  std::abort();
}

// An allocation of exactly `size` bytes, so that the sanitizer sees one byte too many.
struct Copy {
  Copy(const std::uint8_t* data, std::size_t size) : memory(new std::byte[size]) {
    if (size != 0) std::memcpy(memory.get(), data, size);
    const auto length = static_cast<std::uint16_t>(size);
    frame = Frame{memory.get(), nullptr, length, length, 0, 0};
  }
  std::unique_ptr<std::byte[]> memory;
  Frame frame;
};

bool same(const Segment& a, const Segment& b) {
  return a.key == b.key && a.seq == b.seq && a.ack == b.ack && a.wnd == b.wnd &&
         a.flags == b.flags && a.mss == b.mss && a.options_length == b.options_length &&
         a.payload_length == b.payload_length && a.ip6 == b.ip6;
}

void check_round_trip(const Frame& frame, const Segment& segment) {
  const std::byte* options = frame.data + segment.options_offset;
  Copy again(nullptr, 0);
  again.memory.reset(new std::byte[65'600]);
  again.frame.data = again.memory.get();
  again.frame.room = 65'535;
  if (tcp_frame_min_6 + segment.options_length + segment.payload_length > 65'535) return;
  std::memcpy(payload_at(again.frame, segment.options_length, segment.ip6),
              frame.data + segment.payload_offset, segment.payload_length);
  TcpOut out;
  AddressPair whole;
  if (segment.ip6) {
    const auto received = AddressPair::read(address_at(frame, segment));
    whole = {received.local, received.remote};
    out.ip6 = &whole;
  }
  out.key = Key{segment.key.local_addr, segment.key.remote_addr, segment.key.local_port,
                segment.key.remote_port};
  out.dst_mac = our_mac;
  out.seq = segment.seq;
  out.ack = segment.ack;
  out.wnd = segment.wnd;
  out.flags = segment.flags;
  out.options = {options, segment.options_length};
  out.payload_length = segment.payload_length;
  emit_tcp(again.frame, out);
  Segment back;
  require(parse(again.frame, ParseOptions(true, our_mac), back).kind == Kind::tcp,
          "emitted is not TCP");
  require(same(segment, back), "emitted is another segment");
}

void check_parse(const Frame& frame, bool verify) {
  const ParseOptions options{verify, our_mac};
  Segment segment;
  Segment stepped;
  const Parsed parsed = parse(frame, options, segment);
  require(parsed == parse_step_by_step(frame, options, stepped), "the two paths disagree");
  // Behind the frame the buffer goes on, with what is no part of it: the path in vectors.
  std::vector<std::byte> roomy(frame.length + std::size_t{128}, std::byte{0xa5});
  std::copy_n(frame.data, frame.length, roomy.data());
  Frame again = frame;
  again.data = roomy.data();
  again.room = static_cast<std::uint16_t>(std::min<std::size_t>(roomy.size(), 0xffff));
  Segment vector;
  require(parse(again, options, vector) == parsed, "the path in vectors disagrees");
  if (parsed.kind == Kind::tcp) require(same(vector, stepped), "the vectors make another segment");
  require((parsed.kind == Kind::drop) == (parsed.drop != Drop::none), "a drop without a reason");
  if (parsed.kind == Kind::tcp) {
    require(same(segment, stepped), "the two paths make two segments");
    require(segment.options_offset + segment.options_length <= segment.payload_offset, "options");
    require(segment.payload_offset + segment.payload_length <= frame.length, "payload");
    check_round_trip(frame, segment);
  }
  if (parsed.kind == Kind::icmp) {
    require(segment.payload_offset + segment.payload_length <= frame.length, "ICMP message");
    ip::Ndp ndp;
    ip::parse_ndp(frame, segment, ndp);
    ip::IcmpError error;
    ip::parse_icmp_error(frame, segment, unkeyed_fold, error);
  }
}

void check_control(const std::uint8_t* data, std::size_t size) {
  Copy copy(data, size);
  ip::Arp arp;
  ip::parse_arp(copy.frame, arp);
  Segment segment;
  const bool good = parse(copy.frame, {true, our_mac}, segment).kind == Kind::icmp;
  if (!ip::make_echo_reply(copy.frame)) return;
  require(copy.frame.length <= size, "the reply grew");
  // The reply to a good request is good, as seen by the station it goes back to.
  Mac peer;
  std::memcpy(peer.bytes.data(), copy.frame.data, 6);
  const bool station = !peer.is_group();
  if (!good || !station) return;
  Segment reply;
  const Parsed parsed = parse(copy.frame, {true, peer}, reply);
  // Our address, as the request named it, may be one that no packet may come from.
  require(parsed.kind == Kind::icmp || parsed.drop == Drop::ip_bad_source, "a bad reply");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 65'535) return 0;
  for (const unsigned flags : {0u, 1u, 2u, 3u, 4u, 8u}) {
    Copy copy(data, size);
    copy.frame.flags = static_cast<std::uint16_t>(flags);
    check_parse(copy.frame, true);
    check_parse(copy.frame, false);
  }
  check_control(data, size);
  const Copy options(data, size);
  Segment segment;
  segment.flags = syn;
  segment.options_length = static_cast<std::uint8_t>(size);
  parse_options(options.frame.data, segment);
  return 0;
}
