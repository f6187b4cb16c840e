// SPDX-License-Identifier: BSD-2-Clause
// syn_alarm.cpp: two thresholds, so that one connection more or less does not matter.
#include "core/syn_alarm.h"

#include "core/outbox.h"
#include "wire/formatted.h"

namespace rawvs {

void SynAlarm::look(uint64_t half_open, uint64_t capacity, Turn turn) {
  if (!on_) {
    if (half_open * 4 < capacity || half_open < kFewest) return;
    *this = {};
    on_ = true;
    since_ = turn.now;
    period_ends_ = after(turn.now, kPeriod);
    return turn.out.say(Severity::warning,
                        "half-open connections take a quarter of the table: SYNs to services whose replies pass the "
                        "director are answered with SYN cookies",
                        Topic::table);
  }
  if (turn.now < period_ends_) return;
  const uint64_t unanswered = sent_ > back_ ? sent_ - back_ : 0;
  const bool calm = unanswered * static_cast<uint64_t>(kLeast / kPeriod) * 8 < capacity && half_open * 8 < capacity;
  all_sent_ += sent_, all_back_ += back_;
  sent_ = back_ = 0;
  period_ends_ = after(turn.now, kPeriod);
  if (!calm || turn.now - since_ < kLeast) return;
  on_ = false;
  turn.out.say(Severity::notice,
               formatted("no more SYN cookies: {} were sent, {} clients came back with theirs", all_sent_, all_back_),
               Topic::table);
}

}  // namespace rawvs
