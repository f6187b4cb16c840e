// SPDX-License-Identifier: BSD-2-Clause
// director_links.cpp: links, routes, time: where servers are, what is to be said on the LAN, and when.
#include <algorithm>
#include <functional>
#include <utility>

#include "core/sort.h"
#include "rawvs/director.h"

namespace rawvs {

namespace {

// Wheel entries per call, however many are due. Under NAT each is also taken out of the guard's map by a system call:
// some 200 microseconds in all, which is what packets may wait.
constexpr uint32_t kExpireWork = 128;
constexpr Duration kTidyPause = 60s;  // between looks at what is left of removed servers
constexpr size_t kTidied = 1024;      // of them looked at in one call

}  // namespace

// Legal, and what LVS asks for; but if it is the address by which the host itself is reached, it no longer is.
void Director::warn_if_own(Ip vip, Outbox& out) const {
  for (const LinkFacts& link : links_) {
    const bool own = std::ranges::find(link.addresses, vip, &LinkAddress::addr) != link.addresses.end();
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

void Director::say(const Route& route, Outbox& out) {
  const std::string server = "real server " + text(route.to);
  switch (route.kind) {
    case Route::Kind::direct: break;
    case Route::Kind::elsewhere:
      out.say(Severity::warning, server +
                                     ": its route leaves through an interface that rawvsd does not serve: name that "
                                     "one as interface or inside; it gets no connections");
      break;
    case Route::Kind::local:
      out.say(Severity::warning, server +
                                     " is an address of this host itself: rawvsd cannot forward to it; it gets no "
                                     "connections");
      break;
    case Route::Kind::unreachable:
      out.say(Severity::warning, server + ": this host has no route to it: it gets no connections");
      break;
  }
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

void Director::link_changed(Link link, const LinkFacts& facts, Turn turn) {
  LinkFacts& known = links_[index(link)];
  if (facts == known) return;
  const bool was_usable = known.usable(), came = facts.usable() && !was_usable;
  const bool anew =
      came || facts.ifindex != known.ifindex || facts.mac != known.mac || (facts.carrier && !known.carrier);
  std::vector<LinkAddress> addresses = known.addresses;  // that were, or are, the host's own
  addresses.insert(addresses.end(), facts.addresses.begin(), facts.addresses.end());
  const bool unfit = !facts.unfit.empty() && facts.unfit != known.unfit;
  known = facts;
  if (unfit) {
    turn.out.say(Severity::error,
                 "interface " + facts.name + " cannot serve: " + facts.unfit + ": waiting for another");
  } else if (came) {
    turn.out.say(Severity::notice, "interface " + facts.name + " is up: " + text(facts.mac) + ", MTU " +
                                       std::to_string(facts.mtu) + (facts.carrier ? "" : ", no carrier yet"));
  } else if (was_usable && !facts.usable()) {
    turn.out.say(Severity::warning, "interface " + facts.name + (facts.ifindex == 0 ? " is gone" : " is down") +
                                        ": waiting for it to come back");
  }
  if (!facts.usable()) {
    neighbors_.pause_link(link);
  } else if (anew) {
    neighbors_.forget_link(link, turn.now);
    claims_.announce_all(link, turn.now);
  }
  for (const LinkAddress& a : addresses) follow_claim(a.addr, turn.now);
  place_all_later();
  changed(turn);
}

void Director::share(std::vector<Shared> shared, const std::optional<Shared>& others, Turn turn) {
  const std::vector<Shared> before = std::exchange(shared_, std::move(shared));
  for (const Shared& s : shared_) follow_claim(s.vip, turn.now);
  for (const Shared& s : before) follow_claim(s.vip, turn.now);
  if (std::exchange(others_, others) != others) {
    for (const auto& [vip, services] : vips_) follow_claim(vip, turn.now);
  }
  std::array<std::vector<Mac>, kLinks> macs{};
  for (const Shared& s : shared_) {
    if (s.ours && !s.mac.zero()) macs[index(s.link)].push_back(s.mac);
  }
  for (std::vector<Mac>& list : macs) {
    sort_with(list, std::less<>());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  if (macs != watch_.macs) watch_.macs = std::move(macs), ++watch_version_;
  changed(turn);
}

Mac Director::mac_of(const Claims::Claim& claim) const {
  return claim.as.mac.zero() ? links_[index(claim.as.link)].mac : claim.as.mac;
}

void Director::announce(Ip vip, Turn turn) {
  claims_.announce(vip, turn.now);
  speak(turn);
}

void Director::announce_others(Turn turn) {
  for (const auto& [vip, services] : vips_) {
    if (others_ && shared_as(vip) == &*others_) claims_.announce(vip, turn.now);
  }
  speak(turn);
}

void Director::time_passed(Turn turn) {
  neighbors_.recycle();
  uint32_t work = kExpireWork;
  while (Connection* const c = connections_.due(turn.now, work)) expire(*c, turn);
  end_orphans(turn.out);
  give_up_fragments(turn);
  place_some(turn.now);
  if (turn.now >= tidy_due_) tidy(turn.now);
  if (estimated_to_ != kAllEstimated) estimate(turn.now);
  speak(turn);
}

// Servers that were removed, or are not NAT's any more, are guarded and remembered as long as connections may need it.
void Director::tidy(Instant now) {
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

// Datagrams whose rest never came: their sender is told, if the first fragment came (RFC 792, RFC 1122 section 3.3.2).
void Director::give_up_fragments(Turn turn) {
  for (Frame first; reassembly_.timed_out(turn.now, first);) {
    exits_.count(Exit::fragment_expired);
    Packet packet;
    if (!first.data || parse_ipv4(first, packet) || !claims_.takes(packet.dst) || packet.protocol == Protocol::icmp) {
      continue;
    }
    if (claims_.stands_by(packet.dst) || !errors_.take(turn.now)) continue;
    // From the interface's MAC address: a virtual one that it came to may be another director's by now.
    std::ranges::copy(links_[index(first.link)].mac.bytes, first.data);
    const MutableBytes letter = turn.out.letter();
    const size_t size =
        letter.empty() ? 0 : composer_.icmp_error(letter, first, packet, IcmpAnswer::reassembly_time_exceeded());
    if (size != 0) turn.out.send_letter(first.link, size);
  }
}

Instant Director::next_deadline() const {
  const bool more_work =
      orphans_from_ != 0 || to_place_.size() != 0 || estimated_to_ != kAllEstimated || neighbors_.sweeping();
  if (more_work) return Instant();  // at once
  return std::min({connections_.next_deadline(), neighbors_.next_deadline(), claims_.next_deadline(),
                   reassembly_.next_deadline(), tidy_due_});
}

// What is to be said on the LAN now: questions for servers, announcements and probes of VIPs. What the outbox has no
// room for stays due, so that the next turn, which comes at once, goes on with it.
void Director::speak(Turn turn) {
  asks_.clear(), says_.clear(), conflicts_.clear();
  const bool untidy = services_.removed() != 0 || once_nat_.size() != 0;
  if (untidy && tidy_due_ == kNever) tidy_due_ = turn.now + kTidyPause;
  const size_t frames = speech_held_ ? 0 : turn.out.letters_left();
  neighbors_.time_passed(frames, asks_, turn);
  for (uint64_t n = neighbors_.take_discarded(); n > 0; --n) exits_.count(Exit::hold_expired);
  claims_.time_passed(turn.now, frames - asks_.size(), says_, conflicts_);
  note_claims();  // a retired VIP may have been forgotten
  for (const Ask& ask : asks_) {
    const LinkFacts& link = links_[index(ask.link)];
    send_arp(ask.link, ask.to.value_or(kBroadcastMac),
             {Arp::Op::request, link.mac, own_address(ask.link), Mac{}, ask.target}, turn.out);
  }
  for (const Say& s : says_) {
    const Mac mac = s.mac.zero() ? links_[index(s.link)].mac : s.mac;
    if (s.what == Say::What::probe) {
      // Our own address has the interface's MAC address: nobody may learn it with a virtual one (RFC 9568 8.1.2).
      const Ip asker = s.mac.zero() ? own_address(s.link) : Ip();
      send_arp(s.link, kBroadcastMac, {Arp::Op::request, mac, asker, Mac{}, s.vip}, turn.out);
      continue;
    }
    send_arp(s.link, kBroadcastMac, {Arp::Op::request, mac, s.vip, Mac{}, s.vip}, turn.out);
    send_arp(s.link, kBroadcastMac, {Arp::Op::reply, mac, s.vip, kBroadcastMac, s.vip}, turn.out);
  }
  for (const Conflict& conflict : conflicts_) say(conflict, turn.out);
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
