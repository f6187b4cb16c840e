// SPDX-License-Identifier: BSD-2-Clause
// vrrp_group.cpp: all VRRP instances of this host: configuration, interfaces, tracks, groups.
//
// A group becomes master when each of its instances would, not the first: otherwise a group that is cut off on one of
// two links would take the VIPs of both, lose them to the master on the other link, and so on for ever. It stops being
// master when one of its instances does.
#include <algorithm>
#include <tuple>
#include <utility>

#include "core/sort.h"
#include "side/vrrp.h"
#include "side/vrrp_check.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

constexpr size_t kPasswordSize = std::tuple_size_v<VrrpPassword>;
constexpr Duration kLongestPreemptDelay = 1000s;
constexpr int kMostWeight = 253;

bool same_router(const VrrpSpec& a, const VrrpSpec& b) {
  return a.link == b.link && a.vrid == b.vrid && a.version == b.version && a.family() == b.family();
}

// The fault of one spec by itself.
std::optional<std::string> fault_of(const VrrpSpec& s) {
  if (s.name.empty()) return "it has no name";
  if (s.version != 2 && s.version != 3) return formatted("version {} is neither 2 nor 3", s.version);
  if (s.vrid == 0) return "vrid 0 is not between 1 and 255";
  if (s.priority == kVrrpEnd) return "priority 0 is not between 1 and 255";
  const Duration unit = s.version == 2 ? Duration(1s) : Duration(10ms);
  const Duration longest = s.version == 2 ? kLongestVrrp2Interval : kLongestVrrpInterval;
  if (s.interval < unit || s.interval > longest || s.interval % unit != Duration::zero()) {
    return formatted("interval {} is not one of {}", seconds_text(s.interval),
                     s.version == 2 ? "1 s to 255 s, whole seconds, as version 2 has them"
                                    : "0.01 s to 40.95 s, in steps of 0.01 s");
  }
  if (s.preempt_delay < Duration::zero() || s.preempt_delay > kLongestPreemptDelay) {
    return formatted("preempt_delay {} is not between 0 and 1000 s", seconds_text(s.preempt_delay));
  }
  if (!s.preempt && s.begins_as_master) return "without preempt it cannot begin as master";
  if (!s.password.empty() && s.version == 3) return "version 3 has no password";
  if (s.password.size() > kPasswordSize) return "its password has more than 8 bytes";
  if (s.addresses.empty() || s.addresses.size() > kMostVrrpAddresses) return "it must have 1 to 255 addresses";
  for (const Ip a : s.addresses) {
    if (!a.unicast()) return formatted("address {} cannot be a host's", text(a));
  }
  if (s.peers.size() > kMostVrrpPeers) return "it has more than 64 peers";
  for (const Ip p : s.peers) {
    if (!p.unicast() || p == s.source) return formatted("peer {} cannot be another host's", text(p));
  }
  if (!s.source.unspecified() && !s.source.unicast()) return formatted("source {} cannot be a host's", text(s.source));
  for (const VrrpFamilyFault& fault : family_faults(s, s.family())) return formatted("{} {}", fault.key, fault.text);
  if (s.tracks.size() > kMostVrrpTracks) return "it has more than 64 tracks";
  for (const VrrpTrack& t : s.tracks) {
    if (t.weight < -kMostWeight || t.weight > kMostWeight) {
      return formatted("track {}: weight {} is not between -253 and 253", t.name, t.weight);
    }
    if (t.weight != 0 && !s.group.empty()) {
      return formatted("track {}: instances of a group cannot have weights: theirs is the group's fate", t.name);
    }
  }
  return std::nullopt;
}

uint8_t effective_priority(const Vrrp::Instance& i) {
  if (i.spec.priority == kVrrpOwner) return kVrrpOwner;
  int priority = i.spec.priority;
  for (size_t t = 0; t < i.spec.tracks.size(); ++t) {
    const int weight = i.spec.tracks[t].weight;
    if (i.well[t] == (weight > 0)) priority += weight;
  }
  return static_cast<uint8_t>(std::clamp(priority, 1, kVrrpOwner - 1));
}

}  // namespace

