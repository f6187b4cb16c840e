// SPDX-License-Identifier: BSD-2-Clause
// service.h: virtual services and their real servers, in order, with counters.
// In:  an operator's changes (specs).
// Out: the tables that scheduling and forwarding read, or a Refusal.
// Not: which server a client gets (scheduler.h), connections (connection.h), MAC addresses (neighbor.h).
//
// Tables refer to each other by slots, not pointers. A removed server keeps its slot while connections use it: they
// count as orphans, and get their server back when it returns (as from IPVS's "trash"). Without connections it keeps
// the slot for two minutes, or until the slot is needed.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/flow.h"
#include "core/limits.h"
#include "core/mark_table.h"
#include "core/order.h"
#include "core/short_name.h"
#include "core/slots.h"
#include "core/traffic.h"
#include "core/tunnel_type.h"
#include "core/vip_ports.h"
#include "rawvs/addr.h"
#include "rawvs/time.h"

namespace rawvs {

enum class Refusal : uint8_t { exists, no_service, no_server, no_scheduler, range, invalid, full, unsupported };
const char* name(Refusal r);  // exists, no-service, no-server, no-scheduler, range, invalid, full, unsupported

enum class Method : uint8_t { masq, local, tunnel, route, fullnat = 5 };  // IPVS's numbers, and one of rawvs's own
const char* name(Method m);                                               // NAT, local, TUN, DR, full NAT
// Whether the server's replies pass through the director, which translates them.
constexpr bool translates(Method m) { return m == Method::masq || m == Method::fullnat; }

enum class Scheduler : uint8_t { rr, wrr, lc, wlc, sed, nq, dh, sh, mh, fo, ovf, lblc, lblcr, twos, count_ };
const char* name(Scheduler s);
std::optional<Scheduler> parse_scheduler(std::string_view word);

struct ServiceKey {  // protocol and endpoint; or a mark and a family: make it by mark_key()
  Protocol protocol = Protocol::any;
  Endpoint vip{};  // of a mark: 0.0.0.0 or ::, port 0
  Mark mark{};     // if not 0, the protocol is any
  constexpr Family family() const { return vip.addr.family(); }
  friend constexpr auto operator<=>(const ServiceKey&, const ServiceKey&) = default;
};
std::string text(const ServiceKey& key);  // tcp 192.0.2.100:80, mark 10, mark 10 (IPv6)

// A mark has a service for each family, as in IPVS.
constexpr ServiceKey mark_key(Mark mark, Family family) {
  return {.protocol = Protocol::any, .vip = {Ip::any(family), Port(0)}, .mark = mark};
}
// What its templates have in place of the VIP.
constexpr Ip mark_address(Mark mark, Family family) {
  return family == Family::ipv4 ? Ip(mark.value) : Ip(uint64_t{mark.value} << 32, 0);
}

struct SchedulerFlags {  // IPVS's flag-1, flag-2, flag-3
  enum : uint8_t {
    fallback = 1,  // sh, mh: try other servers when the first is out
    port = 2,      // sh, mh: hash the port, too
    third = 4
  };
};

struct ServiceSpec {
  ServiceKey key{};
  Scheduler scheduler = Scheduler::wlc;
  uint8_t flags = 0;        // SchedulerFlags
  Duration persistence{};   // 0: none. Else how long a client keeps its server after its last connection
  Netmask netmask{};        // clients that persistence treats as one
  bool one_packet = false;  // UDP: each datagram is scheduled by itself, and leaves no connection
};

struct ServerSpec {
  Endpoint at{};
  Method method = Method::route;
  int32_t weight = 1;  // 0: no new connections
  uint32_t upper = 0;  // thresholds of connections, active and inactive; 0 = none
  uint32_t lower = 0;
  Tunnel tunnel{};           // for method tunnel
  bool proxy = false;        // for method fullnat: it gets the client's address by the PROXY protocol, version 2
  std::optional<Mac> mac{};  // fixed; none: found by ARP. An edit without one keeps the old one
  ShortName name{};          // as the file has it; an edit keeps the old one
};

// Whether all but their keys, or places and names, is the same.
bool alike(const ServiceSpec& a, const ServiceSpec& b);
bool alike(const ServerSpec& a, const ServerSpec& b);

inline constexpr Port kFtp{21}, kFtpData{20};

using ServerSlot = uint16_t;
using ServiceSlot = uint16_t;
inline constexpr ServerSlot kNoServer = 0xffff;
inline constexpr ServiceSlot kNoService = 0xffff;
inline constexpr uint16_t kNoNeighbor = 0xffff;

// A health check's verdict on a server's connections. serves: the server works. keeps: it does not, but they continue.
// drains: its persistence templates no longer apply. resets: they end with their next packet.
enum class Standing : uint8_t { serves, keeps, drains, resets };

// Slow start counts a server's weight in this many parts; a server with all of them is not in a slow start.
inline constexpr uint8_t kFullShare = 24;

struct Server {
  ServerSpec spec{};                // its weight: in effect: at most most_weight, by its share, at least 1
  int32_t wanted_weight = 1;        // as the operator set it
  int32_t most_weight = INT32_MAX;  // what health checks allow
  int32_t least_weight = 0;         // at least this, whatever checks say: a sorry server in use
  uint8_t share = kFullShare;       // of the weight: lower during a slow start, at least 1
  Order order{};                    // an operator's: takes the weight to 0, whatever else holds
  Standing standing = Standing::serves;
  ServiceSlot service = kNoService;                   // kNoService: removed, but connections may remain
  ServiceKey key{};                                   // of the service: recognises a server that returns
  bool used = false;                                  // this slot holds a server
  bool taken_out = false;                             // by health checks: not listed, no new connections
  bool reachable = true;                              // false: no packet can be sent to it: no new connections
  bool local = false;                                 // the host itself: its kernel gets the packets, unchanged
  bool overloaded = false;                            // the upper threshold was reached
  bool was_nat = false;                               // translates, or did before an edit: connections may remain
  int32_t last_weight = 0;                            // the last full_weight() that was not 0
  uint32_t active = 0, inactive = 0, persistent = 0;  // connections; templates
  uint32_t unproven = 0, half_open = 0;               // places of its unproven entries (unproven.h); half-open ones
  uint32_t counted = 0;                               // connections that count in its service's limits
  uint16_t neighbor = kNoNeighbor;                    // of its next hop (neighbor.h)
  Ip source{};                                        // our address on the route to it: the outer source of a tunnel
  uint16_t route_mtu = 0;                             // of the host's route, bytes; 0: the link's
  uint16_t path_mtu = 0;                              // learned from ICMP (RFC 1191), bytes of an outer packet; 0: none
  Instant path_mtu_until{};
  Instant removed{};
  uint32_t served = 0;  // serial of its present or last service
  uint64_t listed = 0;  // number of its entry in Service::servers or taken_out: the newer, the greater
  Traffic traffic{};
  Rates rates{};
  bool in_service() const { return service != kNoService; }
  bool replies_pass() const { return translates(spec.method) && !local; }  // the director
  bool in_table() const { return in_service() && !taken_out; }
  // The weight without the slow start.
  int32_t full_weight() const { return share == kFullShare ? spec.weight : allowed_weight(); }
  int32_t allowed_weight() const { return reachable ? weight_by_checks() : 0; }
  int32_t weight_by_checks() const {
    return order.out() ? 0 : std::max(std::min(wanted_weight, most_weight), least_weight);
  }
  // For listings and saving, which ignore whether packets can be sent to the server.
  int32_t listed_weight() const { return reachable ? spec.weight : part_of(weight_by_checks()); }
  int32_t part_of(int32_t weight) const {  // by its share, at least 1; 0 for weight 0
    return static_cast<int32_t>(std::max(int64_t{weight} * share / kFullShare, int64_t{std::min(weight, 1)}));
  }
  // In its service's quorum. A server that cannot be reached is not alive, whatever its check says: the check may have
  // found the way of this host's own kernel.
  int32_t counted_weight() const { return reachable && !order.out() ? wanted_weight : 0; }
  ServerSpec wanted() const {  // as the operator set it, whatever health checks say
    ServerSpec all = spec;
    all.weight = wanted_weight;
    return all;
  }
  uint32_t references() const { return active + inactive + persistent; }
};

// The values of a server whose change matters to the scheduler.
struct Weighed {
  explicit Weighed(const Server& s) : weight(s.spec.weight), full(s.full_weight()), share(s.share) {}
  int32_t weight, full;
  uint8_t share;
  friend auto operator<=>(const Weighed&, const Weighed&) = default;
};

struct Affinity {  // lblc, lblcr: the servers of a destination
  struct Member {
    Endpoint at{};
    uint16_t index = 0;  // in the scheduler's order; kNoServer: removed, may return
  };
  Ip destination{};
  std::vector<Member> servers;  // the newest member first
  Instant used{}, changed{};
};
struct SchedulerState {                             // scheduler.h explains the numbers
  size_t position = 0;                              // index after the last choice, 0 = before the first server
  uint32_t ramping_servers = 0, heavy_servers = 0;  // servers in a slow start; servers too heavy to be counted in parts
  int64_t current_weight = 0, most_weight = 0, step = 1;
  std::map<Weighed, uint32_t> weights;  // wrr: how many servers have each
  // Slow start. ramping: a server has less than its full share. parts: each weight is counted in this many parts then;
  // 1 otherwise, and when a weight is too great. turn: which servers with a part of their weight may be chosen now.
  bool ramping = false;
  uint8_t parts = 1;
  uint32_t turn = 0;
  std::vector<uint16_t> table;       // dh, sh, mh: bucket -> index of a server
  bool table_stale = false;          // servers have changed since it was filled
  std::vector<Affinity> affinities;  // lblc, lblcr: by destination
  Instant next_sweep{};              // lblc, lblcr
  uint64_t random = 0;               // twos
};

// What a SYN cookie promises in the name of a service's servers, by what their SYN-ACKs have shown.
struct SynPromise {
  uint16_t mss = 0;                 // the smallest; 0: none was seen
  uint8_t scale = 7;                // of windows: the last one seen
  bool sack = true, stamps = true;  // false: a server did not take the client's offer
};

struct Service {
  ServiceSpec spec{};
  bool used = false;
  bool open = true;                     // false: no new connections yet, as if it did not exist
  uint32_t serial = 0;                  // distinguishes it from earlier services with the same key
  std::vector<ServerSlot> servers;      // newest first, in the order of IPVS's schedulers
  std::vector<ServerSlot> taken_out{};  // by health checks; their connections continue
  SchedulerState state{};
  Traffic traffic{};
  Rates rates{};
  uint32_t unproven = 0, half_open = 0;  // of its servers
  uint32_t around = 0;                   // of `servers`: those whose replies do not pass the director; the host itself
  SynPromise promise{};
  std::shared_ptr<const ServiceLimits> limits{};  // null: none
  ShortName name{};                               // its section's; empty: no file has it
  Standing on_down = Standing::keeps;             // what a disabled server's connections get
  Order order{};                                  // of servers that are added
  LimitsUse use{};
};

// Whether this service decides about a packet that classify() found it for: an FTP service is also found for other
// ports, and decides about them by persistence alone.
inline bool decides(const ServiceSpec& spec, const FlowKey& flow) {
  return spec.key.mark.value != 0 || spec.persistence > Duration::zero() || spec.key.vip.port == flow.vport;
}

struct FromFile {                                 // what only a file says of a service
  std::shared_ptr<const ServiceLimits> limits{};  // null: none
  ShortName name{};                               // empty: none
  Standing on_down = Standing::keeps;             // of a server that is down or disabled
};

class Services {
 public:
  static constexpr uint32_t kUsualServices = 4096;
  explicit Services(uint32_t max_servers, uint32_t max_services = kUsualServices);

