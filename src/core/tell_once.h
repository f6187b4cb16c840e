// SPDX-License-Identifier: BSD-2-Clause
// tell_once.h: decides whether an oddity of a neighbour is logged: once per neighbour and change, not once per packet.
// In:  a neighbour and its oddity, or that it is well again; the time.
// Out: whether to log it.
// Not: the text, the counters.
#pragma once

#include <array>

#include "rawvs/addr.h"
#include "rawvs/time.h"

namespace rawvs {

// Allows `most` at once, then one more every `each`.
class SlowLimit {
 public:
  constexpr SlowLimit(uint32_t most, Duration each) : most_(most), each_(each), left_(most) {}
  bool take(Instant now);  // false: the limit is reached

 private:
  uint32_t most_;
  Duration each_;
  uint32_t left_;
  Instant since_{};
};

class TellOnce {
 public:
  // what: the kind of oddity, not 0. False: it was logged before, or the limit is reached; then the next call may log
  // it.
  bool odd(Ip who, uint16_t what, Instant now);
  // True: its oddity was logged and has ended: log that.
  bool well(Ip who, Instant now);

 private:
  struct Known {
    Ip who{};
    uint16_t what = 0;  // 0: a free place
    Instant heard{};
  };
  static constexpr size_t kMost = 8;  // neighbours; more of them are an attack, and the first ones show it
  Known& known(Ip who);

  std::array<Known, kMost> known_{};
  SlowLimit limit_{16, 30s};
};

}  // namespace rawvs
