// SPDX-License-Identifier: BSD-2-Clause
// surroundings.cpp: applies changes of links, routes and VIPs.
#include "director/surroundings.h"

#include <functional>

#include "core/outbox.h"
#include "core/sort.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

void tell_change(const LinkFacts& facts, bool unfit, bool came, bool was_usable, Outbox& out) {
  if (unfit) {
    out.say(Severity::error, formatted("interface {} cannot serve: {}: waiting for another", facts.name, facts.unfit));
  } else if (came) {
    out.say(Severity::notice, formatted("interface {} is up: {}, MTU {}{}", facts.name, text(facts.mac), facts.mtu,
                                        facts.carrier ? "" : ", no carrier yet"));
  } else if (was_usable && !facts.usable()) {
    out.say(Severity::warning, formatted("interface {} is {}: waiting for it to come back", facts.name,
                                         facts.ifindex == 0 ? "gone" : "down"));
  }
}

// unready: a server there that gets no packets; null: all do.
void tell(const Route& route, const Server* unready, Director::Reach why, Outbox& out) {
  const std::string server = "real server " + text(route.to);
  switch (route.kind) {
    case Route::Kind::direct: break;
    case Route::Kind::elsewhere:
      out.say(Severity::warning, server +
                                     ": its route leaves through an interface that rawvsd does not serve: name that "
                                     "one as interface or inside; it gets no connections");
      break;
    case Route::Kind::local:
      if (!unready)
        return out.say(Severity::notice, server + " is this host itself (Local): its kernel gets the packets");
      out.say(Severity::warning,
              why == Director::Reach::local_nat
                  ? server +
                        " is this host itself, whose answers NAT cannot translate: use forward=dr; it gets no "
                        "connections"
                  : formatted("{} is this host itself, but the VIP of {} is none of its addresses: put it on lo, see "
                              "rawvs-realserver(8); it gets no connections",
                              server, text(unready->key)));
      break;
    case Route::Kind::unreachable:
      out.say(Severity::warning, server + ": this host has no route to it: it gets no connections");
      break;
  }
}

}  // namespace

Surroundings::Surroundings(const Settings& settings, Services& services, Composer& composer, ExitCounters& exits,
                           TouchedList& touched)
    : settings_(settings),
      lan_(settings),
      places_(settings, services, lan_, watcher_, touched),
      composer_(composer),
      exits_(exits) {}

bool Surroundings::is_broadcast(Ip addr, Link link) const {
  return std::ranges::any_of(lan_.link(link).addresses,
                             [&](const LinkAddress& own) { return own.broadcast() == addr; });
}

// A VIP that is also an address of the host is allowed, and usual with LVS; but the host itself is not reached there.
void Surroundings::warn_if_own(Ip vip, Outbox& out) const {
  for (const LinkFacts& link : lan_.used()) {
    const bool own = std::ranges::find(link.addresses, vip, &LinkAddress::addr) != link.addresses.end();
    if (!own) continue;
    out.say(Severity::warning,
            formatted("VIP {} is also this host's own address on {}: all that is sent to it goes to the "
                      "director, and nothing to the host",
                      text(vip), link.name));
  }
}

void Surroundings::use_vip(Ip vip, Turn turn) {
  if (++vips_[vip] != 1) return;
  if (!lan_.claims.answers_for(vip) && !lan_.claims.stands_by(vip)) warn_if_own(vip, turn.out);
  follow_claim(vip, turn.now);
}

void Surroundings::leave_vip(Ip vip, Instant now) {
  const auto found = vips_.find(vip);
  if (--found->second != 0) return;
  vips_.erase(found);
  follow_claim(vip, now);
}

// An address of the host itself is shared only if an instance names it and it is a VIP; otherwise its
// kernel answers for it (the owner, with priority 255). An own address that no instance names is not shared.
const Shared* Surroundings::shared_as(Ip vip) const {
  const bool service = vips_.contains(vip), own = lan_.is_own(vip);
  const auto found = std::ranges::lower_bound(shared_, vip, {}, &Shared::vip);
  if (found != shared_.end() && found->vip == vip) return service || !own ? &*found : nullptr;
  return service && !own && others_ ? &*others_ : nullptr;
}

void Surroundings::follow_claim(Ip vip, Instant now) {
  const bool service = vips_.contains(vip);
  const Shared* const shared = shared_as(vip);
  if (!service && !shared) {
    lan_.claims.retire(vip, now);
  } else {
    ClaimedAs as{.links = service ? lan_.clients : LinkSet(shared->link)};
    // A virtual MAC address is known on its own link only.
    if (shared && as.links.has(shared->link)) as.mac = shared->mac, as.mac_link = shared->link;
    as.standby = shared && !shared->ours;
    lan_.claims.claim(vip, as, now);
  }
  if (lan_.is_own(vip)) places_.place_all_later();  // own_address() may be another one now
  places_.place_those_at(vip);
}

