// SPDX-License-Identifier: BSD-2-Clause
// watcher.cpp: keeps the lists sorted and counts their users.
#include "director/watcher.h"

#include <algorithm>

#include "core/sort.h"

namespace rawvs {

namespace {

std::vector<VipPorts> disjoint(std::span<const VipPorts> sorted) {
  std::vector<VipPorts> out;
  for (const VipPorts& ports : sorted) {
    VipPorts* const before = out.empty() ? nullptr : &out.back();
    if (before && before->vip == ports.vip && before->protocol == ports.protocol && ports.first <= before->last + 1) {
      before->last = std::max(before->last, ports.last);
    } else {
      out.push_back(ports);
    }
  }
  return out;
}

}  // namespace

// Copies the list once, whatever the number of changes.
template <class Item>
bool Watcher::Counted<Item>::merge(std::vector<Item>& list) {
  if (changes.empty()) return false;
  sort_by<&Change::item>(changes);
  std::vector<Item> items;
  std::vector<uint32_t> users;
  items.reserve(list.size() + changes.size()), users.reserve(list.size() + changes.size());
  size_t copied = 0;
  const auto copy_until = [&](size_t end) {
    items.insert(items.end(), list.data() + copied, list.data() + end);
    users.insert(users.end(), counts.data() + copied, counts.data() + end);
    copied = end;
  };
  bool changed = false;
  for (auto change = changes.begin(); change != changes.end();) {
    const Item item = change->item;
    const auto found = std::lower_bound(list.begin() + static_cast<ptrdiff_t>(copied), list.end(), item);
    copy_until(static_cast<size_t>(found - list.begin()));
    const bool was = found != list.end() && *found == item;
    uint32_t count = was ? counts[copied++] : 0;
    for (; change != changes.end() && change->item == item; ++change) change->came ? ++count : --count;
    if (count != 0) items.push_back(item), users.push_back(count);
    changed |= was != (count != 0);
  }
  copy_until(list.size());
  list = std::move(items), counts = std::move(users);
  changes.clear();
  return changed;
}

void Watcher::merge() {
  bool changed = vips_.merge(watch_.vips);
  changed |= hops_.merge(watch_.neighbors);
  changed |= nats_.merge(watch_.nat_servers);
  if (owns_.merge(own_)) {
    std::vector<VipPorts> own = disjoint(own_);
    changed |= own != watch_.own;
    watch_.own = std::move(own);
  }
  const bool errors = tunnels_ != 0 || !watch_.nat_servers.empty();
  changed |= std::exchange(watch_.icmp_errors, errors) != errors;
  version_ += changed;
  stale_ = false;
}

void Watcher::vip(Ip vip, bool came) {
  vips_.changes.push_back({vip, came});
  stale_ = true;
}

void Watcher::own(const VipPorts& ports, bool came) {
  owns_.changes.push_back({ports, came});
  stale_ = true;
}

void Watcher::macs(std::array<std::vector<Mac>, kMostLinks> macs) {
  if (macs != watch_.macs) watch_.macs = std::move(macs), ++version_;
}

void Watcher::tunnel(bool& was, bool is) {
  if (was == is) return;
  is ? ++tunnels_ : --tunnels_;
  was = is;
  stale_ = true;
}

void Watcher::put(Counted<Ip>& counted, std::optional<Ip>& was, std::optional<Ip> is) {
  if (was == is) return;
  if (is) counted.changes.push_back({*is, true});
  if (was) counted.changes.push_back({*was, false});
  was = is;
  stale_ = true;
}

}  // namespace rawvs
