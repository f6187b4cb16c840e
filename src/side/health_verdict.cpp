// SPDX-License-Identifier: BSD-2-Clause
// health_verdict.cpp: conclusions from finished checks: conditions, damping, slow start, quorum; and their reasons.
#include <algorithm>
#include <initializer_list>

#include "side/health.h"

namespace rawvs {

namespace {

constexpr Duration kSecond = 1s, kMinute = 1min;

// The longest hold is the first one, doubled kMostLevel - 1 times.
constexpr uint32_t kMostLevel = 6;
static_assert(Health::kFirstHold * (1 << (kMostLevel - 1)) == Health::kLongestHold);

Duration hold_of(uint32_t level) { return Health::kFirstHold * (1 << (std::clamp(level, 1u, kMostLevel) - 1)); }

const char* word(CheckKind kind) {
  switch (kind) {
    case CheckKind::arp: return "arp";
    case CheckKind::icmp: return "icmp";
    case CheckKind::tcp: return "tcp";
    case CheckKind::tls: return "tls";
    case CheckKind::http: return "http";
    case CheckKind::udp: return "udp";
    case CheckKind::dns: return "dns";
    case CheckKind::exec: return "exec";
  }
  return "?";
}

// All reasons are joined here: inline concatenation would be half of this module's code.
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string s;
  for (const std::string_view part : parts) s += part;
  return s;
}
std::string number(uint64_t n) { return std::to_string(n); }

// "tcp 192.0.2.11:80: ", or "tcp 192.0.2.100:80 on 192.0.2.11: " for via = vip.
std::string subject(const Target& target) {
  const CheckSpec& check = *target.check;
  const bool on = check.via == CheckSpec::Via::vip;
  Endpoint at = on ? target.vip : target.at;
  if (check.port != Port{}) at.port = check.port;
  const bool no_port = check.kind == CheckKind::arp || check.kind == CheckKind::icmp || at.port == Port{};
  return joined({word(check.kind), " ", no_port ? text(at.addr) : text(at), on ? " on " : "",
                 on ? text(target.at.addr) : std::string(), ": "});
}

std::string in_a_row(uint32_t checks) {
  return checks > 1 ? joined({", ", number(checks), " checks in a row"}) : std::string();
}

std::string good_reason(const Target& target, std::string_view said, uint32_t good) {
  return joined({subject(target), said.empty() ? "well" : said, in_a_row(good)});
}

}  // namespace

std::string Health::words(Duration d) {
  const Duration unit = d >= kMinute && d % kMinute == Duration::zero() ? kMinute
                        : d % kSecond == Duration::zero()               ? kSecond
                                                                        : Duration(1);
  return joined({number(static_cast<uint64_t>(d / unit)), unit == kMinute ? " min" : unit == kSecond ? " s" : " ms"});
}

std::string Health::bad_reason(const Asked& asked) {
  const uint32_t attempts = uint32_t{asked.target.check->retries} + 1;
  return joined({subject(asked.target), asked.last_failure, ", ", number(asked.failed_attempts), " of ",
                 number(attempts), in_a_row(asked.bad)});
}

void Health::check_failed(Asked& asked, Instant now, HealthNews& news) {
  asked.unproven = false;
  asked.good = 0;
  if (asked.bad < kMostInARow) ++asked.bad;
  const uint32_t fall = std::max<uint32_t>(asked.target.check->fall, 1);
  switch (asked.condition) {
    case Condition::unknown:
    case Condition::up:
      if (!asked.serves || asked.bad >= fall) go(asked, now, news);
      return;
    case Condition::damped: notice(asked, Condition::down, bad_reason(asked), now, news); return;
    case Condition::down: return;
  }
}