  // A VIP that is link-local in IPv6 is invalid: a packet to it tells no link. So is such a server.
  std::optional<Refusal> add(const ServiceSpec& spec);
  void set_open(const ServiceKey& key, bool open);  // of a service that is being built
  std::optional<Refusal> edit(const ServiceSpec& spec);
  // Of a service with this key, now or later: it outlives its removal.
  void set_from_file(const ServiceKey& key, FromFile said);
  FromFile from_file(const ServiceKey& key) const;
  std::optional<ServiceKey> said_after(std::optional<ServiceKey> key) const;  // the next such key, in order
  // A server that was removed keeps its name while it keeps its slot, and has it again when it is added without one.
  void set_name(const ServiceKey& key, Endpoint server, const ShortName& name);
  std::optional<Refusal> remove(const ServiceKey& key, Instant now);
  // A server of the other family is unsupported, as in IPVS, unless a tunnel takes the packets there, or full NAT
  // translates them. Full NAT with one-packet scheduling is unsupported.
  std::optional<Refusal> add_server(const ServiceKey& key, const ServerSpec& spec);
  std::optional<Refusal> edit_server(const ServiceKey& key, const ServerSpec& spec);
  std::optional<Refusal> remove_server(const ServiceKey& key, Endpoint server, Instant now);
  // Sets a health check's verdict. An edit of the server keeps it, its removal does not.
  std::optional<Refusal> set_standing(const ServiceKey& key, Endpoint server, Standing standing, int32_t most_weight,
                                      uint8_t share = kFullShare, int32_t least_weight = 0);
  // An operator's order about a server: edits and checks keep it, its removal ends it. And about a service: of the
  // servers that are added to it from now on; it changes none that is there.
  std::optional<Refusal> set_order(const ServiceKey& key, Endpoint server, const Order& order);
  std::optional<Refusal> set_order(const ServiceKey& key, const Order& order);
  // What the server's connections get, by its check and by an order.
  Standing standing(const Server& server) const {
    if (server.order.what != Ordered::disabled || !server.in_service()) return server.standing;
    return std::max(server.standing, services_[server.service].on_down);
  }
  // Health checks take a server out of the table and put it back: operators and schedulers do not see it, its
  // connections continue by its standing. An operator may edit or remove it, or add it anew.
  std::optional<Refusal> take_out(const ServiceKey& key, Endpoint server);
  std::optional<Refusal> put_back(const ServiceKey& key, Endpoint server);
  // Sets whether packets can be sent to the server. True: it changed.
  bool set_reachable(ServerSlot slot, bool reachable);
  void set_local(ServerSlot slot, bool local);  // whether the server is the host itself
  std::optional<Refusal> zero(const ServiceKey& key);
  void set_groups(std::vector<GroupMatch> groups);
  // Ends `intervals` intervals of Rates, all but the first without traffic, for the services and servers in slots
  // [from, from + most). True: these were the last slots.
  bool estimate(uint32_t intervals, uint32_t from, uint32_t most);
  // Examines at most `most` removed servers, those examined longest ago first. Unused ones lose their slots, which are
  // appended to `gone`.
  void forget_removed(Instant now, size_t most, std::vector<ServerSlot>& gone);
  const Traffic& past() const { return past_; }       // of removed services, and what zero() took away
  size_t removed() const { return removed_.size(); }  // servers that keep their slots
  uint64_t looked_at() const { return looked_at_; }   // servers examined so far: the cost of changes

