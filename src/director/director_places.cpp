// SPDX-License-Identifier: BSD-2-Clause
// director_places.cpp: what follows from where services and servers are: VIPs are claimed, servers' next hops asked
// for, addresses watched. Each change touches what it names; what touches every server is queued, and done in portions.
#include <algorithm>
#include <utility>

#include "rawvs/director.h"

namespace rawvs {

namespace {

constexpr size_t kPlacedAtOnce = 1024;  // servers in one call: less than a millisecond

}  // namespace

bool Director::Counted::add(std::vector<Ip>& list, Ip a) {
  const auto found = std::ranges::lower_bound(list, a);
  const auto at = found - list.begin();
  if (found != list.end() && *found == a) return ++counts_[static_cast<size_t>(at)], false;
  list.insert(found, a);
  counts_.insert(counts_.begin() + at, 1);
  return true;
}

bool Director::Counted::remove(std::vector<Ip>& list, Ip a) {
  const auto found = std::ranges::lower_bound(list, a);
  const auto at = found - list.begin();
  if (--counts_[static_cast<size_t>(at)] != 0) return false;
  list.erase(found);
  counts_.erase(counts_.begin() + at);
  return true;
}

bool Director::is_own(Ip addr) const {
  return std::ranges::any_of(links_, [&](const LinkFacts& link) {
    return std::ranges::find(link.addresses, addr, &LinkAddress::addr) != link.addresses.end();
  });
}

void Director::use_vip(Ip vip, Turn turn) {
  if (++vips_[vip] != 1) return;
  if (!claims_.answers_for(vip) && !claims_.stands_by(vip)) warn_if_own(vip, turn.out);
  follow_claim(vip, turn.now);
}

void Director::leave_vip(Ip vip, Instant now) {
  const auto found = vips_.find(vip);
  if (--found->second != 0) return;
  vips_.erase(found);
  follow_claim(vip, now);
}

// Not the host's own addresses, unless an instance names them and they are VIPs: a master with priority 255 has them,
// and its kernel answers. A VIP that no instance names, and that is the host's own, is no other director's.
const Shared* Director::shared_as(Ip vip) const {
  const bool service = vips_.contains(vip), own = is_own(vip);
  const auto found = std::ranges::lower_bound(shared_, vip, {}, &Shared::vip);
  if (found != shared_.end() && found->vip == vip) return service || !own ? &*found : nullptr;
  return service && !own && others_ ? &*others_ : nullptr;
}

void Director::follow_claim(Ip vip, Instant now) {
  const bool service = vips_.contains(vip);
  const Shared* const shared = shared_as(vip);
  if (!service && !shared) {
    claims_.retire(vip, now);
  } else {
    ClaimedAs as{.link = service ? Link::outside : shared->link};
    // A virtual MAC address is known on its own link only.
    if (shared && shared->link == as.link) as.mac = shared->mac;
    as.standby = shared && !shared->ours;
    claims_.claim(vip, as, now);
  }
  if (is_own(vip)) place_all_later();  // whether we ask in its name is another question now
  place_those_at(vip);
}

void Director::place_those_at(Ip addr) {
  static_cast<void>(services_.find_at(addr, [&](const Server& server) {
    place_later(services_.slot_of(server));
    return false;  // and the next
  }));
}

void Director::note_claims() {
  for (const auto& [vip, came] : claims_.take_changes()) {
    const auto at = std::ranges::lower_bound(watch_.vips, vip);
    came ? static_cast<void>(watch_.vips.insert(at, vip)) : static_cast<void>(watch_.vips.erase(at));
    ++watch_version_;
  }
}

void Director::place_later(ServerSlot slot) {
  if (!std::exchange(places_[slot].queued, true)) to_place_.push(slot);
}

void Director::place_all_later() {
  for (uint32_t slot = 0; slot < services_.server_slots(); ++slot) place_later(static_cast<ServerSlot>(slot));
}

void Director::place_some(Instant now) {
  for (size_t left = std::min(kPlacedAtOnce, to_place_.size()); left > 0; --left) {
    const ServerSlot slot = to_place_.first();
    to_place_.remove(slot);
    places_[slot].queued = false;
    place_server(slot, now);
  }
}

void Director::place_server(ServerSlot slot, Instant now) {
  ++placed_;
  Server& server = services_.server(slot);
  const bool serves = server.in_service();
  follow_way(places_[slot], serves ? std::optional(server.spec.at.addr) : std::nullopt);
  const Route route = serves ? route_to(server.spec.at.addr) : Route{};
  const bool reachable = serves && kind_of(route) == Route::Kind::direct;
  if (serves) server.source = route.source, server.route_mtu = route.mtu;
  if (serves && services_.set_reachable(slot, reachable)) touch(server.key, server.spec.at);
  want_neighbor(slot, route, reachable, now);
  watch_for(slot);
}

void Director::want_neighbor(ServerSlot slot, const Route& route, bool reachable, Instant now) {
  Server& server = services_.server(slot);
  Place& place = places_[slot];
  if (place.neighbor != kNoNeighbor) {
    const Neighbors::Neighbor& n = neighbors_.at(place.neighbor);
    // A server without mac= may share the slot of one that has it: same address, another service.
    const bool fixed_right = place.mac == server.spec.mac && (!place.mac || n.mac == *place.mac);
    const bool right = reachable && n.addr == route.next_hop && n.link == route.link && fixed_right;
    if (!right) leave_neighbor(place, now);
  }
  if (reachable && place.neighbor == kNoNeighbor) {
    place.neighbor = neighbors_.want(route.next_hop, route.link, server.spec.mac, now);
    if (place.neighbor != kNoNeighbor && server.spec.mac) {
      place.mac = server.spec.mac;
      ++fixed_[{place.neighbor, *place.mac}];
    }
  }
  server.neighbor = place.neighbor;
}

void Director::leave_neighbor(Place& place, Instant now) {
  const uint16_t slot = std::exchange(place.neighbor, kNoNeighbor);
  if (const auto mac = std::exchange(place.mac, std::nullopt)) {
    const auto wish = fixed_.find({slot, *mac});
    if (--wish->second == 0) fixed_.erase(wish);
  }
  neighbors_.unwant(slot);
  const Neighbors::Neighbor& n = neighbors_.at(slot);
  if (n.wanted == 0 || n.state != Neighbors::State::fixed) return;
  // Those that share the slot lived on this one's mac=.
  if (!fixed_.contains({slot, n.mac})) neighbors_.ask_anew(slot, now);
}

void Director::follow_way(Place& place, std::optional<Ip> at) {
  if (place.at == at) return;
  if (place.at) {
    const auto left = ways_.find(*place.at);
    if (--left->second.servers == 0) ways_.erase(left);
  }
  place.at = at;
  if (at && ++ways_[*at].servers == 1) unknown_ways_.push_back(*at);
}

// What the slot adds to the lists that filter and guard are made of.
void Director::watch_for(ServerSlot slot) {
  const Server& server = services_.server(slot);
  Place& place = places_[slot];
  const auto put = [&](Counted& counted, std::vector<Ip>& list, std::optional<Ip>& was, std::optional<Ip> is) {
    if (was == is) return;
    if (is && counted.add(list, *is)) ++watch_version_;
    if (was && counted.remove(list, *was)) ++watch_version_;
    was = is;
  };
  const bool serves = server.in_service();
  const auto hop =
      serves && place.neighbor != kNoNeighbor ? std::optional(neighbors_.at(place.neighbor).addr) : std::nullopt;
  put(hops_, watch_.neighbors, place.hop, hop);
  // A removed server's connections still answer.
  const bool nat = server.used && server.was_nat;
  put(nats_, watch_.nat_servers, place.nat, nat ? std::optional(server.spec.at.addr) : std::nullopt);
  const bool tunnel = serves && server.spec.method == Method::tunnel;
  if (std::exchange(place.tunnel, tunnel) != tunnel) tunnel ? ++tunnels_ : --tunnels_;
  const bool once_nat = serves && server.was_nat && server.spec.method != Method::masq;
  if (std::exchange(place.once_nat, once_nat) != once_nat) once_nat ? once_nat_.push(slot) : once_nat_.remove(slot);
  const bool errors = tunnels_ != 0 || !watch_.nat_servers.empty();
  if (std::exchange(watch_.icmp_errors, errors) != errors) ++watch_version_;
}

// What a route comes to. The director's own VIPs are nobody's servers: what it sends, it does not hear.
Route::Kind Director::kind_of(const Route& route) const {
  const bool own = route.kind == Route::Kind::direct && claims_.answers_for(route.to);
  return own ? Route::Kind::local : route.kind;
}

// The host's routing table's word, if it is known.
Route Director::route_to(Ip addr) const {
  const auto known = ways_.find(addr);
  if (known != ways_.end() && known->second.known) return known->second.route;
  const Link link = link_towards(addr);
  return {addr, Route::Kind::direct, link, addr, own_address(link), 0};
}

void Director::route_found(const Route& route, Turn turn) {
  const auto found = ways_.find(route.to);
  if (found == ways_.end() || (found->second.known && found->second.route == route)) return;
  if (route.kind != Route::Kind::direct) say(route, turn.out);
  found->second.route = route;
  found->second.known = true;
  place_those_at(route.to);
  changed(turn);
}

std::vector<Ip> Director::take_unknown_ways(size_t most) {
  std::vector<Ip> some;
  while (!unknown_ways_.empty() && some.size() < most) {
    const auto way = ways_.find(unknown_ways_.back());
    unknown_ways_.pop_back();
    if (way != ways_.end() && !way->second.known) some.push_back(way->first);
  }
  return some;
}

std::optional<Ip> Director::next_server_address(std::optional<Ip> after) const {
  const auto next = after ? ways_.upper_bound(*after) : ways_.begin();
  return next == ways_.end() ? std::nullopt : std::optional(next->first);
}

}  // namespace rawvs
