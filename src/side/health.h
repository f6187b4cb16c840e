// SPDX-License-Identifier: BSD-2-Clause
// health.h: which real servers are well: when each is asked, what its answers mean, and what follows from that.
// In:  targets (a real server of a service, and how to ask it), results of probes, the time. Out: probes to start,
// verdicts on targets (came, went, ramp of the slow start), verdicts on services (quorum, sorry server).
// Not: asking (probes.h), weights and connections (the director does what TargetChange says), lines of the log (whoever
// calls writes them from the reasons). Numbers of targets and services are the caller's and stay the same as long as
// the server is configured; they are no slots of service.h, because a server that is out may lose its slot there.
// Checks: interval is from begin to begin; a check is 1 + retries attempts, the first good one decides; checks of one
// target never overlap. Damping is RFC 2439's idea without its curves: see HealthPolicy::flaps_allowed.
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

enum class OnDown : uint8_t { keep, drain, reset };  // connections of a server that went; the director's to do

struct HealthPolicy {  // of a service
  OnDown on_down = OnDown::keep;
  bool inhibit = true;        // a server that is out stays in the table with weight 0; false: it is taken out
  Duration slow_start{};      // to the full weight after a return; 0: at once
  uint32_t quorum = 1;        // least sum of the weights alive, as keepalived counts; at most what is configured
  uint32_t hysteresis = 0;    // so much more than the quorum until it counts as back
  bool sorry_server = false;  // there is one
  // A server that went more often than this within kFlapWindow is damped: when it is well again it has to stay so for
  // kFirstHold, twice as long after each further time, kLongestHold at most. One doubling is forgotten per kFlapWindow
  // in which it did not go. Where too few others are alive and no sorry server stands by, nobody is held back.
  uint8_t flaps_allowed = 3;  // 0: no damping; at most kFlapsKept - 1
  friend bool operator==(const HealthPolicy&, const HealthPolicy&) = default;
};

struct TargetId {
  uint32_t service = 0, server = 0;
  friend constexpr auto operator<=>(const TargetId&, const TargetId&) = default;
};

struct Target {
  TargetId id{};
  std::shared_ptr<const CheckSpec> check{};  // shared by all who are asked so; none: nobody asks, it is up
  Endpoint at{};                             // the server, with its service's port; CheckSpec::port goes before that
  Endpoint vip{};                            // via = vip: asked at this, by the server's way
  int32_t weight = 1;                        // as configured
  std::optional<bool> was_well{};            // what an earlier daemon knew: its verdict until the first answer
  bool ramps = true;  // false: it was there when the daemon started, no slow start for its first time
};

enum class Condition : uint8_t { unknown, up, down, damped };  // damped: well, but it has gone too often
const char* name(Condition condition);

struct Verdict {
  bool serves = false;    // it gets new connections (if the operator's weight is not 0)
  bool in_table = false;  // false: to be taken out of the table (policy without inhibit)
  int32_t weight = 0;     // to be given to it now; 0 when it does not serve
  uint8_t share = 0;      // of its weight, in parts of kRampSteps: exact where a weight of 1 cannot be split
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

using ProbeId = Strong<struct ProbeTag, uint64_t>;  // never used twice

struct ProbeToStart {  // to be started now
  ProbeId id{};
  const Target* target = nullptr;  // with its check; valid until the next set_target(), remove_*() or end_replacing()
  uint32_t attempt = 1;            // of 1 + retries
};

struct TargetChange {
  enum class What : uint8_t {
    came,     // serves now
    went,     // is down now: on_down applies to its connections
    ramped,   // slow start: another weight. No reason is given, and none need be logged
    noticed,  // another condition, but nothing for the director to do
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
  bool enough = true;    // servers are alive: what VRRP may track
  bool sorry = false;    // the sorry server is to be used: not enough, and there is one
  std::string reason{};  // "weight 1 of 3 alive, quorum 2"
};

struct HealthNews {
  std::vector<TargetChange> changes;
  std::vector<QuorumChange> quorums;
  std::vector<ProbeId> cancelled;  // the prober should end these; what they say would be ignored
  void clear() { changes.clear(), quorums.clear(), cancelled.clear(); }
};

// Slow start: in kRampSteps steps, the first at since, the last at since + slow_start, each worth one of kRampSteps
// parts of the weight, but 1 at least; 0 stays 0.
inline constexpr uint8_t kRampSteps = 24;
uint8_t slow_share(Instant since, Duration slow_start, Instant now);  // the step: 1..kRampSteps
int32_t slow_weight(int32_t weight, Instant since, Duration slow_start, Instant now);
Instant next_ramp_step(Instant since, Duration slow_start, Instant now);  // kNever: the ramp is over

class Health {
 public:
  static constexpr uint32_t kMostProbesAtOnce = 256;
  static constexpr size_t kPortion = 256;   // deadlines, and services and targets looked at, in one time_passed()
  static constexpr size_t kMostText = 200;  // bytes of an answer's text that are kept; the rest is cut
  static constexpr size_t kFlapsKept = 16;
  static constexpr Duration kFlapWindow = 10min;
  static constexpr Duration kFirstHold = 30s, kLongestHold = 16min;
  static constexpr Duration kGrace = 1s;  // a probe that says nothing for so long after its timeout is given up

