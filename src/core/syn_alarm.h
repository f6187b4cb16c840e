// SPDX-License-Identifier: BSD-2-Clause
// syn_alarm.h: when SYN cookies are used (syn_cookies = auto): while half-open connections fill the table.
// In:  the half-open connections' part of the table; SYNs answered with a cookie, and cookies that came back.
// Out: whether cookies are used; notices when they begin and end.
// Not: answering SYNs (director/handshakes.h).
//
// They begin when half-open connections take a quarter of the table, and 64 places. Each would stay about a minute, so
// they end when a minute of SYNs to which nothing came back, at the rate of the last period, would take less than an
// eighth; and not before a minute has passed.
#pragma once

#include "core/turn.h"
#include "rawvs/time.h"

namespace rawvs {

class SynAlarm {
 public:
  static constexpr Duration kPeriod = 10s, kLeast = 60s;
  static constexpr uint64_t kFewest = 64;  // places: fewer are no flood, however small the table is

  bool on() const { return on_; }
  // Before each new connection, and at the deadline. half_open, capacity: places of the table.
  void look(uint64_t half_open, uint64_t capacity, Turn turn);
  void sent() { ++sent_; }
  void came_back() { ++back_; }
  Instant next_deadline() const { return on_ ? period_ends_ : kNever; }

 private:
  bool on_ = false;
  Instant since_{}, period_ends_{};
  uint64_t sent_ = 0, back_ = 0;  // in this period
  uint64_t all_sent_ = 0, all_back_ = 0;
};

}  // namespace rawvs
