// SPDX-License-Identifier: BSD-2-Clause
// time.h: time as a value that is passed in.
// The clock has no now() on purpose: only sys/clock.cpp makes an Instant, once per turn of the loop, so a whole turn
// sees one time, pure code cannot read a clock even by accident, and a test jumps a day in a line.
#pragma once

#include <chrono>

namespace rawvs {

struct BootClock {  // time since boot, suspended time included; never steps
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using Instant = BootClock::time_point;
using Duration = BootClock::duration;
using namespace std::chrono_literals;

inline constexpr Instant kNever = Instant::max();  // a deadline that never comes
inline constexpr Instant kOverdue{};               // one that has come, whatever the time: the clock starts here

// Deadlines may be extreme, and arithmetic with an extreme value overflows: these two do not.
// `from`, and so much later; kNever when that is beyond all time.
constexpr Instant after(Instant from, Duration wait) {
  if (from == kNever) return kNever;
  return wait > Duration::zero() && from > kNever - wait ? kNever : from + wait;
}
// How long it is until then: zero when it has come, Duration::max() when it never comes.
constexpr Duration left_until(Instant deadline, Instant now) {
  if (deadline <= now) return Duration::zero();
  if (deadline == kNever) return Duration::max();
  return now < Instant{} && deadline > kNever + now.time_since_epoch() ? Duration::max() : deadline - now;
}

}  // namespace rawvs
