// SPDX-License-Identifier: BSD-2-Clause
// scheduler_hash.cpp: dh, sh and mh, the schedulers by hash. scheduler.h defines hashes and tables. A table holds
// indexes into the order of servers, so it is filled anew when the order or a weight changes.
#include <algorithm>
#include <bit>
#include <numeric>

#include "core/schedulers.h"
#include "core/siphash.h"

namespace rawvs::schedulers {

namespace {

constexpr size_t kBuckets = 256;         // of dh and sh
constexpr size_t kMaglevBuckets = 4093;  // a prime: every skip visits all buckets
constexpr int kShareBits = 6;
constexpr uint16_t kFree = 0xffff;
constexpr HashKey kBucketKey{2654435761u, 2654435761u}, kSkipKey{2654446892u, 2654446892u};
constexpr HashKey kPartKey{0, 1};  // unlike the other keys, so that a part's clients are spread over all buckets

uint32_t number(Ip address, Port port) { return address.v4() + port.value; }

size_t multiplicative(uint32_t n) { return static_cast<size_t>(n * 0x61c88647u >> 24); }

uint32_t maglev(HashKey key, uint32_t n) { return static_cast<uint32_t>(siphash13(key, n)); }

uint32_t client(const Question& q) {
  return number(q.request.client, q.policy.flags & SchedulerFlags::port ? q.request.client_port : Port());
}

template <class Fits>  // bool(const Server&)
bool any(const Pool& pool, Fits fits) {
  for (size_t i = 0; i < pool.size(); ++i) {
    if (fits(pool[i])) return true;
  }
  return false;
}

// The server of the first bucket; with the flag "fallback" the first one of the further buckets that is available.
// Slow start: each client belongs to one of kFullShare parts, and a server takes as many parts as its share. The other
// parts' clients go where "fallback" sends them. The tables do not change, so no other client moves.
template <class Bucket>  // size_t(uint32_t further)
Choice look_up(const Question& q, uint32_t client, bool fallback, Bucket bucket) {
  const std::vector<uint16_t>& table = q.state.table;
  if (table.empty()) return std::nullopt;
  const uint32_t part = q.state.ramping ? maglev(kPartKey, client) % kFullShare : 0;
  const auto takes = [part](const Server& s) { return eligible(s) && part < s.share; };
  const size_t first = bucket(0);
  const Server& own = q.pool[table[first]];
  if (takes(own)) return table[first];
  if (!eligible(own) && !fallback) return std::nullopt;
  // With all servers out, a flood of new clients must not cost a whole round each.
  const bool some = any(q.pool, takes);
  if (!some && eligible(own)) return table[first];
  if (!some && !any(q.pool, eligible)) return std::nullopt;
  for (size_t i = 0; i < table.size(); ++i) {
    const uint16_t at = table[bucket(static_cast<uint32_t>((i + first) % table.size()))];
    if (some ? takes(q.pool[at]) : eligible(q.pool[at])) return at;
  }
  return std::nullopt;
}

// A server's sequence of preferred buckets (mh).
struct Preference {
  size_t next, skip;
  int32_t share;
};

std::vector<Preference> preferences(const Pool& pool) {
  int32_t divisor = 0, most = 0;
  for (size_t i = 0; i < pool.size(); ++i) {
    divisor = std::gcd(divisor, pool[i].last_weight);
    most = std::max(most, pool[i].last_weight);
  }
  if (divisor == 0) return {};
  const int bits = static_cast<int>(std::bit_width(static_cast<uint32_t>(most / divisor)));
  const int halvings = std::max(0, bits - kShareBits);
  std::vector<Preference> all;
  all.reserve(pool.size());
  for (size_t i = 0; i < pool.size(); ++i) {
    const uint32_t n = number(pool[i].spec.at.addr, pool[i].spec.at.port);
    const int32_t weight = pool[i].last_weight;
    all.push_back({.next = maglev(kBucketKey, n) % kMaglevBuckets,
                   .skip = maglev(kSkipKey, n) % (kMaglevBuckets - 1) + 1,
                   .share = weight == 0 ? 0 : std::max(1, (weight / divisor) >> halvings)});
  }
  return all;
}

}  // namespace

void fill_dh(const Pool& pool, SchedulerState& state) {
  state.table.assign(pool.size() == 0 ? 0 : kBuckets, kFree);
  size_t at = 0;
  for (uint16_t& bucket : state.table) bucket = static_cast<uint16_t>(at++ % pool.size());
}

void fill_sh(const Pool& pool, SchedulerState& state) {
  state.table.assign(pool.size() == 0 ? 0 : kBuckets, kFree);
  size_t at = 0;
  int32_t given = 0;
  for (uint16_t& bucket : state.table) {
    bucket = static_cast<uint16_t>(at);
    if (++given < pool[at].full_weight()) continue;
    at = (at + 1) % pool.size();
    given = 0;
  }
}

void fill_mh(const Pool& pool, SchedulerState& state) {
  std::vector<Preference> all = preferences(pool);
  state.table.assign(all.empty() ? 0 : kMaglevBuckets, kFree);
  size_t left = state.table.size();
  while (left != 0) {
    for (size_t i = 0; i < all.size(); ++i) {
      for (int32_t n = 0; n < all[i].share && left != 0; ++n, --left) {
        size_t& next = all[i].next;
        while (state.table[next] != kFree) next = (next + all[i].skip) % kMaglevBuckets;
        state.table[next] = static_cast<uint16_t>(i);
      }
    }
  }
}

namespace {

// dh, sh: the further buckets follow the first one.
Choice from_bucket(const Question& q, size_t first, bool fallback) {
  return look_up(q, client(q), fallback, [first](uint32_t further) { return (first + further) % kBuckets; });
}

bool falls_back(const Question& q) { return (q.policy.flags & SchedulerFlags::fallback) != 0; }

}  // namespace

Choice dh(const Question& q) { return from_bucket(q, multiplicative(number(q.request.destination, Port())), false); }

Choice sh(const Question& q) { return from_bucket(q, multiplicative(client(q)), falls_back(q)); }

Choice mh(const Question& q) {
  const uint32_t n = client(q);
  return look_up(q, n, falls_back(q),
                 [n](uint32_t further) { return maglev(kBucketKey, n + further) % kMaglevBuckets; });
}

}  // namespace rawvs::schedulers