void Surroundings::note_claims() {
  for (const auto& [vip, came] : lan_.claims.take_changes()) watcher_.vip(vip, came);
}

void Surroundings::link_changed(Link link, const LinkFacts& facts, Turn turn) {
  const LinkFacts& known = lan_.link(link);
  if (facts == known) return;
  const LinkSet clients = lan_.clients;
  const bool was_usable = known.usable(), came = facts.usable() && !was_usable;
  const bool anew =
      came || facts.ifindex != known.ifindex || facts.mac != known.mac || (facts.carrier && !known.carrier);
  std::vector<LinkAddress> addresses = known.addresses;  // of the host, before and after the change
  addresses.insert(addresses.end(), facts.addresses.begin(), facts.addresses.end());
  const bool unfit = !facts.unfit.empty() && facts.unfit != known.unfit;
  lan_.take(link, facts);
  tell_change(facts, unfit, came, was_usable, turn.out);
  if (!facts.usable()) {
    lan_.neighbors.pause_link(link);
  } else if (anew) {
    lan_.neighbors.forget_link(link, turn.now);
    lan_.claims.announce_all(link, turn.now);
  }
  for (const LinkAddress& a : addresses) follow_claim(a.addr, turn.now);
  if (lan_.clients != clients) {
    for (const auto& [vip, services] : vips_) follow_claim(vip, turn.now);
  }
  places_.place_all_later();
  settle(turn);
}

void Surroundings::share(std::vector<Shared> shared, const std::optional<Shared>& others, Turn turn) {
  const std::vector<Shared> before = std::exchange(shared_, std::move(shared));
  for (const Shared& s : shared_) follow_claim(s.vip, turn.now);
  for (const Shared& s : before) follow_claim(s.vip, turn.now);
  if (std::exchange(others_, others) != others) {
    for (const auto& [vip, services] : vips_) follow_claim(vip, turn.now);
  }
  std::array<std::vector<Mac>, kMostLinks> macs{};
  for (const Shared& s : shared_) {
    if (s.ours && !s.mac.zero()) macs[index(s.link)].push_back(s.mac);
  }
  for (std::vector<Mac>& list : macs) {
    sort_with(list, std::less<>());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  watcher_.macs(std::move(macs));
  settle(turn);
}

void Surroundings::announce(Ip vip, Turn turn) {
  lan_.claims.announce(vip, turn.now);
  send_due(turn);
}

void Surroundings::announce_others(Turn turn) {
  for (const auto& [vip, services] : vips_) {
    if (others_ && shared_as(vip) == &*others_) lan_.claims.announce(vip, turn.now);
  }
  send_due(turn);
}

void Surroundings::route_found(const Route& route, Turn turn) {
  if (!places_.learn(route)) return;
  if (route.kind != Route::Kind::direct) {
    const Server* const unready = places_.unready_at(route.to);
    rawvs::tell(route, unready, unready ? places_.by_route(*unready, route) : Director::Reach::ready, turn.out);
  }
  settle(turn);
}

void Surroundings::host_addresses(std::vector<Ip> all, Turn turn) {
  if (!lan_.claims.set_host_addresses(std::move(all))) return;
  places_.place_all_later();  // those of this host
  settle(turn);
}

void Surroundings::settle(Turn turn) {
  places_.place_some(turn.now);
  note_claims();
  send_due(turn);
}

void Surroundings::time_passed(Turn turn) {
  places_.place_some(turn.now);
  places_.tidy(turn.now);
  send_due(turn);
}

Instant Surroundings::next_deadline() const {
  return std::min({lan_.neighbors.next_deadline(), lan_.claims.next_deadline(), places_.tidy_due()});
}

Director::Reach Surroundings::reach(const Server& server) const {
  const Route route = places_.route_to(server.spec.at.addr);
  const Director::Reach reach = places_.by_route(server, route);
  if (reach != Director::Reach::ready || server.local) return reach;
  if (server.neighbor == kNoNeighbor) return Director::Reach::no_route;
  if (!lan_.links[index(route.link)].usable()) return Director::Reach::link_down;
  const Neighbors::Neighbor& next = lan_.neighbors.at(server.neighbor);
  if (next.knows_mac()) return Director::Reach::ready;
  return next.state == Neighbors::State::silent ? Director::Reach::silent : Director::Reach::asking;
}

}  // namespace rawvs
