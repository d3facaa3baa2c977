// Goes from a configuration to running workers, step by step. If a step fails, the destructors give
// back what the steps before it took.
#include "salut/runtime.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <exception>
#include <new>
#include <numeric>
#include <optional>
#include <utility>

#include "host/cores.hpp"
#include "host/descriptors.hpp"
#include "host/instance_lock.hpp"
#include "host/isn_file.hpp"
#include "host/run_directory.hpp"
#include "io/device_signals.hpp"
#include "io/dpdk/eal.hpp"
#include "io/log.hpp"
#include "worker/memory_plan.hpp"
#include "worker/port_check.hpp"
#include "worker/ports.hpp"
#include "worker/worker.hpp"

namespace salut {
namespace {

// Cycles of the TSC per second; 0 until a Runtime was open in this process.
std::uint64_t tsc_hz = 0;

// The seed of a worker's hashes, ISNs and ports: secret, unless the configuration wants the same
// run again.
std::uint64_t seed_for(const StackConfig& config, std::uint32_t worker) {
  if (config.seed != 0) return config.seed + worker * 0x9e3779b97f4a7c15;
  std::uint64_t seed = 0;
  if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) seed = read_tsc();
  return seed;
}

// Is there a peer that outlives this process?
bool meets_others(const Config& config) {
  return std::any_of(config.ports.begin(), config.ports.end(), [](const PortConfig& port) {
    return port.type != PortType::loop && port.type != PortType::mirror;
  });
}

// A port that names no workers has all of them.
void name_workers(Config& config) {
  for (PortConfig& port : config.ports) {
    if (!port.workers.empty()) continue;
    port.workers.resize(config.workers);
    std::iota(port.workers.begin(), port.workers.end(), 0u);
  }
}

Error located(const Config& config, const Error& error) {
  if (config.file.empty()) return error;
  return {error.code, fmt::format("{}: {}", config.file, error.message)};
}

}  // namespace

// Members are destroyed from the last to the first: stacks give their frames back to the pool,
// ports close before the pool goes, DPDK ends after all of them, and the instance's name becomes
// free at the very end.
class Runtime::Impl {
 public:
  Impl(Config config, Log log) : log_(std::move(log)), config_(std::move(config)) {}
  ~Impl() {
    stop();
    join();
  }

  Result<void> open();
  void start(std::function<void(Stack&)> application);
  void wait();
  bool finished() const { return started_ && running_.load(std::memory_order_acquire) == 0; }
  void stop() {
    stop_.store(true);
    if (running_.load() == 0) return;  // nobody sleeps, and the stacks may be gone
    for (const Stack& stack : stacks_) stack.impl().wake();
  }
  void drain() {
    for (Stack& stack : stacks_) stack.drain();
  }

  Result<Listener> listen(const Endpoint& local, const ListenOptions& options);
  Result<void> unlisten(Listener listener);
  tl::expected<Endpoint, Errc> local_endpoint(Listener listener);
  void finish(Duration limit) {
    for (Stack& stack : stacks_) stack.finish(limit);
  }

  std::uint64_t close();

  const Config& config() const { return config_; }
  Stack& stack(std::uint32_t worker) { return stacks_[worker]; }
  std::vector<PortImpaired> impaired() const { return ports_->impaired(config_); }
  std::vector<PortLink> links() {
    std::vector<PortLink> links = ports_->links(config_);
    announce();
    return links;
  }
  std::vector<PortSteering> steering() const { return ports_->steering(config_); }
  std::string describe() const {
    std::string text = ports_->describe(config_);
    if (!isn_note_.empty()) text += "note: " + isn_note_ + "\n";
    for (const std::string& note : numa_notes(config_, Sysfs{})) text += "note: " + note + "\n";
    return text;
  }

 private:
  // The argument of an lcore's function.
  struct Job {
    Impl* runtime = nullptr;
    std::uint32_t worker = 0;
    std::exception_ptr failure;
  };

  Result<void> open_environment(const MemoryPlan& plan);
  Result<void> open_pool(const MemoryPlan& plan);
  Result<void> make_stacks();
  bool shares_core(std::uint32_t worker) const {
    return std::count(config_.cores.begin(), config_.cores.end(), config_.cores[worker]) > 1;
  }
  // Has the workers announce our addresses on ports whose link came up.
  void announce() {
    for (std::uint32_t worker = 0; worker < stacks_.size(); ++worker) {
      stacks_[worker].impl().announce(ports_->risen(config_, worker));
    }
    ports_->forget_risen();
  }
  static int run_job(void* job);
  void join();

