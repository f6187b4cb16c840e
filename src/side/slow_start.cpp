// SPDX-License-Identifier: BSD-2-Clause
// slow_start.cpp: the arithmetic of the steps.
#include "side/slow_start.h"

#include <algorithm>

namespace rawvs {

namespace {

// The number of completed steps: 0..kRampSteps - 1.
Duration::rep steps_done(Instant since, Duration slow_start, Instant now) {
  if (slow_start <= 0ms || now - since >= slow_start) return kRampSteps - 1;
  return std::max<Duration::rep>((now - since).count(), 0) * (kRampSteps - 1) / slow_start.count();
}

}  // namespace

uint8_t slow_share(Instant since, Duration slow_start, Instant now) {
  return static_cast<uint8_t>(steps_done(since, slow_start, now) + 1);
}

int32_t slow_weight(int32_t weight, Instant since, Duration slow_start, Instant now) {
  const int64_t part = int64_t{weight} * slow_share(since, slow_start, now) / kRampSteps;
  return static_cast<int32_t>(std::max<int64_t>(part, std::min(weight, 1)));
}

// A step is no whole number of milliseconds: returns the first one at which it is reached.
Instant next_ramp_step(Instant since, Duration slow_start, Instant now) {
  const Duration::rep done = steps_done(since, slow_start, now);
  if (done == kRampSteps - 1) return kNever;
  return since + Duration((slow_start.count() * (done + 1) + kRampSteps - 2) / (kRampSteps - 1));
}

}  // namespace rawvs
