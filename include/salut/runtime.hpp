// A Runtime turns a configuration into ports, memory, workers and a Stack on each worker.
//
// One per process, as DPDK's EAL is. open() takes everything that is needed; if it fails, it says
// in one line what is wrong and gives back what it took. After open() no worker allocates memory.
//
// DPDK starts once per process, even if it failed or has ended. What can be checked before is: such
// an Error leaves the chance to call open() again. After any other, and after close(), only a new
// process can open a Runtime, and open() says so.
//
// DPDK and its libraries print past DPDK's log. While open() starts DPDK and each port, and while
// the destructor and close() end them, what the process writes to standard output and standard
// error is captured and becomes lines of RuntimeOptions::log. So no other thread may print then.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "salut/config.hpp"
#include "salut/error.hpp"
#include "salut/export.hpp"
#include "salut/log.hpp"
#include "salut/stack.hpp"

namespace salut {

// What PortConfig::impair did on one port, to received frames and to sent ones.
struct PortImpaired {
  std::string port;
  Impaired in;
  Impaired out;
};

// Whether a port's other end is there: a cable, the kernel's side, the process at a socket.
struct PortLink {
  std::string port;
  bool up = false;
  std::uint64_t downs = 0;  // how often it went down and came up since open()
  std::uint64_t ups = 0;
  bool changed = false;  // since the last call of links()
  // TAP only: frames for us that the kernel dropped, its queue being full (PortConfig::txqueuelen).
  std::uint64_t kernel_dropped = 0;
};

// How the flows of a port with several workers find their worker.
struct PortSteering {
  std::string port;
  unsigned queues = 1;  // of the device
  std::string how;      // "flows by RSS, proved"
};

struct RuntimeOptions {
  // What the Runtime, DPDK and its drivers have to say, from open() until it is destroyed. Without
  // it that is kept for the Errors of open(), and nothing is printed.
  // An open() that is refused because a Runtime is open leaves that one its Log.
  Log log = {};
};

class SALUT_API Runtime {
 public:
  // Takes ports, memory and cores as the configuration, a file or a value, asks for them. An Error
  // names the file, the key, the value and what would be right.
  static Result<Runtime> open(const std::string& config_file, RuntimeOptions options = {});
  static Result<Runtime> open(Config config, RuntimeOptions options = {});

  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;
  ~Runtime();  // stops the ports and removes what the instance made: TAPs, sockets, hugepage files

  // Runs `application` once on every worker, each on its core, and returns when all have returned.
  // May be called once. Control thread only. An exception out of `application` on any worker asks
  // the others to stop, and when all have returned run() throws it: of several the one of the
  // lowest worker.
  void run(const std::function<void(Stack&)>& application);

  // Like run(), but returns at once; wait() returns, or throws, when all have returned. Between the
  // two the control thread may read counters of stack(i).
  void start(std::function<void(Stack&)> application);
  bool finished() const;
  void wait();

  // Passive OPEN on every worker at once; before start(), or from the control thread while they
  // run (it returns when all have done it, within some 10 ms). All workers or none: an Error is
  // that of the first that could not. When all workers have returned it succeeds too, and nothing
  // comes of it, since nobody polls. Workers that listen by themselves too must all do so alike,
  // so that Listener::index means the same on each.
  Result<Listener> listen(Endpoint local, ListenOptions options = {});
  // Where it listens: the port that was found for port 0, the same on every worker. From the
  // control thread.
  tl::expected<Endpoint, Errc> local_endpoint(Listener listener);
  // CLOSE on every worker: handshakes under way are reset, accepted connections stay.
  Result<void> unlisten(Listener listener);

  // Asks every worker to stop: Stack::stopping() becomes true. Any thread; safe in a signal
  // handler.
  void stop();

  // Stack::drain() on every worker. Any thread; safe in a signal handler.
  void drain();
  // Stack::finish() on every worker. Any thread; safe in a signal handler.
  void finish(Duration limit);
  // Destroys the stacks and ports, and their counters with them. REQUIRES: no worker runs. Returns
  // how many packet buffers are missing: 0, unless a driver lost some when its peer went away.
  std::uint64_t close();

  const Config& config() const;  // as completed: chosen cores, computed memory, MACs
  std::uint32_t workers() const;
  Stack& stack(std::uint32_t worker);  // counters(), loop_stats(), memory_use() from any thread
  static double tsc_hz();
  std::vector<PortImpaired> impaired() const;  // any thread; empty if no port is
  // Reads the link state of every port that has one. Not on a worker's lcore; one thread at a time.
  // Call it about once a second: a link that goes and comes back between two calls is not counted.
  std::vector<PortLink> links();
  std::vector<PortSteering> steering()
      const;                     // control thread; empty if no port has several workers
  std::string describe() const;  // one line per port: driver, MAC, offloads, worker, core

 private:
  class SALUT_HIDDEN Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace salut
