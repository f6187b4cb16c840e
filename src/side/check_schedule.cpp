// SPDX-License-Identifier: BSD-2-Clause
// check_schedule.cpp: intervals, jitter, and the spreading of first checks.
#include "side/check_schedule.h"

#include <algorithm>

namespace rawvs {

namespace {

constexpr Duration kLeastInterval = 10ms;    // a lower limit that keeps the loop free for other work
constexpr uint8_t kMostJitter = 50;          // percent
constexpr uint32_t kBurst = 16;              // first checks that begin at once; more of them begin
constexpr Duration kFirstChecksWithin = 1s;  // within this

}  // namespace

uint64_t CheckSchedule::random() {  // SplitMix64 (Steele, Lea, Flood, 2014): only spreads checks over time
  uint64_t z = random_ += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

void CheckSchedule::make_room(size_t targets) { begins_.make_room(targets); }

void CheckSchedule::first(uint32_t target, Instant now) {
  if (burst_ != now) burst_ = now, in_burst_ = 0;
  const auto spread = static_cast<uint64_t>(kFirstChecksWithin.count());
  const Duration later(in_burst_++ < kBurst ? 0 : static_cast<Duration::rep>(random() % spread));
  begins_.set(target, now + later);
}

// A check that took longer than the interval is followed by the next one at once.
void CheckSchedule::next(uint32_t target, const CheckSpec& check, Instant check_begun, Instant now) {
  const Duration interval = std::max(check.interval, kLeastInterval);
  const Duration::rep most = interval.count() * std::min(check.jitter, kMostJitter) / 100;
  const auto offset = static_cast<Duration::rep>(random() % static_cast<uint64_t>(2 * most + 1)) - most;
  begins_.set(target, std::max(now, check_begun + interval + Duration(offset)));
}

void CheckSchedule::retry(uint32_t target, Duration later, Instant now) {
  begins_.set(target, now + std::max(later, Duration::zero()));
}

void CheckSchedule::postpone(uint32_t target, Duration later, Instant now) {
  begins_.set(target, now + std::max(later, kLeastInterval));
}

std::optional<uint32_t> CheckSchedule::due(Instant now) const {
  if (running_ >= kMostAtOnce || begins_.earliest() > now) return std::nullopt;
  return begins_.first();
}

void CheckSchedule::begun(uint32_t target) {
  begins_.set(target, kNever);
  ++running_;
}

Instant CheckSchedule::next_begin() const { return running_ >= kMostAtOnce ? kNever : begins_.earliest(); }

}  // namespace rawvs
