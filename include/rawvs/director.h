// SPDX-License-Identifier: BSD-2-Clause
// director.h: the packet's whole path, and where services, connections and ARP meet.
// The door is a handful of calls: frames arrived; a link changed; an operator wants something; time passed; when do you
// need me next. The daemon, rawvs-replay, the tests and the fuzzers drive this same door, so what is tested is what
// runs. What should happen comes back in the Outbox (Turn): frames to transmit, lines for the log. clear() it between
// calls.
// Its parts, and the order of the path, are in src/director/path.h. Who looks into the tables that it shows includes
// their headers: core/service.h, core/connection.h and so on.
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
class Neighbors;
class Observer;
class Reassembly;
class Services;
class SyncSender;
enum class Exit : uint8_t;
enum class Link : uint8_t;
enum class Refusal : uint8_t;
enum class Standing : uint8_t;
struct Adoption;
struct Endpoint;
struct Explanation;
struct FlowKey;
struct Frame;
struct GroupMatch;
struct HashKey;
struct Ip;
struct LinkCounters;
struct LinkFacts;
struct Mac;
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
  using Touched = rawvs::Touched;
  static constexpr size_t kBatch = 64;     // frames per call of frames_arrived()
  static constexpr size_t kObservers = 4;  // at a time

  // secret: random; keys the connection table's hash. two_links: there is an inside interface.
  Director(const Settings& settings, HashKey secret, bool two_links, Instant now);
  ~Director();
  Director(const Director&) = delete;
  Director& operator=(const Director&) = delete;

  // What happened. REQUIRES: frames.size() <= kBatch, turn.out is empty. Frames are rewritten in place and lent to it.
  void frames_arrived(std::span<Frame> frames, Turn turn);
  // A packet of a check that asks a VIP on this very server (via = vip): it goes the way that clients' packets take,
  // but belongs to no connection, and no service counts it. REQUIRES: turn.out is empty. The frame is lent to it, as
  // above.
  Exit check_arrived(Frame& frame, const ServiceKey& service, Endpoint server, Turn turn);
  void link_changed(Link link, const LinkFacts& facts, Turn turn);
  void time_passed(Turn turn);
  // Exactly these addresses, sorted, several directors share (VRRP); and every VIP that is not among them, now or
  // later, is as `others` says (whose address means nothing), unless it is the host's own; none: it is this director's
  // alone. Those whose master is another are not answered for, packets to them are dropped. The host's own that are no
  // VIPs are left to the host.
  void share(std::vector<Shared> shared, const std::optional<Shared>& others, Turn turn);
  void announce(Ip vip, Turn turn);  // once more: another may have been believed meanwhile
  void announce_others(Turn turn);   // the same of all VIPs that `others` is about
  // The way to a server's address is known now, or is another.
  void route_found(const Route& route, Turn turn);
  // Addresses of servers whose ways nobody has told of yet, at most so many: each is given once, and guessed until
  // then.
  std::vector<Ip> take_unknown_ways(size_t most);
  std::optional<Ip> next_server_address(std::optional<Ip> after) const;  // of all, in order
  // False: the guard cannot tell flows apart and keeps all of the NAT servers' packets from the host's kernel.
  void guard_knows_flows(Link link, bool knows);
  // True: nothing is announced, and nobody asked, until the outside is ready for answers. What is due then is due
  // still.
  void hold_speech(bool hold);
  void link_counted(Link link, const LinkCounters& counters);  // for listings
  Instant next_deadline() const;

  // What an operator wants. Nothing changes when a Refusal comes back.
  std::optional<Refusal> add(const ServiceSpec& spec, Turn turn);
  // A service that is made in several steps gets no new connections before it is opened.
  void set_open(const ServiceKey& key, bool open);
  std::optional<Refusal> edit(const ServiceSpec& spec, Turn turn);
  std::optional<Refusal> remove(const ServiceKey& key, Turn turn);
  std::optional<Refusal> add_server(const ServiceKey& key, const ServerSpec& spec, Turn turn);
  std::optional<Refusal> edit_server(const ServiceKey& key, const ServerSpec& spec, Turn turn);
  std::optional<Refusal> remove_server(const ServiceKey& key, Endpoint server, Turn turn);
  // What health checks want of a server: see Services.
  std::optional<Refusal> set_standing(const ServiceKey& key, Endpoint server, Standing standing, int32_t most_weight);
  std::optional<Refusal> set_standing(const ServiceKey& key, Endpoint server, Standing standing, int32_t most_weight,
                                      uint8_t share, int32_t least_weight = 0);
  std::optional<Refusal> take_out(const ServiceKey& key, Endpoint server);
  std::optional<Refusal> put_back(const ServiceKey& key, Endpoint server);
  std::optional<Refusal> zero(const ServiceKey& key);
  // In portions: some services from the slot `at` on, which moves on. True: these were the last ones.
  bool zero_some(size_t& at);
  bool clear_some(size_t& at, Turn turn);
  void zero_all();
  void clear(Turn turn);
  void set_groups(std::vector<GroupMatch> groups, Turn turn);
  void set_timeouts(const Timeouts& timeouts);
  // The max_ ones stay as they were at the start.
  void set_settings(const Settings& settings, Instant now);
  // From the next packet on, as long as the observer lives. False: there are enough of them.
  bool observe(const std::shared_ptr<Observer>& observer);

  // State that survives a restart (state.h): what it is written of, and taken back into. When StateReader has read all:
  // state_restored().
  StateTables state_tables();
  void state_restored(Turn turn);

  // Connections that other directors know of (sync.h). What packets do to ours the sender is told; null: nobody is.
  void tell(SyncSender* sender);
  SyncView sync_view() const;
  bool adopt(const Adoption& heard, Turn turn);  // false: there is no room for it

  // What there is to see. Before rates are read: estimate(), so that they are today's.
  void estimate(Instant now);
  Explanation explain(const FlowKey& flow, Instant now) const;  // a packet that would begin a connection
  enum class Reach : uint8_t { ready, asking, silent, no_route, link_down, own_address, other_interface };
  Reach reach(const Server& server) const;  // can packets be sent to it?
  const Watch& watch() const;
  uint32_t watch_version() const;  // another number whenever watch() is another
  // What operators have changed since the last call, and servers that can or cannot be reached now (touched.h).
  bool touched() const;
  std::vector<Touched> take_touched();
  uint64_t looked_at() const;  // servers looked at by all changes so far: what they cost, whatever the clock says
  const Settings& settings() const;
  const Services& services() const;
  const ConnectionTable& connections() const;
  const Neighbors& neighbors() const;
  const Claims& claims() const;
  const Reassembly& reassembly() const;
  const ExitCounters& exits() const;
  const LinkFacts& link(Link link) const;
  const LinkCounters& counters(Link link) const;
  Mac mac_of(Ip claimed) const;  // what ARP says of a VIP. REQUIRES: claims() knows it

 private:
  struct Path;
  std::unique_ptr<Path> path_;
};

}  // namespace rawvs
