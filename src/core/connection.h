// SPDX-License-Identifier: BSD-2-Clause
// connection.h: the connection table: entries found by flow, expired by deadline, in one allocation.
// In:  flows, deadlines, the time.
// Out: entries; the entries whose deadline has passed.
// Not: what a packet changes in its connection (track.h), which server it gets (scheduler.h).
//
// An entry takes one place of 48 bytes, its cells in the two indexes 16 to 32 (they double at powers of two), its links
// in unproven.h's lists, or its TCP numbers once it is proven, 8: 72 to 88 bytes per IPv4 connection. A wide entry,
// with an IPv6 address or of full NAT, takes two adjacent places: its addresses are in the second one. A table of n
// places holds n narrow or n/2 wide connections, in any mix. All of it is reserved at the start and touched when used
// (the second index by NAT only). Persistence templates are entries, too, with the client's address masked and no
// client port. The indexes use open addressing over 4-byte cells and a keyed hash (SipHash-1-3): clients choose their
// ports and must not be able to choose collisions. A timing wheel holds the deadlines; a packet only changes the
// deadline in its entry, and the wheel checks it again at the old deadline.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/fast_flows.h"
#include "core/flow.h"
#include "core/proxy.h"
#include "core/service.h"
#include "core/siphash.h"
#include "rawvs/frame.h"

namespace rawvs {

enum class Side : uint8_t { client, server };  // the side a connection is looked up from; each has its own index

using ConnectionId = uint32_t;  // index into the table; kNoConnection = none
inline constexpr ConnectionId kNoConnection = 0;
// The most entries with one key on one side. They lie in one run of cells, so each makes the next look-up slower, and
// clients can create them with many ports of a VIP that NAT maps to one port.
inline constexpr uint32_t kMostAlike = 64;
inline constexpr Port kNoPort{0xffff};                        // of a template that is no longer valid, as IPVS lists it
inline constexpr uint32_t kMostConnections = (1u << 24) - 2;  // an index cell has 24 bits for the entry

struct WideAddresses {  // of a wide entry; as large as an entry
  Ip client{}, vip{}, server{};
};

// 48 bytes. A wide one is followed by its WideAddresses: outside of the table it exists in a LooseConnection only.
struct alignas(16) Connection {
  enum : uint8_t {
    no_output = 1,     // the server's packets are not seen (DR, TUN): the TCP table's input-only rows apply
    inactive = 2,      // counted as inactive by its server, else as active
    two_sided = 4,     // NAT: the server's side finds it, too
    persistence = 8,   // a template; state 1: one of its connections was established ("assured")
    method_shift = 4,  // from here three bits: Method, as the server had it when the connection began
    method_bits = 7,
    wide = 128,  // one of its addresses is IPv6, or it is of full NAT
  };
  static constexpr uint8_t kFree = 0xff;  // the state of an entry that is not in use
  struct Peer {                           // of a connection:
    std::array<uint8_t, 6> client_mac;  // source of the client's packets, destination of the replies; 0: not known yet
    uint16_t ftp;                       // index of its session in ftp.h, 0 = none
  };
  struct Stay {         // of a template:
    uint32_t children;  // connections it controls
    uint32_t seconds;   // its timeout, restarted by each new connection
  };
  struct Full {      // of a connection of full NAT, which is wide:
    uint16_t local;  // the number of the local address from which the server sees it (local_addresses.h)
    uint16_t port;   // and the port there; 0: not chosen yet
    ProxyState proxy;
  };

 private:
  struct Narrow {  // the addresses of an entry that is not wide
    uint32_t client, vip, server;
  };
  union {
    Narrow v4_;
    Full full_;
  };
  // timer_next() in the upper 24 bits, then is_unproven() and is_proxied() in one each, and link() in the others.
  uint32_t next_and_link_;
  static constexpr uint32_t kUnproven = 0x80, kProxied = 0x40, kLinkMask = 0x3f;
  static_assert(kMostLinks <= kLinkMask + 1);

