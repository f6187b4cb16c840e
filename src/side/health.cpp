// SPDX-License-Identifier: BSD-2-Clause
// health.cpp: the tables of targets and services, their replacement by a reload, the arithmetic of the slow start.
// health_checks.cpp schedules checks and takes results, health_verdict.cpp draws conclusions.
#include "side/health.h"

#include <algorithm>
#include <utility>

namespace rawvs {

namespace {

constexpr uint32_t kMostTargets = 1u << 20;  // limit of a ProbeId
constexpr uint32_t kBurst = 16;              // first checks that begin at once; more of them begin
constexpr Duration kFirstChecksWithin = 1s;  // within this

// The number of completed steps: 0..kRampSteps - 1.
Duration::rep steps_done(Instant since, Duration slow_start, Instant now) {
  if (slow_start <= 0ms || now - since >= slow_start) return kRampSteps - 1;
  return std::max<Duration::rep>((now - since).count(), 0) * (kRampSteps - 1) / slow_start.count();
}

bool same_check(const Target& a, const Target& b) {
  return a.check == b.check || (a.check && b.check && *a.check == *b.check);
}

}  // namespace

const char* name(Condition condition) {
  switch (condition) {
    case Condition::unknown: return "unknown";
    case Condition::up: return "up";
    case Condition::down: return "down";
    case Condition::damped: return "damped";
  }
  return "?";
}

uint8_t slow_share(Instant since, Duration slow_start, Instant now) {
  return static_cast<uint8_t>(steps_done(since, slow_start, now) + 1);
}

int32_t slow_weight(int32_t weight, Instant since, Duration slow_start, Instant now) {
  const int64_t part = int64_t{weight} * slow_share(since, slow_start, now) / kRampSteps;
  return static_cast<int32_t>(std::max<int64_t>(part, std::min(weight, 1)));
}

// A step is no whole number of milliseconds: returns the first one at which it is reached.
Instant next_ramp_step(Instant since, Duration slow_start, Instant now) {
  const Duration::rep done = steps_done(since, slow_start, now);
  if (done == kRampSteps - 1) return kNever;
  return since + Duration((slow_start.count() * (done + 1) + kRampSteps - 2) / (kRampSteps - 1));
}

uint64_t Health::random() {  // SplitMix64 (Steele, Lea, Flood, 2014): only spreads checks over time
  uint64_t z = random_ += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

bool Health::set_service(uint32_t service, const HealthPolicy& policy, Instant now) {
  const auto known = group_by_id_.find(service);
  uint32_t slot = known == group_by_id_.end() ? kNone : known->second;
  if (slot == kNone) {
    if (group_by_id_.size() >= std::min(most_, kMostTargets)) return false;
    slot = static_cast<uint32_t>(groups_.size());
    if (free_groups_.empty()) {
      groups_.emplace_back();
    } else {
      slot = free_groups_.back();
      free_groups_.pop_back();
    }
    group_by_id_.emplace(service, slot);
    groups_[slot].id = service;
    groups_[slot].used = true;
    groups_[slot].since = now;
  }
  Group& group = groups_[slot];
  group.epoch = epoch_;
  if (std::exchange(group.held, false)) group.dirty = false;  // so that touch() has it looked at
  const Duration slow_start = std::exchange(group.policy, policy).slow_start;
  if (slow_start != policy.slow_start) {
    for (const uint32_t member : group.members) {
      if (targets_[member].ramp) wakes_.set(member, now);
    }
  }
  touch(slot);
  return true;
}

void Health::hold_quorum(uint32_t service) {
  const auto known = group_by_id_.find(service);
  if (known != group_by_id_.end()) groups_[known->second].held = true;
}

Health::Asked* Health::slot_of(TargetId id) {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? nullptr : &targets_[known->second];
}

bool Health::set_target(const Target& target, Instant now) {
  const auto group = group_by_id_.find(target.id.service);
  if (group == group_by_id_.end()) return false;
  Asked* const known = slot_of(target.id);
  if (!known) return add_target(target, group->second, now);
  known->epoch = epoch_;
  if (known->target.weight != target.weight) known->weight = target.weight;
  if (same_check(known->target, target) && known->target.at == target.at && known->target.vip == target.vip) {
    known->target = target;
  } else {
    replace_check(*known, target, now);
  }
  touch(*known);
  return true;
}

bool Health::add_target(const Target& target, uint32_t service, Instant now) {
  if (by_id_.size() >= std::min(most_, kMostTargets)) return false;
  uint32_t slot = static_cast<uint32_t>(targets_.size());
  if (free_targets_.empty()) {
    targets_.emplace_back();
    begins_.make_room(targets_.size());
    wakes_.make_room(targets_.size());
  } else {
    slot = free_targets_.back();
    free_targets_.pop_back();
  }
  Asked& asked = targets_[slot];
  const uint64_t serial = asked.serial;  // results of an earlier target's probe must not match this one
  asked = Asked{};
  asked.serial = serial;
  asked.used = true;
  asked.service = service;
  asked.epoch = epoch_;
  asked.target = target;
  asked.weight = target.weight;
  asked.since = now;
  by_id_.emplace(target.id, slot);
  asked.place = static_cast<uint32_t>(groups_[service].members.size());
  groups_[service].members.push_back(slot);
  if (target.was_well) {
    asked.condition = *target.was_well ? Condition::up : Condition::down;
    asked.reason = *target.was_well ? "was well before the restart" : "was down before the restart";
  }
  if (!target.check || target.was_well.value_or(target.check->starts_up)) begin_serving(asked, target.ramps, now);
  ask_first(asked, now);
  touch(asked);
  return true;
}

// The old check's verdict stands until the new check has a result; its counts do not.
void Health::replace_check(Asked& asked, const Target& target, Instant now) {
  cancel(asked);
  asked.target = target;
  asked.unproven = true;
  asked.good = asked.bad = asked.failed_attempts = 0;
  asked.flaps = asked.level = 0;
  if (asked.condition == Condition::damped) asked.condition = Condition::down;
  if (!target.check && !asked.serves) begin_serving(asked, true, now);
  ask_first(asked, now);
  wake(asked, now);
}

void Health::ask_first(Asked& asked, Instant now) {
  if (!asked.target.check) {
    if (asked.condition != Condition::up) asked.since = now;
    asked.condition = Condition::up;
    asked.reason = "not checked";
    begins_.set(number_of(asked), kNever);
    return;
  }
  if (burst_ != now) burst_ = now, in_burst_ = 0;
  const auto spread = static_cast<uint64_t>(kFirstChecksWithin.count());
  const Duration later(in_burst_++ < kBurst ? 0 : static_cast<Duration::rep>(random() % spread));
  begins_.set(number_of(asked), now + later);
}

void Health::cancel(Asked& asked) {
  if (!asked.running) return;
  asked.running = false;
  --running_;
  cancelled_.push_back(probe_of(asked));
}

void Health::set_weight(TargetId id, int32_t weight) {
  Asked* const asked = slot_of(id);
  if (!asked || asked->weight == weight) return;
  asked->weight = weight;
  touch(*asked);
}

void Health::remove_target(TargetId id) {
  Asked* const asked = slot_of(id);
  if (!asked) return;
  cancel(*asked);
  const uint32_t slot = number_of(*asked);
  begins_.set(slot, kNever);
  wakes_.set(slot, kNever);
  std::vector<uint32_t>& members = groups_[asked->service].members;
  members[asked->place] = members.back();
  targets_[members.back()].place = asked->place;
  members.pop_back();
  subtract(*asked);
  touch(asked->service);
  asked->used = false;
  free_targets_.push_back(slot);
  by_id_.erase(id);
}

void Health::remove_service(uint32_t service) {
  const auto known = group_by_id_.find(service);
  if (known == group_by_id_.end()) return;
  const uint32_t slot = known->second;
  while (!groups_[slot].members.empty()) remove_target(targets_[groups_[slot].members.back()].target.id);
  groups_[slot] = Group{};  // dirty_ may still refer to it
  free_groups_.push_back(slot);
  group_by_id_.erase(known);
}

void Health::end_replacing() {
  for (const Asked& asked : targets_) {
    if (asked.used && asked.epoch != epoch_) remove_target(asked.target.id);
  }
  for (const Group& group : groups_) {
    if (group.used && group.epoch != epoch_) remove_service(group.id);
  }
}

const Health::TargetHealth* Health::find(TargetId id) const { return const_cast<Health*>(this)->slot_of(id); }

const Health::ServiceHealth* Health::find_service(uint32_t service) const {
  const auto known = group_by_id_.find(service);
  return known == group_by_id_.end() ? nullptr : &groups_[known->second];
}

}  // namespace rawvs
