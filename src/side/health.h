// SPDX-License-Identifier: BSD-2-Clause
// health.h: which real servers work: when each is checked, what the results mean, and what follows from them.
// In:  targets (a real server of a service, and its check), results of probes, the time.
// Out: probes to start; verdicts on targets (came, went, slow start) and on services (quorum, sorry server).
// Not: probing (probes.h), weights and connections (the director applies TargetChange), lines of the log (the caller).
//
// The caller numbers targets and services; a number stays the same while the server is configured. It is no slot of
// service.h, because a server that is down may lose its slot there.
// Checks: the interval is from beginning to beginning; a check is 1 + retries attempts, and the first success ends it;
// checks of one target never overlap. Damping is RFC 2439's idea without its curves: HealthPolicy::flaps_allowed.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/time.h"
#include "side/check.h"
#include "side/deadlines.h"

namespace rawvs {

enum class OnDown : uint8_t { keep, drain, reset };  // for connections of a server that went down; the director does it

struct HealthPolicy {  // of a service
  OnDown on_down = OnDown::keep;
  bool inhibit = true;        // a server that is down stays in the table with weight 0; false: it is taken out
  Duration slow_start{};      // time to the full weight after a return; 0: at once
  uint32_t quorum = 1;        // least sum of the weights that are up, as keepalived counts; at most what is configured
  uint32_t hysteresis = 0;    // so much above the quorum it counts as regained
  bool sorry_server = false;  // there is a sorry server
  // A server that went down more often than this within kFlapWindow is damped: when it works again, it has to do so for
  // kFirstHold, twice as long each further time, at most kLongestHold. One doubling is forgotten per kFlapWindow
  // without going down. Where too few others are up and there is no sorry server, damped servers serve at once.
  uint8_t flaps_allowed = 3;  // 0: no damping; at most kFlapsKept - 1
  friend bool operator==(const HealthPolicy&, const HealthPolicy&) = default;
};

struct TargetId {
  uint32_t service = 0, server = 0;
  friend constexpr auto operator<=>(const TargetId&, const TargetId&) = default;
};

struct Target {
  TargetId id{};
  std::shared_ptr<const CheckSpec> check{};  // shared by targets with the same check; none: not checked, always up
  Endpoint at{};                             // the server with its service's port; CheckSpec::port has precedence
  Endpoint vip{};                            // for via = vip: the destination of the check
  int32_t weight = 1;                        // as configured
  std::optional<bool> was_well{};            // known from an earlier daemon: the verdict until the first result
  bool ramps = true;  // false: it was there when the daemon started: no slow start the first time
};

enum class Condition : uint8_t { unknown, up, down, damped };  // damped: it works, but has gone down too often
const char* name(Condition condition);

struct Verdict {
  bool serves = false;    // it gets new connections (if the operator's weight is not 0)
  bool in_table = false;  // false: it has to be taken out of the table (policy without inhibit)
  int32_t weight = 0;     // its weight now; 0 when it does not serve
  uint8_t share = 0;      // of its weight, in parts of kRampSteps: exact where a weight of 1 cannot be split
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

using ProbeId = Strong<struct ProbeTag, uint64_t>;  // never reused

struct ProbeToStart {  // to be started now
  ProbeId id{};
  const Target* target = nullptr;  // with its check; valid until the next set_target(), remove_*() or end_replacing()
  uint32_t attempt = 1;            // of 1 + retries
};

struct TargetChange {
  enum class What : uint8_t {
    came,     // it serves now
    went,     // it is down now: on_down applies to its connections
    ramped,   // slow start: another weight; without a reason, not to be logged
    noticed,  // another condition that changes nothing for the director
  };
  TargetId id{};
  What what = What::noticed;
  Condition condition = Condition::unknown;
  Verdict verdict{};
  OnDown on_down = OnDown::keep;
  std::string reason{};  // "tcp 192.0.2.11:80: connection refused, 3 of 3"
};

struct QuorumChange {
  uint32_t service = 0;
  bool enough = true;    // enough servers are up; VRRP may track this
  bool sorry = false;    // the sorry server is to be used: not enough are up, and there is one
  std::string reason{};  // "weight 1 of 3 alive, quorum 2"
};

struct HealthNews {
  std::vector<TargetChange> changes;
  std::vector<QuorumChange> quorums;
  std::vector<ProbeId> cancelled;  // the prober should end these; their results are ignored
  void clear() { changes.clear(), quorums.clear(), cancelled.clear(); }
};

// Slow start: kRampSteps steps, the first at `since`, the last at since + slow_start, each worth one of kRampSteps
// parts of the weight, but at least 1; 0 stays 0.
inline constexpr uint8_t kRampSteps = 24;
uint8_t slow_share(Instant since, Duration slow_start, Instant now);  // the step: 1..kRampSteps
int32_t slow_weight(int32_t weight, Instant since, Duration slow_start, Instant now);
Instant next_ramp_step(Instant since, Duration slow_start, Instant now);  // kNever: the ramp is over

class Health {
 public:
  static constexpr uint32_t kMostProbesAtOnce = 256;
  static constexpr size_t kPortion = 256;   // deadlines, services and targets handled in one time_passed()
  static constexpr size_t kMostText = 200;  // bytes of an answer's text that are kept
  static constexpr size_t kFlapsKept = 16;
  static constexpr Duration kFlapWindow = 10min;
  static constexpr Duration kFirstHold = 30s, kLongestHold = 16min;
  static constexpr Duration kGrace = 1s;  // a probe without a result this long after its timeout is given up

