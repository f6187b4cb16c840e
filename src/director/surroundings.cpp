// SPDX-License-Identifier: BSD-2-Clause
// surroundings.cpp: applies changes of links, routes and VIPs.
#include "director/surroundings.h"

#include <functional>
#include <iterator>

#include "core/local_addresses.h"
#include "core/outbox.h"
#include "core/sort.h"
#include "rawvs/bytes.h"
#include "wire/formatted.h"
#include "wire/l4_header.h"

namespace rawvs {

namespace {

constexpr Duration kLeaving = 10s;
constexpr size_t kLeavingAtOnce = 1024;

void tell_change(const LinkFacts& facts, bool unfit, bool came, bool was_usable, Outbox& out) {
  if (unfit) {
    out.say(Severity::error, formatted("interface {} cannot serve: {}: waiting for another", facts.name, facts.unfit),
            Topic::interface);
  } else if (came) {
    out.say(Severity::notice,
            formatted("interface {} is up: {}, MTU {}{}", facts.name, facts.ethernet ? text(facts.mac) : "no Ethernet",
                      facts.mtu, facts.carrier ? "" : ", no carrier yet"),
            Topic::interface);
  } else if (was_usable && !facts.usable()) {
    out.say(
        Severity::warning,
        formatted("interface {} is {}: waiting for it to come back", facts.name, facts.ifindex == 0 ? "gone" : "down"),
        Topic::interface);
  }
}

// unready: a server there that gets no packets; null: all do.
void tell(const Route& route, const Server* unready, Director::Reach why, Outbox& out) {
  const std::string server = "real server " + text(route.to);
  switch (route.kind) {
    case Route::Kind::direct:
      if (why == Director::Reach::no_ethernet) {
        out.say(Severity::warning,
                server +
                    ": its route leaves through a link without Ethernet, where direct routing is not "
                    "possible: use forward=tun or forward=nat; it gets no connections",
                Topic::server);
      }
      if (why == Director::Reach::no_flows) {
        out.say(Severity::warning, server + ": full NAT needs eBPF, which this kernel lacks: it gets no connections",
                Topic::server);
      }
      break;
    case Route::Kind::elsewhere:
      out.say(Severity::warning,
              formatted("{}: its route leaves through {}, which rawvsd does not serve: name it as interface or inside; "
                        "it gets no connections",
                        server, route.interface.empty() ? "an interface" : route.interface),
              Topic::server);
      break;
    case Route::Kind::local:
      if (!unready)
        return out.say(Severity::notice, server + " is this host itself (Local): its kernel gets the packets",
                       Topic::server);
      out.say(Severity::warning,
              why == Director::Reach::local_nat
                  ? server +
                        " is this host itself, whose answers NAT cannot translate: use forward=dr; it gets no "
                        "connections"
                  : formatted("{} is this host itself, but the VIP of {} is none of its addresses: put it on lo, see "
                              "rawvs-realserver(8); it gets no connections",
                              server, text(unready->key)),
              Topic::server);
      break;
    case Route::Kind::unreachable:
      out.say(Severity::warning, server + ": this host has no route to it: it gets no connections", Topic::server);
      break;
  }
}

}  // namespace

Surroundings::Surroundings(const Settings& settings, Services& services, Composer& composer, ExitCounters& exits,
                           TouchedList& touched)
    : settings_(settings),
      lan_(settings, changes_),
      places_(settings, services, lan_, watcher_, touched, changes_),
      composer_(composer),
      exits_(exits) {}

bool Surroundings::is_broadcast(Ip addr, Link link) const {
  return std::ranges::any_of(lan_.link(link).addresses,
                             [&](const LinkAddress& own) { return own.broadcast() == addr; });
}

// The first fragment has the ports (of IPv4 they are not in the Packet). For others, some service's protocol suffices.
bool Surroundings::takes_fragment(const ClaimedAddresses::Cell& claimed, const Frame& frame, const Packet& p) const {
  if (!claimed.own) return true;
  if (p.fragment_offset == 0 && has_ports(p.protocol) && p.l4_at + kPortsSize <= frame.size)
    return takes(claimed, p.protocol, Port(load_be16(frame.bytes(), p.l4_at + kDestinationPortAt)));
  const std::vector<VipPorts>& own = watcher_.watch().own;
  const auto first = std::ranges::lower_bound(own, VipPorts{.vip = claimed.vip, .protocol = p.protocol});
  return first != own.end() && first->vip == claimed.vip && first->protocol == p.protocol;
}

bool Surroundings::in_use(Ip vip) const {
  const auto found = taken_.lower_bound({.vip = vip});
  return found != taken_.end() && found->first.vip == vip;
}

void Surroundings::use(const VipPorts& ports, Turn turn) {
  const auto [taken, fresh] = taken_.try_emplace(ports, 0);
  ++taken->second;
  if (!fresh) return;
  if (!is_own_vip(ports.vip)) return follow_claim(ports.vip, turn);
  note_own(ports, true, turn.out);
}

// Of the host's own address they stay the director's for a while: connections survive a service that is removed and
// added again, which the host would reset.
void Surroundings::leave(const VipPorts& ports, Turn turn) {
  const auto found = taken_.find(ports);
  if (--found->second != 0) return;
  if (is_own_vip(ports.vip)) {
    leaving_.push_back({ports, turn.now + kLeaving});
    return;
  }
  taken_.erase(found);
  if (!in_use(ports.vip)) follow_claim(ports.vip, turn);
}

void Surroundings::end_leaving(Turn turn) {
  for (size_t n = 0; n < kLeavingAtOnce && !leaving_.empty() && leaving_.front().until <= turn.now; ++n) {
    const VipPorts ports = leaving_.front().ports;
    leaving_.pop_front();
    const auto found = taken_.find(ports);
    if (found == taken_.end() || found->second != 0) continue;
    if (is_own_vip(ports.vip)) note_own(ports, false, turn.out);
    taken_.erase(found);
    if (!in_use(ports.vip)) follow_claim(ports.vip, turn);
  }
}

// The address is not the host's any more.
void Surroundings::forget_leaving(Ip vip, Outbox& out) {
  for (auto at = taken_.lower_bound({.vip = vip}); at != taken_.end() && at->first.vip == vip;) {
    if (at->second == 0 && is_own_vip(vip)) note_own(at->first, false, out);
    at = at->second == 0 ? taken_.erase(at) : std::next(at);
  }
}

void Surroundings::note_own(const VipPorts& ports, bool came, Outbox& out) {
  if (!came) vips_left_ = true, changes_.everything();
  if (!ports.every()) return watcher_.own(ports, came);
  if (!came) return;
  out.say(Severity::warning,
          formatted("VIP {} is an address of this host: a service of every {} port takes none there: "
                    "name its ports",
                    text(ports.vip), name(ports.protocol)),
          Topic::interface);
}

// Its ports are the director's from now on, and all else the host's; or it is an address of the host no longer.
void Surroundings::own_changed(Ip vip, bool own, Outbox& out) {
  if (own || in_use(vip)) {
    out.say(Severity::notice,
            own ? formatted("VIP {} is an address of this host: the ports of its services are the director's, all else "
                            "there remains the host's",
                            text(vip))
                : formatted("VIP {} is no address of this host any more: rawvsd answers for it", text(vip)),
            Topic::interface);
  }
  for (auto at = taken_.lower_bound({.vip = vip}); at != taken_.end() && at->first.vip == vip; ++at)
    note_own(at->first, own, out);
}

// An address of the host itself is not shared: its kernel answers for it (the owner, with priority 255).
const Shared* Surroundings::shared_as(Ip vip) const {
  if (lan_.is_own(vip)) return nullptr;
  const auto found = std::ranges::lower_bound(shared_, vip, {}, &Shared::vip);
  if (found != shared_.end() && found->vip == vip) return &*found;
  return in_use(vip) && others_ ? &*others_ : nullptr;
}

void Surroundings::follow_claim(Ip vip, Turn turn) {
  if (!lan_.is_own(vip)) forget_leaving(vip, turn.out);
  const bool service = in_use(vip), own = lan_.is_own(vip), was_own_vip = is_own_vip(vip);
  const Shared* const shared = shared_as(vip);
  if (service || shared) {
    ClaimedAs as{.links = service ? lan_.clients : LinkSet(shared->link)};
    // A virtual MAC address is known on its own link only.
    if (shared && as.links.has(shared->link)) as.mac = shared->mac, as.mac_link = shared->link;
    as.standby = shared && !shared->ours;
    as.own = own;
    lan_.claims.claim(vip, as, turn.now);
  } else {
    own ? lan_.claims.release(vip) : lan_.claims.retire(vip, turn.now);
  }
  look_at_locals();
  changes_.everything();
  if (is_own_vip(vip) != was_own_vip) own_changed(vip, !was_own_vip, turn.out);
  places_.place_those_at(vip);
}

void Surroundings::note_claims() {
  for (const auto& [vip, came] : lan_.claims.take_changes()) {
    watcher_.vip(vip, came);
    if (!came) vips_left_ = true, changes_.everything();
  }
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
  changes_.everything();
  tell_change(facts, unfit, came, was_usable, turn.out);
  if (!facts.usable()) {
    lan_.neighbors.pause_link(link);
  } else if (anew) {
    lan_.neighbors.forget_link(link, turn.now);
    lan_.claims.announce_all(link, turn.now);
  }
  for (const LinkAddress& a : addresses) follow_claim(a.addr, turn);
  if (lan_.clients != clients) {
    for_each_vip([&](Ip vip) { follow_claim(vip, turn); });
  }
  places_.place_all_later();
  settle(turn);
}

template <class One>
void Surroundings::for_each_vip(One&& one) {
  std::optional<Ip> last;
  for (const auto& [ports, count] : taken_) {
    if (std::exchange(last, ports.vip) != ports.vip) one(ports.vip);
  }
}

void Surroundings::share(std::vector<Shared> shared, const std::optional<Shared>& others, Turn turn) {
  const std::vector<Shared> before = std::exchange(shared_, std::move(shared));
  for (const Shared& s : shared_) follow_claim(s.vip, turn);
  for (const Shared& s : before) {
    if (!std::ranges::binary_search(shared_, s.vip, {}, &Shared::vip)) follow_claim(s.vip, turn);
  }
  if (std::exchange(others_, others) != others) {
    for_each_vip([&](Ip vip) { follow_claim(vip, turn); });
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
  for_each_vip([&](Ip vip) {
    if (others_ && shared_as(vip) == &*others_) lan_.claims.announce(vip, turn.now);
  });
  send_due(turn);
}

void Surroundings::route_found(const Route& route, Turn turn) {
  if (!places_.learn(route)) return;
  const Server* const unready = places_.unready_at(route.to);
  rawvs::tell(route, unready, unready ? places_.by_route(*unready, route) : Director::Reach::ready, turn.out);
  settle(turn);
}

bool Surroundings::host_addresses(std::vector<Ip> all, Turn turn) {
  if (!std::exchange(knows_host_, true)) look_at_locals();
  if (!lan_.claims.set_host_addresses(std::move(all))) return false;
  look_at_locals();
  places_.place_all_later();  // those of this host
  settle(turn);
  return true;
}

// Servers reply to these: what nobody takes is lost. Said once, and when it is mended. (There are at most 256.)
void Surroundings::tell_missing_locals(Outbox& out) {
  if (!knows_host_ || !std::exchange(locals_stale_, false)) return;
  const std::vector<Ip> before = std::exchange(missing_locals_, {});
  const auto among = [](const std::vector<Ip>& all, Ip addr) { return std::ranges::find(all, addr) != all.end(); };
  for (const Ip addr : settings_.local_addresses) {
    if (lan_.claims.on_host(addr) || in_use(addr)) continue;
    missing_locals_.push_back(addr);
    if (among(before, addr)) continue;
    out.say(Severity::warning, LocalAddresses::missing_words(addr), Topic::interface);
  }
  for (const Ip addr : before) {
    if (among(missing_locals_, addr) || !among(settings_.local_addresses, addr)) continue;
    out.say(Severity::notice, formatted("local_address {} is an address of this host now", text(addr)),
            Topic::interface);
  }
}

void Surroundings::settle(Turn turn) {
  places_.place_some(turn.now);
  note_claims();
  send_due(turn);
}

void Surroundings::time_passed(Turn turn) {
  places_.place_some(turn.now);
  places_.tidy(turn.now);
  end_leaving(turn);
  tell_missing_locals(turn.out);
  note_claims();
  send_due(turn);
}

Instant Surroundings::next_deadline() const {
  const Instant left = leaving_.empty() ? kNever : leaving_.front().until;
  return std::min({lan_.neighbors.next_deadline(), lan_.claims.next_deadline(), places_.tidy_due(), left});
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
