// The flow table against rte_hash (bulk), absl::flat_hash_map and std::unordered_map.
//
//   lookup   a burst of 64 random keys that are present; ends when the first line of each one's
//            TCB has been read, because that is what a look-up is for
//   miss     the same with keys that are absent: a SYN flood
//   insert   all keys in random order into an empty table of the final size, in bursts
//   erase    all keys in another random order, in bursts
//   worst    the longest single insert of such a fill; of those that grow, without reserve()
//   bytes    of memory per entry, TCBs and keys that stand elsewhere not counted
//
// Each contender lives once per round: filled, asked, emptied. --flows=N (131,072); 10,000,000
// needs 4 GB and a minute and a half. --rows=FILE is for the report.
#include "flow/table.hpp"

#include <malloc.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include <memory>
#include <numeric>
#include <random>
#include <unordered_map>

#include "bench.hpp"
#ifdef SALUT_BENCH_ABSL
#include <absl/container/flat_hash_map.h>
#endif
#ifdef SALUT_BENCH_BOOST_FLAT
#include <boost/unordered/unordered_flat_map.hpp>
#endif

namespace salut::bench {
namespace {

constexpr unsigned burst = 64;
std::uint64_t flows = 1 << 17;

struct alignas(64) Tcb {
  Key key;
  std::uint32_t state;
  std::uint8_t rest[112];
};
static_assert(sizeof(Tcb) == 128);

struct KeyHash {
  std::size_t operator()(const Key& key) const { return hasher(key); }
  Hasher hasher{1};
};

// The same for all: TCBs, queries in random order, present and absent.
struct World {
  World() : tcbs(memory, flows, Use::tcb), order(flows), queries(asked()), absent(asked()) {
    std::mt19937_64 random(1);
    for (std::uint32_t i = 0; i < flows; ++i) tcbs[i] = Tcb{key_of(i), i, {}};
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (Key& key : queries) key = key_of(static_cast<std::uint32_t>(random() % flows));
    for (Key& key : absent) key = key_of(static_cast<std::uint32_t>(flows + random() % flows));
    other.assign(order.rbegin(), order.rend());  // as random as the order itself
    std::rotate(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(flows / 2), other.end());
  }
  // Enough to be out of every cache.
  static std::uint64_t asked() { return std::min<std::uint64_t>(flows, 4'000'000); }
  // Clients of a load generator: consecutive ports of consecutive addresses.
  static Key key_of(std::uint32_t i) {
    return make_key(0x0a000000 + i / 60'000, static_cast<std::uint16_t>(1024 + i % 60'000),
                    0xc0000201, 80);
  }

  HugeMemory memory;
  FixedArray<Tcb> tcbs;
  std::vector<std::uint32_t> order, other;
  std::vector<Key> queries, absent;
};
World& world() {
  static World w;
  return w;
}

struct Salut {
  static constexpr const char* name = "salut";
  Salut() : table(memory, flows) {}
  void insert(const std::uint32_t* indices, unsigned n) {
    std::uint64_t hashes[burst];
    for (unsigned i = 0; i < n; ++i) table.prefetch(hashes[i] = hash(World::key_of(indices[i])));
    for (unsigned i = 0; i < n; ++i) table.insert(hashes[i], indices[i]);
  }
  void erase(const std::uint32_t* indices, unsigned n) {
    std::uint64_t hashes[burst];
    for (unsigned i = 0; i < n; ++i) table.prefetch(hashes[i] = hash(World::key_of(indices[i])));
    for (unsigned i = 0; i < n; ++i) table.erase(hashes[i], indices[i]);
  }
  std::uint64_t lookup(const Key* keys, unsigned n) const {
    const auto& tcbs = world().tcbs;
    std::uint64_t hashes[burst];
    std::uint32_t found[burst];
    for (unsigned i = 0; i < n; ++i) {
      table.prefetch(hashes[i] = hash(keys[i]));
      found[i] = flow::Table::none;
    }
    table.candidates(hashes, n, [&](unsigned i, std::uint32_t index) {
      __builtin_prefetch(&tcbs[index]);
      found[i] = index;
    });
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < n; ++i) {
      std::uint32_t index = found[i];
      if (index == flow::Table::none) continue;
      if (tcbs[index].key != keys[i]) [[unlikely]] {
        index = table.find(hashes[i], [&](std::uint32_t at) { return tcbs[at].key == keys[i]; });
        if (index == flow::Table::none) continue;
      }
      sum += tcbs[index].state;
    }
    return sum;
  }
  double bytes() const { return static_cast<double>(memory.bytes(Use::flow_table)); }
  void insert_one(std::uint32_t index) { table.insert(hash(World::key_of(index)), index); }
  HugeMemory memory;
  flow::Table table;
  Hasher hash{1};
};

std::size_t dpdk_heap() {
  rte_malloc_socket_stats stats = {};
  rte_malloc_get_socket_stats(0, &stats);
  return stats.heap_allocsz_bytes;
}

