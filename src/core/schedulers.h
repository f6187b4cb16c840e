// SPDX-License-Identifier: BSD-2-Clause
// schedulers.h: what the schedulers' files share: their signature and the measures they compare.
#pragma once

#include "core/scheduler.h"

namespace rawvs::schedulers {

struct Question {
  const Policy& policy;
  const Pool& pool;
  SchedulerState& state;
  const Request& request;
};
using Choice = std::optional<size_t>;

inline bool eligible(const Server& s) { return s.spec.weight > 0 && !s.overloaded; }

// IPVS's measure of load: an active connection costs as much as 256 inactive ones.
inline int64_t overhead(const Server& s) { return int64_t{s.active} * 256 + s.inactive; }

// A server's weight for comparisons. During a slow start it is counted in parts (kFullShare of them are one); otherwise
// it is the plain weight, as in IPVS.
inline int64_t weight(const SchedulerState& state, const Weighed& w) {
  return state.parts == 1 ? w.weight : int64_t{w.full} * w.share;
}
inline int64_t weight(const SchedulerState& state, const Server& s) {
  return state.parts == 1 ? s.spec.weight : int64_t{s.full_weight()} * s.share;
}

// True if a's load per weight exceeds b's. Multiplies crosswise, so nothing is rounded.
inline bool heavier(const SchedulerState& state, const Server& a, int64_t load_a, const Server& b, int64_t load_b) {
  return load_a * weight(state, b) > load_b * weight(state, a);
}

// The eligible server with the least load per weight; the first among equals.
template <class Load>  // int64_t(const Server&)
Choice least(const Question& q, Load load) {
  const Pool& pool = q.pool;
  Choice best;
  for (size_t i = 0; i < pool.size(); ++i) {
    if (!eligible(pool[i])) continue;
    if (!best || heavier(q.state, pool[*best], load(pool[*best]), pool[i], load(pool[i]))) best = i;
  }
  return best;
}

// scheduler_hash.cpp
inline constexpr size_t kBuckets = 256;         // of dh and sh
inline constexpr size_t kMaglevBuckets = 4093;  // a prime, so that every skip visits all of them
Choice dh(const Question& q);
Choice sh(const Question& q);
Choice mh(const Question& q);
void fill_dh(const Pool& pool, SchedulerState& state);
void fill_sh(const Pool& pool, SchedulerState& state);
void fill_mh(const Pool& pool, SchedulerState& state);

// scheduler_cache.cpp
Choice lblc(const Question& q);
Choice lblcr(const Question& q);
void remember_added(const Pool& pool, SchedulerState& state, bool sets);
void remember_removed(SchedulerState& state, size_t was_at);

}  // namespace rawvs::schedulers