 public:
  Port cport, vport, rport;  // rport: the server's
  ServerSlot server;
  Protocol protocol;
  uint8_t state;  // TcpState, SctpState; 0 for UDP
  uint8_t flags;
  uint8_t packets;   // from the client, modulo 256: IPVS decides by this number when to send a sync message
  uint32_t expires;  // Tick
  union {
    Peer peer;
    Stay stay;
  };
  uint32_t timer_prev;  // in the wheel, or among free entries

 private:
  uint32_t controller_and_limits_;  // controller() in the lower 24 bits, then one for each of the three below
  static constexpr uint32_t kController = 0xffffff, kCounted = 1u << 24, kClientCounted = 1u << 25, kFast = 1u << 26;

 public:
  // Its persistence template, or FTP's control connection.
  ConnectionId controller() const { return controller_and_limits_ & kController; }
  void set_controller(ConnectionId id) { controller_and_limits_ = (controller_and_limits_ & ~kController) | id; }
  // A client began it: it counts in its service's limits; and for its client's network (client_table.h).
  bool is_counted() const { return (controller_and_limits_ & kCounted) != 0; }
  bool is_client_counted() const { return (controller_and_limits_ & kClientCounted) != 0; }
  void set_counted(bool service, bool client) {
    controller_and_limits_ = (controller_and_limits_ & ~(kCounted | kClientCounted)) | (service ? kCounted : 0) |
                             (client ? kClientCounted : 0);
  }
  // A program in the kernel forwards packets of it (ConnectionTable::set_fast()).
  bool is_fast() const { return (controller_and_limits_ & kFast) != 0; }
  void set_fast(bool is) { controller_and_limits_ = (controller_and_limits_ & ~kFast) | (is ? kFast : 0); }
  bool is_template() const { return (flags & persistence) != 0; }
  bool is_wide() const { return (flags & wide) != 0; }
  Method method() const { return static_cast<Method>(flags >> method_shift & method_bits); }
  void set_method(Method m) {
    flags = static_cast<uint8_t>((flags & ~(method_bits << method_shift)) | static_cast<int>(m) << method_shift);
  }

  // Client and server are of different families: with full NAT each packet gets the other one's header.
  bool is_mixed() const { return is_wide() && client_address().family() != server_address().family(); }
  bool is_full() const { return method() == Method::fullnat && !is_template(); }
  Full& full() { return full_; }  // REQUIRES: is_full(), as in the next line
  const Full& full() const { return full_; }

  Ip client_address() const { return is_wide() ? addresses().client : Ip(v4_.client); }
  Ip vip_address() const { return is_wide() ? addresses().vip : Ip(v4_.vip); }
  Ip server_address() const { return is_wide() ? addresses().server : Ip(v4_.server); }
  // REQUIRES: it is wide, or the address is IPv4.
  void set_client_address(Ip a) { is_wide() ? void(addresses().client = a) : void(v4_.client = a.v4()); }
  void set_vip_address(Ip a) { is_wide() ? void(addresses().vip = a) : void(v4_.vip = a.v4()); }
  void set_server_address(Ip a) { is_wide() ? void(addresses().server = a) : void(v4_.server = a.v4()); }