struct RteHash {
  static constexpr const char* name = "rte_hash";
  RteHash() {
    const std::size_t before = dpdk_heap();
    rte_hash_parameters parameters = {};
    parameters.name = "flows";
    parameters.entries = static_cast<std::uint32_t>(flows + flows / 8);
    parameters.key_len = sizeof(Key);
    parameters.hash_func = rte_hash_crc;
    table = rte_hash_create(&parameters);
    if (table == nullptr) {
      std::fprintf(stderr, "rte_hash: %s\n", rte_strerror(rte_errno));
      std::exit(1);
    }
    taken = dpdk_heap() - before;
  }
  ~RteHash() { rte_hash_free(table); }
  RteHash(const RteHash&) = delete;
  RteHash& operator=(const RteHash&) = delete;
  void insert(const std::uint32_t* indices, unsigned n) {
    for (unsigned i = 0; i < n; ++i) {
      const Key key = World::key_of(indices[i]);
      rte_hash_add_key_data(table, &key, &world().tcbs[indices[i]]);
    }
  }
  void erase(const std::uint32_t* indices, unsigned n) {
    for (unsigned i = 0; i < n; ++i) {
      const Key key = World::key_of(indices[i]);
      rte_hash_del_key(table, &key);
    }
  }
  std::uint64_t lookup(const Key* keys, unsigned n) const {
    const void* pointers[burst];
    void* found[burst];
    std::uint64_t hits = 0;
    for (unsigned i = 0; i < n; ++i) pointers[i] = &keys[i];
    rte_hash_lookup_bulk_data(table, pointers, n, &hits, found);
    for (unsigned i = 0; i < n; ++i) {
      if ((hits >> i & 1) != 0) __builtin_prefetch(found[i]);
    }
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < n; ++i) {
      if ((hits >> i & 1) != 0) sum += static_cast<const Tcb*>(found[i])->state;
    }
    return sum;
  }
  double bytes() const { return static_cast<double>(taken); }
  void insert_one(std::uint32_t index) { insert(&index, 1); }
  rte_hash* table = nullptr;
  std::size_t taken = 0;
};

// What malloc really gave, its own header included.
inline std::size_t counted = 0;
template <class T>
struct Counting {
  using value_type = T;
  Counting() = default;
  template <class U>
  Counting(const Counting<U>&) {}
  T* allocate(std::size_t n) {
    void* memory = std::malloc(n * sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    counted += malloc_usable_size(memory) + 8;
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) {
    counted -= malloc_usable_size(memory) + 8;
    std::free(memory);
  }
  friend bool operator==(const Counting&, const Counting&) { return true; }
};

template <class Map>
struct Standard {
  explicit Standard(bool grow = false) {
    if (!grow) map.reserve(flows);
  }
  void insert(const std::uint32_t* indices, unsigned n) {
    for (unsigned i = 0; i < n; ++i) map.emplace(World::key_of(indices[i]), indices[i]);
  }
  void erase(const std::uint32_t* indices, unsigned n) {
    for (unsigned i = 0; i < n; ++i) map.erase(World::key_of(indices[i]));
  }
  std::uint64_t lookup(const Key* keys, unsigned n) const {
    const auto& tcbs = world().tcbs;
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < n; ++i) {
      if (const auto it = map.find(keys[i]); it != map.end()) sum += tcbs[it->second].state;
    }
    return sum;
  }
  double bytes() const { return static_cast<double>(counted); }
  void insert_one(std::uint32_t index) { map.emplace(World::key_of(index), index); }
  Map map;
};
using Pair = Counting<std::pair<const Key, std::uint32_t>>;
struct StdUnordered
    : Standard<std::unordered_map<Key, std::uint32_t, KeyHash, std::equal_to<>, Pair>> {
  static constexpr const char* name = "std::unordered_map";
  using Standard::Standard;
};
#ifdef SALUT_BENCH_ABSL
struct AbslFlat
    : Standard<absl::flat_hash_map<Key, std::uint32_t, KeyHash, std::equal_to<>, Pair>> {
  static constexpr const char* name = "absl::flat_hash_map";
  using Standard::Standard;
};
#endif
#ifdef SALUT_BENCH_BOOST_FLAT
struct BoostFlat
    : Standard<boost::unordered_flat_map<Key, std::uint32_t, KeyHash, std::equal_to<>, Pair>> {
  static constexpr const char* name = "boost::unordered_flat_map";
  using Standard::Standard;
};
#endif

struct Sums {
  std::uint64_t hits = 0, misses = 0;
  friend bool operator==(const Sums&, const Sums&) = default;
};
std::map<std::string, Sums>& sums() {
  static std::map<std::string, Sums> all;
  return all;
}

template <class Each>
void in_bursts(std::uint64_t n, Each&& each) {
  for (std::uint64_t i = 0; i < n; i += burst) {
    each(i, static_cast<unsigned>(std::min<std::uint64_t>(burst, n - i)));
  }
}

// Nanoseconds per item, and all of it into the iteration's time.
template <class F>
double timed(double& total_ns, std::uint64_t items, F&& work) {
  const Stopwatch watch;
  work();
  total_ns += watch.ns();
  return watch.ns() / static_cast<double>(items);
}