void Health::check_good(Asked& asked, std::string_view said, Instant now, HealthNews& news) {
  const bool first = asked.unproven;
  asked.unproven = false;
  asked.bad = 0;
  if (asked.good < kMostInARow) ++asked.good;
  switch (asked.condition) {
    case Condition::up:
      if (first) asked.reason = good_reason(asked.target, said, 1);
      return;
    case Condition::unknown: come(asked, good_reason(asked.target, said, 1), now, news); return;
    case Condition::down: {
      if (!first && asked.good < asked.target.check->rise) return;
      const uint32_t level = policy_of(asked).flaps_allowed == 0 ? 0 : level_now(asked, now);
      if (level == 0) {
        come(asked, good_reason(asked.target, said, asked.good), now, news);
        return;
      }
      asked.held_until = now + hold_of(level);
      notice(asked, Condition::damped,
             joined({subject(asked.target), "well, but it went too often: held back until it has been well for ",
                     words(hold_of(level))}),
             now, news);
      return;
    }
    case Condition::damped:
      if (now < asked.held_until && policy_of(asked).flaps_allowed != 0) return;
      come(asked, joined({subject(asked.target), "well for ", words((now - asked.since) / kSecond * kSecond)}), now,
           news);
      return;
  }
}

// Begins a slow start for a server that was down, or that was unknown and added after the daemon's start.
void Health::begin_serving(Asked& asked, bool slowly, Instant now) {
  asked.serves = true;
  asked.ramp.reset();
  if (slowly && policy_of(asked).slow_start > Duration::zero()) asked.ramp = now;
  asked.share = verdict_of(asked, now).share;
  wake(asked, now);
}

void Health::come(Asked& asked, std::string reason, Instant now, HealthNews& news) {
  const bool served = asked.serves;
  if (!served) begin_serving(asked, asked.target.ramps || asked.condition != Condition::unknown, now);
  asked.condition = Condition::up;
  asked.since = now;
  asked.reason = std::move(reason);
  report(asked, served ? TargetChange::What::noticed : TargetChange::What::came, now, news);
  touch(asked);
}

void Health::go(Asked& asked, Instant now, HealthNews& news) {
  asked.reason = bad_reason(asked);
  if (asked.serves) {
    ++asked.went;
    if (note_flap(asked, now)) {
      const uint32_t times = flaps_of(asked, now);
      const std::string often = joined({number(times), " times within ", words(kFlapWindow)});
      asked.reason += joined({"; it went ", times > 1 ? std::string_view(often) : "again", ": has to stay well for ",
                              words(hold_of(asked.level))});
    }
  }
  asked.serves = false;
  asked.ramp.reset();
  asked.share = 0;
  asked.condition = Condition::down;
  asked.since = now;
  report(asked, TargetChange::What::went, now, news);
  touch(asked);
}

void Health::notice(Asked& asked, Condition condition, std::string reason, Instant now, HealthNews& news) {
  asked.condition = condition;
  asked.since = now;
  asked.reason = std::move(reason);
  report(asked, TargetChange::What::noticed, now, news);
  touch(asked);
}

void Health::report(const Asked& asked, TargetChange::What what, Instant now, HealthNews& news) const {
  news.changes.push_back({asked.target.id, what, asked.condition, verdict_of(asked, now), policy_of(asked).on_down,
                          what == TargetChange::What::ramped ? std::string() : asked.reason});
}

// Counts a going down. True: the server is damped when it works again.
bool Health::note_flap(Asked& asked, Instant now) {
  const uint32_t level = level_now(asked, now);
  asked.gone[asked.flaps++ % kFlapsKept] = now;
  const uint32_t allowed = std::min<uint32_t>(policy_of(asked).flaps_allowed, kFlapsKept - 1);
  const bool damped = allowed != 0 && (level > 0 || flaps_of(asked, now) > allowed);
  asked.level = damped ? std::min(level + 1, kMostLevel) : 0;
  return damped;
}

uint32_t Health::level_now(const Asked& asked, Instant now) const {
  if (asked.level == 0) return 0;
  const auto calm = static_cast<uint64_t>((now - asked.gone[(asked.flaps - 1) % kFlapsKept]) / kFlapWindow);
  return calm >= asked.level ? 0 : asked.level - static_cast<uint32_t>(calm);
}

uint32_t Health::flaps_of(const Asked& asked, Instant now) const {
  const uint32_t kept = std::min<uint32_t>(asked.flaps, kFlapsKept);
  return static_cast<uint32_t>(std::count_if(asked.gone.begin(), asked.gone.begin() + kept,
                                             [now](Instant gone) { return now - gone < kFlapWindow; }));
}