  FlowKey key() const { return {client_address(), vip_address(), cport, vport, protocol, is_template()}; }
  FlowKey key(Side side) const {
    if (side == Side::client) return key();
    if (is_full()) return local_key(full_.local, Port(full_.port), real_server(), protocol);
    return {client_address(), server_address(), cport, rport, protocol, false};
  }
  Endpoint client() const { return {client_address(), cport}; }
  Endpoint vip() const { return {vip_address(), vport}; }
  Endpoint real_server() const { return {server_address(), rport}; }
  Link link() const { return static_cast<Link>(next_and_link_ & kLinkMask); }  // by which the client's packets come
  void set_link(Link link) { next_and_link_ = (next_and_link_ & ~kLinkMask) | static_cast<uint8_t>(link); }
  bool is_unproven() const {
    return (next_and_link_ & kUnproven) != 0;
  }  // it may give way, and is in unproven.h's lists
  void set_unproven(bool is) { next_and_link_ = (next_and_link_ & ~kUnproven) | (is ? kUnproven : 0); }
  // Its halves began one after the other, with different numbers (syn_proxy.h).
  bool is_proxied() const { return (next_and_link_ & kProxied) != 0; }
  void set_proxied(bool is) { next_and_link_ = (next_and_link_ & ~kProxied) | (is ? kProxied : 0); }
  ConnectionId timer_next() const { return next_and_link_ >> 8; }
  void set_timer_next(ConnectionId id) { next_and_link_ = id << 8 | (next_and_link_ & 0xff); }
  // REQUIRES: it is not of full NAT, whose server does not reply to the client's address (Flows::reply_flow()).
  ReplyFlow reply_flow() const { return {protocol, real_server(), client()}; }

 private:
  const WideAddresses& addresses() const { return *reinterpret_cast<const WideAddresses*>(this + 1); }
  WideAddresses& addresses() { return *reinterpret_cast<WideAddresses*>(this + 1); }
};
static_assert(sizeof(Connection) == 48 && sizeof(WideAddresses) == sizeof(Connection));
static_assert(alignof(WideAddresses) <= alignof(Connection));

// Whether a connection of this key, server and method needs a wide entry.
constexpr bool needs_wide(const FlowKey& key, Ip server, Method method) {
  const bool full = method == Method::fullnat && !key.persistence;
  return full || key.client.is_v6() || key.vip.is_v6() || server.is_v6();
}

// A new entry in these places: the second is used if it is wide. It has no server, and no deadline.
void begin_entry(Connection places[2], const FlowKey& key, Ip server, Method method);

struct Links {  // of an unproven entry, for the lists that unproven.h keeps
  uint32_t older, newer;
};
struct NextNumbers {  // of a proven TCP connection: the next sequence number of each side (next_numbers.h)
  uint32_t client = 0, server = 0;  // 0: not known
};
union Beside {  // what a place has beside its entry: links while the entry is unproven, numbers otherwise
  Links links;
  NextNumbers next;
};

class LooseConnection {  // a connection outside of the table
 public:
  LooseConnection(const FlowKey& key, Ip server, Method method) { begin_entry(places_.data(), key, server, method); }
  Connection& operator*() { return places_[0]; }
  const Connection& operator*() const { return places_[0]; }
  Connection* operator->() { return &places_[0]; }
  const Connection* operator->() const { return &places_[0]; }

 private:
  std::array<Connection, 2> places_;
};

class ConnectionTable {
 public:
  ConnectionTable(uint32_t capacity, HashKey secret, Instant epoch);

  uint64_t hash(const FlowKey& key) const;
  void prefetch_cell(Side side, uint64_t hash) const;
  void prefetch_entry(Side side, uint64_t hash, bool wide) const;  // wide: perhaps such an entry

  // Among several entries with one key the newest is found, as in IPVS.
  const Connection* find(Side side, const FlowKey& key, uint64_t hash) const;
  Connection* find(Side side, const FlowKey& key, uint64_t hash) {
    return const_cast<Connection*>(std::as_const(*this).find(side, key, hash));
  }
  // Null: the table has no room, or kMostAlike entries have this key. The entry has no deadline yet: call arm().
  // server: its address; a later one must be of the same family. A later method, too, must need as many places.
  Connection* create(const FlowKey& key, uint64_t hash, Ip server = Ip(), Method method = Method::masq);
  // Indexes the entry by its server's address and port as well (with full NAT, by its local address and port). False,
  // and nothing done: kMostAlike entries have that key.
  bool add_server_side(Connection& c);
  // Changes the key on the client's side. REQUIRES: its addresses' families stay the same.
  void rename(Connection& c, const FlowKey& key);
  void remove(Connection& c);

  void arm(Connection& c, Instant now, Duration timeout);  // sets the deadline: timeout from now
  bool expired(const Connection& c, Instant now) const;
  Duration left(const Connection& c, Instant now) const;  // until its deadline; 0 when it has passed

