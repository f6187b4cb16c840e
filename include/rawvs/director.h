// SPDX-License-Identifier: BSD-2-Clause
// director.h: the library's interface: decides for every frame what happens to it, without system calls.
// In:  frames; link and route changes; operators' commands; the time.
// Out: the Outbox (Turn): frames to transmit, lines for the log; tables to read. clear() the Outbox between calls.
// Not: sockets, clocks, files (engine.h).
//
// The daemon, rawvs-replay, the tests and the fuzzers use this same interface. The parts, and the order of a packet's
// path, are in src/director/path.h. To read the tables, include their headers: core/service.h, core/connection.h etc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/turn.h"

namespace rawvs {

class Claims;
class ConnectionTable;
class ExitCounters;
class Ip;
class Neighbors;
class Observer;
class Reassembly;
class Services;
class ShortName;
class SyncSender;
enum class Exit : uint8_t;
enum class Link : uint8_t;
enum class Refusal : uint8_t;
enum class Standing : uint8_t;
struct Adoption;
struct Connection;
struct Endpoint;
struct Explanation;
struct FastMemory;
struct FastUse;
struct FlowKey;
struct Frame;
struct FromFile;
struct GroupMatch;
struct HashKey;
struct LinkCounters;
struct LinkFacts;
struct Mac;
struct Order;
struct Pressure;
struct Reordered;
struct Reordering;
struct Route;
struct Server;
struct ServerSpec;
struct ServiceKey;
struct ServiceSpec;
struct Settings;
struct Shared;
struct StateTables;
struct SyncView;
struct Timeouts;
struct Touched;
struct Watch;

class Director {
 public:
  static constexpr size_t kBatch = 64;     // frames per call of frames_arrived()
  static constexpr size_t kObservers = 4;  // at a time

  // secret: random, the key of the connection table's hash.
  Director(const Settings& settings, HashKey secret, Instant now);
  ~Director();
  Director(const Director&) = delete;
  Director& operator=(const Director&) = delete;

  // Events. REQUIRES: frames.size() <= kBatch, turn.out is empty. Frames are rewritten in place, and turn.out points to
  // them.
  void frames_arrived(std::span<Frame> frames, Turn turn);
  // A packet of a health check with via = vip, for the VIP on this server: takes the path of clients' packets, without
  // a connection and without counters of the service. REQUIRES: turn.out is empty. The frame is used as above.
  Exit check_arrived(Frame& frame, const ServiceKey& service, Endpoint server, Turn turn);
  // The first call for a link adds it to the list, and all before it.
  void link_changed(Link link, const LinkFacts& facts, Turn turn);
  void time_passed(Turn turn);
  // shared: all addresses that several directors share (VRRP), sorted. others: how every other VIP, now or later, is
  // shared, unless it is an address of the host itself (its vip field is ignored); none: other VIPs are this director's
  // alone. For addresses whose master is another director, ARP is not answered and packets are dropped. Addresses of
  // the host itself that are no VIPs remain the kernel's.
  void share(std::vector<Shared> shared, const std::optional<Shared>& others, Turn turn);
  void announce(Ip vip, Turn turn);  // repeats the announcement: another director may have announced it meanwhile
  void announce_others(Turn turn);   // the same for all VIPs that are shared as `others`
  // A route to a server's address: new or changed.
  void route_found(const Route& route, Turn turn);
  // The host's addresses on all its interfaces, sorted. Where a VIP is one of them, the host can be a real server: of
  // this director (Local), or of another one, whose packets for it are given to the kernel.
  void host_addresses(std::vector<Ip> all, Turn turn);
  // Addresses of servers without a known route, at most `most`: each is returned once. Until route_found(), the route
  // is guessed from the links' subnets.
  std::vector<Ip> take_unknown_ways(size_t most);
  std::optional<Ip> next_server_address(std::optional<Ip> after) const;  // of all, in order
  // knows = false: the guard cannot look up flows, and drops all packets of NAT servers before the host's kernel.
  void guard_knows_flows(Link link, bool knows);
  // True: sends no ARP until hold_arp(false), because the socket's filter does not admit the replies yet. What
  // became due meanwhile is sent then.
  void hold_arp(bool hold);
  void link_counted(Link link, const LinkCounters& counters);  // for listings
  Instant next_deadline() const;

  // The program in the kernel that forwards packets of known connections (core/fast_flows.h, sys/io/fast_path.h).
  // use_fast_path(): at most once; the memory outlives the director. secret: random. fast_on(): the program is on this
  // link, and what it forwards does not arrive here. hold_fast_path(true): it is to forward nothing.
  void use_fast_path(const FastMemory& memory, HashKey secret);
  void fast_on(Link link, bool on);
  void hold_fast_path(bool hold);
  // all: every frame that has arrived was given to the director, and what left was sent. False: more wait, for long.
  // Connections go over to the program then: no packet overtakes an earlier one. choosing(): some are to.
  void caught_up(bool all, Instant now);
  bool choosing() const;

