// SPDX-License-Identifier: BSD-2-Clause
#include "config/portions.h"

#include <utility>

namespace rawvs {

void Portions::add(Walk walk) { walks_.push_back(std::move(walk)); }

bool Portions::step(size_t work) {
  for (const size_t until = spent_ + work; walk_ < walks_.size();) {
    const Walk& walk = walks_[walk_];
    void* const state = walk.state.get();
    if (!begun_) outer_ = walk.count(state), i_ = 0, n_ = 0, begun_ = true;
    for (; i_ < outer_; ++i_, n_ = 0) {
      const size_t inner = walk.inner ? walk.inner(state, i_) : 1;
      while (n_ < inner && spent_ < until) ++spent_, walk.one(state, i_, n_++);
      if (spent_ >= until) return false;
      if (inner == 0) ++spent_;
    }
    walks_[walk_].state.reset();  // its memory is released
    ++walk_, begun_ = false;
  }
  return true;
}

}  // namespace rawvs