std::vector<VrrpFamilyFault> family_faults(const VrrpSpec& s, Family family) {
  std::vector<VrrpFamilyFault> out;
  const auto check = [&](const char* key, Ip address, size_t n) {
    if (address.family() == family) return;
    out.push_back({key, n,
                   formatted("{} is {}, and this instance is {}: it has one family; add a [vrrp NAME] for the other",
                             text(address), name(address.family()), name(family))});
  };
  for (size_t n = 0; n < s.addresses.size(); ++n) check("address", s.addresses[n], n);
  for (size_t n = 0; n < s.peers.size(); ++n) check("peer", s.peers[n], n);
  if (!s.source.unspecified()) check("source", s.source, 0);
  if (family == Family::ipv6 && s.version == 2) {
    out.push_back({"version", 0, "2 is for IPv4 alone, and this instance is IPv6; leave version out: 3"});
  }
  return out;
}

std::string VrrpCheck::add(const VrrpSpec& s) {
  if (const auto fault = fault_of(s)) return *fault;
  if (s.other_vips == OtherVips::yes) {
    if (!of_others_.empty()) return formatted("other_vips = yes is in {}, too", of_others_);
    of_others_ = s.name;
  }
  if (!names_.insert(s.name).second) return "there are two of this name";
  const auto [other, fresh] = vrids_.try_emplace({s.link, s.family(), s.vrid}, s.name);
  if (!fresh) return formatted("vrid {} is that of {}, on the same interface", s.vrid, other->second);
  if (++on_link_[index(s.link)][index(s.family())] > kMostInstances)
    return "more than 255 of one family on one interface";
  for (const Ip a : s.addresses) {
    const auto [owner, free] = addresses_.try_emplace(a, s.name);
    if (!free) return formatted("address {} is in {}, too, or in it twice", text(a), owner->second);
  }
  return {};
}

Result<Done> check_vrrp(std::span<const VrrpSpec> specs) {
  VrrpCheck check;
  for (const VrrpSpec& s : specs) {
    if (const std::string fault = check.add(s); !fault.empty()) return at("vrrp " + s.name, {fault});
  }
  return Done{};
}

void Vrrp::configure(std::vector<VrrpSpec> specs, VrrpTurn turn) {
  std::vector<Instance> before = std::exchange(instances_, {});
  instances_.resize(specs.size());
  std::vector<bool> changed(specs.size());
  for (Instance& old : before) {
    const auto at = std::ranges::find_if(specs, [&](const VrrpSpec& s) { return same_router(s, old.spec); });
    if (at != specs.end()) {
      const auto n = static_cast<size_t>(at - specs.begin());
      changed[n] = at->interval != old.spec.interval || at->addresses != old.spec.addresses;
      instances_[n] = std::move(old);
    } else if (old.state != VrrpState::initialize) {
      apply(old, VrrpEvent::stop, {.why = "removed from the configuration"}, turn);
    }
  }
  for (size_t n = 0; n < specs.size(); ++n) take_spec(instances_[n], std::move(specs[n]));
  number();
  find_sources();
  for (size_t n = 0; n < instances_.size(); ++n) {
    Instance& i = instances_[n];
    review(i, turn);
    if (i.state == VrrpState::initialize && started_) set_off(i, turn);
    if (changed[n] && i.state == VrrpState::master) {
      advertise(i, i.priority, turn);
      due(i.timers.advert, turn.now + i.spec.interval);
    } else if (changed[n] && i.state == VrrpState::backup && !i.wants_master) {
      i.interval = i.spec.interval;
      listen(i, vrrp_down(i.spec.version, i.priority, i.interval), turn.now);
    }
  }
}

// Keeps the priority: review() computes the new one and does what follows.
void Vrrp::take_spec(Instance& i, VrrpSpec spec) {
  std::vector<bool> well(spec.tracks.size(), true);
  for (size_t t = 0; t < spec.tracks.size(); ++t) {
    const auto known = std::ranges::find(i.spec.tracks, spec.tracks[t].name, &VrrpTrack::name);
    if (known != i.spec.tracks.end()) well[t] = i.well[static_cast<size_t>(known - i.spec.tracks.begin())];
  }
  i.well = std::move(well);
  i.spec = std::move(spec);
  i.sorted = i.spec.addresses;
  sort_addresses(i.sorted);
}

