// SPDX-License-Identifier: BSD-2-Clause
// server_places.cpp: updates servers' next hops and routes, and the watch lists that follow from them.
#include "director/server_places.h"

#include <algorithm>

namespace rawvs {

namespace {

constexpr size_t kPlacedAtOnce = 512;  // servers in one call: with 65,000 of NAT, guards need 4 ms to follow
constexpr Duration kTidyPause = 60s;   // between checks of removed servers
constexpr size_t kTidied = 1024;       // of them checked in one call
constexpr Ip kAnyVip;                  // of a mark

}  // namespace

ServerPlaces::ServerPlaces(const Settings& settings, Services& services, Lan& lan, Watcher& watcher,
                           TouchedList& touched, Changes& changes)
    : services_(services),
      lan_(lan),
      watcher_(watcher),
      touched_(touched),
      changes_(changes),
      places_(std::min<uint32_t>(settings.max_servers, kNoServer)),
      to_place_(settings.max_servers),
      once_nat_(settings.max_servers) {}

void ServerPlaces::place_those_at(Ip addr) {
  static_cast<void>(services_.find_at(addr, [&](const Server& server) {
    place_later(services_.slot_of(server));
    return false;  // and the next
  }));
}

void ServerPlaces::place_later(ServerSlot slot) {
  if (!std::exchange(places_[slot].queued, true)) to_place_.push(slot);
}

void ServerPlaces::place_all_later() {
  for (uint32_t slot = 0; slot < services_.server_slots(); ++slot) place_later(static_cast<ServerSlot>(slot));
}

void ServerPlaces::place_some(Instant now) {
  for (size_t left = std::min(kPlacedAtOnce, to_place_.size()); left > 0; --left) {
    const ServerSlot slot = to_place_.first();
    to_place_.remove(slot);
    places_[slot].queued = false;
    place(slot, now);
  }
}

void ServerPlaces::place(ServerSlot slot, Instant now) {
  ++placed_;
  Server& server = services_.server(slot);
  const bool serves = server.in_service();
  follow_way(places_[slot], serves ? std::optional(server.spec.at.addr) : std::nullopt);
  const Route route = serves ? route_to(server.spec.at.addr) : Route{};
  services_.set_local(slot, serves && route.kind == Route::Kind::local);
  const bool reachable = serves && by_route(server, route) == Director::Reach::ready;
  if (serves) server.source = route.source, server.route_mtu = route.mtu;
  if (serves && services_.set_reachable(slot, reachable)) touched_.add(server.key, server.spec.at);
  want_neighbor(slot, route, reachable && !server.local, now);
  note_peer(slot);
  watch_for(slot);
  changes_.server(slot);
}

void ServerPlaces::want_neighbor(ServerSlot slot, const Route& route, bool reachable, Instant now) {
  Server& server = services_.server(slot);
  Place& place = places_[slot];
  const std::optional<Mac> fixed = lan_.link(route.link).ethernet ? server.spec.mac : kBarePeer;
  if (place.neighbor != kNoNeighbor) {
    const Neighbors::Neighbor& n = lan_.neighbors.at(place.neighbor);
    // A server without mac= may share the neighbor of one with mac=: same address, another service.
    const bool fixed_right = place.mac == fixed && (!place.mac || n.mac == *place.mac);
    const bool right = reachable && n.addr == route.next_hop && n.link == route.link && fixed_right;
    if (!right) leave_neighbor(place, now);
  }
  if (reachable && place.neighbor == kNoNeighbor) {
    place.neighbor = lan_.neighbors.want(route.next_hop, route.link, fixed, now);
    if (place.neighbor != kNoNeighbor && fixed) {
      place.mac = fixed;
      ++fixed_[{place.neighbor, *place.mac}];
    }
  }
  server.neighbor = place.neighbor;
}

void ServerPlaces::leave_neighbor(Place& place, Instant now) {
  const uint16_t slot = std::exchange(place.neighbor, kNoNeighbor);
  if (const auto mac = std::exchange(place.mac, std::nullopt)) {
    const auto wish = fixed_.find({slot, *mac});
    if (--wish->second == 0) fixed_.erase(wish);
  }
  lan_.neighbors.unwant(slot);
  const Neighbors::Neighbor& n = lan_.neighbors.at(slot);
  if (n.wanted == 0 || n.state != Neighbors::State::fixed) return;
  // The remaining servers of this neighbor have no mac=: its address must be resolved.
  if (!fixed_.contains({slot, n.mac})) lan_.neighbors.ask_anew(slot, now);
}

void ServerPlaces::follow_way(Place& place, std::optional<Ip> at) {
  if (place.at == at) return;
  if (place.at) {
    const auto left = ways_.find(*place.at);
    if (--left->second.servers == 0) ways_.erase(left);
  }
  place.at = at;
  if (at && ++ways_[*at].servers == 1) unknown_ways_.push_back(*at);
}

// Updates the slot's part of the watch lists, from which filter and guard are made.
void ServerPlaces::watch_for(ServerSlot slot) {
  const Server& server = services_.server(slot);
  Place& place = places_[slot];
  const bool serves = server.in_service();
  const auto hop =
      serves && place.neighbor != kNoNeighbor ? std::optional(lan_.neighbors.at(place.neighbor).addr) : std::nullopt;
  watcher_.neighbor(place.hop, hop);
  // A removed server still replies on its connections.
  const bool nat = server.used && server.was_nat;
  watcher_.nat_server(place.nat, nat ? std::optional(server.spec.at.addr) : std::nullopt);
  watcher_.tunnel(place.tunnel, serves && server.spec.method == Method::tunnel);
  const bool once_nat = serves && server.was_nat && !translates(server.spec.method);
  if (std::exchange(place.once_nat, once_nat) != once_nat) once_nat ? once_nat_.push(slot) : once_nat_.remove(slot);
}

void ServerPlaces::plan_tidying(Instant now) {
  const bool untidy = services_.removed() != 0 || once_nat_.size() != 0;
  if (untidy && tidy_due_ == kNever) tidy_due_ = now + kTidyPause;
}

void ServerPlaces::tidy(Instant now) {
  if (now < tidy_due_) return;
  if (tidy_left_ == 0) tidy_left_ = std::max(services_.removed(), once_nat_.size());
  const size_t some = std::min(tidy_left_, kTidied);
  gone_.clear();
  services_.forget_removed(now, some, gone_);
  for (const ServerSlot slot : gone_) watch_for(slot);
  for (size_t left = std::min(some, once_nat_.size()); left > 0; --left) {
    const ServerSlot slot = once_nat_.first();
    once_nat_.remove(slot);
    once_nat_.push(slot);
    Server& server = services_.server(slot);
    if (server.references() == 0) server.was_nat = false;
    watch_for(slot);
  }
  tidy_left_ -= some;
  tidy_due_ = tidy_left_ != 0 ? now : kNever;
}

Director::Reach ServerPlaces::by_route(const Server& server, const Route& route) const {
  using Reach = Director::Reach;
  switch (route.kind) {
    // A VIP of this director cannot be a server elsewhere: the director does not receive its own frames.
    case Route::Kind::direct:
      // The kernel would answer full NAT's replies, which come to its own address, with RST.
      if (server.spec.method == Method::fullnat && lan_.guards_without_flows.has(route.link)) return Reach::no_flows;
      if (lan_.claims.answers_for(route.to)) return Reach::own_address;
      return server.spec.method == Method::route && !lan_.link(route.link).ethernet ? Reach::no_ethernet : Reach::ready;
    case Route::Kind::elsewhere: return Reach::other_interface;
    case Route::Kind::unreachable: return Reach::no_route;
    case Route::Kind::local: break;
  }
  // The kernel's replies do not pass the director: NAT must have nothing to translate.
  const Endpoint vip = server.key.vip, at = server.spec.at;
  const bool same = server.key.mark.value == 0 && at.addr == vip.addr && (at.port.value == 0 || at.port == vip.port);
  if (translates(server.spec.method) && !same) return Reach::local_nat;
  const auto missing = [&](Ip one) { return !lan_.claims.on_host(one); };
  return std::ranges::any_of(services_.vips_of(server.key), missing) ? Reach::vip_missing : Reach::ready;
}

bool ServerPlaces::chosen_by_peer(Ip vip, Mac from, Ip source) const {
  if (peers_.empty()) return false;
  return lan_.neighbors.any_at(from, [&](uint16_t peer) {
    const bool itself = lan_.neighbors.at(peer).addr == source;
    return !itself && (peers_.contains({vip, peer}) || peers_.contains({kAnyVip, peer}));
  });
}

// A server by direct routing of a VIP that this host has, too, or of a mark.
void ServerPlaces::note_peer(ServerSlot slot) {
  const Server& server = services_.server(slot);
  Place& place = places_[slot];
  std::optional<Peer> peer;
  if (place.neighbor != kNoNeighbor && server.in_service() && server.spec.method == Method::route) {
    const bool of_mark = server.key.mark.value != 0;
    if (of_mark || lan_.claims.on_host(server.key.vip.addr)) {
      peer = {of_mark ? kAnyVip : server.key.vip.addr, place.neighbor};
    }
  }
  if (peer == place.peer) return;
  if (peer) ++peers_[*peer];
  if (const auto left = place.peer ? peers_.find(*place.peer) : peers_.end(); left != peers_.end()) {
    if (--left->second == 0) peers_.erase(left);
  }
  place.peer = peer;
}

const Server* ServerPlaces::unready_at(Ip addr) const {
  const Route route = route_to(addr);
  const ServerSlot slot =
      services_.find_at(addr, [&](const Server& s) { return by_route(s, route) != Director::Reach::ready; });
  return slot == kNoServer ? nullptr : &services_.server(slot);
}

Route ServerPlaces::route_to(Ip addr) const {
  const auto known = ways_.find(addr);
  if (known != ways_.end() && known->second.known) return known->second.route;
  const Link link = lan_.link_towards(addr);
  return {addr, Route::Kind::direct, link, addr, lan_.own_address(link, addr.family()), 0, {}};
}

bool ServerPlaces::learn(const Route& route) {
  const auto found = ways_.find(route.to);
  if (found == ways_.end() || (found->second.known && found->second.route == route)) return false;
  found->second.route = route;
  found->second.known = true;
  place_those_at(route.to);
  return true;
}

std::vector<Ip> ServerPlaces::take_unknown_ways(size_t most) {
  std::vector<Ip> some;
  while (!unknown_ways_.empty() && some.size() < most) {
    const auto way = ways_.find(unknown_ways_.back());
    unknown_ways_.pop_back();
    if (way != ways_.end() && !way->second.known) some.push_back(way->first);
  }
  return some;
}

std::optional<Ip> ServerPlaces::next_server_address(std::optional<Ip> after) const {
  const auto next = after ? ways_.upper_bound(*after) : ways_.begin();
  return next == ways_.end() ? std::nullopt : std::optional(next->first);
}

}  // namespace rawvs
