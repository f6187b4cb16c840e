// SPDX-License-Identifier: BSD-2-Clause
// unproven.cpp: the lists. An entry's links lie in the table, beside its place: the ids of the entries before and after
// it in their lower 24 bits, the notes above: its kind and whether it was answered in `older`, its steps (3 bits) and
// the last one's trace (5 bits) in `newer`.
#include "core/unproven.h"

#include <algorithm>
#include <bit>

namespace rawvs {

const char* name(Unproven kind) {
  switch (kind) {
    case Unproven::half_open: return "half-open";
    case Unproven::one_way: return "one-way";
    case Unproven::unassured: return "unassured";
    case Unproven::quiet: return "quiet";
    case Unproven::count_: break;
  }
  return "?";
}

UnprovenEntries::UnprovenEntries(ConnectionTable& table, uint32_t servers)
    : table_(&table),
      // calloc: pages of slots without a server are never touched.
      shares_(static_cast<Share*>(std::calloc(size_t{servers} * kUnprovenKinds, sizeof(Share)))) {
  if (!shares_) std::abort();  // no memory at the start
}

// Moves the share to the list of its new size.
void UnprovenEntries::resize(uint32_t share, Unproven kind, uint32_t size) {
  Share& s = shares_[share];
  const auto k = static_cast<size_t>(kind);
  const auto was = static_cast<uint32_t>(std::bit_width(s.size)), is = static_cast<uint32_t>(std::bit_width(size));
  s.size = size;
  if (was == is) return;
  if (was != 0) {
    uint32_t& head = by_size_[k][was - 1];
    (s.before != 0 ? shares_[s.before - 1].after : head) = s.after;
    if (s.after != 0) shares_[s.after - 1].before = s.before;
    if (head == 0) sizes_[k] &= ~(1u << (was - 1));
  }
  if (is == 0) return;
  uint32_t& head = by_size_[k][is - 1];
  s.before = 0;
  s.after = head;
  if (head != 0) shares_[head - 1].before = share + 1;
  head = share + 1;
  sizes_[k] |= 1u << (is - 1);
}

void UnprovenEntries::add(Connection& c, Unproven kind, bool first) {
  const ConnectionId id = table_->id(c);
  const uint32_t share = share_of(c.server, kind);
  Share& s = shares_[share];
  const ConnectionId older = first ? kNoConnection : s.newest, newer = first ? s.oldest : kNoConnection;
  Beside* const all = table_->beside();
  all[id].links = {older | static_cast<uint32_t>(kind) << kNotes, newer};
  // An end of the list is 0: no entry.
  if (first) {
    s.oldest = id;
    newer != kNoConnection ? void(all[newer].links.older |= id) : void(s.newest = id);
  } else {
    s.newest = id;
    older != kNoConnection ? void(all[older].links.newer |= id) : void(s.oldest = id);
  }
  c.set_unproven(true);
  resize(share, kind, s.size + 1);
  ++counts_[static_cast<size_t>(kind)];
  places_[static_cast<size_t>(kind)] += c.is_wide() ? 2 : 1;
}

void UnprovenEntries::remove(Connection& c) {
  const Unproven its = kind(c);
  const uint32_t share = share_of(c.server, its);
  Share& s = shares_[share];
  Beside* const all = table_->beside();
  const ConnectionId older = links(c).older & kIdMask, newer = links(c).newer & kIdMask;
  if (older != kNoConnection) {
    all[older].links.newer = (all[older].links.newer & ~kIdMask) | newer;
  } else {
    s.oldest = newer;
  }
  if (newer != kNoConnection) {
    all[newer].links.older = (all[newer].links.older & ~kIdMask) | older;
  } else {
    s.newest = older;
  }
  c.set_unproven(false);
  all[table_->id(c)].next = {};
  resize(share, its, s.size - 1);
  --counts_[static_cast<size_t>(its)];
  places_[static_cast<size_t>(its)] -= c.is_wide() ? 2 : 1;
}

Connection* UnprovenEntries::oldest(UnprovenKinds kinds) const {
  uint32_t largest = 0;
  const Share* share = nullptr;
  for (size_t k = 0; k < kUnprovenKinds; ++k) {
    const auto size = static_cast<uint32_t>(std::bit_width(sizes_[k]));
    if (!kinds.has(static_cast<Unproven>(k)) || size <= largest) continue;
    largest = size;
    share = &shares_[by_size_[k][size - 1] - 1];
  }
  return share ? table_->at(share->oldest) : nullptr;
}

Connection* UnprovenEntries::oldest(ServerSlot server, Unproven kind) const {
  return table_->at(shares_[share_of(server, kind)].oldest);
}

bool UnprovenEntries::step(const Connection& c, uint32_t trace) {
  constexpr uint32_t kTraceShift = 27, kStepMask = 7;
  uint32_t& notes = links(c).newer;
  const uint32_t steps = notes >> kNotes & kStepMask;
  if (steps != 0 && notes >> kTraceShift == trace) return false;
  notes = trace << kTraceShift | (steps + 1) << kNotes | (notes & kIdMask);
  return steps + 1 >= kSteps;
}

bool UnprovenEntries::take_answered(const Connection& c) {
  uint32_t& notes = links(c).older;
  const bool answered = (notes & kAnswered) != 0;
  notes &= ~kAnswered;
  return answered;
}

uint32_t UnprovenEntries::count() const {
  uint32_t sum = 0;
  for (const uint32_t n : counts_) sum += n;
  return sum;
}

uint32_t UnprovenEntries::places(UnprovenKinds kinds) const {
  uint32_t sum = 0;
  for (size_t k = 0; k < kUnprovenKinds; ++k) {
    if (kinds.has(static_cast<Unproven>(k))) sum += places_[k];
  }
  return sum;
}

}  // namespace rawvs
