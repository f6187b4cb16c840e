// SPDX-License-Identifier: BSD-2-Clause
// connection_wheel.cpp: the entries' deadlines, in a timing wheel.
//
// A tick is 10 ms, a unit 16 ticks. Level 0 has one list per unit for the next 256 units (41 s), level 1 one
// per 256 units (2.9 h), level 2 one per 65,536 units (31 days). An entry lies at the deadline it had when it was last
// placed; packets only change `expires`. When the wheel reaches the entry, its deadline has passed, or it is placed
// again.
#include "core/connection.h"

#include <algorithm>

namespace rawvs {

namespace {

constexpr uint32_t kTicksPerUnitShift = 4, kSlotBits = 8, kSlotMask = 255;
constexpr auto kTick = 10ms;
constexpr uint32_t kHeadFlag = 0x80000000;  // in timer_prev of a list's first entry, with the slot's number

uint32_t ticks(Duration d) { return static_cast<uint32_t>((d + kTick - 1ms) / kTick); }

int32_t until(uint32_t then, uint32_t now) { return static_cast<int32_t>(then - now); }  // ticks wrap after 497 days

}  // namespace

uint64_t ConnectionTable::tick(Instant now) const { return static_cast<uint64_t>((now - epoch_) / kTick); }

void ConnectionTable::arm(Connection& c, Instant now, Duration timeout) {
  const uint32_t before = c.expires;
  // Rounded up: a connection may live some milliseconds too long, never too short.
  c.expires = static_cast<uint32_t>(tick(now + kTick - 1ms)) + std::max<uint32_t>(ticks(timeout), 1);
  if (c.is_fast()) fast_->armed(fast_id(c), now);
  const bool placed = c.timer_prev != kNoConnection;
  if (placed && until(c.expires, before) >= 0)
    return;  // later than its place in the wheel: the wheel will place it again
  if (placed) unplace(c);
  place(c);
}

bool ConnectionTable::expired(const Connection& c, Instant now) const {
  const int32_t left = until(c.expires, static_cast<uint32_t>(tick(now)));
  return left <= 0 && (!c.is_fast() || left + static_cast<int32_t>(moved(c)) <= 0);
}

Duration ConnectionTable::left(const Connection& c, Instant now) const {
  return std::max<int32_t>(until(c.expires + moved(c), static_cast<uint32_t>(tick(now))), 0) * kTick;
}

void ConnectionTable::use(FastFlows* flows) {
  fast_ = flows;
  fast_ids_.resize(size_t{last_} + 1);
}

uint32_t ConnectionTable::moved(const Connection& c) const {
  return c.is_fast() ? ticks(fast_->moved(fast_ids_[id(c)])) : 0;
}

void ConnectionTable::settle(Connection& c) {
  if (!c.is_fast()) return;
  const Duration by = fast_->moved(fast_id(c));
  c.expires += ticks(by);
  fast_->armed(fast_id(c), fast_->armed(fast_id(c)) + by);
}

void ConnectionTable::set_fast(Connection& c, FastFlows::Id as) {
  settle(c);
  c.set_fast(as != FastFlows::kNone);
  if (c.is_fast()) fast_ids_[id(c)] = as;
}

// Puts an entry into the slot of the first unit that begins at or after its deadline: it has expired when found.
void ConnectionTable::place(Connection& c) {
  constexpr int64_t kFarthest = int64_t{kSlots - 1} << (2 * kSlotBits);  // units; a later deadline waits there
  const auto wheel_tick = static_cast<uint32_t>(wheel_unit_ << kTicksPerUnitShift);
  const int64_t ticks_ahead = until(c.expires, wheel_tick);
  const int64_t units_ahead = (ticks_ahead + (1 << kTicksPerUnitShift) - 1) >> kTicksPerUnitShift;
  const uint64_t when = wheel_unit_ + static_cast<uint64_t>(std::clamp<int64_t>(units_ahead, 0, kFarthest));
  uint32_t level = 0;
  while (level + 1 < kLevels && (when >> level * kSlotBits) - (wheel_unit_ >> level * kSlotBits) >= kSlots) ++level;
  const auto slot = static_cast<uint32_t>(level * kSlots + (when >> level * kSlotBits & kSlotMask));
  const ConnectionId me = id(c), next = heads_[slot];
  c.set_timer_next(next);
  c.timer_prev = kHeadFlag | slot;
  if (next != kNoConnection) entries_[next].timer_prev = me;
  heads_[slot] = me;
  mark_slot(slot, true);
}

void ConnectionTable::unplace(Connection& c) {
  if (c.timer_prev == kNoConnection) return;
  const ConnectionId next = c.timer_next();
  if (c.timer_prev & kHeadFlag) {
    const uint32_t slot = c.timer_prev & ~kHeadFlag;
    heads_[slot] = next;
    if (next == kNoConnection) mark_slot(slot, false);
  } else {
    entries_[c.timer_prev].set_timer_next(next);
  }
  if (next != kNoConnection) entries_[next].timer_prev = c.timer_prev;
  c.timer_prev = kNoConnection;
  c.set_timer_next(kNoConnection);
}

void ConnectionTable::mark_slot(uint32_t slot, bool filled) {
  const uint64_t bit = uint64_t{1} << (slot % 64);
  if (filled) {
    filled_[slot / 64] |= bit;
  } else {
    filled_[slot / 64] &= ~bit;
  }
}

// The list to examine in the wheel's current unit. Where a slot of a higher level begins, that slot comes first, until
// its entries have moved to lower levels.
uint32_t ConnectionTable::current_slot() const {
  for (uint32_t level = kLevels - 1; level > 0; --level) {
    if ((wheel_unit_ & ((uint64_t{1} << level * kSlotBits) - 1)) != 0) continue;
    const auto slot = static_cast<uint32_t>(level * kSlots + (wheel_unit_ >> level * kSlotBits & kSlotMask));
    if (heads_[slot] != kNoConnection) return slot;
  }
  return static_cast<uint32_t>(wheel_unit_ & kSlotMask);
}

// Moves to the next unit with a filled slot, or to where a slot of a higher level begins, but not beyond the present.
void ConnectionTable::step_wheel(uint64_t now_unit) {
  ++wheel_unit_;
  if (used_ == 0) {
    wheel_unit_ = std::max(wheel_unit_, now_unit + 1);
    return;
  }
  const uint64_t boundary = (wheel_unit_ + kSlotMask) & ~uint64_t{kSlotMask};
  const uint64_t filled = next_filled(0).value_or(boundary);
  wheel_unit_ = std::min({filled, boundary, std::max(now_unit + 1, wheel_unit_)});
}

Connection* ConnectionTable::due(Instant now, uint32_t& work) {
  const uint64_t now_unit = tick(now) >> kTicksPerUnitShift;
  while (wheel_unit_ <= now_unit) {
    const ConnectionId first = heads_[current_slot()];
    if (first == kNoConnection) {
      step_wheel(now_unit);
      continue;
    }
    if (work == 0) return nullptr;
    --work;
    Connection& c = entries_[first];
    unplace(c);
    settle(c);
    if (expired(c, now)) return &c;
    place(c);
  }
  return nullptr;
}

// The first unit from now on in which a slot of this level is to be examined.
std::optional<uint64_t> ConnectionTable::next_filled(uint32_t level) const {
  const uint64_t here = wheel_unit_ >> level * kSlotBits;
  const uint64_t* const words = filled_.data() + level * kSlots / 64;
  for (uint64_t ahead = 0; ahead < kSlots;) {
    const uint64_t slot = (here + ahead) & kSlotMask;
    const uint64_t rest = words[slot / 64] >> slot % 64;
    if (rest == 0) {
      ahead += 64 - slot % 64;
      continue;
    }
    ahead += static_cast<uint64_t>(std::countr_zero(rest));
    if (ahead >= kSlots) break;
    return (here + ahead) << level * kSlotBits;
  }
  return std::nullopt;
}

Instant ConnectionTable::next_deadline() const {
  std::optional<uint64_t> first;
  for (uint32_t level = 0; level < kLevels; ++level) {
    if (const auto unit = next_filled(level)) first = std::min(first.value_or(*unit), *unit);
  }
  if (!first) return kNever;
  return epoch_ + Duration(static_cast<Duration::rep>(*first << kTicksPerUnitShift) * kTick.count());
}

}  // namespace rawvs
