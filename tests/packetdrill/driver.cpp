#include "driver.hpp"

#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <sstream>

#include "unit/wire/packets.hpp"

namespace salut::packetdrill::test {

namespace {

constexpr char flag_letters[] = "FSRPA";
constexpr Microseconds late{5000};  // the engine's timers are a millisecond coarse, and add up

unsigned bits_of(const std::string& flags) {
  unsigned bits = 0;
  for (const char letter : flags) {
    bits |= 1u << (std::strchr(flag_letters, letter) - flag_letters);
  }
  return bits;
}

// Without PSH.
std::string letters_of(unsigned bits) {
  std::string flags;
  for (const unsigned bit : {1u, 0u, 2u, 4u}) {
    if ((bits >> bit & 1) != 0) flags += flag_letters[bit];
  }
  return flags;
}

void fail(const Where& where, const std::string& text) {
  ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << text;
}

#if defined(__SANITIZE_ADDRESS__)
constexpr int deep_bind = 0;  // the sanitizer's functions must be found first
#else
constexpr int deep_bind = RTLD_DEEPBIND;
#endif

}  // namespace

Driver::Driver(const std::string& flags) {
  library_ = dlopen(SALUT_PACKETDRILL, RTLD_NOW | RTLD_LOCAL | deep_bind);
  if (library_ == nullptr) throw std::runtime_error(dlerror());
  const auto init = reinterpret_cast<decltype(&packetdrill_interface_init)>(
      dlsym(library_, "packetdrill_interface_init"));
  if (init == nullptr) throw std::runtime_error(dlerror());
  // Nothing waits by itself: a packet is there, or it is not.
  const std::string all =
      "local=10.0.0.1,gateway=10.0.0.2,receive_limit_s=0,window_scale=off,timestamps=off,sack="
      "off," +
      flags;
  init(all.c_str(), &i_);
  start_us_ = now().count();
}

Driver::~Driver() {
  if (!::testing::Test::HasFailure()) expect_nothing();
  i_.free(i_.userdata);
  dlclose(library_);
}

Microseconds Driver::now() {
  timeval tv;
  i_.gettimeofday(i_.userdata, &tv, nullptr);
  return Microseconds{tv.tv_sec * 1'000'000LL + tv.tv_usec - start_us_};
}

void Driver::inject(const In& in) {
  wire::test::TcpSpec spec;
  spec.source_port = peer_port_;
  spec.destination_port = our_port;
  spec.seq = irs_ + in.seq.value_or(peer_nxt_);
  spec.flags = bits_of(in.flags);
  spec.ack = (spec.flags & 16) != 0 ? iss_ + in.ack.value_or(our_nxt_) : 0;
  spec.window = in.window;
  spec.payload.assign(in.payload.begin(), in.payload.end());
  if (in.mss != 0) {
    spec.options = {2, 4, static_cast<std::uint8_t>(in.mss >> 8),
                    static_cast<std::uint8_t>(in.mss)};
  }
  const wire::test::Bytes frame = wire::test::tcp_packet(spec);
  if (!in.seq && (spec.flags & 4) == 0) {
    peer_nxt_ += static_cast<std::uint32_t>(in.payload.size()) + ((spec.flags & 3) != 0 ? 1u : 0u);
  }
  EXPECT_EQ(i_.netdev_send(i_.userdata, frame.data() + 14, frame.size() - 14), 0);
}

void Driver::inject_icmp(unsigned type, unsigned code, std::uint32_t seq) {
  wire::test::TcpSpec spec;
  spec.source_port = our_port;
  spec.destination_port = peer_port_;
  spec.seq = iss_ + seq;
  wire::test::Bytes quoted = wire::test::tcp_packet(spec);
  std::swap_ranges(quoted.begin() + 26, quoted.begin() + 30, quoted.begin() + 30);
  wire::test::Bytes icmp(8);
  icmp[0] = static_cast<std::uint8_t>(type);
  icmp[1] = static_cast<std::uint8_t>(code);
  wire::test::append(icmp, {quoted.begin() + 14, quoted.end()});
  const wire::test::Bytes frame = wire::test::ipv4(1, icmp);
  EXPECT_EQ(i_.netdev_send(i_.userdata, frame.data() + 14, frame.size() - 14), 0);
}

bool Driver::receive(Seen& seen) {
  wire::test::Bytes packet(65536);
  std::size_t length = packet.size();
  long long at = 0;
  EXPECT_EQ(i_.netdev_receive(i_.userdata, packet.data(), &length, &at), 0);
  if (length == 0) return false;
  const auto get32 = [&](std::size_t i) {
    return wire::test::get16(packet, i) << 16 | wire::test::get16(packet, i + 2);
  };
  const std::size_t header = 20 + static_cast<std::size_t>(packet[32] >> 4) * 4;
  const unsigned bits = packet[33];
  if ((bits & 2) != 0) {
    iss_ = get32(24);
    our_nxt_ = 0;
    our_port = wire::test::get16(packet, 20);
  }
  seen.flags = letters_of(bits);
  seen.seq = get32(24) - iss_;
  seen.ack = (bits & 16) != 0 ? get32(28) - irs_ : 0;
  seen.length = length - header;
  seen.mss = header >= 44 && packet[40] == 2 ? wire::test::get16(packet, 42) : 0;
  seen.at = Microseconds{at - start_us_};
  const std::uint32_t end =
      seen.seq + static_cast<std::uint32_t>(seen.length) + ((bits & 3) != 0 ? 1u : 0u);
  if ((bits & 4) == 0 && static_cast<std::int32_t>(end - our_nxt_) > 0) our_nxt_ = end;
  return true;
}

std::string Driver::describe(const Seen& seen) const {
  std::ostringstream text;
  text << seen.flags << " seq " << seen.seq << " ack " << seen.ack << " length " << seen.length
       << " mss " << seen.mss << " at " << seen.at.count() << " us";
  return text.str();
}

void Driver::expect(const Out& out, Where where) { expect_at(Microseconds{-1}, out, where); }

void Driver::expect_at(Microseconds at, const Out& out, Where where) {
  Seen seen;
  if (!receive(seen)) return fail(where, "nothing was sent, expected " + out.flags);
  const bool same = seen.flags == out.flags && seen.seq == out.seq && seen.length == out.length &&
                    (!out.ack || seen.ack == *out.ack) && (!out.mss || seen.mss == *out.mss);
  if (!same) return fail(where, "sent " + describe(seen));
  if (at.count() >= 0 && (seen.at < at || seen.at > at + late)) {
    fail(where, "sent " + describe(seen) + ", expected at " + std::to_string(at.count()));
  }
}

void Driver::expect_nothing(Where where) {
  for (Seen seen; receive(seen);) fail(where, "sent " + describe(seen) + ", expected nothing");
}

void Driver::drain() {
  for (Seen seen; receive(seen);) continue;
}

int Driver::bind(int fd, unsigned port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(wire::test::our_ip);
  return result(i_.bind(i_.userdata, fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}

int Driver::listen(int type) {
  const int fd = socket(type);
  our_port = 80;
  EXPECT_EQ(bind(fd, our_port), 0);
  EXPECT_EQ(i_.listen(i_.userdata, fd, 8), 0);
  return fd;
}

int Driver::accept(int fd, sockaddr_storage* from) {
  sockaddr_storage storage = {};
  socklen_t length = sizeof(storage);
  const int n = result(i_.accept(i_.userdata, fd, reinterpret_cast<sockaddr*>(&storage), &length));
  if (from != nullptr) *from = storage;
  return n;
}

int Driver::connect(int fd, unsigned port) {
  peer_port_ = port;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(wire::test::peer_ip);
  return result(
      i_.connect(i_.userdata, fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
}

int Driver::write(int fd, const std::string& text) {
  return result(i_.write(i_.userdata, fd, text.data(), text.size()));
}

std::string Driver::read(int fd, std::size_t most, int flags) {
  std::string text(most, '\0');
  const int n = result(flags < 0 ? i_.read(i_.userdata, fd, text.data(), most)
                                 : i_.recv(i_.userdata, fd, text.data(), most, flags));
  return n < 0 ? std::to_string(n) : text.substr(0, static_cast<std::size_t>(n));
}

int Driver::set(int fd, int level, int name, int value) {
  return result(i_.setsockopt(i_.userdata, fd, level, name, &value, sizeof(value)));
}

int Driver::get(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof(value);
  const int n = result(i_.getsockopt(i_.userdata, fd, level, name, &value, &length));
  if (n < 0) return n;
  EXPECT_EQ(length, sizeof(value));
  return value;
}

short Driver::poll(int fd, short events, int timeout_ms) {
  pollfd one{fd, events, 0};
  const int n = result(i_.poll(i_.userdata, &one, 1, timeout_ms));
  EXPECT_EQ(n, one.revents != 0 ? 1 : 0);
  return one.revents;
}

int Driver::established() {
  if (listener < 0) listener = listen();
  inject({.flags = "S", .mss = 1460});
  expect({.flags = "SA", .seq = 0, .ack = 1});
  inject({});
  const int fd = accept(listener);
  EXPECT_GE(fd, 0);
  return fd;
}

int Driver::connected() {
  const int fd = socket(SOCK_STREAM | SOCK_NONBLOCK);
  EXPECT_EQ(connect(fd), -EINPROGRESS);
  expect({.flags = "S", .seq = 0});
  inject({.flags = "SA", .mss = 1460});
  expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(connect(fd), 0);
  const int blocking = 0;
  EXPECT_EQ(i_.ioctl(i_.userdata, fd, FIONBIO, &blocking), 0);
  return fd;
}

Blocking::Blocking(Driver& driver, std::function<std::string()> call) {
  thread_ = std::thread([this, &driver, call] {
    id_ = static_cast<int>(gettid());
    result_ = call();
    ended_ = driver.now();
    done_ = true;
  });
  while (id_ == 0) std::this_thread::yield();
  // As packetdrill sees it: the third field of its line in /proc. Waiting for the lock also shows
  // as sleeping, but nobody holds it now.
  const std::string stat = "/proc/self/task/" + std::to_string(id_) + "/stat";
  while (!done_) {
    std::ifstream file(stat);
    std::string pid, name, state;
    if (file >> pid >> name >> state && state == "S") return;
    std::this_thread::yield();
  }
}

}  // namespace salut::packetdrill::test
