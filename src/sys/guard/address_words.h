// SPDX-License-Identifier: BSD-2-Clause
// address_words.h: addresses as words of 32 bits, which classic BPF compares (classic_program.h).
#pragma once

#include "sys/guard/classic_program.h"

namespace rawvs {

inline constexpr size_t kLastWord = 3;  // of an address; IPv4 has this one only
constexpr uint32_t word(Ip a, size_t n) {
  return static_cast<uint32_t>((n < 2 ? a.hi() : a.lo()) >> (n % 2 == 0 ? 32 : 0));
}
constexpr uint32_t last_word(Ip a) { return word(a, kLastWord); }
constexpr size_t first_word(Ip a) { return a.is_v4() ? kLastWord : 0; }
constexpr uint32_t at_word(uint32_t address_at, size_t n) { return address_at + static_cast<uint32_t>(4 * n); }

// The first word in which the addresses of two ranges differ.
inline size_t word_that_differs(const AddressRange& a, const AddressRange& b) {
  return static_cast<size_t>(common_bits(a.first, b.first)) / 32 + first_word(a.first);
}

constexpr size_t last_comparisons(const AddressRange& r) { return r.first == r.last ? 1 : 2; }

}  // namespace rawvs
