// SPDX-License-Identifier: BSD-2-Clause
// health_checks.cpp: starts probes, takes their results, and passes on what target_state.h and quorums.h conclude.
#include <algorithm>
#include <functional>

#include "side/health.h"
#include "side/health_words.h"

namespace rawvs {

namespace {

constexpr unsigned kSlotBits = 20;

}  // namespace

ProbeId Health::probe_of(const Slot& slot) const { return ProbeId(slot.serial << kSlotBits | number_of(slot)); }

Instant Health::next_deadline() const {
  if (quorums_.due() || !cancelled_.empty()) return Instant{};
  return std::min(wakes_.earliest(), schedule_.next_begin());
}

void Health::time_passed(Instant now, size_t most, std::vector<ProbeToStart>& probes, HealthNews& news) {
  news.cancelled.insert(news.cancelled.end(), cancelled_.begin(), cancelled_.end());
  cancelled_.clear();
  for (size_t left = kPortion; left > 0 && wakes_.earliest() <= now; --left) {
    woken(targets_[wakes_.first()], now, news);
  }
  const auto release = [&](uint32_t target) {
    Slot& slot = targets_[target];
    apply(slot, slot.release(policy_of(slot), now), now, news);
    wake(slot, now);
  };
  quorums_.review(kPortion, now, std::ref(release), news.quorums);
  for (; most > 0; --most) {
    const std::optional<uint32_t> due = schedule_.due(now);
    if (!due) break;
    start(targets_[*due], now, probes);
  }
}

// Each wake-up sets a deadline after now, so that the loop above ends.
void Health::woken(Slot& slot, Instant now, HealthNews& news) {
  if (slot.running && now >= slot.given_up()) {
    news.cancelled.push_back(probe_of(slot));
    fail(slot, "no result within " + health_words::span(slot.target.check->timeout + kGrace), now, news);
  }
  if (slot.ramp(policy_of(slot), now)) {
    news.changes.push_back(slot.change(TargetChange::What::ramped, policy_of(slot), now));
  }
  wake(slot, now);
}

void Health::wake(const Slot& slot, Instant now) {
  const Instant given_up = slot.running ? slot.given_up() : kNever;
  wakes_.set(number_of(slot), std::min(given_up, slot.next_step(policy_of(slot), now)));
}

void Health::start(Slot& slot, Instant now, std::vector<ProbeToStart>& probes) {
  schedule_.begun(number_of(slot));
  slot.running = true;
  ++slot.serial;
  slot.probe_begun = now;
  if (slot.failed_attempts == 0) slot.check_begun = now;
  probes.push_back({probe_of(slot), &slot.target, slot.failed_attempts + 1});
  wake(slot, now);
}

void Health::probe_ended(Slot& slot) {
  slot.running = false;
  schedule_.ended();
}

void Health::cancel(Slot& slot) {
  if (!slot.running) return;
  probe_ended(slot);
  cancelled_.push_back(probe_of(slot));
}

Health::Slot* Health::waiting_for(ProbeId id) {
  const auto number = static_cast<size_t>(id.value & ((uint64_t{1} << kSlotBits) - 1));
  if (number >= targets_.size()) return nullptr;
  Slot& slot = targets_[number];
  return slot.used && slot.running && probe_of(slot) == id ? &slot : nullptr;
}

bool Health::postponed(ProbeId id, Duration later, Instant now) {
  Slot* const slot = waiting_for(id);
  if (!slot) return false;
  probe_ended(*slot);
  schedule_.postpone(number_of(*slot), later, now);
  wake(*slot, now);
  return true;
}

bool Health::answered(ProbeId id, bool well, std::string_view text, Instant now, HealthNews& news) {
  Slot* const slot = waiting_for(id);
  if (!slot) return false;
  if (well) {
    ++slot->attempts;
    slot->latency = now - slot->probe_begun;
    slot->latency_sum += slot->latency;
    quorums_.count_latency(slot->service, slot->latency);
    probe_ended(*slot);
    schedule_.next(number_of(*slot), *slot->target.check, slot->check_begun, now);
    apply(*slot, slot->check_good(policy_of(*slot), text, now), now, news);
  } else {
    fail(*slot, text, now, news);
  }
  wake(*slot, now);
  return true;
}

void Health::fail(Slot& slot, std::string_view text, Instant now, HealthNews& news) {
  probe_ended(slot);
  ++slot.attempts, ++slot.attempts_failed;
  if (!slot.attempt_failed(text, now)) {
    schedule_.retry(number_of(slot), slot.target.check->retry_delay, now);
    return;
  }
  apply(slot, slot.check_failed(policy_of(slot), now), now, news);
  schedule_.next(number_of(slot), *slot.target.check, slot.check_begun, now);
}

void Health::apply(Slot& slot, std::optional<TargetChange::What> what, Instant now, HealthNews& news) {
  if (!what) return;
  news.changes.push_back(slot.change(*what, policy_of(slot), now));
  count(slot);
}

}  // namespace rawvs
