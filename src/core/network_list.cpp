// SPDX-License-Identifier: BSD-2-Clause
#include "core/network_list.h"

#include <algorithm>

namespace rawvs {

namespace {

// Both families in one order: IPv4 lies at ::ffff:0:0/96.
uint32_t length(const Network& n) { return n.prefix + (n.base.is_v4() ? 96u : 0u); }

bool before(const NetworkList::Entry& a, const NetworkList::Entry& b) {
  if (a.network.base != b.network.base) return a.network.base < b.network.base;
  if (a.network.prefix != b.network.prefix) return length(a.network) < length(b.network);
  return a.line < b.line;
}

bool encloses(const Network& n, Ip a) { return Netmask(Family::ipv6, static_cast<uint8_t>(length(n))).of(a) == n.base; }

}  // namespace

const NetworkList::Entry* NetworkList::find(Ip a) const {
  const auto above = std::ranges::upper_bound(entries_, a, {}, [](const Entry& e) { return e.network.base; });
  auto at = static_cast<uint32_t>(above - entries_.begin()) - 1;  // kNobody: all begin above it
  while (at != kNobody && !encloses(entries_[at].network, a)) at = entries_[at].enclosing;
  // Around all of IPv4 there may be networks of IPv6.
  return at == kNobody || entries_[at].network.base.family() != a.family() ? nullptr : &entries_[at];
}

// A heap is sorted in as many steps as it has entries; each takes a logarithmic time.
void NetworkListBuilder::add(const Network& network, uint32_t line) {
  list_.entries_.push_back({network, line});
  std::ranges::push_heap(list_.entries_, before);
}

bool NetworkListBuilder::step(size_t work) {
  auto& all = list_.entries_;
  if (!begun_) begun_ = true, unsorted_ = all.size();
  for (; unsorted_ > 1 && work > 0; --work, --unsorted_) {
    std::pop_heap(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(unsorted_), before);
  }
  if (unsorted_ > 1) return false;
  for (; read_ < all.size() && work > 0; --work, ++read_) link(all[read_]);
  if (read_ < all.size()) return false;
  all.resize(linked_);
  return true;
}

void NetworkListBuilder::link(const NetworkList::Entry& entry) {
  auto& all = list_.entries_;
  NetworkList::Entry next = entry;
  auto at = static_cast<uint32_t>(linked_) - 1;
  if (linked_ != 0 && all[at].network == next.network) return;
  while (at != NetworkList::kNobody && !encloses(all[at].network, next.network.base)) at = all[at].enclosing;
  next.enclosing = at;
  all[linked_++] = next;
}

std::shared_ptr<const NetworkList> NetworkListBuilder::take(std::string name) {
  list_.name_ = std::move(name);
  return std::make_shared<const NetworkList>(std::move(list_));
}

}  // namespace rawvs
