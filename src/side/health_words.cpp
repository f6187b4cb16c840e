// SPDX-License-Identifier: BSD-2-Clause
// health_words.cpp: concatenation, numbers, spans of time.
#include "side/health_words.h"

namespace rawvs::health_words {

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string s;
  for (const std::string_view part : parts) s += part;
  return s;
}

std::string number(uint64_t n) { return std::to_string(n); }

std::string span(Duration d) {
  constexpr Duration kSecond = 1s, kMinute = 1min;
  const Duration unit = d >= kMinute && d % kMinute == Duration::zero() ? kMinute
                        : d % kSecond == Duration::zero()               ? kSecond
                                                                        : Duration(1);
  return joined({number(static_cast<uint64_t>(d / unit)), unit == kMinute ? " min" : unit == kSecond ? " s" : " ms"});
}

}  // namespace rawvs::health_words
