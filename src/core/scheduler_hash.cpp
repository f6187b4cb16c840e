// SPDX-License-Identifier: BSD-2-Clause
// scheduler_hash.cpp: the schedulers that place by hash: dh, sh and mh. scheduler.h defines the hashes and the tables.
// A table holds indexes into the order of servers, so it is filled anew whenever that order or a weight changes.
#include <algorithm>
#include <bit>
#include <numeric>

#include "rawvs/siphash.h"
#include "schedulers.h"

namespace rawvs::schedulers {

namespace {

constexpr size_t kBuckets = 256;         // of dh and sh
constexpr size_t kMaglevBuckets = 4093;  // a prime, so that every skip visits all of them
constexpr int kShareBits = 6;
constexpr uint16_t kFree = 0xffff;
constexpr HashKey kBucketKey{2654435761u, 2654435761u}, kSkipKey{2654446892u, 2654446892u};

uint32_t number(Ip address, Port port) { return address.v4() + port.value; }

size_t multiplicative(uint32_t n) { return static_cast<size_t>(n * 0x61c88647u >> 24); }

uint32_t maglev(HashKey key, uint32_t n) { return static_cast<uint32_t>(siphash13(key, n)); }

uint32_t client(const Question& q) {
  return number(q.request.client, q.policy.flags & SchedulerFlags::port ? q.request.client_port : Port());
}

bool any_eligible(const Pool& pool) {
  for (size_t i = 0; i < pool.size(); ++i) {
    if (eligible(pool[i])) return true;
  }
  return false;
}

// The server of the first bucket; with the flag "fallback", when it is out, that of the next that is not.
template <class Bucket>  // size_t(uint32_t further)
Choice look_up(const Question& q, Bucket bucket) {
  const std::vector<uint16_t>& table = q.state.table;
  if (table.empty()) return std::nullopt;
  const size_t first = bucket(0);
  if (eligible(q.pool[table[first]])) return table[first];
  // With all servers out a flood of new clients must not cost a whole round each.
  if (!(q.policy.flags & SchedulerFlags::fallback) || !any_eligible(q.pool)) return std::nullopt;
  for (size_t i = 0; i < table.size(); ++i) {
    const uint16_t at = table[bucket(static_cast<uint32_t>((i + first) % table.size()))];
    if (eligible(q.pool[at])) return at;
  }
  return std::nullopt;
}

// A server's way through the buckets of mh.
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
    if (++given < pool[at].spec.weight) continue;
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

Choice dh(const Question& q) {
  if (q.state.table.empty()) return std::nullopt;
  const uint16_t at = q.state.table[multiplicative(number(q.request.destination, Port()))];
  return eligible(q.pool[at]) ? Choice(at) : std::nullopt;
}

Choice sh(const Question& q) {
  const size_t first = multiplicative(client(q));
  return look_up(q, [first](uint32_t further) { return (first + further) % kBuckets; });
}

Choice mh(const Question& q) {
  const uint32_t n = client(q);
  return look_up(q, [n](uint32_t further) { return maglev(kBucketKey, n + further) % kMaglevBuckets; });
}

}  // namespace rawvs::schedulers