  bool empty(Family f) const { return count_[index(f)] == 0; }
  bool empty() const { return empty(Family::ipv4) && empty(Family::ipv6); }
  const Service* find(const ServiceKey& key) const;
  Service* find(const ServiceKey& key) { return const_cast<Service*>(std::as_const(*this).find(key)); }
  const Server* find(const ServiceKey& key, Endpoint server) const;   // of the service's servers
  const Server* known(const ServiceKey& key, Endpoint server) const;  // also one that is taken out
  ServerSlot slot_of(const ServiceKey& key,
                     Endpoint server) const;  // of either; kNoServer: the service does not have it
  // The first server at this address, of any port and service, for which is_it() is true; kNoServer: none.
  template <class IsIt>
  ServerSlot find_at(Ip addr, IsIt is_it) const {
    return by_addr_.find(hash(addr), [&](Slot slot) {
      ++looked_at_;
      return servers_[slot].in_service() && servers_[slot].spec.at.addr == addr && is_it(servers_[slot]);
    });
  }
  // The service of a new connection.
  const Service* classify(const FlowKey& flow) const;
  Service* classify(const FlowKey& flow) { return const_cast<Service*>(std::as_const(*this).classify(flow)); }
  std::vector<Ip> vips() const;                          // of all services: sorted, each once
  std::vector<Ip> vips_of(const ServiceKey& key) const;  // of this service: sorted, each once
  // What this service takes: of a mark, its groups' ports. FTP also takes its data port.
  std::vector<VipPorts> ports_of(const ServiceKey& key) const;
  static void add_ports(const GroupMatch& match, std::vector<VipPorts>& to);
  Server& server(ServerSlot slot) { return servers_[slot]; }
  const Server& server(ServerSlot slot) const { return servers_[slot]; }
  Service& service(ServiceSlot slot) { return services_[slot]; }
  const Service& service(ServiceSlot slot) const { return services_[slot]; }
  std::span<const Service> services() const { return services_; }  // slots; look at .used
  std::span<const Server> servers() const { return servers_; }
  std::span<Server> servers() { return servers_; }
  const std::vector<GroupMatch>& groups() const { return groups_; }
  std::span<const uint32_t> groups_of(Mark mark) const;  // indexes into groups(), of both families
  const std::vector<uint32_t>& groups_by_mark() const { return groups_by_mark_; }
  ServerSlot slot_of(const Server& server) const { return static_cast<ServerSlot>(&server - servers_.data()); }
  uint32_t server_slots() const { return free_servers_.used(); }  // this slot and all later ones were never used

