// SPDX-License-Identifier: BSD-2-Clause
// vrrp_telling.h: which transitions of an instance are told, in the log and by notify: not fifty a second.
// In:  its transitions; the time.
// Out: whether to tell one now; what to tell when it was quiet for a while.
// Not: the transitions (vrrp.h), the log, running programs (mastership.h).
//
// A few are told at once; of those that come faster the last one is told at the end of a pause. So the last state that
// was told is the instance's state, at the latest kPause later.
#pragma once

#include <utility>

#include "core/tell_once.h"

namespace rawvs {

template <class State>
class VrrpTelling {
 public:
  static constexpr uint32_t kAtOnce = 6;
  static constexpr Duration kPause = 10s;

  // False: it is told later. always: it is told in any case.
  bool take(State next, bool always, Instant now) {
    if (limit_.take(now) || always) {
      told_ = next, untold_ = 0, due_ = kNever;
      return true;
    }
    ++untold_;
    if (due_ == kNever) due_ = now + kPause;
    return false;
  }
  Instant due() const { return due_; }  // when settle() is to be called

  struct Late {
    State told;       // the last one before
    uint32_t untold;  // transitions since
  };
  Late settle(State now_in, Instant now) {
    static_cast<void>(limit_.take(now));
    due_ = kNever;
    return {std::exchange(told_, now_in), std::exchange(untold_, 0)};
  }

 private:
  SlowLimit limit_{kAtOnce, kPause};
  State told_{};
  uint32_t untold_ = 0;
  Instant due_ = kNever;
};

}  // namespace rawvs
