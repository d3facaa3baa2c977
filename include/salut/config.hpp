// The configuration of a runtime, from a TOML file or filled in by code.
//
// Every field has its default here and its key in the comment; config/*.toml show them in use.
// For a bad value load_config() and validate() return one line: the file and the key, the value,
// and what would be right.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "salut/address.hpp"
#include "salut/error.hpp"
#include "salut/export.hpp"
#include "salut/stack_config.hpp"
#include "salut/time.hpp"

namespace salut {

// A port's `impair`: the faults of a bad link, at random from a seed, in each direction.
struct ImpairConfig {
  double drop = 0;       // drop: share of the frames that are lost, 0..1
  double duplicate = 0;  // duplicate: share that arrives twice
  double corrupt = 0;    // corrupt: share in which one bit of the IP packet is flipped
  double reorder = 0;    // reorder: share that arrives late, so that later frames overtake it
  Duration reorder_by = std::chrono::milliseconds{1};  // reorder_by_us: how late, 1..1,000,000
  Duration delay = std::chrono::seconds{0};            // delay_us: of every frame, 0..1,000,000
  std::uint64_t seed = 1;                              // seed: the same seed, the same faults

  // Does it do anything to a frame?
  bool any() const {
    return drop > 0 || duplicate > 0 || corrupt > 0 || reorder > 0 || delay > Duration{0};
  }
};

// What a worker does when a turn of its loop found nothing to do.
enum class Idle : std::uint8_t {
  spin,   // the next turn, at once; idle for some 50 us it offers its core to others each turn
  yield,  // offers its core to whoever wants it, each time
  sleep,  // until something comes: Stack::poll() says how
};

enum class PortType : std::uint8_t { loop, mirror, tap, vdev, pci };

// [[port]]
struct PortConfig {
  std::string name;                  // name: [a-z0-9_-], unique
  PortType type = PortType::loop;    // type: "loop" | "mirror" | "tap" | "vdev" | "pci"
  std::string peer;                  // peer (loop): the port at the other end; may be its own name
  std::string interface;             // interface (tap): the kernel's name for it, at most 15 bytes
  std::string vdev;                  // vdev: as --vdev, "net_virtio_user0,path=/tmp/s,queues=1"
  std::vector<std::string> members;  // members (vdev): further devices of that form, created before
                                     // `vdev`, which names them: the members of a bond
  std::string pci;                   // pci: "0000:03:00.0"
  // addresses: ["10.0.0.1/24", "fd00::1/64"], at least one
  std::vector<Prefix> addresses;
  // ranges: ["10.1.0.0/16", "fd00:1::/112"], further local addresses; active opens of a family that
  // has ranges come from them
  std::vector<AddressRange> ranges;
  // siblings: ["10.0.0.3"], the addresses of the other instances on this link that have the same
  // ranges: a segment that belongs to no connection here is forwarded to them (src/ip/siblings.hpp)
  std::vector<IpAddress> siblings;
  IpAddress gateway;                         // gateway: next hop for what is on no link and on no
  IpAddress gateway6 = IpAddress::any_v6();  // route; gateway6: that of IPv6; none if any
  std::uint16_t vlan = 0;                    // vlan: 802.1Q tag of all frames, 1..4094; 0 none
  std::string mac;                           // mac: "02:00:00:00:00:01"; the device's own if empty
  std::uint16_t mtu = 1500;                  // mtu: 576..9000
  // workers: [0, 1], the workers that poll it; all of them if empty. Each has a queue of its own if
  // the device has enough. worker = 0 is [0].
  std::vector<std::uint32_t> workers;
  // queues: of the device, each way, at most one per worker; 0: as the device or `vdev` says
  std::uint32_t queues = 0;
  // txqueuelen (tap): frames that the kernel may keep until we take them, 1..1000000
  std::uint32_t txqueuelen = 10'000;
  bool rss = true;  // rss: the device spreads flows over its queues, if a test proves that it does
  bool tso = true;  // tso (pci): the device segments large sends, if it can
  ImpairConfig impair;  // impair: { drop = 0.01, … }; a bad link, for tests

