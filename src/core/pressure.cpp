// SPDX-License-Identifier: BSD-2-Clause
// pressure.cpp: compares the numbers with what was logged.
#include "core/pressure.h"

#include <algorithm>
#include <numeric>

#include "wire/formatted.h"

namespace rawvs {

uint64_t gave_way(const Pressure& p) { return std::accumulate(p.gave_way.begin(), p.gave_way.end(), uint64_t{0}); }

std::string text(const std::array<uint64_t, kUnprovenKinds>& by_kind) {
  std::string out;
  for (size_t k = 0; k < kUnprovenKinds; ++k) {
    if (by_kind[k] == 0) continue;
    out += formatted("{}{}:{}", out.empty() ? "" : ",", name(static_cast<Unproven>(k)), by_kind[k]);
  }
  return out.empty() ? "-" : out;
}

void PressureLog::look(const Pressure& p, Turn turn) {
  if (turn.now < next_deadline(p.on, gave_way(p))) return;
  const std::string filled = formatted("{} of {} entries", p.places, p.capacity);
  if (p.on != told_on_ && turn.now >= again_) {
    told_on_ = p.on;
    again_ = turn.now + kPause;
    if (p.on) {
      turn.out.say(Severity::warning,
                   formatted("connection table: three quarters full ({}): see drop_entry in rawvs.ini(5)", filled),
                   Topic::table);
    } else {
      turn.out.say(Severity::notice, formatted("connection table: it has room again ({})", filled), Topic::table);
    }
  }
  const uint64_t total = gave_way(p), more = total - told_;
  if (more == 0 || turn.now < again_of_) return;
  std::array<uint64_t, kUnprovenKinds> of{};
  for (size_t k = 0; k < kUnprovenKinds; ++k) of[k] = p.gave_way[k] - told_of_[k];
  turn.out.say(Severity::warning,
               formatted("connection table: {} unproven {} gave way to others ({}); {}", more,
                         more == 1 ? "connection" : "connections", text(of), filled),
               Topic::table);
  told_ = total;
  told_of_ = p.gave_way;
  again_of_ = turn.now + kPause;
}

Instant PressureLog::next_deadline(bool on, uint64_t given_way) const {
  return std::min(on != told_on_ ? again_ : kNever, given_way != told_ ? again_of_ : kNever);
}

}  // namespace rawvs
