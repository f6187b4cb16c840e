// SPDX-License-Identifier: BSD-2-Clause
// token_bucket.h: a rate limit: so many per second, and so many at once after a pause.
// Not: the limits themselves, which may change between two calls. Nothing is lost by rounding.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rawvs/time.h"

namespace rawvs {

struct Rate {
  uint32_t per_second = 0, burst = 1;
};

inline constexpr uint32_t kToken = 1000;  // a millisecond adds `per_second` of these
// The level after so many milliseconds; both in parts of a token.
constexpr uint64_t refilled(uint64_t level, uint64_t passed, Rate rate) {
  return std::min(std::max<uint64_t>(rate.burst, 1) * kToken, level + passed * rate.per_second);
}

class TokenBucket {
 public:
  bool has(Rate rate, Instant now) const { return level(rate, now) >= kToken; }
  bool take(Rate rate, Instant now) {  // false: there is none
    level_ = level(rate, now);
    last_ = now;
    if (level_ < kToken) return false;
    level_ -= kToken;
    return true;
  }

 private:
  static constexpr uint64_t kFull = UINT64_MAX / 2;
  uint64_t level(Rate rate, Instant now) const {
    const auto passed = std::clamp<Duration::rep>((now - last_) / 1ms, 0, 1'000'000);
    return refilled(level_, static_cast<uint64_t>(passed), rate);
  }

  uint64_t level_ = kFull;  // of any rate
  Instant last_{};
};

}  // namespace rawvs
