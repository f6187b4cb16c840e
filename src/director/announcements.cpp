// SPDX-License-Identifier: BSD-2-Clause
// announcements.cpp: ARP and neighbour discovery: requests for servers, announcements and probes of VIPs, conflicts.
#include "core/outbox.h"
#include "director/surroundings.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

Exit by_family(Family family, Exit arp, Exit nd) { return family == Family::ipv4 ? arp : nd; }

// Where a request for an address, or an announcement, goes to reach all who need it.
Mac all_of(Family family) { return family == Family::ipv4 ? kBroadcastMac : multicast_mac(kAllNodes); }
Mac who_may_have(Ip target) { return target.is_v4() ? kBroadcastMac : multicast_mac(solicited_node(target)); }

}  // namespace

// Learns from a received request or answer.
Exit Surroundings::heard(const Discovery& d, Link link, Turn turn) {
  const Mac own = lan_.link(link).mac;
  if (lan_.has(d.sender_mac)) return Exit::own_frame;  // two of our links may be in one network
  if (lan_.claims.answers_for(d.sender, link)) {
    const bool by_server = lan_.neighbors.who_has(d.sender_mac).has_value();
    if (const auto conflict = lan_.claims.heard(d, by_server, link, own, turn.now)) tell(*conflict, turn.out);
    return by_family(d.family(), Exit::arp_conflict, Exit::nd_conflict);
  }
  if (lan_.neighbors.heard(d, link, own, turn)) return by_family(d.family(), Exit::arp_learned, Exit::nd_learned);
  return by_family(d.family(), Exit::arp_other, Exit::nd_other);
}

// Sends what is due. What the outbox has no room for remains due for the next turn, which follows at once.
void Surroundings::send_due(Turn turn) {
  asks_.clear(), says_.clear(), conflicts_.clear();
  places_.plan_tidying(turn.now);
  const size_t frames = arp_held_ ? 0 : turn.out.buffers_left();
  lan_.neighbors.time_passed(frames, asks_, turn);
  for (uint64_t n = lan_.neighbors.take_discarded(); n > 0; --n) exits_.count(Exit::hold_expired);
  lan_.claims.time_passed(turn.now, frames - asks_.size(), says_, conflicts_);
  note_claims();  // a retired VIP may have been forgotten
  for (const Ask& question : asks_) ask(question, turn.out);
  for (const Say& word : says_) say(word, turn.out);
  for (const Conflict& conflict : conflicts_) tell(conflict, turn.out);
}

void Surroundings::ask(const Ask& question, Outbox& out) {
  const Link link = question.link;
  const Ip target = question.target;
  send(link, question.to.value_or(who_may_have(target)),
       {.what = Discovery::What::asks,
        .sender = lan_.asker(link, target.family()),
        .sender_mac = lan_.link(link).mac,
        .target = target},
       out);
}

void Surroundings::say(const Say& word, Outbox& out) {
  const Link link = word.link;
  const Family family = word.vip.family();
  const Mac mac = word.mac.zero() ? lan_.link(link).mac : word.mac;
  if (word.what == Say::What::probe) {
    // Our own address belongs to the interface's MAC address: it must not be sent with a virtual one (RFC 9568 8.1.2).
    const Ip asker = word.mac.zero() ? lan_.asker(link, family) : Ip::any(family);
    send(link, who_may_have(word.vip),
         {.what = Discovery::What::asks, .sender = asker, .sender_mac = mac, .target = word.vip}, out);
    return;
  }
  if (word.what == Say::What::repeat) return repeat(word, mac, out);
  const Mac all = all_of(family);
  if (family == Family::ipv4) {
    send(link, all, {.what = Discovery::What::asks, .sender = word.vip, .sender_mac = mac, .target = word.vip}, out);
    send(link, all,
         {.what = Discovery::What::says,
          .sender = word.vip,
          .sender_mac = mac,
          .target = word.vip,
          .target_mac = kBroadcastMac},
         out);
  } else {
    send(link, all,
         {.what = Discovery::What::says,
          .sender = word.vip,
          .sender_mac = mac,
          .target = Ip::any(family),
          .target_mac = all,
          .solicited = false},
         out);
  }
}

// The answer, as before, and in IPv4 an announcement, which Linux accepts over an answer that came first.
void Surroundings::repeat(const Say& word, Mac mac, Outbox& out) {
  const Mac to = word.asker.mac;
  const Discovery answer{.what = Discovery::What::says,
                         .sender = word.vip,
                         .sender_mac = mac,
                         .target = word.asker.addr,
                         .target_mac = to};
  send(word.link, to, answer, out);
  if (!word.vip.is_v4()) return;
  send(word.link, to, {.what = Discovery::What::asks, .sender = word.vip, .sender_mac = mac, .target = word.vip}, out);
}

void Surroundings::send(Link link, Mac to, const Discovery& d, Outbox& out) {
  const LinkFacts& facts = lan_.links[index(link)];
  if (!facts.usable() || !facts.ethernet) return;
  const MutableBytes buffer = out.buffer();
  const size_t size = buffer.empty() ? 0 : composer_.discovery(buffer, d.sender_mac, to, d);
  if (size != 0) out.send_buffer(link, size);
}

void Surroundings::tell(const Conflict& conflict, Outbox& out) const {
  const std::string vip = text(conflict.vip), mac = text(conflict.mac);
  const char* const answers = what_is_answered(conflict.vip);
  if (conflict.over) {
    out.say(Severity::notice, formatted("nobody else answers {} for VIP {} any more ({} did)", answers, vip, mac),
            Topic::conflict);
  } else if (const auto server = lan_.neighbors.who_has(conflict.mac)) {
    out.say(Severity::warning,
            formatted("real server {} ({}) answers {} for VIP {}: {} there, see rawvs-realserver(8){}", text(*server),
                      mac, answers, vip,
                      conflict.vip.is_v4() ? "set arp_ignore=1, arp_announce=2" : "put it on lo, with prefix 128",
                      settings_.arp_defend ? "; until then the claim is repeated to those who ask (arp_defend)" : ""),
            Topic::conflict);
  } else {
    out.say(Severity::warning,
            formatted("another machine ({}) answers {} for VIP {}: clients may reach it instead of this director; find "
                      "it by its MAC address",
                      mac, answers, vip),
            Topic::conflict);
  }
}

}  // namespace rawvs
