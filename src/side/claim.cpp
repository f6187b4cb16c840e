// SPDX-License-Identifier: BSD-2-Clause
// claim.cpp: answers, announces and defends VIPs.
#include "side/claim.h"

#include <algorithm>
#include <utility>

namespace rawvs {

namespace {

constexpr Duration kBetweenAnnouncements = 1s;
constexpr Duration kFirstProbe = 1s;        // after the first announcement: rivals are found soon after start
constexpr Duration kDefendInterval = 10s;   // RFC 5227 section 1.1: DEFEND_INTERVAL
constexpr Duration kRivalForgotten = 180s;  // at least; with rarer probes, three unanswered ones
constexpr Duration kRetirement = 300s;      // longer than neighbours' ARP caches remember us

}  // namespace

void ClaimedAddresses::put(const Cell& cell) {
  if (const Cell* const known = find(cell.vip)) {
    cells_[static_cast<size_t>(known - cells_.data())] = cell;
    return;
  }
  if (++used_ * 2 > cells_.size()) grow();
  size_t at = place(cell.vip);
  while (cells_[at].claim != kNoSlot) at = (at + 1) & (cells_.size() - 1);
  cells_[at] = cell;
}

void ClaimedAddresses::grow() {
  const std::vector<Cell> old = std::exchange(cells_, std::vector<Cell>(cells_.size() * 2));
  for (const Cell& cell : old) {
    if (cell.claim == kNoSlot) continue;
    size_t at = place(cell.vip);
    while (cells_[at].claim != kNoSlot) at = (at + 1) & (cells_.size() - 1);
    cells_[at] = cell;
  }
}

// Moves later cells into the hole if they may lie there: a search never ends too early.
void ClaimedAddresses::remove(Ip vip) {
  const Cell* const known = find(vip);
  if (!known) return;
  const size_t mask = cells_.size() - 1;
  size_t hole = static_cast<size_t>(known - cells_.data());
  for (size_t at = (hole + 1) & mask; cells_[at].claim != kNoSlot; at = (at + 1) & mask) {
    if (((at - place(cells_[at].vip)) & mask) < ((at - hole) & mask)) continue;
    cells_[hole] = cells_[at];
    hole = at;
  }
  cells_[hole] = Cell{};
  --used_;
}

Claims::Claim* Claims::claim_of(Ip vip) {
  const ClaimedAddresses::Cell* const cell = claimed_.find(vip);
  return cell ? &claims_[cell->claim] : nullptr;
}

const Claims::Claim* Claims::find(Ip vip) const { return const_cast<Claims*>(this)->claim_of(vip); }

const Claims::Claim* Claims::first_after(std::optional<Ip> vip) const {
  const auto found = vip ? order_.upper_bound(*vip) : order_.begin();
  return found == order_.end() ? nullptr : &claims_[found->second];
}

bool Claims::answers_for(Ip vip) const {
  const Claim* const claim = find(vip);
  return claim && claim->answered();
}

bool Claims::answers_for(Ip vip, Link link) const {
  const Claim* const claim = find(vip);
  return claim && claim->answered() && claim->as.links.has(link);
}

// Switches and hosts may still use another host's MAC address.
void Claims::begin(Claim& claim, LinkSet links, Instant now) {
  if (claim.announcements_left == 0) claim.announced_on = {};
  claim.announced_on.add(links);
  claim.announcements_left = settings_.garp_count;
  claim.next_announcement = settings_.garp_count == 0 ? kNever : now;
  claim.next_probe = now + kFirstProbe;
  schedule(claim);
}

void Claims::claim(Ip vip, const ClaimedAs& as, Instant now) {
  Claim* claim = claim_of(vip);
  if (claim && !claim->retired_until && claim->as == as) return;
  ++version_;
  const bool was_ours = claim && !claim->as.own;
  if (claim && claim->answered() && !as.standby && !as.own && claim->as.mac == as.mac &&
      claim->as.mac_link == as.mac_link) {
    LinkSet more = as.links;
    more.remove(std::exchange(claim->as.links, as.links));
    return begin(*claim, more, now);
  }
  const bool is_new = !claim;
  if (is_new) {
    const auto slot = free_.take();
    if (!slot) return;  // cannot happen: there are fewer services
    if (*slot == claims_.size()) claims_.emplace_back();
    due_.make_room(claims_.size());
    claim = &claims_[*slot];
    order_.emplace(vip, *slot);
  }
  if (was_ours == as.own) changes_.emplace_back(vip, !as.own);
  const bool same = !is_new && !claim->retired_until && claim->as.standby == as.standby && claim->as.own == as.own;
  *claim = Claim{.vip = vip, .as = as, .since = same ? claim->since : now};
  claimed_.put({vip, slot_of(*claim), as.standby, on_host(vip), as.own});
  if (claim->answered()) return begin(*claim, as.links, now);
  schedule(*claim);
}

bool Claims::set_host_addresses(std::vector<Ip> all) {
  if (all == host_addresses_) return false;
  host_addresses_ = std::move(all);
  ++version_;
  for (const auto& [vip, slot] : order_) {
    const ClaimedAs& as = claims_[slot].as;
    claimed_.put({vip, slot, as.standby, on_host(vip), as.own});
  }
  return true;
}

void Claims::retire(Ip vip, Instant now) {
  Claim* const claim = claim_of(vip);
  if (!claim || claim->retired_until) return;
  if (claim->as.own) return forget(*claim);
  ++version_;
  *claim = Claim{.vip = vip, .as = claim->as, .since = now, .retired_until = now + kRetirement};
  schedule(*claim);
}

void Claims::release(Ip vip) {
  if (Claim* const claim = claim_of(vip)) forget(*claim);
}

void Claims::forget(Claim& claim) {
  ++version_;
  const Slot slot = slot_of(claim);
  if (!claim.as.own) changes_.emplace_back(claim.vip, false);
  order_.erase(claim.vip);
  claimed_.remove(claim.vip);
  due_.set(slot, kNever);
  claim = Claim{};
  free_.give_back(slot);
}

void Claims::announce(Ip vip, Instant now) {
  Claim* const claim = claim_of(vip);
  if (claim && claim->answered()) begin(*claim, claim->as.links, now);
}

void Claims::announce_all(Link link, Instant now) {
  for (Claim& claim : claims_) {
    if (claim.vip != Ip() && claim.answered() && claim.as.links.has(link)) begin(claim, LinkSet(link), now);
  }
}

void Claims::settings_changed(Instant now) {
  const auto within = [&](Instant& next, Duration interval) {
    if (interval != Duration::zero()) next = std::min(next, now + interval);
  };
  for (Claim& claim : claims_) {
    if (claim.vip == Ip() || !claim.answered()) continue;
    within(claim.next_announcement, settings_.garp_interval);
    within(claim.next_probe, settings_.arp_probe_interval);
    schedule(claim);
  }
}

// A claim with the address's own virtual MAC address comes from the other director while both believe to be master:
// VRRP settles that.
std::optional<Conflict> Claims::heard(const Discovery& d, bool by_server, Link link, Mac own, Instant now) {
  Claim* const claim = claim_of(d.sender);
  if (!claim || !claim->answered() || !claim->as.links.has(link)) return std::nullopt;
  if (d.sender_mac == own || d.sender_mac == claim->as.mac_on(link)) return std::nullopt;
  // Hosts that heard the rival now use its address: announce the VIP again, but not in reply to every claim.
  if (by_server && settings_.arp_defend) {
    announce_soon(*claim, LinkSet(link), kBetweenAnnouncements, now);
  } else if (settings_.garp_count != 0) {
    announce_soon(*claim, LinkSet(link), kDefendInterval, now);
  }
  const auto known = std::ranges::find(claim->rivals, d.sender_mac, &Rival::mac);
  if (known != claim->rivals.end()) {
    known->heard = now;
    known->server = by_server;
    return std::nullopt;
  }
  if (claim->rivals.size() == kMostRivals) return std::nullopt;
  claim->rivals.push_back({d.sender_mac, now, by_server});
  schedule(*claim);
  return Conflict{claim->vip, d.sender_mac, false};
}

void Claims::announce_soon(Claim& claim, LinkSet links, Duration least_pause, Instant now) {
  if (claim.defended && now - *claim.defended < least_pause) return;
  if (claim.announcements_left == 0) claim.announced_on = {};
  claim.announced_on.add(links);
  claim.announcements_left = std::max(claim.announcements_left, 1u);
  claim.next_announcement = now;
  claim.defended = now;
  schedule(claim);
}

bool Claims::asked(const Defence::Asker& asker, Instant now) {
  if (!settings_.arp_defend || asker.addr.unspecified()) return false;
  Claim& claim = *claim_of(asker.vip);
  if (std::ranges::none_of(claim.rivals, &Rival::server)) return false;
  if (!defence_.asked(asker, now)) announce_soon(claim, LinkSet(asker.link), kBetweenAnnouncements, now);
  return true;
}

void Claims::repeat_due(Instant now, size_t& frames, std::vector<Say>& say) {
  while (frames >= kAnnouncementFrames) {
    const auto asker = defence_.take_due(now);
    if (!asker) return;
    Claim* const claim = claim_of(asker->vip);
    if (!claim || !claim->answered()) continue;  // it is not ours any more
    ++claim->repeats;
    frames -= kAnnouncementFrames;
    say.push_back({Say::What::repeat, claim->vip, asker->link, claim->as.mac_on(asker->link), *asker});
  }
}

Duration Claims::patience() const { return std::max<Duration>(kRivalForgotten, settings_.arp_probe_interval * 3); }

Instant Claims::deadline_of(const Claim& c) const {
  Instant forget = kNever;
  for (const Rival& rival : c.rivals) forget = std::min(forget, rival.heard + patience());
  return std::min({c.next_announcement, c.next_probe, c.retired_until.value_or(kNever), forget});
}

// False: too few frames are left for what is due.
bool Claims::say_due(Claim& claim, Instant now, size_t& frames, std::vector<Say>& say) {
  const auto say_on = [&](Say::What what, LinkSet links) {
    while (!links.empty()) {
      const Link link = links.take();
      say.push_back({what, claim.vip, link, claim.as.mac_on(link), {}});
    }
  };
  if (claim.next_announcement <= now) {
    const LinkSet links = claim.announcements_left > 0 ? claim.announced_on : claim.as.links;
    const size_t needed = kAnnouncementFrames * links.size();
    if (frames < needed) return false;
    frames -= needed;
    say_on(Say::What::announce, links);
    if (claim.announcements_left > 0) --claim.announcements_left;
    const Duration pause = claim.announcements_left > 0 ? kBetweenAnnouncements : settings_.garp_interval;
    claim.next_announcement = pause == Duration::zero() ? kNever : now + pause;
  }
  if (claim.next_probe > now) return true;
  const bool probing = settings_.arp_probe_interval != Duration::zero();
  if (probing && frames < claim.as.links.size()) return false;
  if (probing) frames -= claim.as.links.size(), say_on(Say::What::probe, claim.as.links);
  claim.next_probe = probing ? now + settings_.arp_probe_interval : kNever;
  return true;
}

void Claims::time_passed(Instant now, size_t frames, std::vector<Say>& say, std::vector<Conflict>& over) {
  repeat_due(now, frames, say);
  for (uint32_t n = 0; n < kAtOnce && due_.earliest() <= now; ++n) {
    Claim& claim = claims_[due_.first()];
    if (claim.retired_until && *claim.retired_until <= now) {
      forget(claim);
      continue;
    }
    std::erase_if(claim.rivals, [&](const Rival& rival) {
      const bool silent = now - rival.heard >= patience();
      if (silent) over.push_back({claim.vip, rival.mac, true});
      return silent;
    });
    const bool said = say_due(claim, now, frames, say);
    schedule(claim);
    if (!said) return;
  }
}

}  // namespace rawvs
