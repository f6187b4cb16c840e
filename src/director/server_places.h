// SPDX-License-Identifier: BSD-2-Clause
// server_places.h: what follows for servers from where they are: their next hops are asked for, and addresses watched.
// In:  servers as they are in the table, routes, the links.
// Out: Server::neighbor, source, route_mtu, reachable; addresses whose routes are wanted; what to watch for.
// Each change touches what it names; what touches every server is queued, and done in portions.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/route.h"
#include "core/service.h"
#include "director/lan.h"
#include "director/touched.h"
#include "director/watcher.h"

namespace rawvs {

class ServerPlaces {
 public:
  ServerPlaces(const Settings& settings, Services& services, Lan& lan, Watcher& watcher, TouchedList& touched);

  void place(ServerSlot slot, Instant now);  // the slot's server came, went, or is another
  void place_later(ServerSlot slot);
  void place_all_later();
  void place_those_at(Ip addr);  // later
  void place_some(Instant now);
  bool more() const { return to_place_.size() != 0; }
  uint64_t placed() const { return placed_; }  // servers so far: the cost of changes

  // Servers that were removed, or are not NAT's any more, are guarded and remembered as long as connections may need
  // it: from time to time they are looked at.
  void plan_tidying(Instant now);
  void tidy(Instant now);
  Instant tidy_due() const { return tidy_due_; }

  bool learn(const Route& route);  // false: it is known already, or nobody wants it
  std::vector<Ip> take_unknown_ways(size_t most);
  std::optional<Ip> next_server_address(std::optional<Ip> after) const;
  Route route_to(Ip addr) const;  // the host's routing table's word, if it is known
  Route::Kind kind_of(const Route& route) const;

 private:
  struct Place {  // what a server's slot has asked of others, to be taken back when it is otherwise
    uint16_t neighbor = kNoNeighbor;
    bool queued = false, tunnel = false, once_nat = false;
    std::optional<Mac> mac{};  // its neighbor was wanted with this one, fixed
    std::optional<Ip> at{};    // the way there is wanted
    std::optional<Ip> hop{};   // watched: its neighbor
    std::optional<Ip> nat{};   // watched: itself
  };
  struct Way {  // to an address of servers
    Route route{};
    bool known = false;
    uint32_t servers = 0;
  };
  void want_neighbor(ServerSlot slot, const Route& route, bool reachable, Instant now);
  void leave_neighbor(Place& place, Instant now);
  void follow_way(Place& place, std::optional<Ip> at);
  void watch_for(ServerSlot slot);

  Services& services_;
  Lan& lan_;
  Watcher& watcher_;
  TouchedList& touched_;
  std::vector<Place> places_;  // by server slot
  SlotQueue to_place_;         // servers whose surroundings are others now
  SlotQueue once_nat_;         // servers that were NAT's before an edit
  std::map<Ip, Way> ways_;
  std::vector<Ip> unknown_ways_;
  std::map<std::pair<uint16_t, Mac>, uint32_t> fixed_;  // how many servers want that neighbor to have that address
  uint32_t tunnels_ = 0;                                // servers
  uint64_t placed_ = 0;
  Instant tidy_due_ = kNever;  // when to see which servers need not be kept for their connections
  size_t tidy_left_ = 0;       // how many are still to be looked at
  std::vector<ServerSlot> gone_;
};

}  // namespace rawvs