  static uint64_t hash(const ServiceKey& key);

 private:
  static uint64_t hash(Ip addr) { return mixed(addr); }
  static uint64_t hash(const ServiceKey& key, Endpoint server);
  ServerSlot known_slot(const ServiceKey& key, Endpoint server) const;
  ServerSlot slot_for(const ServiceKey& key, const ServerSpec& spec);
  ServerSlot longest_gone();
  void forget(ServerSlot slot);
  static void weigh(Server& server);
  void weigh_anew(Server& server, const Weighed& was);
  void release(Server& server, ServerSlot slot, Instant now);
  void list(Service& service, ServerSlot slot);
  void unlist(Service& service, ServerSlot slot);
  void forget_taken_out(Service& service, ServerSlot slot);

  uint32_t next_serial_ = 1;
  uint64_t next_listed_ = 1;
  std::vector<Service> services_;  // up to the highest slot ever used; all memory is reserved
  std::vector<Server> servers_;    // all slots
  FreeSlots free_services_, free_servers_;
  SlotHash by_key_;                // services
  SlotHash by_place_;              // servers, also removed ones, by service key and endpoint: each pair once
  SlotHash by_addr_;               // the same servers
  SlotQueue removed_;              // servers
  std::array<size_t, 2> count_{};  // services
  std::vector<GroupMatch> groups_;
  MarkTable marks_;  // of groups_
  Traffic past_{};
  std::map<ServiceKey, FromFile> from_file_;
  std::vector<uint32_t> groups_by_mark_;  // indexes into groups_; equals in its order
  mutable uint64_t looked_at_ = 0;
};

}  // namespace rawvs
