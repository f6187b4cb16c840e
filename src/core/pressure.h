// SPDX-License-Identifier: BSD-2-Clause
// pressure.h: how full the connection table is, and what gave way; logs when that begins and ends.
// In:  the numbers, whenever the time passes.
// Out: notices, of each kind at most one a minute.
// Not: the numbers themselves (flows_room.cpp), packets that were dropped (loss_log.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/outbox.h"
#include "core/turn.h"
#include "core/unproven.h"

namespace rawvs {

struct Pressure {   // on the connection table, since the start
  bool on = false;  // it is three quarters full, or was and is still more than five eighths
  uint32_t places = 0, capacity = 0;
  std::array<uint32_t, kUnprovenKinds> unproven{};  // entries, by Unproven
  std::array<uint64_t, kUnprovenKinds> gave_way{};
  uint64_t without = 0;      // packets that were forwarded without an entry
  uint64_t implausible = 0;  // TCP segments that ended no connection: their numbers cannot be their sender's
  bool cookies = false;      // SYNs are answered with SYN cookies now, where that is possible
};
uint64_t gave_way(const Pressure& p);                                   // of all kinds
std::string text(const std::array<uint64_t, kUnprovenKinds>& by_kind);  // half-open:12,quiet:3; -: none

class PressureLog {
 public:
  static constexpr Duration kPause = 60s;
  void look(const Pressure& now, Turn turn);
  // When look() has something to say. now: as look() would get it.
  Instant next_deadline(bool on, uint64_t given_way) const;

 private:
  bool told_on_ = false;
  uint64_t told_ = 0;  // how many had given way
  std::array<uint64_t, kUnprovenKinds> told_of_{};
  Instant again_{}, again_of_{};  // the earliest next notice: that it fills or has room; what gave way
};

}  // namespace rawvs