  // Operators' commands. A Refusal: nothing has changed.
  std::optional<Refusal> add(const ServiceSpec& spec, Turn turn);
  // open = false: the service gets no new connections, for example until all its servers are added.
  void set_open(const ServiceKey& key, bool open);
  std::optional<Refusal> edit(const ServiceSpec& spec, Turn turn);
  std::optional<Refusal> remove(const ServiceKey& key, Turn turn);
  // The limits and the name of a service with this key, which may be added later; they outlive its removal.
  void set_from_file(const ServiceKey& key, FromFile said);
  void set_name(const ServiceKey& key, Endpoint server, const ShortName& name);
  std::optional<Refusal> add_server(const ServiceKey& key, const ServerSpec& spec, Turn turn);
  std::optional<Refusal> edit_server(const ServiceKey& key, const ServerSpec& spec, Turn turn);
  std::optional<Refusal> remove_server(const ServiceKey& key, Endpoint server, Turn turn);
  // For health checks: see Services (core/service.h).
  std::optional<Refusal> set_standing(const ServiceKey& key, Endpoint server, Standing standing, int32_t most_weight);
  std::optional<Refusal> set_standing(const ServiceKey& key, Endpoint server, Standing standing, int32_t most_weight,
                                      uint8_t share, int32_t least_weight = 0);
  // An operator's orders: see Services. order_some() gives one to a service and the servers that it has: in portions.
  // True: all are done.
  std::optional<Refusal> set_order(const ServiceKey& key, Endpoint server, const Order& order);
  bool order_some(const ServiceKey& key, const Reordering& as, Reordered& done);
  std::optional<Refusal> take_out(const ServiceKey& key, Endpoint server);
  std::optional<Refusal> put_back(const ServiceKey& key, Endpoint server);
  std::optional<Refusal> zero(const ServiceKey& key);
  // In portions: some services from slot `at` on, which is advanced. True: all are done.
  bool zero_some(size_t& at);
  bool clear_some(size_t& at, Turn turn);
  void zero_all();
  void clear(Turn turn);
  void set_groups(std::vector<GroupMatch> groups, Turn turn);
  void set_timeouts(const Timeouts& timeouts);
  // The max_ values stay as at the start.
  void set_settings(const Settings& settings, Instant now);
  // From the next packet on, until the observer is destroyed. False: kObservers are there already.
  bool observe(const std::shared_ptr<Observer>& observer);

  // The tables of the state that survives a restart (core/state.h), to write and to restore. After StateReader has read
  // everything, call state_restored(). renews: a connection that is here already becomes what the state says, because
  // the state continues one that was read before.
  StateTables state_tables(bool renews = false);
  void state_restored(Turn turn);

  // Connection sync with other directors (core/sync.h). tell(): the sender gets every change of a connection; null:
  // none.
  void tell(SyncSender* sender);
  SyncView sync_view() const;
  bool adopt(const Adoption& heard, Turn turn);  // false: there is no room for it

  // Reading. Call estimate() before reading rates: it brings them up to date.
  void estimate(Instant now);
  Explanation explain(const FlowKey& flow, Instant now) const;  // for a packet that would begin a connection
  // own_address: a VIP of this director, and no address of the host. Local: vip_missing: the VIP is no address of the
  // host; local_nat: NAT would have to translate. no_flows: full NAT, and the guard there cannot look up flows.
  enum class Reach : uint8_t {
    ready,
    asking,
    silent,
    no_route,
    link_down,
    own_address,
    other_interface,
    vip_missing,
    local_nat,
    no_ethernet,
    no_flows
  };
  Reach reach(const Server& server) const;  // whether packets can be sent to it
  const Watch& watch() const;
  uint32_t watch_version() const;  // changes with watch()
  // Services and servers that operators have changed since the last call, or whose reachability has changed
  // (core/touched.h).
  bool touched() const;
  std::vector<Touched> take_touched();
  uint64_t looked_at() const;  // servers examined by all changes so far: a measure of their cost
  const Settings& settings() const;
  const Services& services() const;
  const ConnectionTable& connections() const;
  Endpoint local(const Connection& c) const;  // of full NAT: what its server sees as the client
  bool counts_clients() const;                // false: it got no memory for that
  FastUse fast_use() const;                   // core/fast_use.h
  Pressure pressure() const;                  // on the connection table (core/pressure.h)
  const Neighbors& neighbors() const;
  const Claims& claims() const;
  const Reassembly& reassembly() const;
  const ExitCounters& exits() const;
  size_t links() const;  // number of links in the list
  const LinkFacts& link(Link link) const;
  const LinkCounters& counters(Link link) const;
  Mac mac_of(
      Ip claimed) const;  // the MAC address in ARP replies for a VIP, on its first link. REQUIRES: claims() has it

 private:
  struct Path;
  std::unique_ptr<Path> path_;
};

}  // namespace rawvs
