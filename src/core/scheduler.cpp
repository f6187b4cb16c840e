// SPDX-License-Identifier: BSD-2-Clause
// scheduler.cpp: the schedulers that count connections or take turns, and the table of all schedulers. "Position" is
// the index after the last choice; 0 is before the first server.
#include "core/scheduler.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "core/schedulers.h"

namespace rawvs {

namespace {

using namespace schedulers;

// Slow start: a server takes as many of kFullShare turns as its share, evenly spread.
bool has_turn(const Server& s, uint32_t turn) { return turn * s.share % kFullShare < s.share; }

// Round robin: continues after the last choice, once around. A turn is a round; within kFullShare turns each server has
// one.
Choice rr(const Question& q) {
  const Pool& pool = q.pool;
  SchedulerState& state = q.state;
  const size_t most = pool.size() * (state.ramping ? kFullShare : 1);
  for (size_t i = 0; i < most; ++i) {
    const size_t at = (state.position + i) % pool.size();
    if (at == 0) state.turn = (state.turn + 1) % kFullShare;
    if (!eligible(pool[at]) || !has_turn(pool[at], state.turn)) continue;
    state.position = at + 1;
    return at;
  }
  return std::nullopt;
}

void weigh_levels(SchedulerState& state) {
  int64_t divisor = 0, most = 0;
  for (const auto& [weighed, servers] : state.weights) {
    divisor = std::gcd(divisor, weight(state, weighed));
    most = std::max(most, weight(state, weighed));
  }
  state.position = 0;
  state.step = divisor == 0 ? 1 : divisor;
  state.most_weight = most == 0 ? 0 : most - (state.step - 1);
  // The threshold stays, unless the new weights have no such level.
  if (state.current_weight > state.most_weight || state.current_weight == 0) {
    state.current_weight = state.most_weight;
  } else if (state.step > 1) {
    state.current_weight = (state.current_weight / state.step) * state.step + 1;
  }
}

// The next round's threshold: lower by a step, or by several if no weight reaches the levels between. The lowest level
// is always visited: there wrr() decides to give up.
int64_t next_level(const Pool& pool, const SchedulerState& state) {
  int64_t reached = state.step;
  for (size_t i = 0; i < pool.size(); ++i) {
    if (!pool[i].overloaded) reached = std::max(reached, weight(state, pool[i]));
  }
  const int64_t next = state.current_weight - state.step;
  if (next <= reached) return next;
  return next - (next - reached + state.step - 1) / state.step * state.step;
}

// Weighted round robin, interleaved: walks the list with a falling threshold and takes the servers whose weight reaches
// it. The walk continues from call to call, and gives up after a whole round at the lowest level, which any weight
// reaches. Levels that no weight reaches are skipped: IPVS walks through them, which with weights in the billions takes
// seconds.
Choice wrr(const Question& q) {
  const Pool& pool = q.pool;
  SchedulerState& state = q.state;
  if (state.most_weight == 0) return std::nullopt;
  const size_t started = state.position;  // 0: before the first server
  size_t stop = pool.size();              // in the last round: the place where the walk began
  bool last_round = false, restarted = false;
  size_t at = state.position;
  while (true) {
    for (; at < pool.size(); ++at) {
      if (!pool[at].overloaded && weight(state, pool[at]) >= state.current_weight) {
        state.position = at + 1;
        return at;
      }
      if (at == stop) return std::nullopt;
    }
    at = 0;
    state.current_weight = next_level(pool, state);
    if (state.current_weight <= 0) {
      state.current_weight = state.most_weight;
      if (last_round || started == 0) return std::nullopt;
      restarted = true;
    }
    last_round = state.current_weight <= state.step;
    if (last_round && restarted && started != 0) stop = started - 1;
  }
}

// Least connections: the smallest load, whatever the weights; per share during a slow start.
Choice lc(const Question& q) {
  const Pool& pool = q.pool;
  Choice best;
  for (size_t i = 0; i < pool.size(); ++i) {
    if (!eligible(pool[i])) continue;
    if (!best || overhead(pool[i]) * pool[*best].share < overhead(pool[*best]) * pool[i].share) best = i;
  }
  return best;
}

// Weighted least connections: the smallest load per weight.
Choice wlc(const Question& q) { return least(q, overhead); }

// Shortest expected delay: the smallest load per weight, counting the new connection and active ones only.
int64_t delay(const Server& s) { return int64_t{s.active} + 1; }
Choice sed(const Question& q) { return least(q, delay); }

// Never queue: the first server without an active connection, else as sed. A server in a slow start is not taken for
// idle.
Choice nq(const Question& q) {
  for (size_t i = 0; i < q.pool.size(); ++i) {
    if (eligible(q.pool[i]) && q.pool[i].active == 0 && q.pool[i].share == kFullShare) return i;
  }
  return sed(q);
}

// The server of the greatest weight for which fits() is true.
template <class Fits>
Choice heaviest(const Pool& pool, Fits fits) {
  Choice best;
  for (size_t i = 0; i < pool.size(); ++i) {
    if (!eligible(pool[i]) || !fits(pool[i])) continue;
    if (!best || pool[i].full_weight() > pool[*best].full_weight()) best = i;
  }
  return best;
}

// Failover: all connections go to the greatest weight that is up. A turn is a choice.
Choice fo(const Question& q) {
  q.state.turn = (q.state.turn + 1) % kFullShare;
  const Choice best = heaviest(q.pool, [&](const Server& s) { return has_turn(s, q.state.turn); });
  return best ? best : heaviest(q.pool, [](const Server&) { return true; });
}

// Overflow: as fo, but goes on to the next server when a server has more active connections than its weight. During a
// slow start no client is refused.
Choice ovf(const Question& q) {
  const Choice best =
      heaviest(q.pool, [&](const Server& s) { return int64_t{s.active} * q.state.parts <= weight(q.state, s); });
  if (best || !q.state.ramping) return best;
  return heaviest(q.pool, [](const Server& s) { return int64_t{s.active} <= s.full_weight(); });
}

// SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
uint64_t next_random(uint64_t& state) {
  state += 0x9e3779b97f4a7c15u;
  uint64_t z = state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

// The less loaded per weight of two servers drawn by weight; the first drawn on a tie. IPVS draws from 0 up to and
// including the sum of the weights, which favours the first in the order by one part in that sum; so does this.
Choice twos(const Question& q) {
  uint64_t sum = 0;
  for (size_t i = 0; i < q.pool.size(); ++i) {
    if (eligible(q.pool[i])) sum += static_cast<uint64_t>(weight(q.state, q.pool[i]));
  }
  if (sum == 0) return std::nullopt;
  const auto draw = [&] {
    uint64_t passed = 0, until = next_random(q.state.random) % (sum + 1);
    size_t i = 0;
    for (;; ++i) {
      if (!eligible(q.pool[i])) continue;
      passed += static_cast<uint64_t>(weight(q.state, q.pool[i]));
      if (passed >= until) return i;
    }
  };
  const size_t first = draw(), second = draw();
  const Server &a = q.pool[first], &b = q.pool[second];
  return heavier(q.state, a, overhead(a), b, overhead(b)) ? second : first;
}

struct Row {
  Scheduler scheduler;
  const char* name;
  Choice (*choose)(const Question&);
  void (*fill)(const Pool&, SchedulerState&) = nullptr;  // the table; null: it has none
};
constexpr std::array<Row, static_cast<size_t>(Scheduler::count_)> kSchedulers = {{
    {Scheduler::rr, "rr", rr},
    {Scheduler::wrr, "wrr", wrr},
    {Scheduler::lc, "lc", lc},
    {Scheduler::wlc, "wlc", wlc},
    {Scheduler::sed, "sed", sed},
    {Scheduler::nq, "nq", nq},
    {Scheduler::dh, "dh", dh, fill_dh},
    {Scheduler::sh, "sh", sh, fill_sh},
    {Scheduler::mh, "mh", mh, fill_mh},
    {Scheduler::fo, "fo", fo},
    {Scheduler::ovf, "ovf", ovf},
    {Scheduler::lblc, "lblc", lblc},
    {Scheduler::lblcr, "lblcr", lblcr},
    {Scheduler::twos, "twos", twos},
}};
static_assert(std::ranges::all_of(kSchedulers, [](const Row& r) {
  return &r - kSchedulers.data() == static_cast<std::ptrdiff_t>(r.scheduler);
}));
const Row& row(Scheduler s) { return kSchedulers[static_cast<size_t>(s)]; }

void count(Scheduler scheduler, SchedulerState& state, const Weighed& server, bool joins) {
  constexpr int32_t kMostInParts = INT32_MAX / kFullShare;
  const auto by = [joins](uint32_t& n) { return joins ? ++n : --n; };
  if (server.share != kFullShare) by(state.ramping_servers);
  if (server.full > kMostInParts) by(state.heavy_servers);
  if (scheduler == Scheduler::wrr && by(state.weights[server]) == 0) state.weights.erase(server);
}

// Does not count in parts where weight times load could overflow.
void note_change(Scheduler scheduler, SchedulerState& state) {
  state.ramping = state.ramping_servers != 0;
  state.parts = state.ramping && state.heavy_servers == 0 ? kFullShare : 1;
  state.table_stale = row(scheduler).fill != nullptr;
  if (state.table_stale) state.table.reserve(scheduler == Scheduler::mh ? kMaglevBuckets : kBuckets);
  if (scheduler == Scheduler::wrr) weigh_levels(state);
}

}  // namespace

const char* name(Scheduler s) { return row(s).name; }

std::optional<Scheduler> parse_scheduler(std::string_view word) {
  for (const Row& r : kSchedulers) {
    if (word == r.name) return r.scheduler;
  }
  return std::nullopt;
}

std::optional<size_t> choose(const Policy& policy, const Pool& pool, SchedulerState& state, const Request& request) {
  const Row& its = row(policy.scheduler);
  if (std::exchange(state.table_stale, false)) its.fill(pool, state);
  return its.choose({policy, pool, state, request});
}

void begin(Scheduler scheduler, const Pool& pool, SchedulerState& state, uint64_t seed) {
  state = {};
  state.random = seed;
  for (size_t i = 0; i < pool.size(); ++i) count(scheduler, state, Weighed(pool[i]), true);
  note_change(scheduler, state);
}

void server_changed(Scheduler scheduler, SchedulerState& state, const Weighed& was, const Weighed& is) {
  count(scheduler, state, was, false);
  count(scheduler, state, is, true);
  note_change(scheduler, state);
}

void server_added(Scheduler scheduler, const Pool& pool, SchedulerState& state) {
  if (state.position != 0) ++state.position;  // the last choice is one place further now
  count(scheduler, state, Weighed(pool[0]), true);
  remember_added(pool, state, scheduler == Scheduler::lblcr);
  note_change(scheduler, state);
}

void server_removed(Scheduler scheduler, SchedulerState& state, size_t was_at, const Weighed& was) {
  // Without the last choice, the one before it takes its place; without one before it, nothing changes.
  if (was_at < state.position) --state.position;
  count(scheduler, state, was, false);
  remember_removed(state, was_at);
  note_change(scheduler, state);
}

}  // namespace rawvs
