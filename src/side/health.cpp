// SPDX-License-Identifier: BSD-2-Clause
// health.cpp: the table of targets. health_checks.cpp starts probes and takes results.
#include "side/health.h"

#include <algorithm>

namespace rawvs {

namespace {

constexpr uint32_t kMostTargets = 1u << 20;  // limit of a ProbeId

bool same_check(const Target& a, const Target& b) {
  return a.check == b.check || (a.check && b.check && *a.check == *b.check);
}

}  // namespace

bool Health::set_service(uint32_t service, const HealthPolicy& policy, Instant now) {
  uint32_t slot = quorums_.find(service);
  if (slot == Quorums::kNone) {
    if (quorums_.size() >= std::min(most_, kMostTargets)) return false;
    slot = quorums_.add(service, now);
  }
  const Duration slow_start = quorums_[slot].policy.slow_start;
  quorums_.set(slot, policy);
  if (slow_start != policy.slow_start) {
    for (const uint32_t member : quorums_[slot].members) {
      if (targets_[member].ramping()) wakes_.set(member, now);
    }
  }
  return true;
}

void Health::hold_quorum(uint32_t service) {
  const uint32_t slot = quorums_.find(service);
  if (slot != Quorums::kNone) quorums_.hold(slot);
}

Health::Slot* Health::slot_of(TargetId id) {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? nullptr : &targets_[known->second];
}

bool Health::set_target(const Target& target, Instant now) {
  const uint32_t service = quorums_.find(target.id.service);
  if (service == Quorums::kNone) return false;
  Slot* const known = slot_of(target.id);
  if (!known) return add_target(target, service, now);
  if (known->target.weight != target.weight) known->weight = target.weight;
  if (same_check(known->target, target) && known->target.at == target.at && known->target.vip == target.vip) {
    known->target = target;
  } else {
    cancel(*known);
    known->replace(target, policy_of(*known), now);
    first_check(*known, now);
    wake(*known, now);
  }
  count(*known);
  return true;
}

bool Health::add_target(const Target& target, uint32_t service, Instant now) {
  if (by_id_.size() >= std::min(most_, kMostTargets)) return false;
  uint32_t number = static_cast<uint32_t>(targets_.size());
  if (free_.empty()) {
    targets_.emplace_back();
    schedule_.make_room(targets_.size());
    wakes_.make_room(targets_.size());
  } else {
    number = free_.back();
    free_.pop_back();
  }
  Slot& slot = targets_[number];
  const uint64_t serial = slot.serial;  // results of an earlier target's probe must not match this one
  slot = Slot{};
  slot.serial = serial;
  slot.used = true;
  slot.service = service;
  slot.place = quorums_.join(service, number);
  by_id_.emplace(target.id, number);
  slot.begin(target, policy_of(slot), now);
  first_check(slot, now);
  wake(slot, now);
  count(slot);
  return true;
}

void Health::first_check(const Slot& slot, Instant now) {
  if (slot.target.check) {
    schedule_.first(number_of(slot), now);
  } else {
    schedule_.none(number_of(slot));
  }
}

void Health::count(Slot& slot) { quorums_.change(slot.service, slot.counted, slot.part()); }

bool Health::recall(TargetId id, bool well, Instant from, Instant now) {
  Slot* const slot = slot_of(id);
  if (!slot || !slot->recall(well, from, policy_of(*slot), now)) return false;
  wake(*slot, now);
  count(*slot);
  return true;
}

void Health::set_weight(TargetId id, int32_t weight) {
  Slot* const slot = slot_of(id);
  if (!slot || slot->weight == weight) return;
  slot->weight = weight;
  count(*slot);
}

void Health::start_slowly(TargetId id, Instant now) {
  Slot* const slot = slot_of(id);
  if (!slot) return;
  slot->start_slowly(policy_of(*slot), now);
  wake(*slot, now);
}

void Health::remove_target(TargetId id) {
  Slot* const slot = slot_of(id);
  if (!slot) return;
  cancel(*slot);
  const uint32_t number = number_of(*slot);
  schedule_.none(number);
  wakes_.set(number, kNever);
  targets_[quorums_.leave(slot->service, slot->place)].place = slot->place;
  quorums_.change(slot->service, slot->counted, {});
  slot->used = false;
  free_.push_back(number);
  by_id_.erase(id);
}

void Health::remove_service(uint32_t service) {
  const uint32_t slot = quorums_.find(service);
  if (slot == Quorums::kNone) return;
  while (!quorums_[slot].members.empty()) remove_target(targets_[quorums_[slot].members.back()].target.id);
  quorums_.remove(slot);
}

const TargetHealth* Health::find(TargetId id) const { return const_cast<Health*>(this)->slot_of(id); }

const ServiceHealth* Health::find_service(uint32_t service) const {
  const uint32_t slot = quorums_.find(service);
  return slot == Quorums::kNone ? nullptr : &quorums_[slot];
}

uint32_t Health::flaps(TargetId id, Instant now) const {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? 0 : targets_[known->second].flaps(now);
}

Verdict Health::verdict(TargetId id, Instant now) const {
  const auto known = by_id_.find(id);
  if (known == by_id_.end()) return {};
  const Slot& slot = targets_[known->second];
  return slot.verdict(policy_of(slot), now);
}

}  // namespace rawvs
