// SPDX-License-Identifier: BSD-2-Clause
#include "core/sort.h"

#include <algorithm>
#include <numeric>

namespace rawvs {

std::vector<uint32_t> sorted_order(size_t count, Sorting sorting) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, [sorting](uint32_t a, uint32_t b) {
    return sorting.less(sorting.items, a, b) || (a < b && !sorting.less(sorting.items, b, a));
  });
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

}  // namespace rawvs
