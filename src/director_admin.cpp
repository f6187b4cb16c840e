// SPDX-License-Identifier: BSD-2-Clause
// director_admin.cpp: what changes around the packets: what an operator wants, links, time.
#include <algorithm>

#include "rawvs/director.h"

namespace rawvs {

namespace {

constexpr uint32_t kExpireWork = 512;  // wheel entries per call: some tens of microseconds, however many are due

}  // namespace

Director::Director(const Settings& settings, HashKey secret, bool two_links, Instant now)
    : settings_(settings),
      two_links_(two_links),
      services_(settings.max_servers),
      connections_(settings.max_connections, secret, now),
      neighbors_(settings_, settings.max_servers),
      claims_(settings_),
      resets_(settings.reply_rate, settings.reply_burst),
      errors_(settings.reply_rate, settings.reply_burst),
      echoes_(settings.reply_rate, settings.reply_burst) {}

std::optional<Refusal> Director::add(const ServiceSpec& spec, Instant now, Outbox& out) {
  const auto refusal = services_.add(spec);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::edit(const ServiceSpec& spec, Instant now, Outbox& out) {
  const auto refusal = services_.edit(spec);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::remove(const ServiceKey& key, Instant now, Outbox& out) {
  const auto refusal = services_.remove(key, now);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::add_server(const ServiceKey& key, const ServerSpec& spec, Instant now, Outbox& out) {
  const auto refusal = services_.add_server(key, spec, now);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::edit_server(const ServiceKey& key, const ServerSpec& spec, Instant now, Outbox& out) {
  const auto refusal = services_.edit_server(key, spec);
  if (!refusal) services_changed(now, out);
  return refusal;
}

std::optional<Refusal> Director::remove_server(const ServiceKey& key, Endpoint server, Instant now, Outbox& out) {
  const auto refusal = services_.remove_server(key, server, now);
  if (!refusal) services_changed(now, out);
  return refusal;
}

void Director::clear(Instant now, Outbox& out) {
  services_.clear(now);
  services_changed(now, out);
}

void Director::set_groups(std::vector<GroupMatch> groups, Instant now, Outbox& out) {
  services_.set_groups(std::move(groups));
  services_changed(now, out);
}

// The side rooms follow the tables: VIPs are claimed and given up, servers' MAC addresses wanted and not wanted.
void Director::services_changed(Instant now, Outbox& out) {
  const std::vector<Ip> vips = services_.vips();
  for (const Ip vip : vips) {
    if (!claims_.answers_for(vip)) warn_if_own(vip, out);
  }
  claims_.set(vips, now);
  for (size_t slot = 0; slot < services_.servers().size(); ++slot) place_server(static_cast<ServerSlot>(slot), now);
  for (const Link link : {Link::outside, Link::inside}) {
    if (!links_[index(link)].usable()) neighbors_.pause_link(link);
  }
  refresh_watch();
  speak(now, out);
}

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
  const Link link = link_towards(server.spec.at.addr);
  if (server.neighbor != kNoNeighbor) {
    const Neighbors::Neighbor& n = neighbors_.at(server.neighbor);
    // A server without mac= may share the slot of one that has it: same address, another service.
    const bool fixed = n.state == Neighbors::State::fixed;
    const bool fixed_right = server.spec.mac ? fixed && n.mac == *server.spec.mac : !fixed || n.wanted > 1;
    if (server.in_service() && n.link == link && fixed_right) return;
    neighbors_.unwant(server.neighbor);
    server.neighbor = kNoNeighbor;
  }
  if (server.in_service()) server.neighbor = neighbors_.want(server.spec.at.addr, link, server.spec.mac, now);
}

void Director::refresh_watch() {
  Watch now;
  for (const Claims::Claim& claim : claims_.all()) now.vips.push_back(claim.vip);
  for (const Server& server : services_.servers()) {
    if (server.in_service()) now.servers.push_back(server.spec.at.addr);
  }
  std::ranges::sort(now.servers);
  now.servers.erase(std::unique(now.servers.begin(), now.servers.end()), now.servers.end());
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
    if (answers_on(link)) claims_.announce_all(now);
  }
  services_changed(now, out);
}

void Director::time_passed(Instant now, Outbox& out) {
  neighbors_.recycle();
  uint32_t work = kExpireWork;
  while (Connection* const c = connections_.due(now, work)) end(*c);
  speak(now, out);
}

Instant Director::next_deadline() const {
  return std::min({connections_.next_deadline(), neighbors_.next_deadline(), claims_.next_deadline()});
}

// What is to be said on the LAN now: questions for servers, announcements and probes of VIPs.
void Director::speak(Instant now, Outbox& out) {
  asks_.clear(), says_.clear(), conflicts_.clear();
  neighbors_.time_passed(now, asks_, out);
  for (uint64_t n = neighbors_.take_discarded(); n > 0; --n) exits_.count(Exit::hold_expired);
  const size_t claims_before = claims_.all().size();
  claims_.time_passed(now, says_, conflicts_);
  if (claims_.all().size() != claims_before) refresh_watch();  // a retired VIP was forgotten
  for (const Ask& ask : asks_) {
    const LinkFacts& link = links_[index(ask.link)];
    send_arp(ask.link, ask.to.value_or(kBroadcastMac),
             {Arp::Op::request, link.mac, own_address(ask.link), Mac{}, ask.target}, out);
  }
  const LinkFacts& outside = links_[index(Link::outside)];
  for (const Say& s : says_) {
    if (s.what == Say::What::probe) {
      send_arp(Link::outside, kBroadcastMac, {Arp::Op::request, outside.mac, own_address(Link::outside), Mac{}, s.vip},
               out);
      continue;
    }
    send_arp(Link::outside, kBroadcastMac, {Arp::Op::request, outside.mac, s.vip, Mac{}, s.vip}, out);
    send_arp(Link::outside, kBroadcastMac, {Arp::Op::reply, outside.mac, s.vip, kBroadcastMac, s.vip}, out);
  }
  for (const Conflict& conflict : conflicts_) say(conflict, out);
}

void Director::send_arp(Link link, Mac to, const Arp& arp, Outbox& out) {
  const LinkFacts& facts = links_[index(link)];
  if (!facts.usable()) return;
  const MutableBytes letter = out.letter();
  const size_t size = letter.empty() ? 0 : composer_.arp(letter, facts.mac, to, arp);
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
