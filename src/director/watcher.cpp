// SPDX-License-Identifier: BSD-2-Clause
// watcher.cpp: keeps the lists sorted and counts their users.
#include "director/watcher.h"

#include <algorithm>

namespace rawvs {

bool Watcher::Counted::add(std::vector<Ip>& list, Ip a) {
  const auto found = std::ranges::lower_bound(list, a);
  const auto at = found - list.begin();
  if (found != list.end() && *found == a) return ++counts_[static_cast<size_t>(at)], false;
  list.insert(found, a);
  counts_.insert(counts_.begin() + at, 1);
  return true;
}

bool Watcher::Counted::remove(std::vector<Ip>& list, Ip a) {
  const auto found = std::ranges::lower_bound(list, a);
  const auto at = found - list.begin();
  if (--counts_[static_cast<size_t>(at)] != 0) return false;
  list.erase(found);
  counts_.erase(counts_.begin() + at);
  return true;
}

void Watcher::vip(Ip vip, bool came) {
  const auto at = std::ranges::lower_bound(watch_.vips, vip);
  came ? static_cast<void>(watch_.vips.insert(at, vip)) : static_cast<void>(watch_.vips.erase(at));
  ++version_;
}

void Watcher::macs(std::array<std::vector<Mac>, kLinks> macs) {
  if (macs != watch_.macs) watch_.macs = std::move(macs), ++version_;
}

void Watcher::icmp_errors(bool wanted) {
  if (std::exchange(watch_.icmp_errors, wanted) != wanted) ++version_;
}

void Watcher::put(Counted& counted, std::vector<Ip>& list, std::optional<Ip>& was, std::optional<Ip> is) {
  if (was == is) return;
  if (is && counted.add(list, *is)) ++version_;
  if (was && counted.remove(list, *was)) ++version_;
  was = is;
}

}  // namespace rawvs