  struct TargetHealth {
    Target target{};
    Condition condition = Condition::unknown;
    bool serves = false;
    int32_t weight = 0;          // the operator's, without slow start
    Instant since{};             // of the condition
    std::string reason{};        // for the condition; empty while unknown
    std::string last_failure{};  // text of the last answer that was not good
    Instant last_failed{};
    uint32_t failed_attempts = 0;  // of the check that is going on
    uint32_t good = 0, bad = 0;    // checks in a row
    uint32_t went = 0;             // times since it is known
  };
  struct ServiceHealth {
    uint32_t id = 0;
    HealthPolicy policy{};
    bool enough = true, sorry = false;
    Instant since{};       // of these
    std::string reason{};  // empty before the first change
    uint64_t alive = 0;    // sum of the weights that serve; of unknown servers that do not, of all as configured
    uint64_t undecided = 0;
    uint64_t configured = 0;
  };

  Health(uint32_t most_targets, uint64_t seed) : most_(most_targets), random_(seed) {}

  // These report no TargetChange: who calls them looks at verdict() afterwards. Quorums and first probes come with the
  // next time_passed(), which is due at once. An id that is there already is replaced: with the same check and
  // addresses it keeps its state; with others it is asked anew, and keeps its verdict until the first answer. False: no
  // room, or no such service.
  [[nodiscard]] bool set_service(uint32_t service, const HealthPolicy& policy, Instant now);
  [[nodiscard]] bool set_target(const Target& target, Instant now);
  void set_weight(TargetId id, int32_t weight);  // the operator's, until set_target() brings another one
  void remove_target(TargetId id);
  void remove_service(uint32_t service);  // and its targets
  // For a reload: what is not set between these two is removed.
  void begin_replacing() { ++epoch_; }
  void end_replacing();

  // Adds at most so many probes to start, and kPortion pieces of other work; what else is due stays due. Results that
  // have come are to be handed in before, so that a process that was stopped for a while does not give up probes that
  // have been answered.
  void time_passed(Instant now, size_t most, std::vector<ProbeToStart>& probes, HealthNews& news);
  // text: what the prober says, "connection refused". False: nobody waits for this probe any more.
  bool answered(ProbeId id, bool well, std::string_view text, Instant now, HealthNews& news);
  // This probe could not even begin (no descriptor was left, no way was known yet): no fault of the server, and asked
  // for again so much later. False: as above.
  bool postponed(ProbeId id, Duration later, Instant now);
  Instant next_deadline() const;  // O(1); Instant{}: at once

  Verdict verdict(TargetId id, Instant now) const;  // of an unknown id: does not serve, not in the table
  uint32_t flaps(TargetId id, Instant now) const;   // times it went within kFlapWindow, kFlapsKept at most
  const TargetHealth* find(TargetId id) const;      // borrowed until the next change of targets
  const ServiceHealth* find_service(uint32_t service) const;
  uint32_t targets() const { return static_cast<uint32_t>(by_id_.size()); }
  uint32_t running() const { return running_; }  // probes

 private:
  static constexpr uint32_t kNone = 0xffffffff, kMostInARow = 1'000'000;
  struct Asked : TargetHealth {  // a slot
    bool used = false;
    bool unproven = true;      // no check as it is now has been completed: the first good one suffices
    bool running = false;      // a probe
    uint32_t service = kNone;  // slot
    uint32_t place = 0;        // in the service's members
    uint32_t epoch = 0;
    // What it adds to its service's sums.
    uint32_t adds_alive = 0, adds_undecided = 0, adds_configured = 0;
    bool adds_damped = false;
    uint64_t serial = 0;  // of the last probe; goes on when the slot is used again
    Instant probe_begun{}, check_begun{};
    std::optional<Instant> ramp{};           // when it began
    uint8_t share = 0;                       // of its weight, as reported last
    uint32_t level = 0;                      // of damping, at the time it went last
    Instant held_until{};                    // in condition damped
    std::array<Instant, kFlapsKept> gone{};  // when it went: a ring
    uint32_t flaps = 0;                      // how many were ever written to it
  };
  struct Group : ServiceHealth {  // a slot
    bool used = false, dirty = false;
    uint32_t epoch = 0;
    uint32_t damped = 0;                  // members that are
    std::optional<uint32_t> releasing{};  // damped members are let serve: the place in members that is next
    std::vector<uint32_t> members;
  };
  struct IdHash {
    size_t operator()(TargetId id) const { return std::hash<uint64_t>()(uint64_t{id.service} << 32 | id.server); }
  };

  Asked* slot_of(TargetId id);
  Asked* waiting_for(ProbeId id);
  uint32_t number_of(const Asked& asked) const { return static_cast<uint32_t>(&asked - targets_.data()); }
  ProbeId probe_of(const Asked& asked) const;
  Instant given_up(const Asked& asked) const;  // when a running probe is
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
  void wake(Asked& asked, Instant now);  // sets the deadline for what is not a probe's begin
  void touch(uint32_t service);          // its quorum has to be looked at
  void touch(Asked& asked);              // and what this one adds to it may be different now
  void subtract(const Asked& asked);
  bool judge(Group& group, size_t& left, Instant now, HealthNews& news);  // false: its turn goes on
  bool release(Group& group, size_t& left, Instant now, HealthNews& news);
  static bool has_enough(const Group& group);
  static uint64_t quorum_of(const Group& group);  // as it can be reached: to be lost below
  static uint64_t return_of(const Group& group);  // and to be regained at
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
  Deadlines begins_;                // of the next attempt, per target that has no probe running
  Deadlines wakes_;                 // of a probe's giving up, or of the next step of the ramp
  std::vector<ProbeId> cancelled_;  // between two calls of time_passed()
  Instant burst_{};                 // when first checks were last asked for, and how many in that moment
  uint32_t in_burst_ = 0;
};

}  // namespace rawvs
