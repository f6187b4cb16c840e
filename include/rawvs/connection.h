// SPDX-License-Identifier: BSD-2-Clause
// connection.h: the connection table: found by flow in one or two cache misses, expired by the million, one allocation.
// In:  flows, deadlines, the time.   Out: entries; the ones whose time has come.
// Not: what a packet does to its connection (track.h), which server it gets (scheduler.h).
// An entry is 40 bytes, its place in the index 8: 48 per IPv4 connection, all reserved at start and touched when used.
// The index is open addressing over 4-byte cells with a keyed hash (SipHash-1-3: clients choose their ports, and must
// not be able to choose collisions). Deadlines are kept in a timing wheel; a packet only moves the deadline in its
// entry, and the wheel looks again when the old deadline comes.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>

#include "rawvs/service.h"
#include "rawvs/siphash.h"
#include "rawvs/tcp_state.h"

namespace rawvs {

struct FlowKey {  // from the client's side. Templates: client masked, port 0; a mark's: protocol any, vip = the mark
  Ip client{};
  Ip vip{};
  Port cport{};
  Port vport{};
  Protocol protocol = Protocol::any;
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};

using ConnectionId = uint32_t;  // index into the table; kNoConnection = none
inline constexpr ConnectionId kNoConnection = 0;
inline constexpr uint32_t kMostConnections = (1u << 24) - 2;  // an index cell keeps 24 bits for the entry

struct Connection {  // 40 bytes, hot fields first
  enum : uint8_t {
    no_output = 1,  // the server's half is not seen (DR, TUN): input-only TCP rows
    inactive = 2,   // counted in its server's inactive, else in active
    inside = 4,     // the client is on Link::inside
    used = 128,     // the entry is in use
  };
  uint32_t client_v4, vip_v4;
  Port cport, vport;
  Protocol protocol;
  uint8_t state;  // TcpState; 0 for UDP
  uint8_t flags;
  uint8_t packets;   // from the client, wraps
  uint32_t expires;  // Tick
  ServerSlot server;
  std::array<uint8_t, 6> client_mac;  // where its packets came from, and answers go
  uint32_t timer_next, timer_prev;    // in the wheel; timer_next links free entries
  ConnectionId controlled_by;         // its persistence template, or FTP's control connection

  FlowKey key() const { return {Ip(client_v4), Ip(vip_v4), cport, vport, protocol}; }
};
static_assert(sizeof(Connection) == 40);

class ConnectionTable {
 public:
  ConnectionTable(uint32_t capacity, HashKey secret, Instant epoch);

  uint64_t hash(const FlowKey& key) const;
  void prefetch_cell(uint64_t hash) const;
  void prefetch_entry(uint64_t hash) const;

  Connection* find(const FlowKey& key, uint64_t hash);
  Connection* create(const FlowKey& key, uint64_t hash);  // null: full. No deadline yet: arm() it
  void remove(Connection& c);

  void arm(Connection& c, Instant now, Duration timeout);  // a (new) deadline: timeout from now
  bool expired(const Connection& c, Instant now) const;
  Duration left(const Connection& c, Instant now) const;  // until its deadline; 0 when it is over

  // An entry whose deadline is over, taken out of the wheel: remove() or arm() it. Null: none, or `work` is used up.
  // work counts wheel entries looked at, so that one call never takes long however many expire at once.
  Connection* due(Instant now, uint32_t& work);
  Instant next_deadline() const;  // when to call due() again; kNever when the table is empty

  uint32_t size() const { return used_; }
  uint32_t capacity() const { return capacity_; }
  uint64_t cells() const { return cell_mask_ + 1; }  // of the index
  size_t reserved_bytes() const { return bytes_; }
  ConnectionId id(const Connection& c) const { return static_cast<ConnectionId>(&c - entries_); }
  Connection* at(ConnectionId id);                  // null: no such entry in use
  ConnectionId id_limit() const { return fresh_; }  // entries in use have ids below this

 private:
  static constexpr uint32_t kLevels = 3, kSlots = 256;
  uint64_t tick(Instant now) const;
  uint64_t cell_of(const Connection& c) const;
  void place(Connection& c);
  void unplace(Connection& c);
  void mark_slot(uint32_t slot, bool filled);
  uint32_t current_slot() const;
  void step_wheel(uint64_t now_unit);
  std::optional<uint64_t> next_filled(uint32_t level) const;

  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  Connection* entries_ = nullptr;  // entries_[0] is never used: id 0 means none
  uint32_t* cells_ = nullptr;      // 0 = empty; else tag (8 bits) and id (24 bits)
  uint64_t cell_mask_ = 0;
  size_t bytes_ = 0;
  uint32_t capacity_ = 0, used_ = 0;
  uint32_t fresh_ = 1;  // entries from here on were never used
  ConnectionId free_ = kNoConnection;
  HashKey secret_{};
  Instant epoch_{};
  // The wheel: kLevels rings of kSlots lists; a slot of level n spans kSlots slots of level n-1.
  std::array<ConnectionId, kLevels * kSlots> heads_{};
  std::array<uint64_t, kLevels * kSlots / 64> filled_{};
  uint64_t wheel_unit_ = 0;  // the unit whose slot is looked at next
};

}  // namespace rawvs