template <class T>
void life(benchmark::State& state) {
  const World& w = world();
  std::uint64_t hits = 0, misses = 0;
  for (auto _ : state) {
    double total = 0;
    auto table = std::make_unique<T>();
    report(state, "insert", T::name, timed(total, flows, [&] {
             in_bursts(flows, [&](auto i, auto n) { table->insert(&w.order[i], n); });
           }));
    report(state, "bytes", T::name, table->bytes() / static_cast<double>(flows));
    for (int round = 0; round < 3; ++round) {
      hits = misses = 0;
      report(state, "lookup", T::name, timed(total, w.queries.size(), [&] {
               in_bursts(w.queries.size(),
                         [&](auto i, auto n) { hits += table->lookup(&w.queries[i], n); });
             }));
      report(state, "miss", T::name, timed(total, w.absent.size(), [&] {
               in_bursts(w.absent.size(),
                         [&](auto i, auto n) { misses += table->lookup(&w.absent[i], n); });
             }));
    }
    report(state, "erase", T::name, timed(total, flows, [&] {
             in_bursts(flows, [&](auto i, auto n) { table->erase(&w.other[i], n); });
           }));
    for (const Key& key : w.queries) misses += table->lookup(&key, 1);  // none is left
    state.SetIterationTime(total / 1e9);
  }
  sums()[T::name] = {hits, misses};
  state.SetLabel("found " + std::to_string(hits) + ", wrongly " + std::to_string(misses));
}

// Milliseconds in which a burst waits, if a single insert takes them.
template <class T>
void worst(benchmark::State& state) {
  Steps steps;
  for (auto _ : state) {
    const Stopwatch watch;
    std::unique_ptr<T> table;
    if constexpr (std::is_constructible_v<T, bool>) {
      table = std::make_unique<T>(true);
    } else {
      table = std::make_unique<T>();
    }
    steps.new_round();
    for (const std::uint32_t index : world().order) {
      steps.time([&] { table->insert_one(index); });
    }
    state.SetIterationTime(watch.ns() / 1e9);
  }
  report(state, "worst_us", T::name, steps.worst_ns() / 1e3);
}

// Ours last, so that it can name the ratios.
template <class... T>
void add_all(unsigned iterations) {
  (add(std::string("life/") + T::name, life<T>)->Iterations(iterations), ...);
  (add(std::string("worst/") + T::name, worst<T>)->Iterations(2), ...);
}

// Everyone found the same.
void add_checks(Rows& rows) {
  for (const auto& [name, sum] : sums()) {
    if (sum != sums().begin()->second) {
      std::fprintf(stderr, "flow_table: %s found something else\n", name.c_str());
      std::exit(1);
    }
  }
  if (sums().empty()) return;
  rows.check("found", sums().begin()->second.hits);
  rows.check("wrongly", sums().begin()->second.misses);
}

void add_rows(Rows& rows) {
  const std::string of = ", " + in_words(flows) + " flows";
  add_row(rows, "lookup",
          {.what = "batched look-up that ends with the TCB's line in cache" + of, .target = 30});
  add_row(rows, "miss", {.what = "batched look-up of an absent key" + of});
  add_row(rows, "insert", {.what = "batched insert" + of, .target = 100});
  add_row(rows, "erase", {.what = "batched erase" + of, .target = 100});
  add_row(rows, "bytes",
          {.what = "memory per entry" + of,
           .unit = "bytes",
           .target = 12,
           .note = "filled to a load of 0.85; the others hold the key as well, and reserve()"});
  add_row(rows, "worst_us",
          {.what = "worst single insert" + of,
           .unit = "us",
           .target = 100,
           .note = "the others grow from empty, as a table without a limit has to"});
#ifndef SALUT_BENCH_ABSL
  rows.note("absl::flat_hash_map: not installed (libabsl-dev)");
#endif
#ifndef SALUT_BENCH_BOOST_FLAT
  rows.note("boost::unordered_flat_map: not run, needs Boost 1.81");
#endif
}

}  // namespace
}  // namespace salut::bench

int main(int argc, char** argv) {
  using namespace salut::bench;
  restart_with_huge_malloc(argv);
  Rows rows(text_flag(argc, argv, "rows"));
  flows = flag(argc, argv, "flows", flows);
  start_dpdk(256 + flows * 200 / 1'000'000);
  benchmark::Initialize(&argc, argv);
  say_where_data_lives("flow table and TCBs", static_cast<double>(flows) * (128 + 9.5) / 1e6);
  const unsigned iterations = flows > 2'000'000 ? 2 : 5;
  add_all<StdUnordered>(iterations);
#ifdef SALUT_BENCH_ABSL
  add_all<AbslFlat>(iterations);
#endif
#ifdef SALUT_BENCH_BOOST_FLAT
  add_all<BoostFlat>(iterations);
#endif
  add_all<RteHash>(iterations);
  add_all<Salut>(iterations);
  benchmark::RunSpecifiedBenchmarks();
  add_rows(rows);
  add_checks(rows);
  return rows.write() ? 0 : 1;
}
