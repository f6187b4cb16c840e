// SPDX-License-Identifier: BSD-2-Clause
// scheduler_hash.cpp: dh, sh and mh, the schedulers by hash. scheduler.h defines hashes and tables. A table holds
// indexes into the order of servers, so it is filled anew when the order or a weight has changed: by the next choice,
// not with each change. For 65,000 servers mh needs about a millisecond.
#include <algorithm>
#include <bit>
#include <numeric>

#include "core/schedulers.h"
#include "core/siphash.h"

namespace rawvs::schedulers {

namespace {

constexpr int kShareBits = 6;
constexpr uint16_t kFree = 0xffff;
constexpr HashKey kBucketKey{2654435761u, 2654435761u}, kSkipKey{2654446892u, 2654446892u};
constexpr HashKey kPartKey{0, 1};  // unlike the other keys, so that a part's clients are spread over all buckets

uint32_t number(Ip address, Port port) { return address.folded() + port.value; }

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
  uint16_t server;
  size_t next, skip;
  int32_t share;
};

// How many buckets a server takes in each round.
class Shares {
 public:
  explicit Shares(const Pool& pool) {
    int32_t most = 0;
    for (size_t i = 0; i < pool.size(); ++i) {
      divisor_ = std::gcd(divisor_, pool[i].last_weight);
      most = std::max(most, pool[i].last_weight);
    }
    if (divisor_ == 0) return;
    const int bits = static_cast<int>(std::bit_width(static_cast<uint32_t>(most / divisor_)));
    halvings_ = std::max(0, bits - kShareBits);
  }
  bool none() const { return divisor_ == 0; }
  int32_t of(const Server& s) const {
    return none() || s.last_weight == 0 ? 0 : std::max(1, (s.last_weight / divisor_) >> halvings_);
  }

 private:
  int32_t divisor_ = 0;
  int halvings_ = 0;
};

Preference preference(const Pool& pool, size_t i, int32_t share) {
  const Endpoint at = pool[i].spec.at;
  // IPVS reads the address as one of the service's family: of a server over IPv6 only the first word.
  const bool other = at.addr.is_v6() && pool[i].key.family() == Family::ipv4;
  const uint32_t n = number(other ? Ip(static_cast<uint32_t>(at.addr.hi() >> 32)) : at.addr, at.port);
  return {.server = static_cast<uint16_t>(i),
          .next = maglev(kBucketKey, n) % kMaglevBuckets,
          .skip = maglev(kSkipKey, n) % (kMaglevBuckets - 1) + 1,
          .share = share};
}

// As many buckets as its share is, while some are left: their number is returned.
size_t take_buckets(Preference& p, std::vector<uint16_t>& table, size_t left) {
  for (int32_t n = 0; n < p.share && left != 0; ++n, --left) {
    while (table[p.next] != kFree) p.next = (p.next + p.skip) % kMaglevBuckets;
    table[p.next] = p.server;
  }
  return left;
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
  const Shares shares(pool);
  state.table.assign(shares.none() ? 0 : kMaglevBuckets, kFree);
  size_t left = state.table.size();
  std::vector<Preference> all;  // of those that had a turn: the others are too many
  for (size_t i = 0; i < pool.size() && left != 0; ++i) {
    const int32_t share = shares.of(pool[i]);
    if (share != 0) left = take_buckets(all.emplace_back(preference(pool, i, share)), state.table, left);
  }
  while (left != 0) {
    for (Preference& p : all) left = take_buckets(p, state.table, left);
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
