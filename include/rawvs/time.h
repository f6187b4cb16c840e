// SPDX-License-Identifier: BSD-2-Clause
// time.h: time as a value that is passed in.
//
// The clock has no now(): only clock_now() (src/sys/sys.h) makes an Instant, once per turn of the loop. So a turn has
// one time, pure code cannot read a clock, and a test can skip a day in one line.
#pragma once

#include <chrono>

namespace rawvs {

struct BootClock {  // time since boot including suspension; never steps
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
inline constexpr Instant kOverdue{};               // a deadline that has passed at any time: the clock starts here

// Deadlines may be extreme, and arithmetic with them would overflow; these two functions do not.
// `from` plus `wait`; kNever when that is not representable.
constexpr Instant after(Instant from, Duration wait) {
  if (from == kNever) return kNever;
  return wait > Duration::zero() && from > kNever - wait ? kNever : from + wait;
}
// The time until the deadline: zero when it has passed, Duration::max() for kNever.
constexpr Duration left_until(Instant deadline, Instant now) {
  if (deadline <= now) return Duration::zero();
  if (deadline == kNever) return Duration::max();
  return now < Instant{} && deadline > kNever + now.time_since_epoch() ? Duration::max() : deadline - now;
}

}  // namespace rawvs
