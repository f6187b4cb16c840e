// SPDX-License-Identifier: BSD-2-Clause
// tell_once.cpp: remembers which oddities of neighbours were logged.
#include "core/tell_once.h"

#include <algorithm>

namespace rawvs {

bool SlowLimit::take(Instant now) {
  if (left_ == most_) since_ = now;
  const auto more = (now - since_) / each_;
  if (more > 0) {
    left_ = static_cast<uint32_t>(std::min<Duration::rep>(most_, left_ + more));
    since_ += more * each_;
  }
  if (left_ == 0) return false;
  --left_;
  return true;
}

bool TellOnce::odd(Ip who, uint16_t what, Instant now) {
  Known& k = known(who);
  if (k.who == who && k.what == what) return k.heard = now, false;
  if (!limit_.take(now)) return false;
  k = {who, what, now};
  return true;
}

bool TellOnce::well(Ip who, Instant now) {
  Known& k = known(who);
  if (k.what == 0 || k.who != who || !limit_.take(now)) return false;
  k = {};
  return true;
}

// The neighbour's place, or a free one, or the one least recently used.
TellOnce::Known& TellOnce::known(Ip who) {
  Known* oldest = &known_[0];
  for (Known& k : known_) {
    if (k.what != 0 && k.who == who) return k;
    if (k.what == 0 ? oldest->what != 0 : oldest->what != 0 && k.heard < oldest->heard) oldest = &k;
  }
  return *oldest;
}

}  // namespace rawvs