// Assigns groups, the owner of each VIP, and the instance for other VIPs.
void Vrrp::number() {
  owned_.clear();
  uint16_t groups = 0;
  for (size_t n = 0; n < instances_.size(); ++n) {
    Instance& i = instances_[n];
    for (const Ip vip : i.spec.addresses) owned_.push_back({vip, static_cast<uint16_t>(n)});
    const auto known = std::ranges::find_if(instances_.begin(), instances_.begin() + static_cast<std::ptrdiff_t>(n),
                                            [&](const Instance& o) { return o.spec.group == i.spec.group; });
    i.group = i.spec.group.empty() ? uint16_t{0} : &*known != &i ? known->group : ++groups;
  }
  sort_by<&Owned::vip>(owned_);
  const auto rank = [](const Instance& i) {
    return std::tuple(i.spec.other_vips == OtherVips::no, i.spec.other_vips != OtherVips::yes, i.spec.link, i.spec.vrid,
                      i.spec.family());
  };
  const auto best = std::ranges::min_element(instances_, {}, rank);
  const bool found = best != instances_.end() && best->spec.other_vips != OtherVips::no;
  of_others_ = found ? std::optional(static_cast<size_t>(best - instances_.begin())) : std::nullopt;
}

// An owner's VIP is an address of its host, and may be its only one.
void Vrrp::find_sources() {
  const auto borrowed = [&](const LinkAddress& a) {
    const auto at = std::ranges::lower_bound(owned_, a.addr, {}, &Owned::vip);
    return at != owned_.end() && at->vip == a.addr && instances_[at->instance].spec.priority != kVrrpOwner;
  };
  for (size_t l = 0; l < kMostLinks; ++l) {
    sources_[l] = {Ip(), Ip::any(Family::ipv6)};
    for (const LinkAddress& a : links_[l].addresses) {
      const bool fits = a.addr.is_v4() || a.addr.link_local();  // RFC 9568 section 5.1.2.2
      Ip& source = sources_[l][index(a.addr.family())];
      if (fits && source.unspecified() && !borrowed(a)) source = a.addr;
    }
  }
}

Ip Vrrp::source_of(const Instance& i) const {
  return i.spec.source.unspecified() ? sources_[index(i.spec.link)][index(i.spec.family())] : i.spec.source;
}

Vrrp::Instance* Vrrp::find(Link link, Family family, uint8_t vrid) {
  const auto found = std::ranges::find_if(instances_, [&](const Instance& i) {
    return i.spec.link == link && i.spec.vrid == vrid && i.spec.family() == family;
  });
  return found == instances_.end() ? nullptr : &*found;
}

const Vrrp::Instance* Vrrp::instance_of(Ip vip) const {
  const auto at = std::ranges::lower_bound(owned_, vip, {}, &Owned::vip);
  return at != owned_.end() && at->vip == vip ? &instances_[at->instance] : of_others();
}

const Vrrp::Instance* Vrrp::of_others() const { return of_others_ ? &instances_[*of_others_] : nullptr; }

bool Vrrp::may_answer(Ip vip) const {
  const Instance* const i = instance_of(vip);
  return !i || i->state == VrrpState::master;
}

void Vrrp::start(VrrpTurn turn, const std::optional<std::vector<std::string>>& masters) {
  started_ = true;
  const size_t before = turn.out.transitions_.size();
  for (Instance& i : instances_) {
    const bool was_master = masters && std::ranges::find(*masters, i.spec.name) != masters->end();
    if (i.state != VrrpState::initialize) continue;
    if (was_master && !reason_to_stop(i)) {
      enter(i, VrrpState::master, "taken over from the program before", turn);
    } else {
      set_off(i, turn);
    }
  }
  if (!masters) return;
  for (VrrpTransition& t : std::span(turn.out.transitions_).subspan(before)) t.notified = false;
}

void Vrrp::stop(VrrpTurn turn) {
  started_ = false;
  for (Instance& i : instances_) apply(i, VrrpEvent::stop, {.why = "stopped"}, turn);
}

void Vrrp::link_changed(Link link, const LinkFacts& facts, VrrpTurn turn) {
  links_[index(link)] = facts;
  find_sources();
  for (Instance& i : instances_) {
    if (i.spec.link == link) review(i, turn);
  }
}

void Vrrp::track(size_t instance, size_t which, bool well, VrrpTurn turn) {
  Instance& i = instances_[instance];
  if (i.well[which] == well) return;
  i.well[which] = well;
  review(i, turn);
}

