// SPDX-License-Identifier: BSD-2-Clause
// server_places.h: keeps each server's next hop, source address and reachability up to date.
// In:  the servers of the table, routes, the links.
// Out: Server::neighbor, source, route_mtu, reachable; the servers for which they may have changed (Changes); addresses
//      whose routes are needed; addresses to watch for.
//
// A change updates only the servers it concerns; a change that concerns all servers is queued and done in portions.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/route.h"
#include "core/service.h"
#include "core/touched.h"
#include "director/lan.h"
#include "director/watcher.h"
#include "rawvs/director.h"

namespace rawvs {

class ServerPlaces {
 public:
  ServerPlaces(const Settings& settings, Services& services, Lan& lan, Watcher& watcher, TouchedList& touched,
               Changes& changes);

  void place(ServerSlot slot, Instant now);  // after the slot's server was added, removed or changed
  void place_later(ServerSlot slot);
  void place_all_later();
  void place_those_at(Ip addr);  // later
  void place_some(Instant now);
  bool more() const { return to_place_.size() != 0; }
  uint64_t placed() const { return placed_; }  // servers updated so far: a measure of the changes' cost

  // Servers that were removed, or no longer use NAT, stay guarded and in the table while connections need them; they
  // are checked at intervals.
  void plan_tidying(Instant now);
  void tidy(Instant now);
  Instant tidy_due() const { return tidy_due_; }

  bool learn(const Route& route);  // false: already known, or no server is there
  std::vector<Ip> take_unknown_ways(size_t most);
  std::optional<Ip> next_server_address(std::optional<Ip> after) const;
  bool chosen_by_peer(Ip vip, Mac from, Ip source) const;  // surroundings.h
  const Server* unready_at(Ip addr) const;  // a server at the address that gets no packets by its route; null: none
  Route route_to(Ip addr) const;            // from the host's routing table; a guess if not known
  // Whether packets can be sent to the server by its route: ready, or why not. A server at the host's own address gets
  // them from the host's kernel, unchanged: the VIP has to be an address of the host, too.
  Director::Reach by_route(const Server& server, const Route& route) const;

 private:
  using Peer = std::pair<Ip, uint16_t>;  // a VIP and a neighbor
  struct Place {                         // what a server's slot uses of other parts, to release after a change
    uint16_t neighbor = kNoNeighbor;
    bool queued = false, tunnel = false, once_nat = false;
    std::optional<Mac> mac{};  // the fixed MAC address (mac=) with which it uses its neighbor
    std::optional<Ip> at{};    // uses the route to this address
    std::optional<Ip> hop{};   // in the watch list of neighbors
    std::optional<Ip> nat{};   // in the watch list of NAT servers
    std::optional<Peer> peer{};
  };
  struct Way {  // the route to an address of servers
    Route route{};
    bool known = false;
    uint32_t servers = 0;
  };
  void want_neighbor(ServerSlot slot, const Route& route, bool reachable, Instant now);
  void leave_neighbor(Place& place, Instant now);
  void follow_way(Place& place, std::optional<Ip> at);
  void watch_for(ServerSlot slot);
  void note_peer(ServerSlot slot);

  Services& services_;
  Lan& lan_;
  Watcher& watcher_;
  TouchedList& touched_;
  Changes& changes_;
  std::vector<Place> places_;  // by server slot
  SlotQueue to_place_;         // servers to update
  SlotQueue once_nat_;         // servers that used NAT before an edit
  std::map<Ip, Way> ways_;
  std::vector<Ip> unknown_ways_;
  std::map<std::pair<uint16_t, Mac>, uint32_t> fixed_;  // number of servers that fix that neighbor to that address
  std::map<Peer, uint32_t> peers_;                      // number of servers: see chosen_by_peer()
  uint64_t placed_ = 0;
  Instant tidy_due_ = kNever;  // the next check of servers kept for their connections
  size_t tidy_left_ = 0;       // how many remain to be checked
  std::vector<ServerSlot> gone_;
};

}  // namespace rawvs
