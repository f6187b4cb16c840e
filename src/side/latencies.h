// SPDX-License-Identifier: BSD-2-Clause
// latencies.h: how long the checks of a service took: a histogram in a fixed amount of memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "rawvs/time.h"

namespace rawvs {

struct Latencies {
  // Milliseconds, inclusive; the last count is of all that took longer.
  static constexpr std::array<uint16_t, 12> kBounds{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};
  std::array<uint64_t, kBounds.size() + 1> counts{};
  Duration sum{};

  void add(Duration took) {
    const auto bound = std::ranges::lower_bound(kBounds, took.count(), {}, [](uint16_t ms) { return int64_t{ms}; });
    ++counts[static_cast<size_t>(bound - kBounds.begin())];
    sum += took;
  }
};

}  // namespace rawvs