  // In force before and after everything that may have something to say. There is one Log in the
  // process: an open() that is refused beside a Runtime which is open must leave it its own.
  class Logging {
   public:
    explicit Logging(Log log) : log_(std::move(log)) {}
    ~Logging() {
      if (began_) io::set_log({});
    }
    Logging(const Logging&) = delete;
    void begin() {
      began_ = log_ != nullptr;
      if (began_) io::set_log(std::move(log_));
    }

   private:
    Log log_;
    bool began_ = false;
  };

  const TscSample opened_at_ = TscSample::take();
  Logging log_;
  Config config_;
  std::optional<InstanceLock> lock_;
  io::DeviceSignals signals_;
  std::unique_ptr<io::Eal> eal_;
  HugeMemory pool_memory_;
  std::unique_ptr<io::MbufPool> pool_;
  std::unique_ptr<Ports> ports_;
  std::vector<Stack> stacks_;
  std::string isn_note_;  // of the key of ISNs that was to be kept

  std::function<void(Stack&)> application_;
  std::vector<Job> jobs_;
  bool started_ = false;
  std::atomic<std::uint32_t> running_{0};
  std::atomic<bool> stop_{false};
  static_assert(std::atomic<bool>::is_always_lock_free);  // stop() is called in signal handlers
};

Result<void> Runtime::Impl::open() {
  if (auto valid = validate(config_); !valid) return valid;
  if (auto may = io::Eal::may_start(); !may) return may;
  log_.begin();
  const std::vector<std::uint32_t> allowed = allowed_cores();
  choose_cores(config_, allowed);
  name_workers(config_);
  const auto step = [this](Result<void> done) {
    return done ? done : Result<void>(tl::unexpected<Error>(located(config_, done.error())));
  };

  if (auto done = step(check_descriptors(config_)); !done) return done;
  // Before DPDK may touch a card, and before it allocates memory.
  if (auto done = step(check_ports(config_, Sysfs{})); !done) return done;
  auto plan = plan_memory(config_);
  if (!plan) return tl::unexpected<Error>(located(config_, plan.error()));
  // Hugepages are set aside already; MemAvailable does not count them.
  const std::uint64_t mbuf_bytes = plan->hugepages ? 0 : plan->mbuf_bytes;
  if (auto fits = check_memory(config_, mbuf_bytes, available_memory()); !fits)
    return tl::unexpected<Error>(fits.error());

  auto lock = InstanceLock::take(config_.name);
  if (!lock) return tl::unexpected<Error>(located(config_, lock.error()));
  lock_ = std::move(*lock);
  if (const std::string parent = dpdk_parent(); !parent.empty()) {
    clear_dead_instances(parent + "/dpdk");
  }
  if (auto done = step(check_taps(config_)); !done) return done;

  if (auto done = step(open_environment(*plan)); !done) return done;
  if (auto done = step(open_pool(*plan)); !done) return done;
  // The number after the last worker's: its seed is used by nothing else.
  ports_ = std::make_unique<Ports>(*pool_, seed_for(config_.stack, config_.workers));
  if (auto done = step(ports_->open(config_)); !done) return done;
  signals_.adopt();
  for (const std::string& note : numa_notes(config_, Sysfs{})) {
    io::log(LogLevel::warning, "{}", note);
  }
  return step(make_stacks());
}

Result<void> Runtime::Impl::open_environment(const MemoryPlan& plan) {
  io::EalOptions options;
  options.name = config_.name;
  options.cores = config_.cores;
  options.allowed = allowed_cores();
  for (const PortConfig& port : config_.ports) {
    if (port.type == PortType::pci) options.pci.push_back(port.pci);
  }
  options.megabytes = config_.megabytes;
  options.runtime_directory = dpdk_parent();
  options.hugepages = plan.hugepages;
  options.shared = plan.shared;
  auto eal = io::Eal::start(options);
  if (!eal) return tl::unexpected<Error>(eal.error());
  eal_ = std::move(*eal);
  return {};
}

