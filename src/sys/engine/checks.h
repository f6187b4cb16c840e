// SPDX-License-Identifier: BSD-2-Clause
// checks.h: health checks in the loop: probes begun and heard, and the path of those that ask a VIP by a server's way
// (via = vip).
// In:   what the configuration wants asked; findings of probes; packets of checks.
// Out:  verdicts in the director's tables (Ward); Mastership is told of virtuals whose quorum has changed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/ward.h"
#include "sys/engine/mastership.h"
#include "sys/engine/warn_once.h"
#include "sys/probe/check_path.h"
#include "sys/probe/probes.h"

namespace rawvs {

class Checks final : public Part {
 public:
  Checks(EngineContext& context, Mastership& mastership);

  // What the configuration wants now: at start, and after each reload.
  Result<Done> follow(bool at_start);
  // Operators have changed the tables: what checks say is said of the new ones, too.
  void settle();

  void serve(Instant now) override;
  Instant deadline() const override;

  const std::vector<WantedChecks>& wanted() const { return wanted_; }
  const Ward& ward() const { return ward_; }

 private:
  Result<Done> open_probes();
  void hear_findings();
  void ask();
  void start_probe(const Ward::ToAsk& ask);
  void probe_not_made(const std::string& reason);
  // via = vip: checks_via_vip.cpp.
  void follow_path();
  bool open_path();
  std::optional<std::string> lead_probe(const Ward::ToAsk& ask, ProbeTarget& target);
  void expect_packets(const Ward::ToAsk& ask, const ProbeTarget& target);
  void serve_path();

  EngineContext& context_;
  Mastership& mastership_;
  Ward ward_;
  std::vector<WantedChecks> wanted_;  // as the configuration wants them
  std::unique_ptr<Probes> probes_;    // null: nobody was ever to be asked
  std::unique_ptr<CheckPath> path_;   // null: no check has via = vip, or it cannot be had
  Ready path_ready_;
  Error no_path_{};       // why not
  Instant retry_path_{};  // when to try again
  WarnOnce warnings_;
};

}  // namespace rawvs
