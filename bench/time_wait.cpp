// One hundred million sockets in TIME_WAIT: the flow table and the arena of src/flow, in memory
// that production takes (host/huge_memory.hpp), in virtual time.
//
//   fill    sockets close evenly over one 2MSL of 60 s until all of them wait
//   steady  as many close as expire, for a quarter of 2MSL
//   drain   nobody closes any more; the last one expires 2MSL later
//
// A turn does what the poll loop does with a burst of 64 segments: 63 sockets enter TIME_WAIT and
// one that waits gets a retransmitted FIN (found, its 2MSL started again: the record moves when the
// old one is over); and at most 1,024 records expire (tcp::timer_budget). Once a second of virtual
// time come 64 bursts of look-ups of random waiting sockets. Every socket is found when asked for,
// expires after 2MSL, never before, and its entry in the table with it.
//
// All pages are taken at start, as memory.prefault_time_wait has it. What one that is not there
// would cost the loop has a row of its own: without that key the arena's come as it fills.
// The alternative is what one writes in an afternoon: std::unordered_map and a FIFO of deadlines.
//
// --sockets=N (100,000), --others=N (at most 1,000,000), --rows=FILE; 100,000,000 take 4.4 GB and
// a minute.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <deque>
#include <fstream>
#include <memory>
#include <random>
#include <unordered_map>

#include "flow/table.hpp"
#include "flow/time_wait.hpp"
#include "host/huge_memory.hpp"
#include "rows.hpp"
#include "tcp/context.hpp"
#include "tools.hpp"

namespace salut::bench {
namespace {

using flow::Record;

constexpr unsigned burst = tcp::burst;
constexpr std::uint32_t two_msl = 57'221;  // ticks: 60 s
constexpr std::uint32_t second = 954;      // ticks
std::uint64_t sockets = 100'000;
std::uint64_t others = 0;

// Of the socket with this number, in the order in which they close; none comes twice.
Key key_of(std::uint64_t i) {
  return make_key(static_cast<std::uint32_t>(0x0a000000 + i / 60'000),
                  static_cast<std::uint16_t>(1024 + i % 60'000), 0xc0000201, 80);
}

double resident_gib() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1u << 30);
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "time_wait: %s\n", what);
  std::exit(1);
}

// The longest of many turns. All of it is done twice, the same to the last turn, and each counts
// with its better time: what only one of two has is the machine's.
class Turns {
 public:
  void new_round() { at_ = 0; }
  template <class F>
  void turn(F&& work) {
    const Stopwatch watch;
    work();
    const double ns = watch.ns();
    sum_ns += ns;
    longest_once_ns = std::max(longest_once_ns, ns);
    if (at_ == best_.size()) best_.push_back(std::numeric_limits<float>::max());
    best_[at_] = std::min(best_[at_], static_cast<float>(ns));
    ++at_;
  }
  double longest_ns() const { return *std::max_element(best_.begin(), best_.end()); }
  double sum_ns = 0, longest_once_ns = 0;

 private:
  std::vector<float> best_;
  std::size_t at_ = 0;
};

// What both contenders are put through; T has close(number), again(number), has(number), expire()
// and waits().
template <class T>
class Run {
 public:
  Run(std::uint64_t count, Turns& all_turns) : turns(all_turns), count_(count), world_(count) {
    turns.new_round();
  }

  void all() {
    note();
    const double t0 = turns.sum_ns;
    run_until(two_msl, [&] { return count_ * (now_ + 1) / two_msl - opened_; });
    close_ns = (turns.sum_ns - t0) / static_cast<double>(opened_);
    run_until(now_ + two_msl / 4, [&] { return count_ - world_.waits(); });
    const std::uint64_t expired = world_.expired;
    const double t1 = turns.sum_ns;
    run_until(now_ + two_msl + 1, [] { return std::uint64_t{0}; });
    expire_ns = (turns.sum_ns - t1) / static_cast<double>(world_.expired - expired);
    if (world_.waits() != 0 || world_.expired != opened_) fail("a socket is lost");
  }

  Turns& turns;
  double close_ns = 0, expire_ns = 0, look_up_ns = 1e18, peak_gib = 0;
  std::uint64_t peak = 0, again = 0, found = 0;
  Points in_time_wait, memory;
  std::uint64_t opened() const { return opened_; }
  double bytes_per_socket() const { return world_.bytes / static_cast<double>(peak); }

