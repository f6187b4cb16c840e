// SPDX-License-Identifier: BSD-2-Clause
// flap_history.h: how often a server went down of late, and how long it has to work before it serves again.
//
// Damping is RFC 2439's idea without its curves: a server that went down more often than is allowed within kWindow is
// held back for kFirstHold, twice as long each further time, at most kLongestHold. One doubling is forgotten per
// kWindow without going down.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "rawvs/time.h"

namespace rawvs {

class FlapHistory {
 public:
  static constexpr size_t kKept = 16;
  static constexpr Duration kWindow = 10min;
  static constexpr Duration kFirstHold = 30s, kLongestHold = 16min;

  void note(Instant now, uint32_t allowed);  // it went down; allowed: within kWindow, at most kKept - 1; 0: no damping
  uint32_t count(Instant now) const;         // how often it went down within kWindow, at most kKept
  Duration hold(Instant now) const;          // how long it has to work before it serves again; 0: it is not damped
  void clear() { noted_ = level_ = 0; }

 private:
  uint32_t level(Instant now) const;

  std::array<Instant, kKept> gone_{};  // when it went down: a ring
  uint32_t noted_ = 0;                 // how many were ever written to the ring
  uint32_t level_ = 0;                 // of damping, when it last went down
};

}  // namespace rawvs
