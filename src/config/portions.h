// SPDX-License-Identifier: BSD-2-Clause
// portions.h: walks over many items in portions of a given size.
#pragma once

#include <functional>
#include <vector>

namespace rawvs {

class Portions {
 public:
  // Add a walk over `count` items (each), over the `inner(i)` items of each of `count` (each_of), or a single task
  // (once). The number is asked when the walk begins: an earlier walk may decide it.
  void each(std::function<size_t()> count, std::function<void(size_t)> one) {
    each_of(
        std::move(count), [](size_t) { return size_t{1}; }, [one = std::move(one)](size_t i, size_t) { one(i); });
  }
  void each_of(std::function<size_t()> count, std::function<size_t(size_t)> inner,
               std::function<void(size_t, size_t)> one) {
    walks_.push_back({std::move(count), std::move(inner), std::move(one)});
  }
  void once(std::function<void()> one) {
    each([] { return size_t{1}; }, [one = std::move(one)](size_t) { one(); });
  }

  // Counts additional work for an expensive item.
  void spend(size_t work) { spent_ += work; }
  size_t worked() const { return spent_; }

  // True when all walks are done.
  bool step(size_t work) {
    for (const size_t until = spent_ + work; walk_ < walks_.size();) {
      Walk& walk = walks_[walk_];
      if (!begun_) outer_ = walk.count(), i_ = 0, n_ = 0, begun_ = true;
      for (; i_ < outer_; ++i_, n_ = 0) {
        const size_t inner = walk.inner(i_);
        while (n_ < inner && spent_ < until) ++spent_, walk.one(i_, n_++);
        if (spent_ >= until) return false;
        if (inner == 0) ++spent_;
      }
      walk = {};  // frees what it captured
      ++walk_, begun_ = false;
    }
    return true;
  }

 private:
  struct Walk {
    std::function<size_t()> count{};
    std::function<size_t(size_t)> inner{};
    std::function<void(size_t, size_t)> one{};
  };
  std::vector<Walk> walks_;
  size_t walk_ = 0, outer_ = 0, i_ = 0, n_ = 0, spent_ = 0;
  bool begun_ = false;
};

}  // namespace rawvs
