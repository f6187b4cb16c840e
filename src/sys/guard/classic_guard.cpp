// SPDX-License-Identifier: BSD-2-Clause
// classic_guard.cpp: divides the addresses among filters, and changes filters in an order that leaves no gap: first the
// new filters are attached, then changed ones are replaced, then those whose addresses another filter covers removed.
#include "sys/guard/classic_guard.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/sort.h"

namespace rawvs {
namespace {

constexpr Ip before(Ip a) { return Ip(a.hi() - (a.lo() == 0 ? 1 : 0), a.lo() - 1); }

// The ranges inside `place`. Advances `from` to the first range that may extend past it.
std::vector<AddressRange> within(std::span<const AddressRange>& from, const AddressRange& place) {
  std::vector<AddressRange> out;
  while (!from.empty() && from[0].first <= place.last) {
    const AddressRange both{std::max(from[0].first, place.first), std::min(from[0].last, place.last)};
    out.push_back(both);
    if (from[0].last > place.last) break;
    from = from.subspan(1);
  }
  return out;
}

// Equal parts, each at most three quarters full, so that addresses can be added without another split.
void split(const AddressPart& part, size_t most, std::vector<AddressPart>& out) {
  const size_t filled = most * 3 / 4, all = comparisons(part.ranges), count = (all + filled - 1) / filled;
  size_t passed = 0, piece = 0;
  const AddressRange* last = nullptr;
  out.push_back({part.place, {}});
  for (const AddressRange& range : part.ranges) {
    if (passed * count >= (piece + 1) * all) {
      ++piece;
      out.back().place.last = before(range.first);
      out.push_back({{range.first, part.place.last}, {}});
    }
    out.back().ranges.push_back(range);
    passed += comparisons(range, last);
    last = &range;
  }
}

}  // namespace

std::vector<AddressPart> AddressDivision::divide(std::span<const Ip> addresses) {
  const std::vector<AddressRange> all = ranges_of(addresses, all_.first.family());
  std::span<const AddressRange> ranges = all;
  std::vector<AddressPart> parts;
  for (size_t i = 0; i < starts_.size(); ++i) {
    const AddressRange place{starts_[i], i + 1 < starts_.size() ? before(starts_[i + 1]) : all_.last};
    AddressPart part{place, within(ranges, place)};
    const size_t size = comparisons(part.ranges);
    if (size > most_) {
      split(part, most_, parts);
    } else if (!parts.empty() && comparisons(parts.back().ranges) + size <= most_ / 2) {
      parts.back().place.last = place.last;
      parts.back().ranges.insert(parts.back().ranges.end(), part.ranges.begin(), part.ranges.end());
    } else {
      parts.push_back(std::move(part));
    }
  }
  starts_.clear();
  for (const AddressPart& part : parts) starts_.push_back(part.place.first);
  return parts;
}

void ClassicGuard::add_wanted(Divisions& by, const Watch& watch, std::span<const Mac> own, std::span<const Ip> hosts,
                              Filters& out) {
  for (AddressPart& part : by.vips.divide(watch.vips)) {
    if (part.ranges.empty()) continue;
    ClassicProgram program = vip_program(part, own);
    const Ip first = part.place.first;
    out[{Purpose::vips, first, Ip(), {}}] = {0, std::move(part), std::move(program)};
  }
  const auto destinations = by.hosts.divide(hosts);
  for (const AddressPart& servers : by.servers.divide(watch.nat_servers)) {
    if (servers.ranges.empty()) continue;
    for (const AddressPart& to : destinations) {
      out[{Purpose::answers, servers.place.first, to.place.first, {}}] = {0, servers, nat_program(servers, to, own)};
    }
  }
}

// A filter for each address and protocol; more if it has very many ranges.
void ClassicGuard::add_ports(std::span<const VipPorts> all, std::span<const Mac> own, Filters& out) {
  constexpr size_t kMostRanges = 512;
  while (!all.empty()) {
    size_t count = 1;
    while (count < all.size() && count < kMostRanges && all[count].vip == all[0].vip &&
           all[count].protocol == all[0].protocol)
      ++count;
    const auto some = all.first(count);
    out[{Purpose::ports, Ip(), Ip(), some[0]}] = {
        0, {{some[0].vip, some[0].vip}, {}}, own_program(some, own), {some.begin(), some.end()}};
    all = all.subspan(count);
  }
}

uint32_t ClassicGuard::free_slot() const {
  std::vector<bool> used(kMostFilters + 1);
  for (const auto& [key, filter] : attached_) used[filter.slot] = true;
  for (uint32_t slot = 1; slot <= kMostFilters; ++slot) {
    if (!used[slot]) return slot;
  }
  return 0;
}

int ClassicGuard::put(const Key& key, Filter& filter, FilterHook& hook) {
  const auto there = attached_.find(key);
  if (there != attached_.end() && std::ranges::equal(there->second.program, filter.program, [](auto& a, auto& b) {
        return a.code == b.code && a.jt == b.jt && a.jf == b.jf && a.k == b.k;
      })) {
    there->second.part = std::move(filter.part);
    there->second.ports = std::move(filter.ports);
    return 0;
  }
  filter.slot = there != attached_.end() ? there->second.slot : free_slot();
  if (filter.slot == 0) return E2BIG;
  const int problem = hook.put(filter.slot, filter.program);
  if (problem == 0) attached_[key] = std::move(filter);
  return problem;
}

int ClassicGuard::follow(const Watch& watch, std::span<const Mac> own, std::span<const Ip> hosts, FilterHook& hook) {
  Filters next;
  for (Divisions& by : divisions_) add_wanted(by, watch, own, hosts, next);
  add_ports(watch.own, own, next);
  int worst = 0;
  std::vector<std::pair<Purpose, AddressRange>> missing;  // the addresses of filters that could not be attached
  // A filter whose addresses were to move to a missing filter remains unchanged.
  const auto needed = [&](const Key& key, const AddressRange& place) {
    return std::ranges::any_of(missing, [&](const auto& m) { return m.first == key.what && m.second.meets(place); });
  };
  const auto note = [&](int problem, const Key& key, const AddressRange& place) {
    if (problem == 0) return;
    if (worst == 0) worst = problem;
    missing.emplace_back(key.what, place);
  };
  const Filters before = attached_;
  for (const bool is_new : {true, false}) {
    for (auto& [key, filter] : next) {
      const auto old = before.find(key);
      if ((old == before.end()) != is_new) continue;
      if (!is_new && needed(key, old->second.part.place)) continue;
      const AddressRange place = filter.part.place;
      note(put(key, filter, hook), key, place);
    }
  }
  for (const auto& [key, filter] : before) {
    if (next.contains(key) || needed(key, filter.part.place)) continue;
    const int problem = hook.remove(filter.slot);
    if (worst == 0) worst = problem;
    if (problem == 0) attached_.erase(key);
  }
  guarded_vips_ = worst == 0 ? watch.all_vips() : count_guarded(watch);
  return worst;
}

size_t ClassicGuard::count_guarded(const Watch& watch) const {
  std::vector<AddressRange> ranges;
  for (const auto& [key, filter] : attached_) {
    if (key.what == Purpose::vips) ranges.insert(ranges.end(), filter.part.ranges.begin(), filter.part.ranges.end());
  }
  sort_by<&AddressRange::first>(ranges);
  size_t count = 0;
  auto range = ranges.begin();
  for (const Ip vip : watch.vips) {
    while (range != ranges.end() && range->last < vip) ++range;
    if (range != ranges.end() && range->first <= vip) ++count;
  }
  const auto guarded = [&](const VipPorts& ports) {
    return std::ranges::any_of(
        attached_, [&](const auto& entry) { return std::ranges::binary_search(entry.second.ports, ports); });
  };
  for (auto at = watch.own.begin(); at != watch.own.end();) {
    const auto next = std::find_if(at, watch.own.end(), [&](const VipPorts& ports) { return ports.vip != at->vip; });
    count += std::all_of(at, next, guarded);
    at = next;
  }
  return count;
}

}  // namespace rawvs
