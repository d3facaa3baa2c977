// A public Stack over an engine of the seeded world, so that applications, which know nothing else,
// run in virtual time. The executable links the protocol and this instead of the machine.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "io/sim/world.hpp"
#include "salut/stack.hpp"

namespace salut {

class Stack::Impl {
 public:
  Impl(sim::World& sim_world, sim::Host& sim_host) : world(sim_world), host(sim_host) {}
  sim::World& world;
  sim::Host& host;
  std::vector<Event> events;  // of the last step
  bool stopping = false;
};

namespace app {

inline constexpr std::uint32_t client_ip = 0x0a000001;
inline constexpr std::uint32_t server_ip = 0x0a000002;

// Two hosts on a link, each with a Stack; what a host does in its turns is set by on_turn().
class Pair {
 public:
  explicit Pair(std::uint64_t seed, const sim::Conditions& conditions = {},
                const StackConfig& config = small_config());
  ~Pair();
  Pair(const Pair&) = delete;

  static StackConfig small_config();

  Stack& client() { return *client_; }
  Stack& server() { return *server_; }
  sim::World& world() { return world_; }

  using Turn = std::function<void(Stack&, std::span<const Event>)>;
  void on_client_turn(Turn turn) { client_turn_ = std::move(turn); }
  void on_server_turn(Turn turn) { server_turn_ = std::move(turn); }

  // Turns at least every millisecond until the condition holds; false if it never did.
  bool run_until(const std::function<bool()>& condition, Duration limit = std::chrono::minutes{5});
  void run_for(Duration duration);

 private:
  sim::World world_;
  Turn client_turn_ = [](Stack&, std::span<const Event>) {};
  Turn server_turn_ = [](Stack&, std::span<const Event>) {};
  std::unique_ptr<Stack> client_;
  std::unique_ptr<Stack> server_;
};

inline std::string random_text(std::uint64_t seed, std::size_t size) {
  std::mt19937_64 random(seed);
  std::string text(size, 0);
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

}  // namespace app
}  // namespace salut
