// SPDX-License-Identifier: BSD-2-Clause
// surroundings.h: links, routes, neighbours and VIPs on the LAN.
// In:  facts about links and routes, ARP and neighbour discovery, VIPs with services, VRRP's masters, the time.
// Out: a packet's next hop; the owner of an address; ARP and neighbour discovery; the Watch; lines for the log.
// Not: connections, packets' headers.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/touched.h"
#include "core/turn.h"
#include "director/lan.h"
#include "director/server_places.h"
#include "director/watcher.h"
#include "rawvs/director.h"
#include "rawvs/exit.h"
#include "wire/compose.h"

namespace rawvs {

struct Hop {  // a frame's next hop
  Link link{};
  Mac mac{};
  uint16_t neighbor = kNoNeighbor;  // of the MAC address; kNoNeighbor: a client's
  uint32_t mtu = 0;                 // bytes of an IP packet
  bool knows_mac = false;
};

class Surroundings {
 public:
  Surroundings(const Settings& settings, Services& services, Composer& composer, ExitCounters& exits,
               TouchedList& touched);

  // For packets: the owner of an address, and the next hop.
  bool takes(Ip addr) const { return lan_.claims.takes(addr); }  // frames to it are the director's, or some of them
  // Whether a packet to this port of the claimed address is the director's: of an address of the host, a service's.
  bool takes(const ClaimedAddresses::Cell& claimed, Protocol protocol, Port port) const {
    return !claimed.own || holds(watcher_.watch().own, claimed.vip, protocol, port);
  }
  // Whether a fragment to the claimed address may belong to such a packet.
  bool takes_fragment(const ClaimedAddresses::Cell& claimed, const Frame& frame, const Packet& p) const;
  bool stands_by(Ip addr) const { return lan_.claims.stands_by(addr); }
  const ClaimedAddresses::Cell* claimed(Ip addr) const { return lan_.claims.claimed(addr); }  // both in one look-up
  bool answers_for(Ip addr, Link link) const { return lan_.claims.answers_for(addr, link); }
  bool is_own(Ip addr) const { return lan_.is_own(addr); }
  bool from_nat_server(Ip addr) const { return std::ranges::binary_search(watcher_.watch().nat_servers, addr); }
  bool is_broadcast(Ip addr, Link link) const;  // of a subnet on this link
  bool our_mac(Mac mac, Link link) const {      // a virtual one, beside the interface's
    return std::ranges::binary_search(watcher_.watch().macs[index(link)], mac);
  }
  // A packet to this VIP, from the MAC address of a server of it by direct routing, but not from that server: a
  // director there has chosen this host.
  bool chosen_by_peer(Ip vip, Mac from, Ip source) const { return places_.chosen_by_peer(vip, from, source); }
  size_t links() const { return lan_.count; }
  const LinkFacts& link(Link link) const { return lan_.link(link); }
  Ip own_address(Link link, Family family) const { return lan_.own_address(link, family); }
  // False: the guard cannot look up flows, and drops all packets of NAT servers before the host's kernel.
  bool guard_knows_flows(Link link) const { return !lan_.guards_without_flows.has(link); }
  // Sets the server's next hop; or returns why there is none.
  std::optional<Exit> hop_to(const Server& server, Hop& hop, Instant now) const;
  // Keeps a frame until its next hop's MAC address is resolved.
  Hold hold(const Hop& hop, const Frame& frame, Instant now) { return lan_.neighbors.hold(hop.neighbor, frame, now); }
  void recycle() { lan_.neighbors.recycle(); }  // the outbox was cleared

  // Events.
  // The VIP was asked for by a request to all, and the answer was sent: see Claims::asked().
  bool asked(const Defence::Asker& asker, Instant now) { return lan_.claims.asked(asker, now); }
  Exit heard(const Discovery& d, Link link, Turn turn);
  void send(Link link, Mac to, const Discovery& d, Outbox& out);
  void link_changed(Link link, const LinkFacts& facts, Turn turn);
  void share(std::vector<Shared> shared, const std::optional<Shared>& others, Turn turn);
  void announce(Ip vip, Turn turn);
  void announce_others(Turn turn);
  void route_found(const Route& route, Turn turn);
  bool host_addresses(std::vector<Ip> all, Turn turn);  // false: nothing has changed
  std::vector<Ip> take_unknown_ways(size_t most) { return places_.take_unknown_ways(most); }
  std::optional<Ip> next_server_address(std::optional<Ip> after) const { return places_.next_server_address(after); }
  void set_guard_knows_flows(Link link, bool knows) {
    if (knows == guard_knows_flows(link)) return;
    knows ? lan_.guards_without_flows.remove(link) : lan_.guards_without_flows.add(link);
    places_.place_all_later();  // full NAT is possible now, or no longer
  }
  void hold_arp(bool hold) { arp_held_ = hold; }
  void settings_changed(Instant now) {
    lan_.claims.settings_changed(now);
    look_at_locals();
  }
  void time_passed(Turn turn);
  bool more_work() const { return places_.more() || lan_.neighbors.sweeping() || locals_stale_; }
  Instant next_deadline() const;

