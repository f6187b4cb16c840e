// SPDX-License-Identifier: BSD-2-Clause
// check_schedule.h: when the next probe of each target begins, and how many run at once.
// In:  targets by number, their checks, the time.
// Out: the target whose probe may begin now.
// Not: what probes find (target_state.h), which probe is whose (health.h).
//
// A check's interval is from beginning to beginning. First checks of many targets are spread over a second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "rawvs/time.h"
#include "side/check.h"
#include "side/deadlines.h"

namespace rawvs {

class CheckSchedule {
 public:
  static constexpr uint32_t kMostAtOnce = 256;
  explicit CheckSchedule(uint64_t seed) : random_(seed) {}

  void make_room(size_t targets);  // for targets 0..targets-1; the functions below allocate nothing
  // When the next probe of a target begins.
  void first(uint32_t target, Instant now);
  void next(uint32_t target, const CheckSpec& check, Instant check_begun, Instant now);  // its next check's first one
  void retry(uint32_t target, Duration later, Instant now);  // the same check's next attempt
  void postpone(uint32_t target, Duration later, Instant now);
  void none(uint32_t target) { begins_.set(target, kNever); }

  std::optional<uint32_t> due(Instant now) const;  // a target whose probe may begin
  void begun(uint32_t target);                     // its probe runs
  void ended() { --running_; }                     // a probe
  uint32_t running() const { return running_; }
  Instant next_begin() const;  // kNever while the most probes run: the next one begins when one ends

 private:
  uint64_t random();

  Deadlines begins_;  // of the next probe, per target without a running one
  uint32_t running_ = 0;
  uint64_t random_;
  Instant burst_{};  // when first checks were last scheduled, and how many in that moment
  uint32_t in_burst_ = 0;
};

}  // namespace rawvs
