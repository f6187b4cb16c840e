// SPDX-License-Identifier: BSD-2-Clause
// slow_start.h: the weight of a server that has just come back, step by step.
//
// kRampSteps steps, the first at `since`, the last at since + slow_start, each worth one of kRampSteps parts of the
// weight, but at least 1; 0 stays 0.
#pragma once

#include <cstdint>

#include "rawvs/time.h"

namespace rawvs {

inline constexpr uint8_t kRampSteps = 24;
uint8_t slow_share(Instant since, Duration slow_start, Instant now);  // the step: 1..kRampSteps
int32_t slow_weight(int32_t weight, Instant since, Duration slow_start, Instant now);
Instant next_ramp_step(Instant since, Duration slow_start, Instant now);  // kNever: the ramp is over

}  // namespace rawvs