Result<void> Runtime::Impl::open_pool(const MemoryPlan& plan) {
  io::MbufPoolOptions options;
  options.name = "frames";
  options.mbufs = config_.mbufs * config_.workers;
  options.workers = config_.workers;
  options.mtu = plan.mtu;
  options.memory = plan.own_pool() ? &pool_memory_ : nullptr;
  auto pool = io::MbufPool::create(options);
  if (!pool) {
    return fail(pool.error().code,
                fmt::format("memory.megabytes = {}: {}; want more, or fewer memory.mbufs",
                            config_.megabytes, pool.error().message));
  }
  pool_ = std::move(*pool);
  return {};
}

Result<void> Runtime::Impl::make_stacks() {
  WorkerOptions options;
  options.tsc_hz = salut::tsc_hz = tsc_rate(opened_at_, TscSample::take(), io::tsc_hz());
  options.origin = read_tsc();
  // A seed that is given wants the same run again, and is no secret.
  if (config_.stack.seed == 0 && meets_others(config_)) {
    KeptIsnKey kept = keep_isn_key(instance_path(isn_file_name(config_.name), "key"),
                                   options.origin, options.tsc_hz);
    options.isn_key = kept.key;
    isn_note_ = std::move(kept.note);
  }
  options.mbuf_bytes = pool_->bytes() / config_.workers;
  StackConfig stack = config_.stack;
  stack.lent_frames = std::min(stack.lent_frames, config_.mbufs / 8);  // the rest is for devices
  stack.neighbour_frames = std::clamp(stack.neighbour_frames, 1u, config_.mbufs / 8);
  for (std::uint32_t worker = 0; worker < config_.workers; ++worker) {
    options.worker = worker;
    options.seed = seed_for(config_.stack, worker);
    options.prefault = {config_.prefault, config_.prefault_time_wait};
    options.shares_core = shares_core(worker);
    options.idle = config_.idle;
    options.interrupts = ports_->interrupts(config_, worker);
    try {
      stacks_.emplace_back(std::make_unique<Stack::Impl>(stack, ports_->interfaces(config_, worker),
                                                         ports_->steered(config_, worker), *pool_,
                                                         options, stop_));
    } catch (const std::bad_alloc&) {
      return fail(Errc::no_memory,
                  fmt::format("stack.connections = {}: no memory for the tables of worker {}; want "
                              "smaller values in [stack]",
                              config_.stack.connections, worker));
    }
  }
  return {};
}

void Runtime::Impl::start(std::function<void(Stack&)> application) {
  assert(!started_ && "a Runtime runs once");
  started_ = true;
  application_ = std::move(application);
  for (std::uint32_t worker = 0; worker < config_.workers; ++worker) {
    jobs_.push_back({this, worker, nullptr});
    stacks_[worker].impl().prepare();
  }
  announce();
  running_.store(config_.workers);  // in one order with stop(), which may come now
  for (Job& job : jobs_) eal_->launch(job.worker, run_job, &job);
}

Result<Listener> Runtime::Impl::listen(const Endpoint& local, const ListenOptions& options) {
  std::vector<Listener> made;
  Endpoint where = local;  // with the port that the first has found
  std::optional<Error> failed;
  for (Stack& stack : stacks_) {
    stack.impl().run([&] {
      const Result<Listener> one = stack.listen(where, options);
      if (!one) {
        failed = one.error();
        return;
      }
      made.push_back(*one);
      where = stack.local_endpoint(*one).value_or(where);
      if (made.front().index != made.back().index) {
        failed = Error{Errc::in_use, fmt::format("listen on {}: the workers listen differently",
                                                 local.to_string())};
      }
    });
    if (failed) break;
  }
  if (!failed) return made.front();
  for (std::size_t i = 0; i < made.size(); ++i) {
    stacks_[i].impl().run([&] { stacks_[i].unlisten(made[i]); });
  }
  return tl::unexpected<Error>(*failed);
}

tl::expected<Endpoint, Errc> Runtime::Impl::local_endpoint(Listener listener) {
  tl::expected<Endpoint, Errc> where = tl::unexpected(Errc::invalid_argument);
  stacks_.front().impl().run([&] { where = stacks_.front().local_endpoint(listener); });
  return where;
}

Result<void> Runtime::Impl::unlisten(Listener listener) {
  Errc result = Errc::ok;
  for (Stack& stack : stacks_) {
    stack.impl().run([&] {
      const Errc one = stack.unlisten(listener);
      if (one != Errc::ok) result = one;
    });
  }
  if (result == Errc::ok) return {};
  return fail(result, fmt::format("unlisten: listener {} has ended, or never was; want one that "
                                  "listen() returned and that still listens",
                                  listener.index));
}

