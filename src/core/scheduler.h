// SPDX-License-Identifier: BSD-2-Clause
// scheduler.h: which real server takes a new connection: IPVS's choice, tie-break included.
// In:  a service's policy, its servers newest first, the scheduler's own state, what is asked for.
// Out: an index into that order, or none.
// Rules common to all: weight 0 and overloaded servers are never chosen (lblc alone stays with an overloaded one, as in
// IPVS); among equals the first in the order wins, because comparisons are strict. Nothing is allocated but when lblc
// or lblcr first see a destination.
//
// Placement by hash is a promise: two directors of any make place a client alike, and alike with IPVS on a 64-bit
// little-endian machine. An address is its number in host order, to which sh and mh add the client's port when told to.
//   dh, sh  256 buckets. Bucket: the top 8 bits of number * 0x61c88647 modulo 2^32. dh deals the servers out in order,
//           one bucket each; sh gives each as many buckets in a row as its weight (weight 0: one), and so around.
//   mh      Maglev with 4093 buckets. Hash: SipHash-1-3 of the number as four bytes, little-endian, cut to its low 32
//           bits; both words of the key are 2654435761 for buckets and 2654446892 for skips. Server S, by its address
//           plus port, prefers the buckets (hash(S) % 4093 + i * (skip hash(S) % 4092 + 1)) % 4093, i = 0, 1, ...
//           In order and around, each takes as many of its next free ones as its share, until all are taken. Share:
//           the last weight that was not 0, divided by the weights' greatest common divisor, and halved as often as
//           the greatest such share needs to fit in 6 bits; at least 1. So a server at weight 0 keeps its buckets.
//   With the flag "fallback", a bucket whose server is out is followed by others: the k-th try, k = 0, 1, ... once
//   around, hashes the number with (k + first bucket) added (mh), or goes so far on from the first bucket (sh).
//   So with nearly all servers out, a new client costs up to 4093 hashes under mh: some tens of microseconds.
// twos takes random numbers from a generator whose seed it is given: the same seed, the same choices.
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

struct Request {  // what schedulers may look at of the packet that begins a connection
  Ip client{};
  Port client_port{};
  Ip destination{};
  Instant now{};
};

// All of a service's scheduling that choices depend on; flags: SchedulerFlags.
struct Policy {
  Scheduler scheduler = Scheduler::wlc;
  uint8_t flags = 0;
  Duration lblc_expiration = 24h, lblcr_expiration = 24h;  // Settings
};

std::optional<size_t> choose(const Policy& policy, const Pool& pool, SchedulerState& state, const Request& request);

// What a server's change may change for the scheduler.
struct Weighed {
  explicit Weighed(const Server& s) : weight(s.spec.weight), full(s.full_weight()), share(s.share) {}
  int32_t weight, full;
  uint8_t share;
  friend bool operator==(const Weighed&, const Weighed&) = default;
};

// What a change of the service's servers does to the scheduler's state. IPVS: rr keeps its place, wrr starts over, dh,
// sh and mh fill their table anew, lblc and lblcr remember a removed server in case it returns. Only those that keep a
// table of all servers, wrr and who remembers look at more than the one server.
void begin(Scheduler scheduler, const Pool& pool, SchedulerState& state, uint64_t seed);  // new service or scheduler
void server_added(Scheduler scheduler, const Pool& pool, SchedulerState& state);          // it is now at index 0
void server_changed(Scheduler scheduler, const Pool& pool, SchedulerState& state, const Weighed& was,
                    const Weighed& is);
void server_removed(Scheduler scheduler, const Pool& pool, SchedulerState& state, size_t was_at, const Weighed& was);

}  // namespace rawvs
