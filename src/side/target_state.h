// SPDX-License-Identifier: BSD-2-Clause
// target_state.h: what finished checks mean for one target: condition, damping, slow start; and the reasons.
// In:  results of checks, its service's policy, the time.
// Out: what has changed, if anything; the verdict.
// Not: when checks begin (check_schedule.h), the other servers of its service (quorums.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "rawvs/time.h"
#include "side/flap_history.h"
#include "side/health_types.h"
#include "side/quorums.h"

namespace rawvs {

class TargetState : public TargetHealth {
 public:
  using What = TargetChange::What;

  void begin(const Target& as, const HealthPolicy& policy, Instant now);  // REQUIRES: it is new
  // Another check: the old one's verdict stands until the new one has a result; its counts do not.
  void replace(const Target& as, const HealthPolicy& policy, Instant now);

  // An earlier daemon's verdict, since then, stands until the first result. False: there is a result already, or there
  // will be none, since it is not checked any more.
  bool recall(bool well, Instant from, const HealthPolicy& policy, Instant now);

  bool attempt_failed(std::string_view text, Instant now);  // true: it was the check's last attempt
  std::optional<What> check_failed(const HealthPolicy& policy, Instant now);
  std::optional<What> check_good(const HealthPolicy& policy, std::string_view text, Instant now);
  std::optional<What> release(const HealthPolicy& policy, Instant now);  // if damped: it is needed
  bool ramp(const HealthPolicy& policy, Instant now);                    // true: it has another weight now
  void start_slowly(const HealthPolicy& policy, Instant now) {
    if (serves) begin_serving(true, policy, now);
  }
  bool ramping() const { return ramp_.has_value(); }
  Instant next_step(const HealthPolicy& policy, Instant now) const;  // of the slow start; kNever: none

  Verdict verdict(const HealthPolicy& policy, Instant now) const;
  TargetChange change(What what, const HealthPolicy& policy, Instant now) const;
  uint32_t flaps(Instant now) const { return flaps_.count(now); }
  Quorums::Part part() const;

 private:
  void begin_serving(bool slowly, const HealthPolicy& policy, Instant now);
  void not_checked(Instant now);
  What come(std::string why, const HealthPolicy& policy, Instant now);
  What go(const HealthPolicy& policy, Instant now);
  What notice(Condition other, std::string why, Instant now);
  std::string bad_reason() const;

  FlapHistory flaps_;
  Instant held_until_{};           // in condition damped
  std::optional<Instant> ramp_{};  // when it began
  uint8_t share_ = 0;              // of its weight, as last reported
  bool unproven_ = true;           // no check of the present kind has been completed: the first success suffices
};

}  // namespace rawvs
