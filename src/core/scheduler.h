// SPDX-License-Identifier: BSD-2-Clause
// scheduler.h: chooses the real server for a new connection as IPVS does, ties included.
// In:  a service's policy, its servers newest first, the scheduler's state, the request.
// Out: an index into that order, or none.
//
// Common to all schedulers: servers with weight 0 and overloaded ones are never chosen (except that lblc stays with an
// overloaded one, as in IPVS); among equals the first in the order wins, because comparisons are strict. Only lblc and
// lblcr allocate, when they first see a destination, and mh, for the first choice after a change.
//
// The hashes are fixed: two directors place a client alike, and like IPVS on a 64-bit little-endian machine. An address
// counts as a number in host order, an IPv6 address as its four words XORed; sh and mh add the client's port to it if
// the flag "port" is set.
//   dh, sh  256 buckets. Bucket: the top 8 bits of number * 0x61c88647 modulo 2^32. dh assigns one bucket to each
//           server in turn; sh assigns each as many consecutive buckets as its weight (weight 0: one); and so around.
//   mh      Maglev with 4093 buckets. Hash: the low 32 bits of SipHash-1-3 of the number as four bytes, little-endian;
//           both words of the key are 2654435761 for buckets and 2654446892 for skips. Server S, hashed by its address
//           plus port, prefers the buckets (hash(S) % 4093 + i * (skip hash(S) % 4092 + 1)) % 4093, i = 0, 1, ...
//           In turn each server takes its next free buckets, as many as its share, until all are taken. Share: the last
//           weight that was not 0, divided by the weights' greatest common divisor, and halved until the greatest share
//           fits into 6 bits; at least 1. So a server at weight 0 keeps its buckets.
//   With the flag "fallback", other buckets are tried when the bucket's server is out. Try k = 0, 1, ..., as many as
//   there are buckets: mh hashes the number plus (k + first bucket), sh takes the k-th bucket after the first. With
//   nearly all servers out, a new client costs mh up to 4093 hashes: some tens of microseconds.
// twos draws random numbers from a generator with the given seed: the same seed gives the same choices.
#pragma once

#include <optional>
#include <span>

#include "core/service.h"

namespace rawvs {

class Pool {  // a service's servers in scheduling order
 public:
  Pool(std::span<const Server> all, std::span<const ServerSlot> order) : all_(all), order_(order) {}
  size_t size() const { return order_.size(); }
  const Server& operator[](size_t i) const { return all_[order_[i]]; }

 private:
  std::span<const Server> all_;
  std::span<const ServerSlot> order_;
};

struct Request {  // what schedulers may know of the packet that begins a connection
  Ip client{};
  Port client_port{};
  Ip destination{};
  Instant now{};
};

// The settings of a service that choices depend on; flags: SchedulerFlags.
struct Policy {
  Scheduler scheduler = Scheduler::wlc;
  uint8_t flags = 0;
  Duration lblc_expiration = 24h, lblcr_expiration = 24h;  // Settings
};

std::optional<size_t> choose(const Policy& policy, const Pool& pool, SchedulerState& state, const Request& request);

// Updates the scheduler's state when the service's servers change. As in IPVS: rr keeps its place, wrr starts over, dh,
// sh and mh fill their tables anew, lblc and lblcr remember a removed server in case it returns.
//
// The next choice fills a table, however many servers have changed. wrr looks at each different weight once. lblcr
// looks at the servers that it remembers. The others look at the one server only.
void begin(Scheduler scheduler, const Pool& pool, SchedulerState& state, uint64_t seed);  // new service or scheduler
void server_added(Scheduler scheduler, const Pool& pool, SchedulerState& state);  // the server is now at index 0
void server_changed(Scheduler scheduler, SchedulerState& state, const Weighed& was, const Weighed& is);
void server_removed(Scheduler scheduler, SchedulerState& state, size_t was_at, const Weighed& was);

}  // namespace rawvs
