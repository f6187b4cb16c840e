// SPDX-License-Identifier: BSD-2-Clause
// flap_history.cpp: the ring of the last times, and the level of damping that follows from it.
#include "side/flap_history.h"

#include <algorithm>

namespace rawvs {

namespace {

// The longest hold is the first one, doubled kMostLevel - 1 times.
constexpr uint32_t kMostLevel = 6;
static_assert(FlapHistory::kFirstHold * (1 << (kMostLevel - 1)) == FlapHistory::kLongestHold);

}  // namespace

void FlapHistory::note(Instant now, uint32_t allowed) {
  const uint32_t before = level(now);
  gone_[noted_++ % kKept] = now;
  const bool damped = allowed != 0 && (before > 0 || count(now) > std::min<uint32_t>(allowed, kKept - 1));
  level_ = damped ? std::min(before + 1, kMostLevel) : 0;
}

uint32_t FlapHistory::count(Instant now) const {
  const uint32_t kept = std::min<uint32_t>(noted_, kKept);
  return static_cast<uint32_t>(
      std::count_if(gone_.begin(), gone_.begin() + kept, [now](Instant gone) { return now - gone < kWindow; }));
}

Duration FlapHistory::hold(Instant now) const {
  const uint32_t doubled = level(now);
  return doubled == 0 ? Duration::zero() : kFirstHold * (1 << (doubled - 1));
}

uint32_t FlapHistory::level(Instant now) const {
  if (level_ == 0) return 0;
  const auto calm = static_cast<uint64_t>((now - gone_[(noted_ - 1) % kKept]) / kWindow);
  return calm >= level_ ? 0 : level_ - static_cast<uint32_t>(calm);
}

}  // namespace rawvs