  // Does this worker poll the port?
  bool on_worker(std::uint32_t worker) const {
    return workers.empty() || std::find(workers.begin(), workers.end(), worker) != workers.end();
  }
};

// [[route]]: destinations that are not behind the gateway. The longest prefix wins.
struct RouteConfig {
  Prefix to;         // to: "10.2.0.0/16", "fd02::/48"
  IpAddress via;     // via: the next hop, on a link of the port; the link itself if left out
  std::string port;  // port: the name of one
};

// [announce]: how `salut serve` tells the network that it is there and that it leaves. The control
// thread runs these /bin/sh commands, one at a time, with SALUT_NAME in their environment. What
// they print goes to standard error, and a line there says how each ended. The library only stores
// this.
struct AnnounceConfig {
  std::string up;     // up: once every worker listens and `check` succeeds; again if it failed
  std::string down;   // down: first step of a drain and of an orderly stop; also when checks fail
  std::string check;  // check: exit status 0 is healthy; without it every worker must be turning
  Duration period = std::chrono::seconds{2};    // period_s: between checks, 0.1..3600
  Duration timeout = std::chrono::seconds{10};  // timeout_s: of a command, then it is killed,
                                                // 0.1..600
  std::uint32_t failures = 2;                   // failures: in a row, until `down`, 1..100
  Duration settle = std::chrono::seconds{1};    // settle_s: a drain lasts at least so long after
                                                // `down`, while routers learn of it, 0..600
};

// [serve]: how long the servers of `salut serve` wait for a silent peer, which holds a slot that
// others could use. 0..86,400 seconds each; 0 for ever. The library keeps this only.
struct ServeConfig {
  // header_timeout_s: of http, for all of a request's head, from its first byte (of a connection's
  // first request: from when it was accepted); then for each 4 KiB of its body
  Duration header_timeout = std::chrono::seconds{60};
  // idle_timeout_s: between requests; of echo and discard, between bytes
  Duration idle_timeout = std::chrono::seconds{60};
  // send_timeout_s: for a peer that takes neither all of what it is sent nor 4 KiB of it;
  // it is reset after 1.25 times as long at most
  Duration send_timeout = std::chrono::seconds{60};
};

// [[neighbour]]: a station whose MAC is given and never asked for.
struct NeighbourConfig {
  IpAddress address;  // address: "10.0.0.9", "fd00::9"
  std::string mac;    // mac: "02:00:00:00:00:09"
  std::string port;   // port: the name of one, on whose link it is
};

struct Config {
  std::string name = "salut";  // name: of the instance; two at once need two names
  std::string file;            // where it was read from, for messages; empty if from code

  // [workers]
  std::uint32_t workers = 1;         // count: 1..64
  std::vector<std::uint32_t> cores;  // cores: one per worker; chosen if empty
  Idle idle = Idle::spin;            // idle: "spin" | "yield" | "sleep"

  // [memory]
  std::string hugepages = "auto";  // hugepages: "auto" | "on" | "off"
  bool prefault = false;           // prefault: touch all pages but TIME_WAIT's at start, so that no
                                   // packet waits for a page fault
  bool prefault_time_wait = false;  // prefault_time_wait: TIME_WAIT's too
  std::uint32_t megabytes = 0;      // megabytes: for DPDK's buffers; computed if 0
  std::uint32_t mbufs = 16'384;     // mbufs: packet buffers per worker, 1,024..8,388,608

  StackConfig stack;
  std::vector<PortConfig> ports;
  std::vector<RouteConfig> routes;
  AnnounceConfig announce;
  ServeConfig serve;
  std::vector<NeighbourConfig> neighbours;

  // The workers that poll a port of this configuration.
  std::vector<std::uint32_t> workers_of(const PortConfig& port) const {
    std::vector<std::uint32_t> polling;
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
      if (port.on_worker(worker)) polling.push_back(worker);
    }
    return polling;
  }
};

// Reads a file, or TOML text that errors call `file`, and validates it. Errors name file and key.
SALUT_API Result<Config> load_config(const std::string& path);
SALUT_API Result<Config> parse_config(std::string_view toml, const std::string& file);

// Checks a configuration that was filled in by code (load_config has done it).
SALUT_API Result<void> validate(const Config& config);

}  // namespace salut
