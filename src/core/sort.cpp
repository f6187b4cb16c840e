// SPDX-License-Identifier: BSD-2-Clause
#include "core/sort.h"

#include <algorithm>
#include <numeric>

namespace rawvs {

// Merges ordered pieces of 1, 2, 4, ... numbers. std::merge keeps equal ones in their order.
std::vector<uint32_t> sorted_order(size_t count, Sorting sorting) {
  std::vector<uint32_t> order(count), merged(count);
  std::iota(order.begin(), order.end(), 0u);
  const auto less = [sorting](uint32_t a, uint32_t b) { return sorting.less(sorting.items, a, b); };
  for (size_t piece = 1; piece < count; piece *= 2) {
    for (size_t from = 0; from < count; from += 2 * piece) {
      const uint32_t* const first = &order[from];
      const uint32_t* const second = first + std::min(piece, count - from);
      const uint32_t* const end = first + std::min(2 * piece, count - from);
      std::merge(first, second, second, end, &merged[from], less);
    }
    order.swap(merged);
  }
  return order;
}

void put_in_order(std::vector<uint32_t> order, void* items, void (*swap)(void* items, uint32_t a, uint32_t b)) {
  for (uint32_t i = 0; i < order.size(); ++i) {  // each cycle of items that take each other's places
    uint32_t at = i;
    for (uint32_t next = order[at]; next != i; next = order[at]) {
      swap(items, at, next);
      order[at] = at;
      at = next;
    }
    order[at] = at;
  }
}

void sort_addresses(std::span<Ip> all) { std::ranges::sort(all); }

void each_once(std::vector<Ip>& all) {
  sort_addresses(all);
  all.erase(std::unique(all.begin(), all.end()), all.end());
}

}  // namespace rawvs
