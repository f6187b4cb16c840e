// SPDX-License-Identifier: BSD-2-Clause
// pressure.cpp: compares the numbers with what was logged.
#include "core/pressure.h"

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
  const uint64_t total = gave_way(p);
  if (turn.now < next_deadline(p.on, total)) return;
  again_ = turn.now + kPause;
  const std::string filled = formatted("{} of {} entries", p.places, p.capacity);
  if (total != told_) {
    std::array<uint64_t, kUnprovenKinds> news{};
    for (size_t k = 0; k < kUnprovenKinds; ++k) news[k] = p.gave_way[k] - told_of_[k];
    turn.out.say(Severity::warning,
                 formatted("connection table: {} unproven {} gave way to others ({}); {}", total - told_,
                           total - told_ == 1 ? "connection" : "connections", text(news), filled));
    told_ = total;
    told_of_ = p.gave_way;
    if (p.on) told_on_ = true;
  }
  if (p.on == told_on_) return;
  told_on_ = p.on;
  if (p.on) {
    turn.out.say(Severity::warning,
                 formatted("connection table: three quarters full ({}): see drop_entry in rawvs.ini(5)", filled));
  } else {
    turn.out.say(Severity::notice, formatted("connection table: it has room again ({})", filled));
  }
}

Instant PressureLog::next_deadline(bool on, uint64_t given_way) const {
  return on != told_on_ || given_way != told_ ? again_ : kNever;
}

}  // namespace rawvs
