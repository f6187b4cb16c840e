// SPDX-License-Identifier: BSD-2-Clause
// limit.h: a rate limit: a token bucket. RFC 1812 section 4.3.2.8 requires one for ICMP errors.
#pragma once

#include <algorithm>

#include "rawvs/time.h"

namespace rawvs {

class Limit {
 public:
  Limit(uint32_t per_second, uint32_t burst) : rate_(per_second), most_(std::max<uint64_t>(burst, 1) * 1000) {}

  bool take(Instant now) {  // false: the limit is reached
    if (rate_ == 0) return false;
    if (!started_) started_ = true, level_ = most_, last_ = now;
    const auto passed = static_cast<uint64_t>(std::clamp<Duration::rep>((now - last_).count(), 0, 1'000'000));
    level_ = std::min(most_, level_ + passed * rate_);
    last_ = now;
    if (level_ < 1000) return false;
    level_ -= 1000;
    return true;
  }

 private:
  uint64_t rate_, most_, level_ = 0;  // thousandths of a token
  Instant last_{};
  bool started_ = false;
};

}  // namespace rawvs
