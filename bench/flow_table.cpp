// The flow table against rte_hash (bulk), absl::flat_hash_map and std::unordered_map.
//
//   lookup   a burst of 64 random keys that are present; ends when the first line of each one's
//            TCB has been read, because that is what a look-up is for
//   miss     the same with keys that are absent: a SYN flood
//   insert   all keys in random order into an empty table of the final size
//   erase    all keys in another random order
//
// --flows=N (131,072): 10,000,000 needs 8 GB and some minutes.
#include "flow/table.hpp"

#include <rte_hash.h>
#include <rte_hash_crc.h>

#include <memory>
#include <numeric>
#include <random>
#include <unordered_map>

#include "bench.hpp"
#ifdef SALUT_BENCH_ABSL
#include <absl/container/flat_hash_map.h>
#endif

namespace salut::bench {
namespace {

using flow::Key;

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
  flow::Hasher hasher{1};
};

// The same for all: TCBs, queries in random order, present and absent.
struct World {
  World() : tcbs(memory, flows, Use::tcb), order(flows), queries(flows), absent(flows) {
    std::mt19937_64 random(1);
    for (std::uint32_t i = 0; i < flows; ++i) tcbs[i] = Tcb{key_of(i), i, {}};
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (Key& key : queries) key = key_of(static_cast<std::uint32_t>(random() % flows));
    for (Key& key : absent) key = key_of(static_cast<std::uint32_t>(flows + random() % flows));
  }
  // Clients of a load generator: consecutive ports of consecutive addresses.
  static Key key_of(std::uint32_t i) {
    return flow::make_key(0x0a000000 + i / 60'000, static_cast<std::uint16_t>(1024 + i % 60'000),
                          0xc0000201, 80);
  }

  PageMemory memory;
  FixedArray<Tcb> tcbs;
  std::vector<std::uint32_t> order;
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
    for (unsigned i = 0; i < n; ++i) table.prefetch(hashes[i] = hash(keys[i]));
    table.candidates(hashes, found, n);
    for (unsigned i = 0; i < n; ++i) {
      if (found[i] != flow::Table::none) __builtin_prefetch(&tcbs[found[i]]);
    }
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
  PageMemory memory;
  flow::Table table;
  flow::Hasher hash{1};
};

struct RteHash {
  static constexpr const char* name = "rte_hash";
  RteHash() {
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
  rte_hash* table = nullptr;
};

template <class Map>
struct Standard {
  Standard() { map.reserve(flows); }
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
  Map map;
};
struct StdUnordered : Standard<std::unordered_map<Key, std::uint32_t, KeyHash>> {
  static constexpr const char* name = "std_unordered_map";
};
#ifdef SALUT_BENCH_ABSL
struct AbslFlat : Standard<absl::flat_hash_map<Key, std::uint32_t, KeyHash>> {
  static constexpr const char* name = "absl_flat_hash_map";
};
#endif

template <class Each>
void in_bursts(std::uint64_t n, Each&& each) {
  for (std::uint64_t i = 0; i < n; i += burst) {
    each(i, static_cast<unsigned>(std::min<std::uint64_t>(burst, n - i)));
  }
}

template <class T>
double timed(benchmark::State& state, T&& work) {
  const Stopwatch watch;
  work();
  const double ns = watch.ns();
  state.SetIterationTime(ns / 1e9);
  return ns / static_cast<double>(flows);
}

template <class T>
void look_up(benchmark::State& state, const char* what, const std::vector<Key>& keys) {
  T table;
  in_bursts(flows, [&](auto i, auto n) { table.insert(&world().order[i], n); });
  double best = 1e18;
  std::uint64_t sum = 0;
  for (auto _ : state) {
    sum = 0;
    best = std::min(best, timed(state, [&] {
                      in_bursts(flows, [&](auto i, auto n) { sum += table.lookup(&keys[i], n); });
                    }));
  }
  report(state, what, T::name, best, sum);
}

template <class T>
void lookup(benchmark::State& state) {
  look_up<T>(state, "lookup", world().queries);
}
template <class T>
void miss(benchmark::State& state) {
  look_up<T>(state, "miss", world().absent);
}

// The order of insertion, backwards and from the middle, is as random as the order itself.
template <class T>
void fill_and_empty(benchmark::State& state, const char* what, bool time_insert) {
  double best = 1e18;
  std::vector<std::uint32_t> other(world().order.rbegin(), world().order.rend());
  std::rotate(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(flows / 2), other.end());
  for (auto _ : state) {
    auto table = std::make_unique<T>();
    const auto fill = [&] {
      in_bursts(flows, [&](auto i, auto n) { table->insert(&world().order[i], n); });
    };
    const auto empty = [&] {
      in_bursts(flows, [&](auto i, auto n) { table->erase(&other[i], n); });
    };
    if (time_insert) {
      best = std::min(best, timed(state, fill));
    } else {
      fill();
      best = std::min(best, timed(state, empty));
    }
  }
  report(state, what, T::name, best, flows);
}
template <class T>
void insert(benchmark::State& state) {
  fill_and_empty<T>(state, "insert", true);
}
template <class T>
void erase(benchmark::State& state) {
  fill_and_empty<T>(state, "erase", false);
}

// One after another, ours last, so that it can name the ratios.
template <class... T>
void add_each(const std::string& what, const std::vector<void (*)(benchmark::State&)>& runs,
              unsigned iterations) {
  const std::vector<std::string> names = {T::name...};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    add(what + "/" + names[i], runs[i])->Iterations(iterations);
  }
}
template <class... T>
void add_all(unsigned iterations) {
  add_each<T...>("lookup", {lookup<T>...}, iterations);
  add_each<T...>("miss", {miss<T>...}, iterations);
  add_each<T...>("insert", {insert<T>...}, iterations);
  add_each<T...>("erase", {erase<T>...}, iterations);
}

}  // namespace
}  // namespace salut::bench

int main(int argc, char** argv) {
  using namespace salut::bench;
  restart_with_huge_malloc(argv);
  flows = flag(argc, argv, "flows", flows);
  start_dpdk(256 + flows * 200 / 1'000'000);
  benchmark::Initialize(&argc, argv);
  say_where_data_lives("flow table and TCBs", static_cast<double>(flows) * (128 + 9.5) / 1e6);
  const unsigned iterations = flows > 2'000'000 ? 3 : 10;
#ifdef SALUT_BENCH_ABSL
  add_all<StdUnordered, AbslFlat, RteHash, Salut>(iterations);
#else
  add_all<StdUnordered, RteHash, Salut>(iterations);
#endif
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
