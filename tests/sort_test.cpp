// SPDX-License-Identifier: BSD-2-Clause
// sort_test.cpp: sort.h beside the standard library's stable sort, for every order of a few items and many random ones.
#include "core/sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>

namespace rawvs {
namespace {

struct Item {
  int key = 0;
  std::string text;
  friend bool operator==(const Item&, const Item&) = default;
};

std::vector<Item> items(const std::vector<int>& keys) {
  std::vector<Item> all;
  for (size_t i = 0; i < keys.size(); ++i) all.push_back({keys[i], "item " + std::to_string(i)});
  return all;
}

void sorts(const std::vector<int>& keys) {
  std::vector<Item> expected = items(keys);
  std::ranges::stable_sort(expected, {}, &Item::key);
  std::vector<Item> sorted = items(keys);
  sort_by<&Item::key>(sorted);
  EXPECT_EQ(sorted, expected);
  std::ranges::stable_sort(expected, std::ranges::greater(), &Item::key);
  sort_with(sorted, [](const Item& a, const Item& b) { return a.key > b.key; });
  EXPECT_EQ(sorted, expected);
}

TEST(Sort, PutsEveryOrderOfAFewItemsRight) {
  for (int count = 0; count <= 6; ++count) {
    std::vector<int> keys(static_cast<size_t>(count));
    std::iota(keys.begin(), keys.end(), 0);
    do sorts(keys);
    while (std::ranges::next_permutation(keys).found);
  }
}

TEST(Sort, LeavesEqualItemsInTheirOrder) {
  std::mt19937 random(7);
  for (int n = 0; n < 200; ++n) {
    std::vector<int> keys(random() % 100);
    for (int& key : keys) key = static_cast<int>(random() % 8);
    sorts(keys);
  }
}

TEST(Sort, NumbersAreOrderedByWhatTheyStandFor) {
  const std::vector<std::string> names{"rs2", "rs1", "rs3", "rs1"};
  const auto name = [&](uint32_t n) { return names[n]; };
  EXPECT_EQ(numbers_by(names.size(), name), (std::vector<uint32_t>{1, 3, 0, 2}));
  EXPECT_EQ(numbers_by(0, name), std::vector<uint32_t>());
}

}  // namespace
}  // namespace rawvs