 private:
  // Turns until the tick `end`; room() says how many sockets may still close in this tick.
  template <class Room>
  void run_until(std::uint32_t end, Room&& room) {
    while (now_ < end) {
      opened_at_.push_back(opened_);
      bool more = true;
      while (more) {
        turns.turn([&] {
          const unsigned used = world_.expire(Tick{now_});
          const auto n = static_cast<unsigned>(std::min<std::uint64_t>(burst - 1, room()));
          const unsigned closed = world_.close(opened_, n, now_ + two_msl);
          opened_ += closed;
          if (n > 0) one_again();
          more = closed == burst - 1 || used >= tcp::timer_budget;
        });
      }
      if (now_ % second == 0) {
        note();
        look_up(64);
      }
      ++now_;
    }
  }

  // The first number that has not expired: from here on all wait.
  std::uint64_t oldest() const { return now_ < two_msl ? 0 : opened_at_[now_ - two_msl + 1]; }
  void one_again() {
    if (oldest() == opened_) return;
    if (world_.again(oldest() + random_() % (opened_ - oldest()), now_ + two_msl)) ++again;
  }
  void look_up(unsigned bursts) {
    if (oldest() == opened_) return;
    std::vector<std::uint64_t> numbers(std::size_t{bursts} * burst);
    for (auto& number : numbers) number = oldest() + random_() % (opened_ - oldest());
    const Stopwatch watch;
    for (std::size_t i = 0; i < numbers.size(); i += burst) world_.find_burst(&numbers[i]);
    const double ns = watch.ns() / static_cast<double>(numbers.size());
    // With all of them there: an empty table is in cache.
    if (world_.waits() > count_ * 9 / 10) look_up_ns = std::min(look_up_ns, ns);
    found += numbers.size();
  }
  void note() {
    const double seconds = now_ * 1.048576e-3;
    const double gib = resident_gib();
    peak_gib = std::max(peak_gib, gib);
    peak = std::max<std::uint64_t>(peak, world_.waits());
    in_time_wait.emplace_back(seconds, world_.waits());
    memory.emplace_back(seconds, gib);
  }

  std::uint64_t count_;
  T world_;
  std::uint32_t now_ = 0;
  std::uint64_t opened_ = 0;              // sockets have numbers, in the order in which they close
  std::vector<std::uint64_t> opened_at_;  // by tick
  std::mt19937_64 random_{1};
};

// What the first touch of 2 MiB costs who needs it: the worst of sixteen.
double first_touch_us() {
  constexpr std::size_t page = 2 << 20, pages = 16;
  HugeMemory memory;
  auto* const bytes =
      static_cast<volatile std::byte*>(memory.allocate((pages + 1) * page, Use::time_wait));
  Turns touches;
  for (std::size_t i = 1; i <= pages; ++i) {
    touches.turn([&] {
      for (std::size_t at = 0; at < page; at += 4096) bytes[i * page + at] = std::byte{1};
    });
  }
  memory.release(const_cast<std::byte*>(bytes), (pages + 1) * page, Use::time_wait);
  return touches.longest_ns() / 1e3;
}

class Salut {
 public:
  explicit Salut(std::uint64_t count)
      : table_(memory_, count),
        arena_(memory_, static_cast<std::uint32_t>(count), Tick{0}, two_msl + 2) {
    bytes = static_cast<double>(memory_.bytes(Use::flow_table) + memory_.bytes(Use::time_wait));
  }
  std::uint64_t waits() const { return arena_.size(); }
  std::uint64_t expired = 0;
  double bytes = 0;

  unsigned close(std::uint64_t first, unsigned n, std::uint32_t deadline) {
    Record records[burst];
    std::uint64_t hashes[burst];
    for (unsigned i = 0; i < n; ++i) {
      records[i].key = key_of(first + i);
      records[i].snd_nxt = static_cast<std::uint32_t>(first + i);
      records[i].deadline = deadline;
      table_.prefetch(hashes[i] = hash_(records[i].key));
    }
    for (unsigned i = 0; i < n; ++i) {
      const std::uint32_t index = arena_.append(records[i]);
      if (index == flow::TimeWait::none) return i;  // in a stack the TCB itself waits
      if (!table_.insert(hashes[i], index | tcp::time_wait_bit)) fail("the table is full");
    }
    return n;
  }

  bool again(std::uint64_t number, std::uint32_t deadline) {
    const Key key = key_of(number);
    return arena_.restart(find(hash_(key), key), Tick{deadline});
  }

