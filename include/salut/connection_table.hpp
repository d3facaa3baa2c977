// What a program knows of each connection: a fixed array, indexed by the connection's slot.
//
//   struct Session {
//     std::uint32_t generation = 0;
//     std::uint32_t unsent = 0;
//   };
//   salut::ConnectionTable<Session> sessions(config.stack.connections);
//   for (const salut::Event& event : stack.poll()) {
//     if (event.has(salut::Event::accepted)) sessions.open(event.connection);
//     Session* session = sessions.find(event.connection);
//     if (session == nullptr) continue;
//     ...
//     if (event.has(salut::Event::closed)) sessions.close(*session);
//   }
//
// A stack numbers its connections densely from 0 to StackConfig::connections, so a program needs no
// map, no free list and no set_user(): the record lies at the slot, and the generation in it says
// whether it is of this connection or of an earlier one. Slots are reused last in, first out by the
// stack, so that the records in use stay in cache as its connections do. std::unordered_map with
// std::hash<Connection> does the same for a few connections.
//
// A Record is trivially copyable and has a member `std::uint32_t generation`, which the table
// writes. Memory comes zeroed and untouched from the system: slots that are never used cost address
// space only. The constructor throws std::bad_alloc; nothing else allocates.
//
// Threads: one table for each Stack, on its lcore.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#include "salut/connection.hpp"

namespace salut {

template <typename Record>
class ConnectionTable {
  static_assert(std::is_trivially_copyable_v<Record> && std::is_trivially_destructible_v<Record>);

 public:
  // `slots`: StackConfig::connections of the stack.
  explicit ConnectionTable(std::uint32_t slots)
      : slots_(slots), records_(static_cast<Record*>(std::calloc(slots, sizeof(Record)))) {
    if (records_ == nullptr) throw std::bad_alloc();
  }

  // The record of a connection, or nullptr if it has none.
  Record* find(Connection connection) {
    const std::uint32_t slot = connection.slot() & slot_mask;
    if (slot >= slots_) return nullptr;
    Record* record = &records_.get()[slot];
    return connection && record->generation == connection.generation() ? record : nullptr;
  }

  // Prefetches the record, for a find() some events later.
  void prefetch(Connection connection) const {
    const std::uint32_t slot = connection.slot() & slot_mask;
    if (slot < slots_) __builtin_prefetch(&records_.get()[slot], 1);
  }

  // A fresh record, or nullptr if the slot is beyond the table.
  Record* open(Connection connection) {
    const std::uint32_t slot = connection.slot() & slot_mask;
    if (slot >= slots_) return nullptr;
    stack_bits_ = connection.slot() & ~slot_mask;
    if (slot >= used_) used_ = slot + 1;
    Record* record = &records_.get()[slot];
    *record = Record{};
    record->generation = connection.generation();
    return record;
  }

  // Forgets it. The connection is left as it is.
  static void close(Record& record) { record.generation = 0; }

  // The handle of an open record.
  Connection connection(const Record& record) const {
    return Connection(slot_of(record) | stack_bits_, record.generation);
  }

  // By slot, for who keeps records in lists. REQUIRES: `slot` is that of a record.
  std::uint32_t slot_of(const Record& record) const {
    return static_cast<std::uint32_t>(&record - records_.get());
  }
  Record& operator[](std::uint32_t slot) { return records_.get()[slot]; }

  // One past the highest slot that was ever open, for walks over all of them.
  std::uint32_t used() const { return used_; }
  // The record at a slot below used(), or nullptr if it is not open.
  Record* at(std::uint32_t slot) {
    Record* record = &records_.get()[slot];
    return record->generation != 0 ? record : nullptr;
  }

  template <typename Function>  // Function(Connection, Record&), which may close the record
  void for_each(Function function) {
    for (std::uint32_t slot = 0; slot < used_; ++slot) {
      if (Record* record = at(slot)) function(connection(*record), *record);
    }
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  static constexpr std::uint32_t slot_mask = (1u << Connection::slot_bits) - 1;

  std::uint32_t slots_;
  std::uint32_t used_ = 0;
  std::uint32_t stack_bits_ = 0;
  std::unique_ptr<Record, Free> records_;
};

}  // namespace salut
