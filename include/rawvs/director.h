// SPDX-License-Identifier: BSD-2-Clause
// director.h: the packet's whole path, and where services, connections and ARP meet.
// The door is a handful of calls: frames arrived; a link changed; an operator wants something; time passed; when do you
// need me next. The daemon, rawvs-replay, the tests and the fuzzers drive this same door, so what is tested is what
// runs. What should happen comes back in the Outbox: frames to transmit, lines for the log. clear() it between calls.
#pragma once

#include <array>
#include <span>

#include "rawvs/claim.h"
#include "rawvs/compose.h"
#include "rawvs/connection.h"
#include "rawvs/limit.h"
#include "rawvs/link.h"
#include "rawvs/neighbor.h"
#include "rawvs/outbox.h"
#include "rawvs/settings.h"

namespace rawvs {

struct Watch {              // what the outside must deliver to the director, and keep from the host's kernel
  std::vector<Ip> vips;     // sorted: frames to these, ARP about these
  std::vector<Ip> servers;  // sorted: ARP from these
  friend bool operator==(const Watch&, const Watch&) = default;
};

class Director {
 public:
  static constexpr size_t kBatch = 64;  // frames per call of frames_arrived()

  // secret: random; keys the connection table's hash. two_links: there is an inside interface.
  Director(const Settings& settings, HashKey secret, bool two_links, Instant now);

  // What happened. REQUIRES: frames.size() <= kBatch, out is empty. Frames are rewritten in place and lent to out.
  void frames_arrived(std::span<Frame> frames, Instant now, Outbox& out);
  void link_changed(Link link, const LinkFacts& facts, Instant now, Outbox& out);
  void time_passed(Instant now, Outbox& out);
  void link_counted(Link link, const LinkCounters& counters) { counters_[index(link)] = counters; }  // for listings
  Instant next_deadline() const;

  // What an operator wants. Nothing changes when a Refusal comes back.
  std::optional<Refusal> add(const ServiceSpec& spec, Instant now, Outbox& out);
  std::optional<Refusal> edit(const ServiceSpec& spec, Instant now, Outbox& out);
  std::optional<Refusal> remove(const ServiceKey& key, Instant now, Outbox& out);
  std::optional<Refusal> add_server(const ServiceKey& key, const ServerSpec& spec, Instant now, Outbox& out);
  std::optional<Refusal> edit_server(const ServiceKey& key, const ServerSpec& spec, Instant now, Outbox& out);
  std::optional<Refusal> remove_server(const ServiceKey& key, Endpoint server, Instant now, Outbox& out);
  std::optional<Refusal> zero(const ServiceKey& key) { return services_.zero(key); }
  void zero_all() { services_.zero_all(); }
  void clear(Instant now, Outbox& out);
  void set_groups(std::vector<GroupMatch> groups, Instant now, Outbox& out);
  void set_timeouts(const Timeouts& timeouts) { settings_.timeouts = timeouts; }

  // What there is to see.
  const Watch& watch() const { return watch_; }
  uint32_t watch_version() const { return watch_version_; }  // another number whenever watch() is another
  const Settings& settings() const { return settings_; }
  const Services& services() const { return services_; }
  ConnectionTable& connections() { return connections_; }
  const ConnectionTable& connections() const { return connections_; }
  const Neighbors& neighbors() const { return neighbors_; }
  const Claims& claims() const { return claims_; }
  const ExitCounters& exits() const { return exits_; }
  const LinkFacts& link(Link link) const { return links_[index(link)]; }
  const LinkCounters& counters(Link link) const { return counters_[index(link)]; }

 private:
  struct Arrival {  // one frame of a batch on its way
    Frame* frame = nullptr;
    Ethernet ethernet{};
    Packet packet{};
    std::optional<Exit> exit{};  // known after parsing already
    bool tracked = false;        // may have a connection: key and hash are set
    FlowKey key{};
    uint64_t hash = 0;
  };
  void parse(Arrival& a);
  Exit decide(const Arrival& a, Instant now, Outbox& out);
  bool from_broadcast(const Arrival& a) const;
  Exit arp_arrived(const Arrival& a, Instant now, Outbox& out);
  Exit ip_arrived(const Arrival& a, Instant now, Outbox& out);
  Connection* track(const Arrival& a, Instant now);
  Service* schedulable(const Packet& packet);
  Exit open(const Arrival& a, Service& service, Instant now, Outbox& out);
  Exit carry(const Arrival& a, Connection& c, Server& server, Instant now, Outbox& out);
  Exit carry_error(const Arrival& a, Server& server, Instant now, Outbox& out);
  void count_traffic(const Arrival& a, Server& server);
  Exit forward(const Arrival& a, const Server& server, Instant now, Outbox& out);
  void end(Connection& c);

  // What a VIP says itself.
  Exit answer_as_host(const Arrival& a, Instant now, Outbox& out);
  Exit echo(const Arrival& a, Instant now, Outbox& out);
  Exit reset(const Arrival& a, Instant now, Outbox& out);
  Exit error(const Arrival& a, Exit exit, Instant now, Outbox& out, uint16_t mtu = 0);
  template <class Build>
  Exit answer(const Arrival& a, Exit exit, Limit& limit, Instant now, Outbox& out, Build&& build);
  void send_arp(Link link, Mac to, const Arp& arp, Outbox& out);

  // What changes around it.
  void services_changed(Instant now, Outbox& out);
  void place_server(ServerSlot slot, Instant now);
  void refresh_watch();
  void warn_if_own(Ip vip, Outbox& out) const;
  Ip own_address(Link link) const;
  Link link_towards(Ip addr) const;
  bool answers_on(Link link) const { return link == Link::outside; }
  void speak(Instant now, Outbox& out);
  void say(const Conflict& conflict, Outbox& out) const;

  Settings settings_;
  bool two_links_;
  std::array<LinkFacts, kLinks> links_{};
  std::array<LinkCounters, kLinks> counters_{};
  Services services_;
  ConnectionTable connections_;
  Neighbors neighbors_;
  Claims claims_;
  Composer composer_;
  Limit resets_, errors_, echoes_;
  ExitCounters exits_;
  Watch watch_;
  uint32_t watch_version_ = 0;
  std::array<Arrival, kBatch> batch_{};
  std::vector<Ask> asks_;
  std::vector<Say> says_;
  std::vector<Conflict> conflicts_;
};

}  // namespace rawvs
