// SPDX-License-Identifier: BSD-2-Clause
// backlog.h: work that waits, first in, first out. What a call costs does not depend on how much waits.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace rawvs {

template <class Item>
class Backlog {
 public:
  bool empty() const { return all_.empty(); }
  size_t size() const { return all_.size() - next_; }
  const Item& first() const { return all_[next_]; }  // REQUIRES: !empty()
  void push(Item item) { all_.push_back(std::move(item)); }
  void pop() {  // REQUIRES: !empty()
    if (++next_ * 2 < all_.size()) return;
    all_.erase(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(next_));  // moves no more than were taken
    next_ = 0;
  }
  void clear() { all_.clear(), next_ = 0; }

 private:
  std::vector<Item> all_;
  size_t next_ = 0;  // fewer than half of all_, unless that is empty
};

}  // namespace rawvs
