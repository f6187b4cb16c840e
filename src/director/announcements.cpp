// SPDX-License-Identifier: BSD-2-Clause
// announcements.cpp: ARP: requests for servers, announcements and probes of VIPs, conflicts.
#include "core/outbox.h"
#include "director/surroundings.h"

namespace rawvs {

// Learns from a received ARP frame.
Exit Surroundings::heard(const Arp& arp, Link link, Turn turn) {
  const Mac own = lan_.link(link).mac;
  if (arp.sender_mac == own) return Exit::own_frame;
  if (lan_.claims.answers_for(arp.sender, link)) {
    if (const auto conflict = lan_.claims.heard(arp, link, own, turn.now)) tell(*conflict, turn.out);
    return Exit::arp_conflict;
  }
  return lan_.neighbors.heard(arp, link, own, turn) ? Exit::arp_learned : Exit::arp_other;
}

// Sends the ARP that is due. What the outbox has no room for remains due for the next turn, which follows at once.
void Surroundings::speak(Turn turn) {
  asks_.clear(), says_.clear(), conflicts_.clear();
  places_.plan_tidying(turn.now);
  const size_t frames = speech_held_ ? 0 : turn.out.letters_left();
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
  send_arp(link, question.to.value_or(kBroadcastMac),
           {Arp::Op::request, lan_.link(link).mac, lan_.own_address(link), Mac{}, question.target}, out);
}

void Surroundings::say(const Say& word, Outbox& out) {
  const Link link = word.link;
  const Mac mac = word.mac.zero() ? lan_.link(link).mac : word.mac;
  if (word.what == Say::What::probe) {
    // Our own address belongs to the interface's MAC address: it must not be sent with a virtual one (RFC 9568 8.1.2).
    const Ip asker = word.mac.zero() ? lan_.own_address(link) : Ip();
    send_arp(link, kBroadcastMac, {Arp::Op::request, mac, asker, Mac{}, word.vip}, out);
    return;
  }
  send_arp(link, kBroadcastMac, {Arp::Op::request, mac, word.vip, Mac{}, word.vip}, out);
  send_arp(link, kBroadcastMac, {Arp::Op::reply, mac, word.vip, kBroadcastMac, word.vip}, out);
}

void Surroundings::send_arp(Link link, Mac to, const Arp& arp, Outbox& out) {
  const LinkFacts& facts = lan_.links[index(link)];
  if (!facts.usable()) return;
  const MutableBytes letter = out.letter();
  const size_t size = letter.empty() ? 0 : composer_.arp(letter, arp.sender_mac, to, arp);
  if (size != 0) out.send_letter(link, size);
}

void Surroundings::tell(const Conflict& conflict, Outbox& out) const {
  const std::string vip = "VIP " + text(conflict.vip), mac = text(conflict.mac);
  if (conflict.over) {
    out.say(Severity::notice, "nobody else answers ARP for " + vip + " any more (" + mac + " did)");
  } else if (const auto server = lan_.neighbors.who_has(conflict.mac)) {
    out.say(Severity::warning, "real server " + text(*server) + " (" + mac + ") answers ARP for " + vip +
                                   ": set arp_ignore=1, arp_announce=2 there, see rawvs-realserver(8)");
  } else {
    out.say(Severity::warning, "another machine (" + mac + ") answers ARP for " + vip +
                                   ": clients may reach it instead of this director; find it by its MAC address");
  }
}

}  // namespace rawvs
