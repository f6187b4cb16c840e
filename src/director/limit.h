// SPDX-License-Identifier: BSD-2-Clause
// limit.h: a rate limit: a token bucket. RFC 1812 section 4.3.2.8 requires one for ICMP errors.
#pragma once

#include "core/token_bucket.h"

namespace rawvs {

class Limit {
 public:
  Limit(uint32_t per_second, uint32_t burst) : rate_{per_second, burst} {}
  bool take(Instant now) { return rate_.per_second != 0 && bucket_.take(rate_, now); }  // false: the limit is reached

 private:
  Rate rate_;
  TokenBucket bucket_{};
};

}  // namespace rawvs