  struct TargetHealth {
    Target target{};
    Condition condition = Condition::unknown;
    bool serves = false;
    int32_t weight = 0;          // the operator's, without slow start
    Instant since{};             // of the condition
    std::string reason{};        // of the condition; empty while unknown
    std::string last_failure{};  // text of the last failure
    Instant last_failed{};
    uint32_t failed_attempts = 0;  // of the current check
    uint32_t good = 0, bad = 0;    // consecutive checks
    uint32_t went = 0;             // how often it went down since it is known
  };
  struct ServiceHealth {
    uint32_t id = 0;
    HealthPolicy policy{};
    bool enough = true, sorry = false;
    Instant since{};       // of these
    std::string reason{};  // empty before the first change
    uint64_t alive =
        0;  // sums of weights: of servers that are up; of unknown ones that do not serve; of all configured
    uint64_t undecided = 0;
    uint64_t configured = 0;
  };

  Health(uint32_t most_targets, uint64_t seed) : most_(most_targets), random_(seed) {}

  // These report no TargetChange: the caller reads verdict() afterwards. Quorums and first probes follow with the next
  // time_passed(), which is due at once. An existing id is replaced: with the same check and addresses it keeps its
  // state; with others it is checked anew, and keeps its verdict until the first result. False: no room, or no such
  // service.
  [[nodiscard]] bool set_service(uint32_t service, const HealthPolicy& policy, Instant now);
  // Its servers are being replaced, in portions: what they add up to decides nothing until the next set_service().
  void hold_quorum(uint32_t service);
  [[nodiscard]] bool set_target(const Target& target, Instant now);
  void set_weight(TargetId id, int32_t weight);  // the operator's, until set_target() sets another one
  void remove_target(TargetId id);
  void remove_service(uint32_t service);  // and its targets
  // For a reload: what is not set between these two calls is removed.
  void begin_replacing() { ++epoch_; }
  void end_replacing();

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
  uint32_t flaps(TargetId id, Instant now) const;   // how often it went down within kFlapWindow, at most kFlapsKept
  const TargetHealth* find(TargetId id) const;      // borrowed until the next change of targets
  const ServiceHealth* find_service(uint32_t service) const;
  uint32_t targets() const { return static_cast<uint32_t>(by_id_.size()); }
  uint32_t running() const { return running_; }  // probes