  unsigned expire(Tick now) {
    const auto moved = [&](std::uint32_t from, std::uint32_t to) {
      const std::uint64_t hash = hash_(arena_[to].key);
      if (!table_.replace(hash, from | tcp::time_wait_bit, to | tcp::time_wait_bit))
        fail("replace");
    };
    const auto gone = [&](std::span<const flow::Expired> batch) {
      std::uint64_t hashes[flow::TimeWait::max_batch];
      for (std::size_t i = 0; i < batch.size(); ++i) {
        table_.prefetch(hashes[i] = hash_(batch[i].record->key));
      }
      for (std::size_t i = 0; i < batch.size(); ++i) {
        if (Tick{batch[i].record->deadline} > now) fail("a socket expires before 2MSL");
        if (!table_.erase(hashes[i], batch[i].index | tcp::time_wait_bit)) fail("erase");
      }
      expired += batch.size();
    };
    return arena_.expire(now, tcp::timer_budget, gone, moved);
  }

  void find_burst(const std::uint64_t* numbers) const {
    Key keys[burst];
    std::uint64_t hashes[burst];
    std::uint32_t at[burst];
    for (unsigned i = 0; i < burst; ++i) {
      keys[i] = key_of(numbers[i]);
      table_.prefetch(hashes[i] = hash_(keys[i]));
      at[i] = flow::Table::none;
    }
    table_.candidates(hashes, burst, [&](unsigned i, std::uint32_t index) {
      at[i] = index & ~tcp::time_wait_bit;
      arena_.prefetch(at[i]);
    });
    for (unsigned i = 0; i < burst; ++i) {
      if (at[i] == flow::Table::none || arena_[at[i]].key != keys[i]) [[unlikely]]
        at[i] = find(hashes[i], keys[i]);
      if (arena_[at[i]].dead != 0) fail("a dead record is found");
    }
  }

 private:
  std::uint32_t find(std::uint64_t hash, const Key& key) const {
    const std::uint32_t index = table_.find(
        hash, [&](std::uint32_t at) { return arena_[at & ~tcp::time_wait_bit].key == key; });
    if (index == flow::Table::none) fail("a waiting socket is not found");
    return index & ~tcp::time_wait_bit;
  }

  // As memory.prefault and memory.prefault_time_wait make it.
  HugeMemory memory_{{.arrays = true, .time_wait = true}};
  flow::Table table_;
  flow::TimeWait arena_;
  Hasher hash_{1};
};

// A map and a FIFO: a FIN that came again appends, and what stands before is skipped.
class Naive {
 public:
  explicit Naive(std::uint64_t) : before_(heap_bytes()) {}
  std::uint64_t waits() const { return map_.size(); }
  std::uint64_t expired = 0;
  double bytes = 0;

