// SPDX-License-Identifier: BSD-2-Clause
// health.h: which real servers work: when each is checked, what the results mean, and what follows from them.
// In:  targets (a real server of a service, and its check), results of probes, the time.
// Out: probes to start; verdicts on targets (came, went, slow start) and on services (quorum, sorry server).
// Not: probing (probes.h), weights and connections (the director applies TargetChange), lines of the log (the caller).
//
// The caller numbers targets and services; a number stays the same while the server is configured. It is no slot of
// service.h, because a server that is down may lose its slot there.
// A check is 1 + retries attempts, and the first success ends it; checks of one target never overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rawvs/time.h"
#include "side/check_schedule.h"
#include "side/deadlines.h"
#include "side/health_types.h"
#include "side/quorums.h"
#include "side/target_state.h"

namespace rawvs {

class Health {
 public:
  // Deadlines, services and targets handled in one time_passed(); many make a line of the log.
  static constexpr size_t kPortion = 64;
  static constexpr Duration kGrace = 1s;  // a probe without a result this long after its timeout is given up

  Health(uint32_t most_targets, uint64_t seed) : most_(most_targets), schedule_(seed) {}

  // These report no TargetChange: the caller reads verdict() afterwards. Quorums and first probes follow with the next
  // time_passed(), which is due at once. An existing id is replaced: with the same check and addresses it keeps its
  // state; with others it is checked anew, and keeps its verdict until the first result. False: no room, or no such
  // service.
  [[nodiscard]] bool set_service(uint32_t service, const HealthPolicy& policy, Instant now);
  // Its servers are being replaced, in portions: what they add up to decides nothing until the next set_service().
  void hold_quorum(uint32_t service);
  [[nodiscard]] bool set_target(const Target& target, Instant now);
  // An earlier daemon's verdict, since `from`, stands until the first result. False: there is one, or no such target.
  bool recall(TargetId id, bool well, Instant from, Instant now);
  void set_weight(TargetId id, int32_t weight);  // the operator's, until set_target() sets another one
  void start_slowly(TargetId id, Instant now);   // if it serves: it was kept back by something else than its check
  void remove_target(TargetId id);
  void remove_service(uint32_t service);  // and its targets

  // Adds at most `most` probes to start, and does kPortion pieces of other work; the rest stays due. REQUIRES: results
  // that have arrived were passed to answered(), so that a process that was stopped does not give up answered probes.
  void time_passed(Instant now, size_t most, std::vector<ProbeToStart>& probes, HealthNews& news);
  // text: the prober's, "connection refused". False: no target waits for this probe.
  bool answered(ProbeId id, bool well, std::string_view text, Instant now, HealthNews& news);
  // The probe could not be started (no descriptor left, no route known yet): not the server's fault; it is tried again
  // after `later`. False: as above.
  bool postponed(ProbeId id, Duration later, Instant now);
  Instant next_deadline() const;  // O(1); Instant{}: at once

  Verdict verdict(TargetId id, Instant now) const;  // for an unknown id: does not serve, not in the table
  uint32_t flaps(TargetId id, Instant now) const;   // FlapHistory::count()
  const TargetHealth* find(TargetId id) const;      // borrowed until the next change of targets
  const ServiceHealth* find_service(uint32_t service) const;
  uint32_t targets() const { return static_cast<uint32_t>(by_id_.size()); }
  uint32_t running() const { return schedule_.running(); }  // probes

 private:
  struct Slot : TargetState {
    bool used = false;
    bool running = false;               // a probe
    uint32_t service = Quorums::kNone;  // slot
    uint32_t place = 0;                 // in the service's members
    Quorums::Part counted{};            // of its service's sums
    uint64_t serial = 0;                // of the last probe; not reset when the slot is reused
    Instant probe_begun{}, check_begun{};
    Instant given_up() const { return probe_begun + target.check->timeout + kGrace; }  // of a running probe
  };
  struct IdHash {
    size_t operator()(TargetId id) const { return std::hash<uint64_t>()(uint64_t{id.service} << 32 | id.server); }
  };

  Slot* slot_of(TargetId id);
  Slot* waiting_for(ProbeId id);
  uint32_t number_of(const Slot& slot) const { return static_cast<uint32_t>(&slot - targets_.data()); }
  ProbeId probe_of(const Slot& slot) const;
  const HealthPolicy& policy_of(const Slot& slot) const { return quorums_[slot.service].policy; }
  bool add_target(const Target& target, uint32_t service, Instant now);
  void first_check(const Slot& slot, Instant now);
  void start(Slot& slot, Instant now, std::vector<ProbeToStart>& probes);
  void probe_ended(Slot& slot);
  void cancel(Slot& slot);
  void fail(Slot& slot, std::string_view text, Instant now, HealthNews& news);
  void apply(Slot& slot, std::optional<TargetChange::What> what, Instant now, HealthNews& news);
  void count(Slot& slot);
  void woken(Slot& slot, Instant now, HealthNews& news);
  void wake(const Slot& slot, Instant now);  // sets its deadline, except that of its next probe

  uint32_t most_;
  std::vector<Slot> targets_;
  std::vector<uint32_t> free_;
  std::unordered_map<TargetId, uint32_t, IdHash> by_id_;
  Quorums quorums_;
  CheckSchedule schedule_;
  Deadlines wakes_;                 // of giving up a probe, or of the next step of the slow start
  std::vector<ProbeId> cancelled_;  // between two calls of time_passed()
};

}  // namespace rawvs
