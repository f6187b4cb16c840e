// SPDX-License-Identifier: BSD-2-Clause
// health_words.cpp: spans of time.
#include "side/health_words.h"

#include "wire/formatted.h"

namespace rawvs::health_words {

std::string span(Duration d) {
  constexpr Duration kSecond = 1s, kMinute = 1min;
  const Duration unit = d >= kMinute && d % kMinute == Duration::zero() ? kMinute
                        : d % kSecond == Duration::zero()               ? kSecond
                                                                        : Duration(1);
  return formatted("{} {}", d / unit, unit == kMinute ? "min" : unit == kSecond ? "s" : "ms");
}

}  // namespace rawvs::health_words