  unsigned close(std::uint64_t first, unsigned n, std::uint32_t deadline) {
    for (unsigned i = 0; i < n; ++i) {
      Record record;
      record.key = key_of(first + i);
      record.deadline = deadline;
      map_.emplace(record.key, record);
      fifo_.emplace_back(deadline, record.key);
    }
    if (first % 8192 < burst) bytes = std::max(bytes, heap_bytes() - before_);
    return n;
  }
  bool again(std::uint64_t number, std::uint32_t deadline) {
    Record& record = map_.at(key_of(number));
    record.deadline = deadline;
    fifo_.emplace_back(deadline, record.key);
    return true;
  }
  unsigned expire(Tick now) {
    unsigned used = 0;
    for (; used < tcp::timer_budget && !fifo_.empty(); ++used) {
      const auto& [deadline, key] = fifo_.front();
      if (Tick{deadline} > now) break;
      const auto it = map_.find(key);
      if (it != map_.end() && it->second.deadline == deadline) {
        map_.erase(it);
        ++expired;
      }
      fifo_.pop_front();
    }
    return used;
  }
  void find_burst(const std::uint64_t* numbers) const {
    for (unsigned i = 0; i < burst; ++i) {
      if (!map_.contains(key_of(numbers[i]))) fail("the map lost a socket");
    }
  }

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const { return hasher(key); }
    Hash() : hasher(1) {}
    Hasher hasher;
  };
  static double heap_bytes() {
    const struct mallinfo2 heap = mallinfo2();
    return static_cast<double>(heap.uordblks + heap.hblkhd);
  }
  double before_;
  std::unordered_map<Key, Record, Hash> map_;
  std::deque<std::pair<std::uint32_t, Key>> fifo_;
};

void add_rows(Rows& rows, const Run<Salut>& ours, const Run<Naive>& naive) {
  const std::string of = ", " + in_words(sockets) + " sockets in TIME_WAIT";
  const bool full = sockets >= 100'000'000;
  const std::string other = "unordered_map and FIFO";
  const std::string fewer = others == sockets ? "" : other + " with " + in_words(others) + " only";
  const double gib = 1u << 30;
  rows.add({.what = "memory, flow table and arena" + of,
            .figure = ours.bytes_per_socket() * static_cast<double>(ours.peak) / gib,
            .unit = "GiB",
            .target = full ? std::optional(5.0) : std::nullopt,
            .alternative = other,
            .alternative_figure = naive.bytes_per_socket() * static_cast<double>(ours.peak) / gib,
            .note = fewer.empty()
                        ? ""
                        : "the alternative's bytes per socket are of " + in_words(others)});
  rows.add({.what = "resident memory of the whole process at its peak" + of,
            .figure = ours.peak_gib,
            .unit = "GiB",
            .target = full ? std::optional(5.0) : std::nullopt});
  char once[128];
  std::snprintf(once, sizeof(once),
                "structures without an engine, while they fill and expire; in one of the rounds "
                "only: %.0f us",
                ours.turns.longest_once_ns / 1e3);
  rows.add({.what = "longest turn of a model of the poll loop, CPU time, best of two rounds" + of,
            .figure = ours.turns.longest_ns() / 1e3,
            .unit = "us",
            .target = 1000,
            .alternative = other,
            .alternative_figure = naive.turns.longest_ns() / 1e3,
            .note = std::string(once) + (fewer.empty() ? "" : "; ") + fewer});
  const auto per_socket = [&](const char* what, double figure, double alternative) {
    rows.add({.what = what + of,
              .figure = figure,
              .unit = "ns",
              .alternative = other,
              .alternative_figure = alternative,
              .note = fewer});
  };
  per_socket("enter TIME_WAIT, one in 63 twice", ours.close_ns, naive.close_ns);
  per_socket("look-up that ends with the record's line in cache", ours.look_up_ns,
             naive.look_up_ns);
  per_socket("expire", ours.expire_ns, naive.expire_ns);
  rows.add(Plot{.title = "Sockets in TIME_WAIT over time, 2MSL 60 s",
                .x = "virtual time, s",
                .y = "sockets in TIME_WAIT",
                .series = {{"salut", ours.in_time_wait}}});
  rows.add(Plot{.title = "Memory over time",
                .x = "virtual time, s",
                .y = "resident memory, GiB",
                .series = {{"salut", ours.memory}}});
  rows.add({.what = "first touch of 2 MiB of the arena, if its pages are not taken at start",
            .figure = first_touch_us(),
            .unit = "us",
            .note = "once for 65,536 sockets, until the arena has been full once"});
  rows.check("closed", ours.opened());
  rows.check("again", ours.again);
  rows.check("found", ours.found);
  rows.check("peak", ours.peak);
}

}  // namespace
}  // namespace salut::bench

int main(int argc, char** argv) {
  using namespace salut::bench;
  Rows rows(text_flag(argc, argv, "rows"));
  sockets = flag(argc, argv, "sockets", sockets);
  others = flag(argc, argv, "others", std::min<std::uint64_t>(sockets, 1'000'000));
  if (argc > 1 || sockets < 1000 || sockets > 200'000'000 || others < 1000) {
    std::fprintf(stderr, "time_wait: --sockets=1000..200000000 --others=N --rows=FILE\n");
    return 2;
  }
  Turns our_turns, naive_turns;
  Run<Salut>(sockets, our_turns).all();
  Run<Salut> ours(sockets, our_turns);
  ours.all();
  Run<Naive>(others, naive_turns).all();
  Run<Naive> naive(others, naive_turns);
  naive.all();
  std::printf("%lu sockets: peak %lu, %.1f bytes each, resident %.2f GiB\n", sockets, ours.peak,
              ours.bytes_per_socket(), ours.peak_gib);
  std::printf("longest turn %.0f us (%.0f in one round only)\n", ours.turns.longest_ns() / 1e3,
              ours.turns.longest_once_ns / 1e3);
  std::printf("enter %.1f ns, look-up %.1f ns, expire %.1f ns\n", ours.close_ns, ours.look_up_ns,
              ours.expire_ns);
  std::printf("a map and a FIFO, %lu: %.1f bytes, %.0f us, %.1f, %.1f, %.1f ns\n", others,
              naive.bytes_per_socket(), naive.turns.longest_ns() / 1e3, naive.close_ns,
              naive.look_up_ns, naive.expire_ns);
  add_rows(rows, ours, naive);
  return rows.write() ? 0 : 1;
}
