// SPDX-License-Identifier: BSD-2-Clause
// target_state.cpp: conclusions from finished checks, and their reasons.
#include "side/target_state.h"

#include <algorithm>
#include <utility>

#include "side/health_words.h"
#include "side/slow_start.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

using health_words::span;

constexpr uint32_t kMostInARow = 1'000'000;

// Text from a server or program goes to logs and terminals: keeps printable ASCII, and limits the length.
std::string printable(std::string_view text) {
  std::string kept(text.substr(0, TargetHealth::kMostText));
  for (char& c : kept) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return kept;
}

// "tcp 192.0.2.11:80", or "tcp 192.0.2.100:80 on 192.0.2.11" for via = vip.
std::string subject(const Target& target) {
  const CheckSpec& check = *target.check;
  const bool on = check.via == CheckSpec::Via::vip;
  Endpoint at = on ? target.vip : target.at;
  if (check.port != Port{}) at.port = check.port;
  const bool no_port = check.kind == CheckKind::arp || check.kind == CheckKind::icmp || at.port == Port{};
  return formatted("{} {}{}", kCheckKinds[static_cast<size_t>(check.kind)], no_port ? text(at.addr) : text(at),
                   on ? formatted(" on {}", text(target.at.addr)) : "");
}

std::string in_a_row(uint32_t checks) { return checks > 1 ? formatted(", {} checks in a row", checks) : ""; }

