// SPDX-License-Identifier: BSD-2-Clause
// vrrp_heard.cpp: received adverts: the rules of reception (RFC 9568 and RFC 3768, section 7.1, and those of unicast
// peers), oddities, and the event for the state machine.
#include "core/sort.h"
#include "side/vrrp.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

VrrpEvent event_of(uint8_t priority, Ip from, uint8_t own_priority, Ip own) {
  if (priority == kVrrpEnd) return VrrpEvent::heard_end;
  if (priority > own_priority) return VrrpEvent::heard_stronger;
  if (priority < own_priority) return VrrpEvent::heard_weaker;
  return from > own ? VrrpEvent::heard_stronger : VrrpEvent::heard_equal;
}

bool same_addresses(const Vrrp::Instance& i, const VrrpAdvert& advert) {  // in any order
  const auto theirs = advert.addresses.list();
  if (std::ranges::equal(theirs, i.spec.addresses)) return true;
  if (theirs.size() != i.sorted.size()) return false;
  std::array<Ip, kMostVrrpAddresses> sorted;
  std::ranges::copy(theirs, sorted.begin());
  const auto used = std::span(sorted).first(theirs.size());
  sort_addresses(used);
  return std::ranges::equal(used, i.sorted);
}

}  // namespace

std::optional<VrrpRefusal> Vrrp::heard(Link link, const VrrpDatagram& in, VrrpTurn turn) {
  VrrpAdvert advert;
  auto refusal = parse_vrrp(in, advert);
  Instance* const i = find(link, in.source.family(), advert.vrid);
  if (!i) {
    if (!refusal) refusal = VrrpRefusal::vrid;
    ++strangers_[static_cast<size_t>(*refusal)];
    return refusal;
  }
  if (!refusal) refusal = broken_rule(*i, in, advert);
  if (!refusal) {
    accept(*i, advert, in.source, turn);
    return std::nullopt;
  }
  const auto which = static_cast<size_t>(*refusal);
  ++i->counters.refused[which];
  if (*refusal != VrrpRefusal::idle && i->refused.odd(in.source, static_cast<uint16_t>(which + 1), turn.now)) {
    turn.out.notices_.push_back({Severity::warning, formatted("vrrp {}: adverts from {} are refused: {}", i->spec.name,
                                                              text(in.source), words(*refusal).meaning)});
  }
  return refusal;
}

uint8_t Vrrp::least_ttl(const Instance& i, Ip peer) const {
  if (i.spec.min_ttl) return *i.spec.min_ttl;
  const auto holds = [&](const LinkAddress& a) { return a.network().holds(peer); };
  // No router forwards what comes from a link-local address (RFC 4291 section 2.5.6); keepalived sends it with 64.
  const bool near = !peer.link_local() && std::ranges::any_of(links_[index(i.spec.link)].addresses, holds);
  return near ? kVrrpTtl : uint8_t{0};
}

std::optional<VrrpRefusal> Vrrp::broken_rule(const Instance& i, const VrrpDatagram& in, const VrrpAdvert& a) const {
  const VrrpSpec& spec = i.spec;
  if (in.source == source_of(i)) return VrrpRefusal::own_address;
  if (a.version != spec.version) return VrrpRefusal::version;
  if (in.destination.multicast() != spec.peers.empty()) return VrrpRefusal::destination;
  if (!spec.peers.empty()) {
    if (std::ranges::find(spec.peers, in.source) == spec.peers.end()) return VrrpRefusal::peer;
    if (in.ttl < least_ttl(i, in.source)) return VrrpRefusal::ttl;
  }
  if (spec.version == 2) {
    if (a.auth != (spec.password.empty() ? VrrpAuth::none : VrrpAuth::password)) return VrrpRefusal::auth_type;
    if (!spec.password.empty() && !same_password(a.password, vrrp_password(spec.password))) {
      return VrrpRefusal::password;
    }
    if (a.interval != spec.interval) return VrrpRefusal::interval;
    // RFC 3768 section 7.1: except from the owner of the addresses.
    if (spec.same_addresses && a.priority != kVrrpOwner && !same_addresses(i, a)) return VrrpRefusal::addresses;
  }
  const bool awake = i.state == VrrpState::backup || i.state == VrrpState::master;
  return awake ? std::nullopt : std::optional(VrrpRefusal::idle);
}

// Oddities of an accepted advert: ignoring a master for them would create a second one.
void Vrrp::compare(Instance& i, const VrrpAdvert& advert, Ip from, VrrpTurn turn) {
  const auto tell = [&](VrrpOddity oddity, const std::string& what) {
    if (i.may_tell(oddity, turn.now)) {
      turn.out.notices_.push_back({Severity::warning, formatted("vrrp {}: {} has {}", i.spec.name, text(from), what)});
    }
  };
  if (advert.version == 3 && advert.checksum == VrrpChecksum::message) ++i.counters.message_checksums;
  if (advert.interval != i.spec.interval) {
    ++i.counters.other_interval;
    tell(kOtherInterval,
         formatted("the interval {}, ours is {}", seconds_text(advert.interval), seconds_text(i.spec.interval)));
  }
  if (!same_addresses(i, advert)) {
    ++i.counters.other_addresses;
    tell(kOtherAddresses, "other addresses in its adverts than are configured here");
  }
}

void Vrrp::accept(Instance& i, const VrrpAdvert& advert, Ip from, VrrpTurn turn) {
  ++i.counters.heard;
  if (i.refused.well(from, turn.now)) {
    turn.out.notices_.push_back(
        {Severity::notice, formatted("vrrp {}: adverts from {} are taken now", i.spec.name, text(from))});
  }
  if (advert.priority == kVrrpEnd) ++i.counters.ends_heard;
  compare(i, advert, from, turn);
  const VrrpEvent event = event_of(advert.priority, from, i.priority, source_of(i));
  const Duration silence = turn.now - i.last_sent;  // before it is answered
  if (i.state == VrrpState::backup && event == VrrpEvent::heard_weaker) {
    // The delay begins with the first such advert.
    const bool delayed = i.spec.preempt && i.spec.preempt_delay > Duration::zero();
    if (delayed && i.timers.preempt == kNever) due(i.timers.preempt, turn.now + i.spec.preempt_delay);
  } else if (event != VrrpEvent::heard_end) {
    i.timers.preempt = kNever;
  }
  happened(i, event, {advert.priority, from, advert.interval, {}}, turn);
  if (i.state == VrrpState::master) {
    // Yields before it announces anything: only a master announces.
    if (silence >= kVrrpSilentIntervals * i.spec.interval) woke_late(i, silence, turn);
  } else if (event == VrrpEvent::heard_end) {
    i.master.reset();
    i.ended = from;
  } else {
    i.master = Master{from, advert.priority, turn.now};
    i.ended.reset();
  }
}

}  // namespace rawvs
