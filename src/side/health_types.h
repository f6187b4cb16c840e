// SPDX-License-Identifier: BSD-2-Clause
// health_types.h: the values that health.h takes and gives: policies, targets, verdicts, news, what is known.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/time.h"
#include "side/check.h"
#include "side/latencies.h"

namespace rawvs {

enum class OnDown : uint8_t { keep, drain, reset };  // for connections of a server that went down; the director does it

struct HealthPolicy {  // of a service
  OnDown on_down = OnDown::keep;
  bool inhibit = true;        // a server that is down stays in the table with weight 0; false: it is taken out
  Duration slow_start{};      // time to the full weight after a return; 0: at once
  uint32_t quorum = 1;        // least sum of the weights that are up, as keepalived counts; at most what is configured
  uint32_t hysteresis = 0;    // so much above the quorum it counts as regained
  bool sorry_server = false;  // there is a sorry server
  // A server that went down more often than this within FlapHistory::kWindow is damped: when it works again, it is held
  // back for a time. Where too few others are up and there is no sorry server, damped servers serve at once.
  uint8_t flaps_allowed = 3;  // 0: no damping; at most FlapHistory::kKept - 1
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
  bool ramps = true;  // false: it was there when the daemon started: no slow start the first time
};

enum class Condition : uint8_t { unknown, up, down, damped };  // damped: it works, but has gone down too often
const char* name(Condition condition);

// What a program may be told of: of a server up, down and damped, of a service the others.
enum class HealthEvent : uint8_t { up, down, damped, quorum, no_quorum, sorry, no_sorry };
inline constexpr size_t kHealthEvents = 7;
const char* name(HealthEvent event);  // no-quorum

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
  const Target* target = nullptr;  // with its check; valid until the next set_target() or remove_*()
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

struct TargetHealth {
  static constexpr size_t kMostText = 200;  // bytes of an answer's text that are kept
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
  uint64_t attempts = 0, attempts_failed = 0;
  Duration latency{}, latency_sum{};  // of the last attempt that succeeded, and of all of them
};

struct ServiceHealth {
  uint32_t id = 0;
  HealthPolicy policy{};
  bool enough = true, sorry = false;
  Instant since{};       // of these
  std::string reason{};  // empty before the first change
  // Sums of weights: of servers that are up; of unknown ones that do not serve; of all configured.
  uint64_t alive = 0, undecided = 0, configured = 0;
  Latencies latencies{};  // of attempts that succeeded
};

}  // namespace rawvs
