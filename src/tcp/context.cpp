#include "tcp/context.hpp"

#include <algorithm>

#include "tcp/reserves.hpp"

namespace salut::tcp {
namespace {

// The longest deadline that the TIME_WAIT arena will be given, in ticks.
std::uint32_t ticks_of(Duration duration) {
  return static_cast<std::uint32_t>(duration.count() >> tick_shift) + 2;
}

ip::NeighbourOptions neighbour_options(const StackConfig& config, std::uint64_t seed) {
  ip::NeighbourOptions options;
  options.capacity = config.neighbour_entries();
  options.waiting = config.neighbour_frames;
  options.waiting_each = config.neighbour_queue;
  options.seed = seed;
  return options;
}

// The smallest shift with which the header carries the whole buffer.
std::uint8_t scale_for(std::uint32_t buffer) {
  std::uint8_t shift = 0;
  while (shift < max_window_scale && buffer >> shift > 65'535) ++shift;
  return shift;
}
}  // namespace

Context::Context(const StackConfig& stack_config, std::vector<ip::Interface> ports_of_stack,
                 FramePool& pool, Memory& memory, std::uint64_t seed, std::uint8_t id,
                 Instant start)
    : config(stack_config),
      stack_id(id),
      clock(start),
      rcv_scale(scale_for(config.recv_buffer)),
      plenty_blocks((config.buffer_blocks >> kept_for_small) +
                    (config.recv_buffer + recv_per_block - 1) / recv_per_block),
      syn_wait(std::min(config.rto_initial, config.syn_timeout)),
      interfaces(std::move(ports_of_stack), pool, memory, counters,
                 neighbour_options(config, derived_seed(seed, SeedFor::neighbours))),
      tcbs(memory, config.connections),
      streams(memory, config.connections, Use::buffers),
      origins(memory, config.connections, Use::buffers),
      recoveries(memory, config.connections, Use::buffers),
      // Who has two ranges has bytes in flight, and a block for them. A segment fills most of a
      // block: with two for each, every segment in flight may have a range of its own.
      ranges(memory, config.connections, std::min(config.connections, config.buffer_blocks),
             2 * std::min(config.buffer_blocks, 1u << 30)),
      islands(memory, config.buffer_blocks, Use::buffers),
      buffers(memory, config.buffer_blocks, &interfaces, config.lent_frames),
      hash(seed),
      flows(memory, std::uint64_t{config.connections} + config.time_wait),
      time_wait(memory, config.time_wait, clock.tick, ticks_of(2 * config.msl)),
      listeners(memory),
      listener_options(memory, flow::Listeners::capacity, Use::tcb),
      fold(derived_seed(seed, SeedFor::address_fold)),
      wheel(memory, config.connections + config.timers, clock.tick),
      app_timers(memory, config.timers, config.connections,
                 std::uint32_t{id} << Connection::slot_bits),
      isn(seed ^ 0x2545f4914f6cdd1d),
      answers(memory, config.connections),
      cookies(seed ^ 0xe7037ed1a0b428db),
      outputs(memory, config.connections),
      events(memory, event_capacity, Use::tcb) {
  for (unsigned port = 0; port < interfaces.count(); ++port) {
    const Mac& mac = interfaces.interface(port).mac;
    const auto ttl = static_cast<std::uint8_t>(config.ttl);
    templates[port] = {wire::FrameTemplate::ip4(mac, ttl), wire::FrameTemplate::ip6(mac, ttl)};
  }
  if (interfaces.has_ip6()) {
    addresses6 = FixedArray<AddressPair>(memory, config.connections, Use::tcb);
    time_wait6 = FixedArray<AddressPair>(memory, time_wait.index_end(), Use::time_wait);
  }
}

}  // namespace salut::tcp
