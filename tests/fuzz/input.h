// SPDX-License-Identifier: BSD-2-Clause
// input.h: what libFuzzer gives a target, read as choices; and the check that ends it with a finding.
//
// A target is a file here with LLVMFuzzerTestOneInput(): it gives one input to one door, and checks what the door
// promises. The same input does the same each time: nothing is kept from one execution to the next.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

#include "rawvs/bytes.h"

// A promise of the door. What does not hold is a finding: libFuzzer keeps the input.
#define MUST(condition)                                                               \
  do {                                                                                \
    if (!(condition)) {                                                               \
      std::fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                   \
    }                                                                                 \
  } while (false)

namespace rawvs::fuzz {

// Choices from the input's bytes; 0 when there are no more.
class Input {
 public:
  explicit Input(Bytes bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const uint8_t b = rest_[0];
    rest_ = rest_.subspan(1);
    return b;
  }
  uint16_t word() {
    const uint8_t high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }
  uint32_t number() {
    const uint32_t high = word();
    return high << 16 | word();
  }
  uint32_t below(uint32_t n) { return n <= 1 ? 0 : (n <= 256 ? byte() : word()) % n; }
  bool one_in(uint32_t n) { return below(n) == n - 1; }  // false at the end
  template <class T>
  T one_of(std::initializer_list<T> all) {
    return all.begin()[below(static_cast<uint32_t>(all.size()))];
  }
  Bytes take(size_t size) {
    const Bytes taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  Bytes rest() { return take(rest_.size()); }

 private:
  Bytes rest_;
};

inline std::string_view text_of(Bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

}  // namespace rawvs::fuzz