// Why an instance cannot run; none: it can.
std::optional<std::string> Vrrp::reason_to_stop(const Instance& i) const {
  const LinkFacts& link = links_[index(i.spec.link)];
  const char* fault = nullptr;
  if (link.ifindex != 0 && !link.ethernet) {
    fault = " has no Ethernet: VRRP has no use there";
  } else if (i.spec.track_link && link.ifindex == 0) {
    fault = " is missing";
  } else if (i.spec.track_link && !link.up) {
    fault = " is down";
  } else if (i.spec.track_link && !link.carrier) {
    fault = " has no carrier";
  } else if (source_of(i).unspecified()) {
    fault = i.spec.family() == Family::ipv4 ? " has no address to send adverts from"
                                            : " has no link-local address to send adverts from";
  }
  if (fault) return "interface " + link.name + fault;
  for (size_t t = 0; t < i.spec.tracks.size(); ++t) {
    if (i.spec.tracks[t].weight == 0 && !i.well[t]) return i.spec.tracks[t].name + ": not well";
  }
  return std::nullopt;
}

void Vrrp::set_off(Instance& i, VrrpTurn turn) {
  if (auto reason = reason_to_stop(i)) {
    happened(i, VrrpEvent::hurt, {.why = std::move(*reason)}, turn);
    return;
  }
  const bool owner = i.priority == kVrrpOwner;
  const std::string why = i.state == VrrpState::fault ? "well again" : "started";
  const bool at_once = owner && i.group == 0;
  happened(i, at_once ? VrrpEvent::start_owner : VrrpEvent::start, {.why = owner ? why + " with priority 255" : why},
           turn);
  if (owner && i.state == VrrpState::backup) due(i.timers.down, turn.now);  // at once when its group can
}

// Handles changes of its link, tracks or priority.
void Vrrp::review(Instance& i, VrrpTurn turn) {
  const uint8_t before = std::exchange(i.priority, effective_priority(i));
  if (i.state == VrrpState::initialize) return;
  auto reason = reason_to_stop(i);
  if (reason && i.state != VrrpState::fault) {
    happened(i, VrrpEvent::hurt, {.why = std::move(*reason)}, turn);
  } else if (!reason && i.state == VrrpState::fault) {
    set_off(i, turn);
  } else if (i.priority != before && i.state == VrrpState::master) {
    advertise(i, i.priority, turn);  // a stronger backup need not wait for the next advert
    due(i.timers.advert, turn.now + i.spec.interval);
  } else if (i.priority != before && i.timers.down != kNever) {
    const auto skew = [&](uint8_t priority) { return vrrp_skew(i.spec.version, priority, i.interval); };
    due(i.timers.down, std::max(turn.now, i.timers.down + skew(i.priority) - skew(before)));
    if (i.master && i.master->priority >= i.priority) i.timers.preempt = kNever;
  }
}

void Vrrp::happened(Instance& i, VrrpEvent event, const Cause& cause, VrrpTurn turn) {
  const VrrpState before = i.state;
  const VrrpStep s = apply(i, event, cause, turn);
  if (i.group == 0) return;
  // A new instance in a group of masters joins them when it hears no other master.
  const bool only_listens = i.state == VrrpState::backup && before != VrrpState::master && s.act != VrrpAct::follow;
  if (!only_listens && (i.state != before || s.act == VrrpAct::follow)) group_follows(i, turn);
}

bool Vrrp::group_ready(const Instance& i) const {
  if (i.group == 0) return true;
  return std::ranges::all_of(instances_, [&](const Instance& other) {
    return &other == &i || other.group != i.group || other.wants_master || other.state == VrrpState::master;
  });
}

void Vrrp::group_follows(const Instance& first, VrrpTurn turn) {
  const bool master = first.state == VrrpState::master;
  for (Instance& i : instances_) {
    if (&i == &first || i.group != first.group) continue;
    if (i.state != (master ? VrrpState::backup : VrrpState::master)) continue;
    const std::string why =
        formatted("group {}: {} {} {}", i.spec.group, first.spec.name, master ? "became" : "is in", name(first.state));
    apply(i, master ? VrrpEvent::silence : VrrpEvent::group_left, {.why = why}, turn);
  }
}

}  // namespace rawvs