int Runtime::Impl::run_job(void* argument) {
  Job& job = *static_cast<Job*>(argument);
  Impl& runtime = *job.runtime;
  Stack& stack = runtime.stacks_[job.worker];
  runtime.signals_.enter();
  stack.impl().enter();
  try {
    runtime.application_(stack);
  } catch (...) {
    job.failure = std::current_exception();  // wait() throws it; the others end in order
    io::log(LogLevel::error, "worker {} ended with an exception; the others stop", job.worker);
    runtime.stop();
  }
  stack.impl().end_posts();
  const bool last = runtime.running_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  // Other workers may still receive and send through this worker's queues, so it goes on polling.
  // It drains, because no application here would see a new connection.
  if (!last && stack.impl().shares_port()) {
    stack.drain();
    while (runtime.running_.load(std::memory_order_acquire) != 0) stack.poll();
    stack.poll();  // sends the last frames of the others
  }
  stack.impl().leave();
  runtime.signals_.leave();
  if (last) runtime.running_.notify_all();
  return 0;
}

// Sleeps until all workers have returned. DPDK's own wait would spin on a core that a worker may
// need.
void Runtime::Impl::join() {
  for (;;) {
    const std::uint32_t running = running_.load(std::memory_order_acquire);
    if (running == 0) break;
    running_.wait(running, std::memory_order_acquire);
  }
  for (const Job& job : jobs_) eal_->wait(job.worker);
}

void Runtime::Impl::wait() {
  join();
  for (Job& job : jobs_) {
    if (job.failure) std::rethrow_exception(std::exchange(job.failure, nullptr));
  }
}

std::uint64_t Runtime::Impl::close() {
  stacks_.clear();
  ports_.reset();
  const std::uint64_t missing = pool_ == nullptr ? 0 : pool_->size() - pool_->available();
  if (missing != 0) io::log(LogLevel::warning, "{} packet buffers did not come back", missing);
  return missing;
}

Result<Runtime> Runtime::open(const std::string& config_file, RuntimeOptions options) {
  auto config = load_config(config_file);
  if (!config) return tl::unexpected<Error>(config.error());
  return open(std::move(*config), std::move(options));
}

Result<Runtime> Runtime::open(Config config, RuntimeOptions options) {
  auto impl = std::make_unique<Impl>(std::move(config), std::move(options.log));
  if (auto done = impl->open(); !done) return tl::unexpected<Error>(done.error());
  return Runtime(std::move(impl));
}

Runtime::Runtime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime& Runtime::operator=(Runtime&&) noexcept = default;
Runtime::~Runtime() = default;

void Runtime::run(const std::function<void(Stack&)>& application) {
  start(application);
  wait();
}
void Runtime::start(std::function<void(Stack&)> application) {
  impl_->start(std::move(application));
}
Result<Listener> Runtime::listen(Endpoint local, ListenOptions options) {
  return impl_->listen(local, options);
}
Result<void> Runtime::unlisten(Listener listener) { return impl_->unlisten(listener); }
bool Runtime::finished() const { return impl_->finished(); }
void Runtime::wait() { impl_->wait(); }
std::uint64_t Runtime::close() { return impl_->close(); }
void Runtime::stop() { impl_->stop(); }
void Runtime::drain() { impl_->drain(); }
void Runtime::finish(Duration limit) { impl_->finish(limit); }
tl::expected<Endpoint, Errc> Runtime::local_endpoint(Listener listener) {
  return impl_->local_endpoint(listener);
}
const Config& Runtime::config() const { return impl_->config(); }
std::uint32_t Runtime::workers() const { return impl_->config().workers; }
Stack& Runtime::stack(std::uint32_t worker) { return impl_->stack(worker); }
double Runtime::tsc_hz() { return static_cast<double>(salut::tsc_hz); }
std::vector<PortImpaired> Runtime::impaired() const { return impl_->impaired(); }
std::vector<PortLink> Runtime::links() { return impl_->links(); }
std::vector<PortSteering> Runtime::steering() const { return impl_->steering(); }
std::string Runtime::describe() const { return impl_->describe(); }

}  // namespace salut
