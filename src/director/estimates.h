// SPDX-License-Identifier: BSD-2-Clause
// estimates.h: advances the rates of all services and servers when their interval has ended.
//
// What was counted since the last call belongs to the interval that was running then. So the loop does not have to wake
// up when an interval ends. A large table takes several calls.
#pragma once

#include <algorithm>
#include <utility>

#include "core/service.h"

namespace rawvs {

class Estimates {
 public:
  explicit Estimates(Instant now) : next_(now + Rates::kInterval) {}

  void run(Services& services, Instant now) {
    if (now >= next_) {
      const auto over = 1 + (now - next_) / Rates::kInterval;
      intervals_ = static_cast<uint32_t>(std::min<Duration::rep>(intervals_ + over, kForgotten));
      next_ += over * Rates::kInterval;
    }
    if (to_ == kAll) {
      if (intervals_ == 0) return;
      counted_ = std::exchange(intervals_, 0);
      to_ = 0;
    }
    to_ = services.estimate(counted_, to_, kAtOnce) ? kAll : to_ + kAtOnce;
  }
  bool more() const { return to_ != kAll; }
  bool ends(Instant now) const { return now >= next_; }  // an interval
  Instant next_end() const { return next_; }

 private:
  static constexpr uint32_t kAll = UINT32_MAX;
  static constexpr uint32_t kAtOnce = 4096;          // slots: a few hundred microseconds
  static constexpr Duration::rep kForgotten = 1000;  // intervals after which every rate is 0
  Instant next_;                                     // when the current interval ends
  uint32_t intervals_ = 0, counted_ = 0;             // ended, not yet applied; those being applied
  uint32_t to_ = kAll;                               // the first slot of the next portion
};

}  // namespace rawvs
