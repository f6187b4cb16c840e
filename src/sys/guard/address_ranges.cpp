// SPDX-License-Identifier: BSD-2-Clause
// address_ranges.cpp: ranges of adjacent addresses, and what it takes to compare an address with them
// (classic_program.h).
#include "sys/guard/address_words.h"

namespace rawvs {

std::vector<AddressRange> ranges_of(std::span<const Ip> addresses, Family family) {
  std::vector<AddressRange> out;
  for (const Ip a : addresses) {
    if (a.family() != family) continue;
    const bool more = !out.empty() && last_word(a) != 0 && out.back().last == Ip(a.hi(), a.lo() - 1);
    if (more) {
      out.back().last = a;
    } else if (out.empty() || out.back().last != a) {
      out.push_back({a, a});
    }
  }
  return out;
}

size_t comparisons(const AddressRange& range, const AddressRange* before) {
  constexpr size_t kPerWord = 4, kPerPrefix = 3;  // in find_word() for a word that is new, in search() at its end
  const size_t n = before == nullptr ? first_word(range.first) : word_that_differs(*before, range);
  return last_comparisons(range) + (n < kLastWord ? kPerWord * (kLastWord - n) + kPerPrefix : 0);
}

size_t comparisons(std::span<const AddressRange> ranges) {
  size_t sum = 0;
  const AddressRange* before = nullptr;
  for (const AddressRange& range : ranges) {
    sum += comparisons(range, before);
    before = &range;
  }
  return sum;
}

}  // namespace rawvs
