// SPDX-License-Identifier: BSD-2-Clause
// checks.h: health checks in the loop: probes, and the path of checks with via = vip.
// In:  the checks of the configuration; findings of probes; packets of checks.
// Out: verdicts in the director's tables (CheckedServers); changed quorums for Mastership; changes for the Notifier.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/portions.h"
#include "control/director_gate.h"
#include "side/checked_servers.h"
#include "sys/engine/mastership.h"
#include "sys/engine/warn_once.h"
#include "sys/probe/check_path.h"
#include "sys/probe/probes.h"

namespace rawvs {

class Checks final : public Part, public ServerVerdicts {
 public:
  Checks(EngineContext& context, Mastership& mastership, Notifier& notifier);

  // Adds walks that find which checks a new configuration wants, for the next follow().
  void add_wanting(Portions& walks);
  void forget_old() { other_.clear(); }  // what the configuration before wanted
  // Applies the configuration: at the start, and after each reload.
  Result<Done> follow(bool at_start);
  // Applies the checks' verdicts to servers that an operator has just added.
  void settle();

  std::optional<Verdict> found(const ServiceKey& service, Endpoint server) const override;
  void recall(const ServiceKey& service, Endpoint server, Verdict verdict) override;
  std::optional<Endpoint> sorry_of(const ServiceKey& service) const override { return checked_.sorry_of(service); }

  void serve(Instant now) override;
  Instant deadline() const override;

  const std::vector<WantedChecks>& wanted() const { return wanted_; }
  const CheckedServers& checked() const { return checked_; }

 private:
  Result<Done> open_probes();
  void hear_findings();
  void ask();
  void start_probe(const CheckedServers::ToAsk& ask);
  void probe_not_made(const std::string& reason);
  void notify();
  // via = vip: checks_via_vip.cpp.
  void follow_path();
  bool open_path(Family family);
  Ip check_source(const Server& server, Family family) const;
  std::optional<std::string> lead_probe(const CheckedServers::ToAsk& ask, ProbeTarget& target);
  void expect_packets(const CheckedServers::ToAsk& ask, const ProbeTarget& target);
  void serve_path();

  EngineContext& context_;
  Mastership& mastership_;
  Notifier& notifier_;
  DirectorGate gate_;
  CheckedServers checked_;
  std::vector<WantedChecks> wanted_;  // as the configuration wants them
  std::vector<WantedChecks> other_;   // as the next one does, until follow(); as the one before did, afterwards
  std::vector<Mark> marks_;           // of the next one's virtuals
  std::unique_ptr<Probes> probes_;    // null: no check so far
  std::unique_ptr<CheckPath> path_;   // null: no check has via = vip, or it cannot be opened
  Ready path_ready_;
  Error no_path_{};                               // why path_ is null
  Instant retry_path_{};                          // when to try to open it again
  std::set<std::string, std::less<>> notifying_;  // virtuals that name a program in notify
  WarnOnce warnings_;
};

}  // namespace rawvs
