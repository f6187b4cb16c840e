// SPDX-License-Identifier: BSD-2-Clause
// connection.h: the connection table: found by flow in one or two cache misses, expired by the million, one allocation.
// In:  flows, deadlines, the time.   Out: entries; the ones whose time has come.
// Not: what a packet does to its connection (track.h), which server it gets (scheduler.h).
// An entry is 48 bytes, its places in the two indexes 16 to 32 (they double at powers of two): 64 to 80 per IPv4
// connection, all reserved at start and touched when used (the second index by NAT only). Persistence templates are
// entries, too, with the client's address masked and no client port. The indexes are open addressing over 4-byte cells
// with a keyed hash (SipHash-1-3: clients choose their ports, and must not be able to choose collisions). Deadlines
// are kept in a timing wheel; a packet only moves the deadline in its entry, and the wheel looks again when the old
// deadline comes.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "core/flow.h"
#include "core/service.h"
#include "core/siphash.h"
#include "rawvs/frame.h"

namespace rawvs {

enum class Side : uint8_t { client, server };  // from which side a connection is looked up: its two indexes

using ConnectionId = uint32_t;  // index into the table; kNoConnection = none
inline constexpr ConnectionId kNoConnection = 0;
// With one key from one side. They lie in a row, so that each costs the next one time, and clients can make them: by
// asking for many ports of a VIP that NAT sends to one.
inline constexpr uint32_t kMostAlike = 64;
inline constexpr uint32_t kMostConnections = (1u << 24) - 2;  // an index cell keeps 24 bits for the entry

struct Connection {  // 48 bytes
  enum : uint8_t {
    no_output = 1,     // the server's half is not seen (DR, TUN): input-only TCP rows
    inactive = 2,      // counted in its server's inactive, else in active
    inside = 4,        // the client is on Link::inside
    two_sided = 8,     // NAT: found from the server's side, too
    persistence = 16,  // a template: state is 1 when a connection of it was established ("assured")
    method_shift = 5,  // two bits from here on: Method, the server's when the connection began
    used = 128,        // the entry is in use
  };
  struct Peer {                         // of a connection:
    std::array<uint8_t, 6> client_mac;  // where its packets came from, and answers go; 0: not known yet
    uint16_t ftp;                       // its session in ftp.h, 0 = none
  };
  struct Stay {         // of a template:
    uint32_t children;  // connections it controls
    uint32_t seconds;   // its timeout, restarted by each new connection
  };
  uint32_t client_v4, vip_v4, server_v4;
  Port cport, vport, rport;  // rport: the server's
  ServerSlot server;
  Protocol protocol;
  uint8_t state;  // TcpState, SctpState; 0 for UDP
  uint8_t flags;
  uint8_t packets;   // from the client, wraps: IPVS's connection synchronisation sends by this number
  uint32_t expires;  // Tick
  union {
    Peer peer;
    Stay stay;
  };
  uint32_t timer_next, timer_prev;  // in the wheel; timer_next links free entries
  ConnectionId controlled_by;       // its persistence template, or FTP's control connection
  bool is_template() const { return (flags & persistence) != 0; }
  Method method() const { return static_cast<Method>(flags >> method_shift & 3); }
  FlowKey key() const { return {Ip(client_v4), Ip(vip_v4), cport, vport, protocol, is_template()}; }
  FlowKey key(Side side) const {
    return side == Side::client ? key() : FlowKey{Ip(client_v4), Ip(server_v4), cport, rport, protocol, false};
  }
  Endpoint client() const { return {Ip(client_v4), cport}; }
  Endpoint vip() const { return {Ip(vip_v4), vport}; }
  Endpoint real_server() const { return {Ip(server_v4), rport}; }
  Link link() const { return (flags & inside) != 0 ? Link::inside : Link::outside; }
  ReplyFlow reply_flow() const { return {protocol, real_server(), client()}; }
};
static_assert(sizeof(Connection) == 48);

class ConnectionTable {
 public:
  ConnectionTable(uint32_t capacity, HashKey secret, Instant epoch);

  uint64_t hash(const FlowKey& key) const;
  void prefetch_cell(Side side, uint64_t hash) const;
  void prefetch_entry(Side side, uint64_t hash) const;

  // Of several with one key the newest is found, as in IPVS.
  const Connection* find(Side side, const FlowKey& key, uint64_t hash) const;
  Connection* find(Side side, const FlowKey& key, uint64_t hash) {
    return const_cast<Connection*>(std::as_const(*this).find(side, key, hash));
  }
  // Null: full, or kMostAlike have this key already. No deadline yet: arm() it.
  Connection* create(const FlowKey& key, uint64_t hash);
  // server_v4 and rport are set: from now on found by them, too. False, and nothing done: kMostAlike are.
  bool add_server_side(Connection& c);
  void rename(Connection& c, const FlowKey& key);  // from now on found, from the client's side, by this key
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
  uint32_t two_sided() const { return two_sided_; }  // entries that are found from the server's side, too
  uint64_t cells() const { return cell_mask_ + 1; }  // of an index
  size_t reserved_bytes() const { return bytes_; }
  ConnectionId id(const Connection& c) const { return static_cast<ConnectionId>(&c - entries_); }
  Connection* at(ConnectionId id);                  // null: no such entry in use
  ConnectionId id_limit() const { return fresh_; }  // entries in use have ids below this

 private:
  static constexpr uint32_t kLevels = 3, kSlots = 256;
  uint64_t tick(Instant now) const;
  // cppcheck-suppress CastIntegerToAddressAtReturn ; it is a pointer that is returned
  uint32_t* cells_of(Side side) const { return cells_[static_cast<size_t>(side)]; }
  bool crowded(Side side, const FlowKey& key, uint64_t hash) const;
  void insert(Side side, ConnectionId id, uint64_t hash);
  void erase(Side side, const Connection& c);
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
  Connection* entries_ = nullptr;     // entries_[0] is never used: id 0 means none
  std::array<uint32_t*, 2> cells_{};  // of each Side: 0 = empty; else tag (8 bits) and id (24 bits)
  uint64_t cell_mask_ = 0;
  size_t bytes_ = 0;
  uint32_t capacity_ = 0, used_ = 0, two_sided_ = 0;
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