  // Packets that a program in the kernel forwards move deadlines, too. REQUIRES: use() before set_fast(), and `flows`
  // outlives the table. kNone: it forwards none of them any more, and they have moved the deadline for good.
  void use(FastFlows* flows);
  void set_fast(Connection& c, FastFlows::Id as);
  FastFlows::Id fast_id(const Connection& c) const { return c.is_fast() ? fast_ids_[id(c)] : FastFlows::kNone; }

  // An entry whose deadline has passed, taken out of the wheel: call remove() or arm(). Null: there is none, or `work`
  // is used up. work counts the wheel entries examined: one call never takes long, however many expire at once.
  Connection* due(Instant now, uint32_t& work);
  Instant next_deadline() const;  // when to call due() again; kNever when the table is empty

  uint32_t size() const { return used_; }          // entries
  uint32_t places() const { return places_; }      // that they take: a wide one takes two
  uint32_t capacity() const { return capacity_; }  // places
  // Whether create() finds place. A wide entry may find none although two are free: a place whose neighbour has an IPv4
  // connection is of use to IPv4 only. IPv4 takes such places first.
  bool has_room(bool wide) const;
  // The highest id that a table of this capacity has.
  static constexpr ConnectionId last_id(uint32_t capacity) { return (capacity + 1) / 2 * 2 + 1; }
  uint32_t two_sided() const { return two_sided_; }  // entries that the server's side finds, too
  uint64_t cells() const { return cell_mask_ + 1; }  // of an index
  size_t reserved_bytes() const { return bytes_; }
  ConnectionId id(const Connection& c) const { return static_cast<ConnectionId>(&c - entries_); }
  const Connection* at(ConnectionId id) const;  // null: no entry in use has this id, or its first place another
  Connection* at(ConnectionId id) { return const_cast<Connection*>(std::as_const(*this).at(id)); }
  ConnectionId id_limit() const { return fresh_; }  // entries in use have ids below this
  Beside* beside() const { return beside_; }        // by id

 private:
  static constexpr uint32_t kLevels = 3, kSlots = 256;
  uint64_t tick(Instant now) const;
  uint32_t moved(const Connection& c) const;  // ticks by which its deadline is later than c.expires
  void settle(Connection& c);                 // c.expires is its deadline
  // cppcheck-suppress CastIntegerToAddressAtReturn ; the function returns a pointer
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
  ConnectionId take_place();
  ConnectionId take_pair();
  void link_free(ConnectionId& list, ConnectionId id);
  void unlink_free(ConnectionId& list, ConnectionId id);
  void give_back(ConnectionId id, bool pair);

  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  Connection* entries_ = nullptr;     // entries_[0] is never used: id 0 means none. Pairs begin at even ids
  std::array<uint32_t*, 2> cells_{};  // by Side; a cell: 0 = empty, else tag (8 bits) and id (24 bits)
  Beside* beside_ = nullptr;
  FastFlows* fast_ = nullptr;
  std::vector<FastFlows::Id> fast_ids_;  // by id; valid where is_fast() says so
  uint64_t cell_mask_ = 0;
  size_t bytes_ = 0;
  uint32_t capacity_ = 0, used_ = 0, places_ = 0, two_sided_ = 0;
  ConnectionId fresh_ = 2;  // this place and all later ones were never used
  ConnectionId last_ = 1;   // the last place
  // Free places whose neighbour is used, and free pairs.
  ConnectionId free_places_ = kNoConnection, free_pairs_ = kNoConnection;
  HashKey secret_{};
  Instant epoch_{};
  // The wheel: kLevels rings of kSlots lists; a slot of level n spans kSlots slots of level n-1.
  std::array<ConnectionId, kLevels * kSlots> heads_{};
  std::array<uint64_t, kLevels * kSlots / 64> filled_{};
  uint64_t wheel_unit_ = 0;  // the unit that is examined next
};

}  // namespace rawvs
