// SPDX-License-Identifier: BSD-2-Clause
// tell_once.h: what the log hears about neighbours that are odd: once per neighbour and change, never once per packet.
// In:  who is odd in which way, or well again; the time.   Out: whether that is news.
// Not: the words, the counters.
#pragma once

#include <array>

#include "rawvs/addr.h"
#include "rawvs/time.h"

namespace rawvs {

// So many at once, then one more every `each`.
class SlowLimit {
 public:
  constexpr SlowLimit(uint32_t most, Duration each) : most_(most), each_(each), left_(most) {}
  bool take(Instant now);  // false: not now

 private:
  uint32_t most_;
  Duration each_;
  uint32_t left_;
  Instant since_{};
};

class TellOnce {
 public:
  // what: any number that is not 0 for one way of being odd. False: the log has heard of it, or has heard too much.
  // What it has not heard is news next time.
  bool odd(Ip who, uint16_t what, Instant now);
  // True: it was odd, the log knows that, and here is the end of it.
  bool well(Ip who, Instant now);

 private:
  struct Known {
    Ip who{};
    uint16_t what = 0;  // 0: a free place
    Instant heard{};
  };
  static constexpr size_t kMost = 8;  // neighbours; more are hostile, and the first ones show it
  Known& known(Ip who);

  std::array<Known, kMost> known_{};
  SlowLimit limit_{16, 30s};
};

}  // namespace rawvs
