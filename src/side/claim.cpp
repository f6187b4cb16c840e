// SPDX-License-Identifier: BSD-2-Clause
// claim.cpp: answering, announcing and defending the VIPs.
#include "rawvs/claim.h"

#include <algorithm>

namespace rawvs {

namespace {

constexpr Duration kBetweenAnnouncements = 1s;
constexpr Duration kFirstProbe = 1s;        // after the first announcement: rivals are found soon after start
constexpr Duration kDefendInterval = 10s;   // RFC 5227 section 1.1: DEFEND_INTERVAL
constexpr Duration kRivalForgotten = 180s;  // at least; three probes unanswered if those are rarer
constexpr Duration kRetirement = 300s;      // longer than neighbours' ARP caches remember us

}  // namespace

Claims::Claim* Claims::claim_of(Ip vip) {
  const auto at = std::ranges::lower_bound(claims_, vip, {}, &Claim::vip);
  return at != claims_.end() && at->vip == vip ? &*at : nullptr;
}

const Claims::Claim* Claims::find(Ip vip) const { return const_cast<Claims*>(this)->claim_of(vip); }

bool Claims::takes(Ip vip) const { return find(vip) != nullptr; }

bool Claims::answers_for(Ip vip) const {
  const Claim* const claim = find(vip);
  return claim && claim->answered();
}

bool Claims::answers_for(Ip vip, Link link) const {
  const Claim* const claim = find(vip);
  return claim && claim->answered() && claim->link == link;
}

bool Claims::stands_by(Ip vip) const {
  const Claim* const claim = find(vip);
  return claim && claim->standby;
}

// Switches and hosts may still believe another machine.
void Claims::begin(Claim& claim, Instant now) {
  claim.announcements_left = settings_.garp_count;
  claim.next_announcement = settings_.garp_count == 0 ? kNever : now;
  claim.next_probe = now + kFirstProbe;
  earliest_ = now;
}

void Claims::set(std::vector<Ip> vips, Instant now) {
  vips_ = std::move(vips);
  follow(now);
}

void Claims::share(std::vector<Shared> shared, Instant now) {
  shared_ = std::move(shared);
  follow(now);
}

std::vector<Claims::Claim> Claims::wanted() const {
  std::vector<Claim> all;
  all.reserve(vips_.size() + shared_.size());
  auto vip = vips_.begin();
  const auto alone = [&](auto end) {
    for (; vip != end; ++vip) all.push_back(Claim{.vip = *vip});
  };
  for (const Shared& s : shared_) {
    alone(std::lower_bound(vip, vips_.end(), s.vip));
    const bool service = vip != vips_.end() && *vip == s.vip;
    const Link link = service ? Link::outside : s.link;
    // A virtual MAC address is known on its own link only.
    all.push_back(Claim{.vip = s.vip, .link = link, .mac = link == s.link ? s.mac : Mac{}, .standby = !s.ours});
    if (service) ++vip;
  }
  alone(vips_.end());
  return all;
}

void Claims::follow(Instant now) {
  const std::vector<Claim> now_ours = wanted();
  for (Claim& claim : claims_) {
    if (claim.retired_until || std::ranges::binary_search(now_ours, claim.vip, {}, &Claim::vip)) continue;
    claim = Claim{.vip = claim.vip, .link = claim.link, .mac = claim.mac, .standby = claim.standby};
    claim.retired_until = now + kRetirement;
    earliest_ = std::min(earliest_, *claim.retired_until);
  }
  for (const Claim& next : now_ours) {
    Claim* claim = claim_of(next.vip);
    const bool same = claim && !claim->retired_until && claim->standby == next.standby && claim->link == next.link &&
                      claim->mac == next.mac;
    if (same) continue;
    if (!claim) claim = &*claims_.insert(std::ranges::lower_bound(claims_, next.vip, {}, &Claim::vip), Claim{});
    *claim = next;
    if (!claim->standby) begin(*claim, now);
  }
}

void Claims::announce(Ip vip, Instant now) {
  Claim* const claim = claim_of(vip);
  if (claim && claim->answered()) begin(*claim, now);
}

void Claims::announce_all(Link link, Instant now) {
  for (Claim& claim : claims_) {
    if (claim.answered() && claim.link == link) begin(claim, now);
  }
}

void Claims::settings_changed(Instant now) {
  const auto within = [&](Instant& next, Duration interval) {
    if (interval != Duration::zero()) next = std::min(next, now + interval);
  };
  for (Claim& claim : claims_) {
    if (!claim.answered()) continue;
    within(claim.next_announcement, settings_.garp_interval);
    within(claim.next_probe, settings_.arp_probe_interval);
    earliest_ = std::min(earliest_, deadline_of(claim));
  }
}

// Who says it with the address's own virtual MAC address is the other director, for as long as both take themselves for
// the master: that is settled by VRRP.
std::optional<Conflict> Claims::heard(const Arp& arp, Link link, Mac own, Instant now) {
  Claim* const claim = claim_of(arp.sender);
  if (!claim || !claim->answered() || claim->link != link) return std::nullopt;
  if (arp.sender_mac == own || arp.sender_mac == claim->mac) return std::nullopt;
  // Whoever heard the rival now believes it: say again whose the VIP is, but do not start a shouting match.
  if (settings_.garp_count != 0 && (!claim->defended || now - *claim->defended >= kDefendInterval)) {
    claim->announcements_left = std::max(claim->announcements_left, 1u);
    claim->next_announcement = now;
    claim->defended = now;
    earliest_ = now;
  }
  const auto known = std::ranges::find(claim->rivals, arp.sender_mac, &Rival::mac);
  if (known != claim->rivals.end()) {
    known->heard = now;
    return std::nullopt;
  }
  if (claim->rivals.size() == kMostRivals) return std::nullopt;
  claim->rivals.push_back({arp.sender_mac, now});
  earliest_ = std::min(earliest_, deadline_of(*claim));
  return Conflict{claim->vip, arp.sender_mac, false};
}

Duration Claims::patience() const { return std::max<Duration>(kRivalForgotten, settings_.arp_probe_interval * 3); }

Instant Claims::deadline_of(const Claim& c) const {
  Instant forget = kNever;
  for (const Rival& rival : c.rivals) forget = std::min(forget, rival.heard + patience());
  return std::min({c.next_announcement, c.next_probe, c.retired_until.value_or(kNever), forget});
}

void Claims::time_passed(Instant now, size_t frames, std::vector<Say>& say, std::vector<Conflict>& over) {
  if (now < earliest_) return;
  std::erase_if(claims_, [&](const Claim& c) { return c.retired_until && *c.retired_until <= now; });
  earliest_ = kNever;
  for (Claim& claim : claims_) {
    if (claim.next_announcement <= now && frames >= kAnnouncementFrames) {
      frames -= kAnnouncementFrames;
      say.push_back({Say::What::announce, claim.vip, claim.link, claim.mac});
      if (claim.announcements_left > 0) --claim.announcements_left;
      const Duration pause = claim.announcements_left > 0 ? kBetweenAnnouncements : settings_.garp_interval;
      claim.next_announcement = pause == Duration::zero() ? kNever : now + pause;
    }
    const bool probing = settings_.arp_probe_interval != Duration::zero();
    if (claim.next_probe <= now && (frames > 0 || !probing)) {
      if (probing) --frames, say.push_back({Say::What::probe, claim.vip, claim.link, claim.mac});
      claim.next_probe = probing ? now + settings_.arp_probe_interval : kNever;
    }
    std::erase_if(claim.rivals, [&](const Rival& rival) {
      const bool silent = now - rival.heard >= patience();
      if (silent) over.push_back({claim.vip, rival.mac, true});
      return silent;
    });
    earliest_ = std::min(earliest_, deadline_of(claim));
  }
}

}  // namespace rawvs
