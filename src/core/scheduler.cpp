// SPDX-License-Identifier: BSD-2-Clause
// scheduler.cpp: the schedulers, one short function each, and the table that names them.
// "Position" is the index behind the last choice; 0 stands for the list's head, before the first server.
#include "rawvs/scheduler.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace rawvs {

namespace {

bool eligible(const Server& s) { return s.spec.weight > 0 && !s.overloaded; }

// IPVS's measure of load: an active connection costs as much as 256 inactive ones.
int64_t overhead(const Server& s) { return int64_t{s.active} * 256 + s.inactive; }

// Round robin: once around from behind the last choice.
std::optional<size_t> rr(const Pool& pool, SchedulerState& state) {
  for (size_t i = 0; i < pool.size(); ++i) {
    const size_t at = (state.position + i) % pool.size();
    if (!eligible(pool[at])) continue;
    state.position = at + 1;
    return at;
  }
  return std::nullopt;
}

void wrr_begin(const Pool& pool, SchedulerState& state) {
  int64_t divisor = 0, most = 0;
  for (size_t i = 0; i < pool.size(); ++i) {
    divisor = std::gcd(divisor, int64_t{pool[i].spec.weight});
    most = std::max(most, int64_t{pool[i].spec.weight});
  }
  state.position = 0;
  state.step = divisor == 0 ? 1 : divisor;
  state.most_weight = most == 0 ? 0 : most - (state.step - 1);
}

// Weighted round robin, interleaved: the list is walked with a falling threshold, and at each level the servers whose
// weight reaches it are taken. The walk continues from call to call; it gives up after one whole round at the lowest
// level, where every server of any weight would have been taken.
std::optional<size_t> wrr(const Pool& pool, SchedulerState& state) {
  if (state.most_weight == 0) return std::nullopt;
  const size_t started = state.position;  // 0: head
  size_t stop = pool.size();              // in the last round: give up here, where the walk began
  bool last_round = false, restarted = false;
  size_t at = state.position;
  while (true) {
    for (; at < pool.size(); ++at) {
      if (!pool[at].overloaded && pool[at].spec.weight >= state.current_weight) {
        state.position = at + 1;
        return at;
      }
      if (at == stop) return std::nullopt;
    }
    at = 0;
    state.current_weight -= state.step;
    if (state.current_weight <= 0) {
      state.current_weight = state.most_weight;
      if (last_round || started == 0) return std::nullopt;
      restarted = true;
    }
    last_round = state.current_weight <= state.step;
    if (last_round && restarted && started != 0) stop = started - 1;
  }
}

// Least connections: the smallest load wins, the first among equals.
std::optional<size_t> lc(const Pool& pool, SchedulerState&) {
  std::optional<size_t> least;
  for (size_t i = 0; i < pool.size(); ++i) {
    if (!eligible(pool[i])) continue;
    if (!least || overhead(pool[i]) < overhead(pool[*least])) least = i;
  }
  return least;
}

// Weighted least connections: the smallest load per weight; compared by cross multiplication, so nothing is rounded.
std::optional<size_t> wlc(const Pool& pool, SchedulerState&) {
  std::optional<size_t> least;
  for (size_t i = 0; i < pool.size(); ++i) {
    if (!eligible(pool[i])) continue;
    if (!least || overhead(pool[*least]) * pool[i].spec.weight > overhead(pool[i]) * pool[*least].spec.weight) {
      least = i;
    }
  }
  return least;
}

struct Row {
  Scheduler scheduler;
  const char* name;
  std::optional<size_t> (*choose)(const Pool&, SchedulerState&);
};
constexpr std::array<Row, static_cast<size_t>(Scheduler::count_)> kSchedulers = {{
    {Scheduler::rr, "rr", rr},
    {Scheduler::wrr, "wrr", wrr},
    {Scheduler::lc, "lc", lc},
    {Scheduler::wlc, "wlc", wlc},
}};
static_assert(std::ranges::all_of(kSchedulers, [](const Row& r) {
  return &r - kSchedulers.data() == static_cast<std::ptrdiff_t>(r.scheduler);
}));

}  // namespace

const char* name(Scheduler s) { return kSchedulers[static_cast<size_t>(s)].name; }

std::optional<Scheduler> parse_scheduler(std::string_view word) {
  for (const Row& row : kSchedulers) {
    if (word == row.name) return row.scheduler;
  }
  return std::nullopt;
}

std::optional<size_t> choose(Scheduler scheduler, const Pool& pool, SchedulerState& state) {
  return kSchedulers[static_cast<size_t>(scheduler)].choose(pool, state);
}

void begin(Scheduler scheduler, const Pool& pool, SchedulerState& state) {
  state = {};
  if (scheduler != Scheduler::wrr) return;
  wrr_begin(pool, state);
  state.current_weight = state.most_weight;
}

void server_changed(Scheduler scheduler, const Pool& pool, SchedulerState& state) {
  if (scheduler != Scheduler::wrr) return;
  wrr_begin(pool, state);
  // The threshold stays where it was, as far as the new weights have such a level.
  if (state.current_weight > state.most_weight || state.current_weight == 0) {
    state.current_weight = state.most_weight;
  } else if (state.step > 1) {
    state.current_weight = (state.current_weight / state.step) * state.step + 1;
  }
}

void server_added(Scheduler scheduler, const Pool& pool, SchedulerState& state) {
  if (state.position != 0) ++state.position;  // the last choice moved one down
  server_changed(scheduler, pool, state);
}

void server_removed(Scheduler scheduler, const Pool& pool, SchedulerState& state, size_t was_at) {
  // Without the last choice itself, the one before it counts as such; without one before it, nothing changes.
  if (was_at < state.position) --state.position;
  server_changed(scheduler, pool, state);
}

}  // namespace rawvs
