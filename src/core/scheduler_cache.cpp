// SPDX-License-Identifier: BSD-2-Clause
// scheduler_cache.cpp: lblc and lblcr, the schedulers for caches: a destination stays with its server (lblc) or servers
// (lblcr), unless they are overloaded while others are idle. New servers are chosen as by wlc. A service has few
// destinations: its VIP, or the VIPs of its mark. As in IPVS, unused destinations are removed by a sweep every half
// hour (counted from the first choice), and a removed server keeps its place until it returns.
#include <algorithm>

#include "core/schedulers.h"

namespace rawvs::schedulers {

namespace {

constexpr size_t kMostDestinations = 16384;  // as in IPVS; others are scheduled, but not remembered
constexpr Duration kSweepInterval = 30min;
constexpr std::ptrdiff_t kMostRemoved = 64;  // removed servers remembered per destination

using Member = Affinity::Member;

bool removed(const Member& m) { return m.index == kNoServer; }

void sweep(SchedulerState& state, Duration expiration, Instant now) {
  if (state.next_sweep == Instant{}) state.next_sweep = now + kSweepInterval;
  if (now < state.next_sweep) return;
  const Instant last = now - (now - state.next_sweep) % kSweepInterval;  // the last time it was due
  std::erase_if(state.affinities, [&](const Affinity& a) { return a.used + expiration <= last; });
  state.next_sweep = last + kSweepInterval;
}

auto position(SchedulerState& state, Ip destination) {
  return std::ranges::lower_bound(state.affinities, destination, {}, &Affinity::destination);
}

Affinity* find(SchedulerState& state, Ip destination) {
  const auto at = position(state, destination);
  return at != state.affinities.end() && at->destination == destination ? &*at : nullptr;
}

Member member(const Question& q, size_t at) { return {.at = q.pool[at].spec.at, .index = static_cast<uint16_t>(at)}; }

void remember(const Question& q, size_t at, size_t room) {
  if (q.state.affinities.size() >= kMostDestinations) return;
  const auto now = q.request.now;
  Affinity a{.destination = q.request.destination, .servers = {}, .used = now, .changed = now};
  a.servers.reserve(room);
  a.servers.push_back(member(q, at));
  q.state.affinities.insert(position(q.state, q.request.destination), std::move(a));
}

// True if the server has more connections than its weight while another has less than half of its own.
bool overworked(const Question& q, const Server& s) {
  const auto load = [&](const Server& server) { return int64_t{server.active} * q.state.parts; };
  if (load(s) <= weight(q.state, s)) return false;
  for (size_t i = 0; i < q.pool.size(); ++i) {
    if (load(q.pool[i]) * 2 < weight(q.state, q.pool[i])) return true;
  }
  return false;
}

Choice least_of(const Question& q, const Affinity& a) {
  const Pool& pool = q.pool;
  Choice best;
  for (const Member& m : a.servers) {
    if (removed(m) || !eligible(pool[m.index])) continue;
    const Server& s = pool[m.index];
    if (!best || heavier(q.state, pool[*best], overhead(pool[*best]), s, overhead(s))) best = m.index;
  }
  return best;
}

// Removes the most loaded member. A removed server counts as one without load.
void shrink(const Question& q, Affinity& a) {
  Server gone;
  gone.spec.weight = 1;
  auto most = a.servers.end();
  const Server* heaviest = nullptr;
  for (auto m = a.servers.begin(); m != a.servers.end(); ++m) {
    const Server& s = removed(*m) ? gone : q.pool[m->index];
    if (s.spec.weight == 0) continue;
    if (heaviest && !heavier(q.state, s, overhead(s), *heaviest, overhead(*heaviest))) continue;
    most = m, heaviest = &s;
  }
  if (!heaviest) return;
  a.servers.erase(most);
  a.changed = q.request.now;
}

void join(const Question& q, Affinity& a, size_t at) {
  if (std::ranges::any_of(a.servers, [&](const Member& m) { return m.index == at; })) return;
  a.servers.insert(a.servers.begin(), member(q, at));
  a.changed = q.request.now;
}

}  // namespace

Choice lblc(const Question& q) {
  sweep(q.state, q.policy.lblc_expiration, q.request.now);
  Affinity* const a = find(q.state, q.request.destination);
  if (a) {
    a->used = q.request.now;
    const Member& m = a->servers.front();
    // As in IPVS, a server above its upper threshold keeps its destinations.
    if (!removed(m) && q.pool[m.index].spec.weight > 0 && !overworked(q, q.pool[m.index])) return m.index;
  }
  const Choice at = least(q, overhead);
  if (at && a) a->servers.front() = member(q, *at);
  if (at && !a) remember(q, *at, 1);
  return at;
}

Choice lblcr(const Question& q) {
  sweep(q.state, q.policy.lblcr_expiration, q.request.now);
  Affinity* const a = find(q.state, q.request.destination);
  if (!a) {
    const Choice at = least(q, overhead);
    if (at) remember(q, *at, q.pool.size());
    return at;
  }
  a->used = q.request.now;
  const Choice own = least_of(q, *a);
  if (a->servers.size() > 1 && q.request.now > a->changed + q.policy.lblcr_expiration) {
    shrink(q, *a);
  }
  if (own && !overworked(q, q.pool[*own])) return own;
  const Choice at = least(q, overhead);
  if (at) join(q, *a, *at);
  return at;
}

// lblc has no more than one server of a destination; lblcr's room grows by half at least, so that it seldom has to.
void remember_added(const Pool& pool, SchedulerState& state, bool sets) {
  for (Affinity& a : state.affinities) {
    for (Member& m : a.servers) {
      if (!removed(m)) {
        ++m.index;
      } else if (m.at == pool[0].spec.at) {
        m.index = 0;
      }
    }
    const size_t room = a.servers.size() + pool.size();  // so that choices need not allocate when the server joins
    if (sets && a.servers.capacity() < room) a.servers.reserve(room + room / 2);
  }
}

void remember_removed(SchedulerState& state, size_t was_at) {
  for (Affinity& a : state.affinities) {
    for (Member& m : a.servers) {
      if (removed(m)) continue;
      if (m.index == was_at) {
        m.index = kNoServer;
      } else if (m.index > was_at) {
        --m.index;
      }
    }
    if (std::ranges::count_if(a.servers, removed) > kMostRemoved) {
      a.servers.erase(std::ranges::find_if(a.servers.rbegin(), a.servers.rend(), removed).base() - 1);
    }
  }
}

}  // namespace rawvs::schedulers