 private:
  static constexpr uint32_t kNone = 0xffffffff, kMostInARow = 1'000'000;
  struct Asked : TargetHealth {  // a slot
    bool used = false;
    bool unproven = true;      // no check of the present kind has been completed: the first success suffices
    bool running = false;      // a probe
    uint32_t service = kNone;  // slot
    uint32_t place = 0;        // in the service's members
    uint32_t epoch = 0;
    // Its part of its service's sums.
    uint32_t adds_alive = 0, adds_undecided = 0, adds_configured = 0;
    bool adds_damped = false;
    uint64_t serial = 0;  // of the last probe; not reset when the slot is reused
    Instant probe_begun{}, check_begun{};
    std::optional<Instant> ramp{};           // when it began
    uint8_t share = 0;                       // of its weight, as last reported
    uint32_t level = 0;                      // of damping, when it last went down
    Instant held_until{};                    // in condition damped
    std::array<Instant, kFlapsKept> gone{};  // when it went down: a ring
    uint32_t flaps = 0;                      // how many were ever written to the ring
  };
  struct Group : ServiceHealth {  // a slot
    bool used = false, dirty = false;
    bool held = false;  // hold_quorum()
    uint32_t epoch = 0;
    uint32_t damped = 0;                  // number of damped members
    std::optional<uint32_t> releasing{};  // damped members are being released: the next place in members
    std::vector<uint32_t> members;
  };
  struct IdHash {
    size_t operator()(TargetId id) const { return std::hash<uint64_t>()(uint64_t{id.service} << 32 | id.server); }
  };

  Asked* slot_of(TargetId id);
  Asked* waiting_for(ProbeId id);
  uint32_t number_of(const Asked& asked) const { return static_cast<uint32_t>(&asked - targets_.data()); }
  ProbeId probe_of(const Asked& asked) const;
  Instant given_up(const Asked& asked) const;  // when a running probe is given up
  bool add_target(const Target& target, uint32_t service, Instant now);
  void replace_check(Asked& asked, const Target& target, Instant now);
  void ask_first(Asked& asked, Instant now);
  void cancel(Asked& asked);
  void woken(Asked& asked, Instant now, HealthNews& news);
  void start(Asked& asked, Instant now, std::vector<ProbeToStart>& probes);
  void fail(Asked& asked, std::string_view text, Instant now, HealthNews& news);
  void check_failed(Asked& asked, Instant now, HealthNews& news);
  void check_good(Asked& asked, std::string_view text, Instant now, HealthNews& news);
  void next_check(Asked& asked, Instant now);
  void begin_serving(Asked& asked, bool slowly, Instant now);
  void come(Asked& asked, std::string reason, Instant now, HealthNews& news);
  void go(Asked& asked, Instant now, HealthNews& news);
  void notice(Asked& asked, Condition condition, std::string reason, Instant now, HealthNews& news);
  void report(const Asked& asked, TargetChange::What what, Instant now, HealthNews& news) const;
  bool note_flap(Asked& asked, Instant now);
  uint32_t flaps_of(const Asked& asked, Instant now) const;
  uint32_t level_now(const Asked& asked, Instant now) const;
  void wake(Asked& asked, Instant now);  // sets its deadline, except that of its next probe
  void touch(uint32_t service);          // marks its quorum for review
  void touch(Asked& asked);              // and updates its part of the sums
  void subtract(const Asked& asked);
  bool judge(Group& group, size_t& left, Instant now, HealthNews& news);  // false: unfinished
  bool release(Group& group, size_t& left, Instant now, HealthNews& news);
  static bool has_enough(const Group& group);
  static uint64_t quorum_of(const Group& group);  // limited to what is reachable: lost below this
  static uint64_t return_of(const Group& group);  // and regained at this
  static std::string bad_reason(const Asked& asked);
  static std::string words(Duration d);  // 30 s, 10 min
  const HealthPolicy& policy_of(const Asked& asked) const { return groups_[asked.service].policy; }
  Verdict verdict_of(const Asked& asked, Instant now) const;
  uint64_t random();

  uint32_t most_;
  uint64_t random_;
  uint32_t running_ = 0, epoch_ = 0;
  std::vector<Asked> targets_;
  std::vector<Group> groups_;
  std::vector<uint32_t> free_targets_, free_groups_, dirty_;
  std::unordered_map<TargetId, uint32_t, IdHash> by_id_;
  std::unordered_map<uint32_t, uint32_t> group_by_id_;
  Deadlines begins_;                // of the next attempt, per target without a running probe
  Deadlines wakes_;                 // of giving up a probe, or of the next step of the slow start
  std::vector<ProbeId> cancelled_;  // between two calls of time_passed()
  Instant burst_{};                 // when first checks were last scheduled, and how many in that moment
  uint32_t in_burst_ = 0;
};

}  // namespace rawvs
