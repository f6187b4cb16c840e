// SPDX-License-Identifier: BSD-2-Clause
// control_log.cpp: logs changes one by one, or by their number.
#include "control/control_log.h"

#include <algorithm>

#include "wire/formatted.h"

namespace rawvs {

Instant ControlLog::Burst::due() const {
  const Instant quiet = last + kQuiet;
  return counted.empty() ? quiet : std::min(quiet, counted_from + kReminder);
}

void ControlLog::tell_counted(Burst& burst, Outbox& out) {
  uint64_t sum = 0;
  std::string kinds;
  for (const auto& [command, count] : burst.counted) {
    sum += count;
    kinds += formatted("{}{} {}", kinds.empty() ? "" : ", ", count, command);
  }
  if (sum == 0) return;
  burst.counted.clear();
  out.say(Severity::notice, formatted("control: {}: {} more change{}: {}", burst.who, sum, sum == 1 ? "" : "s", kinds),
          Topic::control);
}

void ControlLog::changed(const Operator& who, std::string_view command, const std::string& text, Turn turn) {
  time_passed(turn);
  auto burst = std::ranges::find(bursts_, who.uid, &Burst::uid);
  if (burst == bursts_.end()) {
    if (bursts_.size() == kMostOperators) {  // replaces the user who has been quiet longest
      const auto oldest = std::ranges::min_element(bursts_, {}, &Burst::last);
      tell_counted(*oldest, turn.out);
      bursts_.erase(oldest);
    }
    burst = bursts_.insert(bursts_.end(), {who.uid, {}});
  }
  burst->who = who.text;
  burst->last = turn.now;
  if (burst->told < kTold) {
    ++burst->told;
    return turn.out.say(Severity::notice, formatted("control: {}: {}", who.text, text), Topic::control);
  }
  if (burst->counted.empty()) burst->counted_from = turn.now;
  const auto kind = std::ranges::find(burst->counted, command, &std::pair<std::string, uint64_t>::first);
  if (kind != burst->counted.end()) {
    ++kind->second;
  } else {
    burst->counted.emplace_back(command, 1);
  }
}

void ControlLog::time_passed(Turn turn) {
  std::erase_if(bursts_, [&](Burst& burst) {
    if (turn.now < burst.due()) return false;
    tell_counted(burst, turn.out);
    return turn.now >= burst.last + kQuiet;
  });
}

void ControlLog::end(Outbox& out) {
  for (Burst& burst : bursts_) tell_counted(burst, out);
  bursts_.clear();
}

Instant ControlLog::next_deadline() const {
  Instant next = kNever;
  for (const Burst& burst : bursts_) next = std::min(next, burst.due());
  return next;
}

}  // namespace rawvs
