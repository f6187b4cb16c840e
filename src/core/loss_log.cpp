// SPDX-License-Identifier: BSD-2-Clause
// loss_log.cpp: compares the counters with what was logged.
#include "core/loss_log.h"

#include <algorithm>
#include <string>

#include "wire/formatted.h"

namespace rawvs {

void LossLog::look(const ExitCounters& exits, Turn turn) {
  for (size_t i = 0; i < losses_.size(); ++i) {
    Loss& loss = losses_[i];
    loss.seen = exits.of(kLosses[i]);
    loss.said = std::min(loss.said, loss.seen);  // the counters may have been reset to zero
    if (loss.seen == loss.said || turn.now < loss.again) continue;
    const uint64_t count = loss.seen - loss.said;
    const ExitWords& exit = words(kLosses[i]);
    turn.out.say(
        Severity::warning,
        formatted("{}: {} {} dropped: {}", exit.name, count, count == 1 ? "packet was" : "packets were", exit.meaning),
        Topic::table);
    loss.said = loss.seen;
    loss.again = turn.now + kPause;
  }
}

Instant LossLog::next_deadline() const {
  Instant next = kNever;
  for (const Loss& loss : losses_) {
    if (loss.seen != loss.said) next = std::min(next, loss.again);
  }
  return next;
}

}  // namespace rawvs