  // Operators' changes. Call settle() after each: it updates next hops, the Watch and the LAN.
  void use(const VipPorts& ports, Turn turn);  // a service or a group takes these now; each has to leave() as often
  void leave(const VipPorts& ports, Turn turn);
  void place(ServerSlot slot, Instant now) { places_.place(slot, now); }
  void place_later(ServerSlot slot) { places_.place_later(slot); }
  void place_all_later() { places_.place_all_later(); }
  void settle(Turn turn);

  // Of servers' next hops, to be cleared by whoever follows them.
  Changes& changes() { return changes_; }
  const Changes& changes() const { return changes_; }
  bool take_vips_left() { return std::exchange(vips_left_, false); }  // since the last call: VIPs, or ports of own ones

  // Reading.
  Director::Reach reach(const Server& server) const;
  Mac mac_of(const Claims::Claim& claim, Link link) const { return lan_.mac_of(claim, link); }
  const Watch& watch() const { return watcher_.watch(); }
  uint32_t watch_version() const { return watcher_.version(); }
  const Neighbors& neighbors() const { return lan_.neighbors; }
  const Claims& claims() const { return lan_.claims; }
  uint64_t placed() const { return places_.placed(); }

 private:
  void follow_claim(Ip vip, Turn turn);
  bool in_use(Ip vip) const;  // by a service
  bool is_own_vip(Ip vip) const {
    const ClaimedAddresses::Cell* const cell = claimed(vip);
    return cell && cell->own;
  }
  void own_changed(Ip vip, bool own, Outbox& out);
  void note_own(const VipPorts& ports, bool came, Outbox& out);
  void end_leaving(Turn turn);
  void forget_leaving(Ip vip, Outbox& out);
  template <class One>
  void for_each_vip(One&& one);
  void note_claims();
  void look_at_locals() { locals_stale_ = !settings_.local_addresses.empty() || !missing_locals_.empty(); }
  void tell_missing_locals(Outbox& out);
  const Shared* shared_as(Ip vip) const;  // null: not shared
  void send_due(Turn turn);
  void ask(const Ask& question, Outbox& out);
  void say(const Say& word, Outbox& out);
  void repeat(const Say& word, Mac mac, Outbox& out);
  void tell(const Conflict& conflict, Outbox& out) const;

  const Settings& settings_;
  Changes changes_;
  bool vips_left_ = false;
  Lan lan_;
  Watcher watcher_;
  ServerPlaces places_;
  Composer& composer_;
  ExitCounters& exits_;
  // By how many services and groups; 0: by none any more, but of an own address they stay the director's for a while.
  std::map<VipPorts, uint32_t> taken_;
  struct Leaving {
    VipPorts ports{};
    Instant until{};
  };
  std::deque<Leaving> leaving_;     // in the order of their ends
  std::vector<Shared> shared_;      // sorted by address
  std::optional<Shared> others_{};  // how VIPs outside shared_ are shared
  bool arp_held_ = false;
  bool knows_host_ = false;  // its addresses
  bool locals_stale_ = false;
  std::vector<Ip> missing_locals_;  // local addresses of full NAT that are neither the host's nor VIPs; said
  std::vector<Ask> asks_;
  std::vector<Say> says_;
  std::vector<Conflict> conflicts_;
};

inline std::optional<Exit> Surroundings::hop_to(const Server& server, Hop& hop, Instant now) const {
  if (server.neighbor == kNoNeighbor) return Exit::no_route;
  const Neighbors::Neighbor& neighbor = lan_.neighbors.at(server.neighbor);
  const LinkFacts& way = lan_.links[index(neighbor.link)];
  if (!way.usable()) return Exit::no_link;
  const uint16_t mtu = way.mtu_of(server.spec.at.addr.family());
  hop = {neighbor.link, neighbor.mac, server.neighbor, mtu, neighbor.knows_mac()};
  if (server.route_mtu != 0) hop.mtu = std::min<uint32_t>(hop.mtu, server.route_mtu);
  if (server.path_mtu != 0 && now < server.path_mtu_until) hop.mtu = std::min<uint32_t>(hop.mtu, server.path_mtu);
  return std::nullopt;
}

}  // namespace rawvs
