// SPDX-License-Identifier: BSD-2-Clause
// quorums.h: whether enough of each service's servers are up, and what a service without enough does about it.
// In:  policies of services, their members, each member's part of its service's sums.
// Out: QuorumChange; members to be released from damping, since they are needed.
// Not: whether a server is up (target_state.h), what the sorry server does (checked_servers.h).
//
// Services are looked at again only when something of them has changed; the cost of a change is that of one addition.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "rawvs/time.h"
#include "side/backlog.h"
#include "side/health_types.h"

namespace rawvs {

class Quorums {
 public:
  static constexpr uint32_t kNone = 0xffffffff;
  struct Part {  // of its service's sums, of one member
    uint32_t alive = 0, undecided = 0, configured = 0;
    bool damped = false;
  };
  struct Entry : ServiceHealth {
    bool changed = false;
    bool held = false;                    // hold()
    uint32_t damped = 0;                  // number of damped members
    std::optional<uint32_t> releasing{};  // damped members are being released: the next place in members
    std::vector<uint32_t> members;        // targets
  };

  // Services have numbers of the caller's; here each has a slot. kNone: there is no such service.
  uint32_t find(uint32_t service) const;
  size_t size() const { return slot_of_.size(); }
  const Entry& operator[](uint32_t slot) const { return entries_[slot]; }
  uint32_t add(uint32_t service, Instant now);  // REQUIRES: it is not there
  void set(uint32_t slot, const HealthPolicy& policy);
  void remove(uint32_t slot);  // REQUIRES: it has no members
  void hold(uint32_t slot);    // it is not judged until the next set()
  void count_latency(uint32_t slot, Duration took) { entries_[slot].latencies.add(took); }
  uint32_t join(uint32_t slot, uint32_t target);               // returns the member's place
  uint32_t leave(uint32_t slot, uint32_t place);               // returns the target that has this place now
  void change(uint32_t slot, Part& counted, const Part& now);  // puts one part in place of another

  // Judges services that have changed, `left` of them and of members to release; release(target) is called for each
  // member of a service whose damped ones are needed, and may call change().
  void review(size_t left, Instant now, const std::function<void(uint32_t)>& release, std::vector<QuorumChange>& news);
  bool due() const { return !changed_.empty(); }

 private:
  void touch(uint32_t slot);
  bool judge(Entry& entry, size_t& left, Instant now, const std::function<void(uint32_t)>& release,
             std::vector<QuorumChange>& news);  // false: unfinished

  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  Backlog<uint32_t> changed_;
  std::unordered_map<uint32_t, uint32_t> slot_of_;
};

}  // namespace rawvs
