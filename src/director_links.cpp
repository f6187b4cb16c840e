// SPDX-License-Identifier: BSD-2-Clause
// director_links.cpp: links, routes, time: where servers are, what is to be said on the LAN, and when.
#include <algorithm>
#include <utility>

#include "rawvs/director.h"

namespace rawvs {

namespace {

// Wheel entries per call, however many are due. Under NAT each is also taken out of the guard's map by a system call:
// some 200 microseconds in all, which is what packets may wait.
constexpr uint32_t kExpireWork = 128;
constexpr Duration kTidyPause = 60s;  // between looks at what is left of removed servers

}  // namespace

// Legal, and what LVS asks for; but if it is the address by which the host itself is reached, it no longer is.
void Director::warn_if_own(Ip vip, Outbox& out) const {
  for (const LinkFacts& link : links_) {
    const bool own = std::ranges::any_of(link.addresses, [&](const LinkAddress& a) { return a.addr == vip; });
    if (!own) continue;
    out.say(Severity::warning, "VIP " + text(vip) + " is also this host's own address on " + link.name +
                                   ": all that is sent to it goes to the director, and nothing to the host");
  }
}

// The address that asks in the director's name: one of the link that is no VIP, or none.
Ip Director::own_address(Link link) const {
  for (const LinkAddress& a : links_[index(link)].addresses) {
    if (!claims_.answers_for(a.addr)) return a.addr;
  }
  return Ip();
}

void Director::place_server(ServerSlot slot, Instant now) {
  Server& server = services_.server(slot);
  if (server.neighbor == kNoNeighbor && !server.in_service()) return;
  const Route route = route_to(server.spec.at.addr);
  const bool reachable = server.in_service() && route.kind == Route::Kind::direct;
  server.source = route.source;
  server.route_mtu = route.mtu;
  if (server.neighbor != kNoNeighbor) {
    const Neighbors::Neighbor& n = neighbors_.at(server.neighbor);
    // A server without mac= may share the slot of one that has it: same address, another service.
    const bool fixed = n.state == Neighbors::State::fixed;
    const bool fixed_right = server.spec.mac ? fixed && n.mac == *server.spec.mac : !fixed || n.wanted > 1;
    if (reachable && n.addr == route.next_hop && n.link == route.link && fixed_right) return;
    leave_neighbor(server, now);
  }
  if (reachable) server.neighbor = neighbors_.want(route.next_hop, route.link, server.spec.mac, now);
}

void Director::leave_neighbor(Server& server, Instant now) {
  const uint16_t slot = std::exchange(server.neighbor, kNoNeighbor);
  neighbors_.unwant(slot);
  const Neighbors::Neighbor& n = neighbors_.at(slot);
  if (n.wanted == 0 || n.state != Neighbors::State::fixed) return;
  // Those that share the slot lived on this one's mac=.
  const bool still_fixed = std::ranges::any_of(services_.servers(), [&](const Server& other) {
    return other.used && other.neighbor == slot && other.spec.mac == n.mac;
  });
  if (!still_fixed) neighbors_.ask_anew(slot, now);
}

// The host's routing table's word, if it is known.
Route Director::route_to(Ip addr) const {
  const auto known = std::ranges::lower_bound(routes_, addr, {}, &Route::to);
  if (known != routes_.end() && known->to == addr) return *known;
  const Link link = link_towards(addr);
  return {addr, Route::Kind::direct, link, addr, own_address(link), 0};
}

void Director::routes_changed(std::span<const Route> routes, Instant now, Outbox& out) {
  std::vector<Route> sorted(routes.begin(), routes.end());
  std::ranges::sort(sorted, {}, &Route::to);
  for (const Route& route : sorted) {
    if (route.kind != Route::Kind::direct && route_to(route.to) != route) say(route, out);
  }
  routes_ = std::move(sorted);
  services_changed(now, out);
}

void Director::say(const Route& route, Outbox& out) {
  const std::string server = "real server " + text(route.to);
  switch (route.kind) {
    case Route::Kind::direct: break;
    case Route::Kind::elsewhere:
      out.say(Severity::warning, server +
                                     ": its route leaves through an interface that rawvsd does not serve: name that "
                                     "one as interface or inside; packets for it are dropped");
      break;
    case Route::Kind::local:
      out.say(Severity::warning, server +
                                     " is an address of this host itself: rawvsd cannot forward to it; packets "
                                     "for it are dropped");
      break;
    case Route::Kind::unreachable:
      out.say(Severity::warning, server + ": this host has no route to it: packets for it are dropped");
      break;
  }
}

void Director::refresh_watch() {
  Watch now;
  untidy_ = false;
  for (const Claims::Claim& claim : claims_.all()) now.vips.push_back(claim.vip);
  for (const Shared& s : shared_) {
    if (s.ours && !s.mac.zero()) now.macs[index(s.link)].push_back(s.mac);
  }
  for (const Server& server : services_.servers()) {
    if (!server.used) continue;
    // A removed server's connections still answer.
    if (server.was_nat) now.nat_servers.push_back(server.spec.at.addr);
    if (!server.in_service() || (server.was_nat && server.spec.method != Method::masq)) untidy_ = true;
    if (!server.in_service()) continue;
    if (server.spec.method == Method::tunnel) now.icmp_errors = true;
    if (server.neighbor != kNoNeighbor) now.neighbors.push_back(neighbors_.at(server.neighbor).addr);
  }
  if (!now.nat_servers.empty()) now.icmp_errors = true;
  const auto tidy_up = [](auto& list) {
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
  };
  tidy_up(now.neighbors), tidy_up(now.nat_servers);
  for (std::vector<Mac>& macs : now.macs) tidy_up(macs);
  if (now == watch_) return;
  watch_ = std::move(now);
  ++watch_version_;
}

// Where a server is: on the link whose subnet holds it, the narrower one if both do; else inside, where servers are.
Link Director::link_towards(Ip addr) const {
  int best = -1;
  Link towards = two_links_ ? Link::inside : Link::outside;
  for (const Link link : {Link::outside, Link::inside}) {
    for (const LinkAddress& a : links_[index(link)].addresses) {
      if (a.network().holds(addr) && a.prefix > best) best = a.prefix, towards = link;
    }
  }
  return towards;
}

void Director::link_changed(Link link, const LinkFacts& facts, Instant now, Outbox& out) {
  LinkFacts& known = links_[index(link)];
  if (facts == known) return;
  const bool was_usable = known.usable(), came = facts.usable() && !was_usable;
  const bool anew =
      came || facts.ifindex != known.ifindex || facts.mac != known.mac || (facts.carrier && !known.carrier);
  known = facts;
  if (came) {
    out.say(Severity::notice, "interface " + facts.name + " is up: " + text(facts.mac) + ", MTU " +
                                  std::to_string(facts.mtu) + (facts.carrier ? "" : ", no carrier yet"));
  } else if (was_usable && !facts.usable()) {
    out.say(Severity::warning, "interface " + facts.name + (facts.ifindex == 0 ? " is gone" : " is down") +
                                   ": waiting for it to come back");
  }
  if (!facts.usable()) {
    neighbors_.pause_link(link);
  } else if (anew) {
    neighbors_.forget_link(link, now);
    claims_.announce_all(link, now);
  }
  services_changed(now, out);
}

void Director::share(std::vector<Shared> shared, Instant now, Outbox& out) {
  shared_ = std::move(shared);
  services_changed(now, out);
}

// Not the host's own addresses, unless they are VIPs: a master with priority 255 has them, and its kernel answers.
std::vector<Shared> Director::claimable(const std::vector<Ip>& vips) const {
  std::vector<Shared> out;
  for (const Shared& s : shared_) {
    const bool own = std::ranges::any_of(links_, [&](const LinkFacts& link) {
      return std::ranges::find(link.addresses, s.vip, &LinkAddress::addr) != link.addresses.end();
    });
    if (!own || std::ranges::binary_search(vips, s.vip)) out.push_back(s);
  }
  return out;
}

Mac Director::mac_of(const Claims::Claim& claim) const {
  return claim.mac.zero() ? links_[index(claim.link)].mac : claim.mac;
}

void Director::announce(Ip vip, Instant now, Outbox& out) {
  claims_.announce(vip, now);
  speak(now, out);
}

void Director::time_passed(Instant now, Outbox& out) {
  neighbors_.recycle();
  uint32_t work = kExpireWork;
  while (Connection* const c = connections_.due(now, work)) expire(*c, now, out);
  end_orphans(out);
  give_up_fragments(now, out);
  if (now >= tidy_due_) tidy(now);
  speak(now, out);
}

// Servers that were removed, or are not NAT's any more, are guarded and remembered as long as connections may need it.
void Director::tidy(Instant now) {
  services_.forget_removed(now);
  for (Server& server : services_.servers()) {
    if (server.in_service() && server.spec.method != Method::masq && server.references() == 0) server.was_nat = false;
  }
  tidy_due_ = kNever;
  refresh_watch();
}

// Datagrams whose rest never came: their sender is told, if the first fragment came (RFC 792, RFC 1122 section 3.3.2).
void Director::give_up_fragments(Instant now, Outbox& out) {
  for (Frame first; reassembly_.timed_out(now, first);) {
    exits_.count(Exit::fragment_expired);
    Packet packet;
    if (!first.data || parse_ipv4(first, packet) || !claims_.takes(packet.dst) || packet.protocol == Protocol::icmp) {
      continue;
    }
    if (claims_.stands_by(packet.dst) || !errors_.take(now)) continue;
    // From the interface's MAC address: a virtual one that it came to may be another director's by now.
    std::ranges::copy(links_[index(first.link)].mac.bytes, first.data);
    const MutableBytes letter = out.letter();
    const size_t size =
        letter.empty() ? 0 : composer_.icmp_error(letter, first, packet, IcmpAnswer::reassembly_time_exceeded());
    if (size != 0) out.send_letter(first.link, size);
  }
}

Instant Director::next_deadline() const {
  if (orphans_from_ != 0) return Instant();  // at once
  return std::min({connections_.next_deadline(), neighbors_.next_deadline(), claims_.next_deadline(),
                   reassembly_.next_deadline(), tidy_due_});
}

// What is to be said on the LAN now: questions for servers, announcements and probes of VIPs. What the outbox has no
// room for stays due, so that the next turn, which comes at once, goes on with it.
void Director::speak(Instant now, Outbox& out) {
  asks_.clear(), says_.clear(), conflicts_.clear();
  if (untidy_ && tidy_due_ == kNever) tidy_due_ = now + kTidyPause;
  const size_t frames = speech_held_ ? 0 : out.letters_left();
  neighbors_.time_passed(now, frames, asks_, out);
  for (uint64_t n = neighbors_.take_discarded(); n > 0; --n) exits_.count(Exit::hold_expired);
  const size_t claims_before = claims_.all().size();
  claims_.time_passed(now, frames - asks_.size(), says_, conflicts_);
  if (claims_.all().size() != claims_before) refresh_watch();  // a retired VIP was forgotten
  for (const Ask& ask : asks_) {
    const LinkFacts& link = links_[index(ask.link)];
    send_arp(ask.link, ask.to.value_or(kBroadcastMac),
             {Arp::Op::request, link.mac, own_address(ask.link), Mac{}, ask.target}, out);
  }
  for (const Say& s : says_) {
    const Mac mac = s.mac.zero() ? links_[index(s.link)].mac : s.mac;
    if (s.what == Say::What::probe) {
      // Our own address has the interface's MAC address: nobody may learn it with a virtual one (RFC 9568 8.1.2).
      const Ip asker = s.mac.zero() ? own_address(s.link) : Ip();
      send_arp(s.link, kBroadcastMac, {Arp::Op::request, mac, asker, Mac{}, s.vip}, out);
      continue;
    }
    send_arp(s.link, kBroadcastMac, {Arp::Op::request, mac, s.vip, Mac{}, s.vip}, out);
    send_arp(s.link, kBroadcastMac, {Arp::Op::reply, mac, s.vip, kBroadcastMac, s.vip}, out);
  }
  for (const Conflict& conflict : conflicts_) say(conflict, out);
}

void Director::send_arp(Link link, Mac to, const Arp& arp, Outbox& out) {
  const LinkFacts& facts = links_[index(link)];
  if (!facts.usable()) return;
  const MutableBytes letter = out.letter();
  const size_t size = letter.empty() ? 0 : composer_.arp(letter, arp.sender_mac, to, arp);
  if (size != 0) out.send_letter(link, size);
}

void Director::say(const Conflict& conflict, Outbox& out) const {
  const std::string vip = "VIP " + text(conflict.vip), mac = text(conflict.mac);
  if (conflict.over) {
    out.say(Severity::notice, "nobody else answers ARP for " + vip + " any more (" + mac + " did)");
  } else if (const auto server = neighbors_.who_has(conflict.mac)) {
    out.say(Severity::warning, "real server " + text(*server) + " (" + mac + ") answers ARP for " + vip +
                                   ": set arp_ignore=1, arp_announce=2 there, see rawvs-realserver(8)");
  } else {
    out.say(Severity::warning, "another machine (" + mac + ") answers ARP for " + vip +
                                   ": clients may reach it instead of this director; find it by its MAC address");
  }
}

}  // namespace rawvs