std::string good_reason(const Target& target, std::string_view text, uint32_t good) {
  return formatted("{}: {}{}", subject(target), text.empty() ? "well" : printable(text), in_a_row(good));
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

const char* name(HealthEvent event) {
  switch (event) {
    case HealthEvent::up: return "up";
    case HealthEvent::down: return "down";
    case HealthEvent::damped: return "damped";
    case HealthEvent::quorum: return "quorum";
    case HealthEvent::no_quorum: return "no-quorum";
    case HealthEvent::sorry: return "sorry";
    case HealthEvent::no_sorry: return "no-sorry";
  }
  return "?";
}

void TargetState::begin(const Target& as, const HealthPolicy& policy, Instant now) {
  target = as;
  weight = as.weight;
  since = now;
  if (!as.check || as.check->starts_up) begin_serving(as.ramps, policy, now);
  if (!as.check) not_checked(now);
}

bool TargetState::recall(bool well, Instant from, const HealthPolicy& policy, Instant now) {
  if (!unproven_ || !target.check) return false;
  condition = well ? Condition::up : Condition::down;
  reason = well ? "was well before the restart" : "was down before the restart";
  since = from;
  if (well && !serves) begin_serving(false, policy, now);
  if (!well) serves = false, ramp_.reset(), share_ = 0;
  return true;
}

void TargetState::replace(const Target& as, const HealthPolicy& policy, Instant now) {
  target = as;
  unproven_ = true;
  good = bad = failed_attempts = 0;
  flaps_.clear();
  if (condition == Condition::damped) condition = Condition::down;
  if (!as.check && !serves) begin_serving(true, policy, now);
  if (!as.check) not_checked(now);
}

void TargetState::not_checked(Instant now) {
  if (condition != Condition::up) since = now;
  condition = Condition::up;
  reason = "not checked";
}

bool TargetState::attempt_failed(std::string_view text, Instant now) {
  last_failure = printable(text.empty() ? "no answer" : text);
  last_failed = now;
  ++failed_attempts;
  return failed_attempts > target.check->retries;
}

std::optional<TargetChange::What> TargetState::check_failed(const HealthPolicy& policy, Instant now) {
  unproven_ = false;
  good = 0;
  if (bad < kMostInARow) ++bad;
  std::optional<What> what;
  const bool enough = !serves || bad >= std::max<uint32_t>(target.check->fall, 1);
  if (condition == Condition::damped) {
    what = notice(Condition::down, bad_reason(), now);
  } else if (condition != Condition::down && enough) {
    what = go(policy, now);
  }
  failed_attempts = 0;
  return what;
}

std::optional<TargetChange::What> TargetState::check_good(const HealthPolicy& policy, std::string_view text,
                                                          Instant now) {
  const bool first = std::exchange(unproven_, false);
  failed_attempts = 0;
  bad = 0;
  if (good < kMostInARow) ++good;
  switch (condition) {
    case Condition::up:
      if (first) reason = good_reason(target, text, 1);
      return std::nullopt;
    case Condition::unknown: return come(good_reason(target, text, 1), policy, now);
    case Condition::down: {
      if (!first && good < target.check->rise) return std::nullopt;
      const Duration hold = policy.flaps_allowed == 0 ? Duration::zero() : flaps_.hold(now);
      if (hold == Duration::zero()) return come(good_reason(target, text, good), policy, now);
      held_until_ = now + hold;
      return notice(Condition::damped,
                    formatted("{}: well, but it went too often: held back until it has been well for {}",
                              subject(target), span(hold)),
                    now);
    }
    case Condition::damped:
      if (now < held_until_ && policy.flaps_allowed != 0) return std::nullopt;
      return come(formatted("{}: well for {}", subject(target), span((now - since) / Duration(1s) * Duration(1s))),
                  policy, now);
  }
  return std::nullopt;
}

std::optional<TargetChange::What> TargetState::release(const HealthPolicy& policy, Instant now) {
  if (condition != Condition::damped) return std::nullopt;
  return come(formatted("{}: well, and needed: too few others are alive", subject(target)), policy, now);
}

void TargetState::begin_serving(bool slowly, const HealthPolicy& policy, Instant now) {
  serves = true;
  ramp_.reset();
  if (slowly && policy.slow_start > Duration::zero()) ramp_ = now;
  share_ = verdict(policy, now).share;
}

// Begins a slow start for a server that was down, or that was unknown and added after the daemon's start.
TargetChange::What TargetState::come(std::string why, const HealthPolicy& policy, Instant now) {
  const bool served = serves;
  if (!served) begin_serving(target.ramps || condition != Condition::unknown, policy, now);
  const What what = notice(Condition::up, std::move(why), now);
  return served ? what : What::came;
}

TargetChange::What TargetState::go(const HealthPolicy& policy, Instant now) {
  std::string why = bad_reason();
  if (serves) {
    ++went;
    flaps_.note(now, policy.flaps_allowed);
    if (const Duration hold = flaps_.hold(now); hold > Duration::zero()) {
      const uint32_t times = flaps_.count(now);
      const std::string often = formatted("{} times within {}", times, span(FlapHistory::kWindow));
      why += formatted("; it went {}: has to stay well for {}", times > 1 ? often : "again", span(hold));
    }
  }
  serves = false;
  ramp_.reset();
  share_ = 0;
  notice(Condition::down, std::move(why), now);
  return What::went;
}

TargetChange::What TargetState::notice(Condition other, std::string why, Instant now) {
  condition = other;
  since = now;
  reason = std::move(why);
  return What::noticed;
}

std::string TargetState::bad_reason() const {
  const uint32_t in_all = uint32_t{target.check->retries} + 1;
  return formatted("{}: {}, {} of {}{}", subject(target), last_failure, failed_attempts, in_all, in_a_row(bad));
}

bool TargetState::ramp(const HealthPolicy& policy, Instant now) {
  if (!ramp_) return false;
  const uint8_t before = std::exchange(share_, verdict(policy, now).share);
  if (share_ == kRampSteps) ramp_.reset();
  return share_ != before;
}

Instant TargetState::next_step(const HealthPolicy& policy, Instant now) const {
  return ramp_ ? next_ramp_step(*ramp_, policy.slow_start, now) : kNever;
}

Verdict TargetState::verdict(const HealthPolicy& policy, Instant now) const {
  if (!serves) return {.in_table = policy.inhibit};
  const Duration slow = ramp_ ? policy.slow_start : Duration::zero();
  const Instant begun = ramp_.value_or(now);
  return {true, true, slow_weight(weight, begun, slow, now), slow_share(begun, slow, now)};
}

TargetChange TargetState::change(What what, const HealthPolicy& policy, Instant now) const {
  return {
      target.id, what, condition, verdict(policy, now), policy.on_down, what == What::ramped ? std::string() : reason};
}

Quorums::Part TargetState::part() const {
  const auto has = static_cast<uint32_t>(std::max(weight, 0));
  return {.alive = serves ? has : 0,
          .undecided = !serves && condition == Condition::unknown ? has : 0,
          .configured = static_cast<uint32_t>(std::max(target.weight, 0)),
          .damped = condition == Condition::damped};
}

}  // namespace rawvs
