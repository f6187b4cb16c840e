// SPDX-License-Identifier: BSD-2-Clause
// scheduler.h: which real server takes a new connection: IPVS's choice, tie-break included.
// In:  a service, its servers newest first, the scheduler's own state.   Out: an index into that order, or none.
// Rules common to all: weight 0 and overloaded servers are never chosen; among equals the first in the order wins,
// because comparisons are strict.
#pragma once

#include <optional>
#include <span>

#include "rawvs/service.h"

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

std::optional<size_t> choose(Scheduler scheduler, const Pool& pool, SchedulerState& state);

// What a change of the service's servers does to the scheduler's state. IPVS: rr keeps its place, wrr starts over.
void begin(Scheduler scheduler, const Pool& pool, SchedulerState& state);         // new service, or new scheduler
void server_added(Scheduler scheduler, const Pool& pool, SchedulerState& state);  // it is now at index 0
void server_changed(Scheduler scheduler, const Pool& pool, SchedulerState& state);
void server_removed(Scheduler scheduler, const Pool& pool, SchedulerState& state, size_t was_at);

}  // namespace rawvs
