// SPDX-License-Identifier: BSD-2-Clause
// deadlines.h: the earliest of very many deadlines.
#pragma once

#include <cstdint>
#include <vector>

#include "rawvs/time.h"

namespace rawvs {

// A deadline for each of a set of numbers, in a binary heap that knows each number's place. Among equal deadlines the
// lowest number comes first.
class Deadlines {
 public:
  void make_room(size_t size);           // for numbers 0..size-1; set() itself allocates nothing
  void set(uint32_t who, Instant when);  // O(log n); kNever: no deadline
  Instant earliest() const { return heap_.empty() ? kNever : heap_.front().when; }
  uint32_t first() const { return heap_.front().who; }  // REQUIRES: earliest() != kNever

 private:
  static constexpr uint32_t kNowhere = 0xffffffff;
  struct Entry {
    Instant when{};
    uint32_t who = 0;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  void put(size_t place, Entry entry);
  void rise(size_t place, Entry entry);
  void sink(size_t place, Entry entry);
  std::vector<Entry> heap_;
  std::vector<uint32_t> place_;  // by number
};

}  // namespace rawvs
