// SPDX-License-Identifier: BSD-2-Clause
// sort.h: sorting in little code, for all that is not done per packet. Equal items keep their order.
// std::sort is 1.2 KB of code for each type of items, std::stable_sort 3 KB; these are one function for all, and two
// small ones for each type. They allocate 8 bytes per item.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "rawvs/addr.h"

namespace rawvs {

struct Sorting {  // items, seen from afar
  const void* items;
  bool (*less)(const void* items, uint32_t a, uint32_t b);
};

// Which item comes first, which next, and so on.
std::vector<uint32_t> sorted_order(size_t count, Sorting sorting);
// Moves items into that order.
void put_in_order(std::vector<uint32_t> order, void* items, void (*swap)(void* items, uint32_t a, uint32_t b));

// The numbers below count in the order of what key() says of them.
template <class Key>
std::vector<uint32_t> numbers_by(size_t count, const Key& key) {
  return sorted_order(count, {&key, [](const void* k, uint32_t a, uint32_t b) {
                                const Key& key_of = *static_cast<const Key*>(k);
                                return key_of(a) < key_of(b);
                              }});
}

// less: has no state.
template <class Item, class Less>
void sort_with(std::vector<Item>& all, Less) {
  put_in_order(sorted_order(all.size(), {all.data(),
                                         [](const void* items, uint32_t a, uint32_t b) {
                                           return Less()(static_cast<const Item*>(items)[a],
                                                         static_cast<const Item*>(items)[b]);
                                         }}),
               all.data(), [](void* items, uint32_t a, uint32_t b) {
                 std::swap(static_cast<Item*>(items)[a], static_cast<Item*>(items)[b]);
               });
}

// kMember: what the items are sorted by.
template <auto kMember, class Item>
void sort_by(std::vector<Item>& all) {
  sort_with(all, [](const Item& a, const Item& b) { return std::invoke(kMember, a) < std::invoke(kMember, b); });
}

// The same for addresses, in place and without memory.
void sort_addresses(std::span<Ip> all);
void each_once(std::vector<Ip>& all);  // sorted, too

}  // namespace rawvs