uint32_t Health::flaps(TargetId id, Instant now) const {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? 0 : flaps_of(targets_[known->second], now);
}

Verdict Health::verdict(TargetId id, Instant now) const {
  const auto known = by_id_.find(id);
  return known == by_id_.end() ? Verdict{} : verdict_of(targets_[known->second], now);
}

Verdict Health::verdict_of(const Asked& asked, Instant now) const {
  const HealthPolicy& policy = policy_of(asked);
  if (!asked.serves) return {.in_table = policy.inhibit};
  const Duration slow = asked.ramp ? policy.slow_start : Duration::zero();
  const Instant since = asked.ramp.value_or(now);
  return {true, true, slow_weight(asked.weight, since, slow, now), slow_share(since, slow, now)};
}

void Health::touch(uint32_t service) {
  Group& group = groups_[service];
  if (group.dirty) return;
  group.dirty = true;
  dirty_.push_back(service);
}

void Health::subtract(const Asked& asked) {
  Group& group = groups_[asked.service];
  group.alive -= asked.adds_alive;
  group.undecided -= asked.adds_undecided;
  group.configured -= asked.adds_configured;
  group.damped -= asked.adds_damped ? 1 : 0;
}

void Health::touch(Asked& asked) {
  subtract(asked);
  const auto weight = static_cast<uint32_t>(std::max(asked.weight, 0));
  asked.adds_configured = static_cast<uint32_t>(std::max(asked.target.weight, 0));
  asked.adds_alive = asked.serves ? weight : 0;
  asked.adds_undecided = !asked.serves && asked.condition == Condition::unknown ? weight : 0;
  asked.adds_damped = asked.condition == Condition::damped;
  Group& group = groups_[asked.service];
  group.alive += asked.adds_alive;
  group.undecided += asked.adds_undecided;
  group.configured += asked.adds_configured;
  group.damped += asked.adds_damped ? 1 : 0;
  touch(asked.service);
}

// Servers without a result yet may work: the sorry server does not replace them, or every start of the daemon would
// send its first clients there. But they do not restore the quorum, either.
bool Health::has_enough(const Group& group) {
  const uint64_t need = quorum_of(group), back = return_of(group);
  return group.enough ? group.alive + group.undecided >= need : group.alive >= back;
}

// At most what is configured, and at least one server.
uint64_t Health::quorum_of(const Group& group) {
  return std::max<uint64_t>(std::min<uint64_t>(group.policy.quorum, group.configured), 1);
}

uint64_t Health::return_of(const Group& group) {
  const uint64_t wanted = uint64_t{group.policy.quorum} + group.policy.hysteresis;
  return std::max<uint64_t>(std::min(wanted, group.configured), 1);
}

// A server that may go down again is better than none. Once begun, releases all damped servers.
bool Health::release(Group& group, size_t& left, Instant now, HealthNews& news) {
  for (uint32_t& place = *group.releasing; place < group.members.size(); ++place, --left) {
    if (left == 0) return false;
    Asked& asked = targets_[group.members[place]];
    if (asked.condition != Condition::damped) continue;
    come(asked, joined({subject(asked.target), "well, and needed: too few others are alive"}), now, news);
  }
  group.releasing.reset();
  return true;
}

bool Health::judge(Group& group, size_t& left, Instant now, HealthNews& news) {
  if (!group.dirty || group.held) return true;  // removed meanwhile, or not to be judged yet
  --left;
  if (!group.releasing && group.damped > 0 && !has_enough(group) && !group.policy.sorry_server) group.releasing = 0;
  if (group.releasing && !release(group, left, now, news)) return false;
  group.dirty = false;
  const bool enough = has_enough(group), sorry = !enough && group.policy.sorry_server;
  if (enough == group.enough && sorry == group.sorry) return true;
  group.enough = enough;
  group.sorry = sorry;
  group.since = now;
  const uint64_t need = quorum_of(group), more = return_of(group) - need;
  group.reason = joined({"weight ", number(group.alive), " of ", number(group.configured), " alive, quorum ",
                         number(need), more > 0 ? " + " : "", more > 0 ? number(more) : std::string()});
  news.quorums.push_back({group.id, enough, sorry, group.reason});
  return true;
}

}  // namespace rawvs
