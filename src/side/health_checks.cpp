// SPDX-License-Identifier: BSD-2-Clause
// health_checks.cpp: which probes begin when, and how attempts make up a check. health_verdict.cpp handles finished
// checks.
#include <algorithm>

#include "side/health.h"

namespace rawvs {

namespace {

constexpr Duration kLeastInterval = 10ms;  // a lower limit that keeps the loop free for other work
constexpr uint8_t kMostJitter = 50;        // percent
constexpr unsigned kSlotBits = 20;

// Text from a server or program goes to logs and terminals: keeps printable ASCII, and limits the length.
void keep_text(std::string& kept, std::string_view text) {
  kept.assign(text.substr(0, Health::kMostText));
  for (char& c : kept) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
}

}  // namespace

ProbeId Health::probe_of(const Asked& asked) const { return ProbeId(asked.serial << kSlotBits | number_of(asked)); }

Instant Health::next_deadline() const {
  if (!dirty_.empty() || !cancelled_.empty()) return Instant{};
  // With the most probes running, the next one begins when one ends, which is an event of its own.
  return running_ >= kMostProbesAtOnce ? wakes_.earliest() : std::min(wakes_.earliest(), begins_.earliest());
}

void Health::time_passed(Instant now, size_t most, std::vector<ProbeToStart>& probes, HealthNews& news) {
  news.cancelled.insert(news.cancelled.end(), cancelled_.begin(), cancelled_.end());
  cancelled_.clear();
  for (size_t left = kPortion; left > 0 && wakes_.earliest() <= now; --left) {
    woken(targets_[wakes_.first()], now, news);
  }
  size_t left = kPortion, judged = 0;
  while (left > 0 && judged < dirty_.size() && judge(groups_[dirty_[judged]], left, now, news)) ++judged;
  dirty_.erase(dirty_.begin(), dirty_.begin() + static_cast<std::ptrdiff_t>(judged));
  for (; most > 0 && running_ < kMostProbesAtOnce && begins_.earliest() <= now; --most) {
    start(targets_[begins_.first()], now, probes);
  }
}

// Each wake-up sets a deadline after now, so that the loop above ends.
void Health::woken(Asked& asked, Instant now, HealthNews& news) {
  if (asked.running && now >= given_up(asked)) {
    news.cancelled.push_back(probe_of(asked));
    fail(asked, "no result within " + words(asked.target.check->timeout + kGrace), now, news);
  }
  if (asked.ramp) {
    const Verdict verdict = verdict_of(asked, now);
    if (verdict.share != asked.share) report(asked, TargetChange::What::ramped, now, news);
    asked.share = verdict.share;
    if (verdict.share == kRampSteps) asked.ramp.reset();
  }
  wake(asked, now);
}

Instant Health::given_up(const Asked& asked) const { return asked.probe_begun + asked.target.check->timeout + kGrace; }

void Health::wake(Asked& asked, Instant now) {
  Instant when = asked.running ? given_up(asked) : kNever;
  if (asked.ramp) when = std::min(when, next_ramp_step(*asked.ramp, policy_of(asked).slow_start, now));
  wakes_.set(number_of(asked), when);
}

void Health::start(Asked& asked, Instant now, std::vector<ProbeToStart>& probes) {
  begins_.set(number_of(asked), kNever);
  asked.running = true;
  ++running_;
  ++asked.serial;
  asked.probe_begun = now;
  if (asked.failed_attempts == 0) asked.check_begun = now;
  probes.push_back({probe_of(asked), &asked.target, asked.failed_attempts + 1});
  wake(asked, now);
}

Health::Asked* Health::waiting_for(ProbeId id) {
  const auto slot = static_cast<size_t>(id.value & ((uint64_t{1} << kSlotBits) - 1));
  if (slot >= targets_.size()) return nullptr;
  Asked& asked = targets_[slot];
  return asked.used && asked.running && probe_of(asked) == id ? &asked : nullptr;
}

bool Health::postponed(ProbeId id, Duration later, Instant now) {
  Asked* const asked = waiting_for(id);
  if (!asked) return false;
  asked->running = false;
  --running_;
  begins_.set(number_of(*asked), now + std::max(later, kLeastInterval));
  wake(*asked, now);
  return true;
}

bool Health::answered(ProbeId id, bool well, std::string_view text, Instant now, HealthNews& news) {
  Asked* const found = waiting_for(id);
  if (!found) return false;
  Asked& asked = *found;
  if (!well) {
    fail(asked, text, now, news);
    wake(asked, now);
    return true;
  }
  asked.running = false;
  --running_;
  asked.failed_attempts = 0;
  next_check(asked, now);
  std::string said;
  if (asked.condition != Condition::up || asked.unproven) keep_text(said, text);  // otherwise it is not shown
  check_good(asked, said, now, news);
  wake(asked, now);
  return true;
}

void Health::fail(Asked& asked, std::string_view text, Instant now, HealthNews& news) {
  asked.running = false;
  --running_;
  keep_text(asked.last_failure, text.empty() ? "no answer" : text);
  asked.last_failed = now;
  ++asked.failed_attempts;
  const CheckSpec& check = *asked.target.check;
  if (asked.failed_attempts <= check.retries) {
    begins_.set(number_of(asked), now + std::max(check.retry_delay, Duration::zero()));
    return;
  }
  check_failed(asked, now, news);
  asked.failed_attempts = 0;
  next_check(asked, now);
}

// From beginning to beginning; a check that took longer than the interval is followed by the next one at once.
void Health::next_check(Asked& asked, Instant now) {
  const CheckSpec& check = *asked.target.check;
  const Duration interval = std::max(check.interval, kLeastInterval);
  const Duration::rep most = interval.count() * std::min(check.jitter, kMostJitter) / 100;
  const auto offset = static_cast<Duration::rep>(random() % static_cast<uint64_t>(2 * most + 1)) - most;
  begins_.set(number_of(asked), std::max(now, asked.check_begun + interval + Duration(offset)));
}

}  // namespace rawvs
