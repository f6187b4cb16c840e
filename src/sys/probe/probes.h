// SPDX-License-Identifier: BSD-2-Clause
// probes.h: checks real servers, many at once, without blocking.
// In:  a CheckSpec, the target, the time.
// Out: findings: well or not, and the reason as text.
// Not: when to check, and what a finding means (health.h); ARP checks, which the neighbour table does; host names.
//
// One attempt is one probe; retries, jitter, rise and fall are elsewhere. An exec probe has rawvs-helper run its
// program. A TLS probe exchanges one hello each way (tls_hello.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/result.h"
#include "rawvs/time.h"
#include "side/check.h"
#include "side/health_types.h"

namespace rawvs {

class Helper;

struct ProbeTarget {
  Endpoint to{};          // destination; with via = vip the VIP and its port. icmp has no port, exec ignores it
  Endpoint server{};      // the server that is checked, for exec programs
  Ip vip{};               // for exec programs
  std::string service{};  // as in messages, for exec programs
  bool proxy = false;     // tcp, tls, http: the server expects the PROXY protocol's header first
  Ip source{};            // unspecified: the kernel's choice
  uint32_t mark = 0;      // SO_MARK; 0: none. With a mark, answers of this host are ignored: check_path.h
};

struct ProbeFinding {
  ProbeId id{};
  bool well = false;
  // False: the director could not check (no descriptor left, no such user, ...), which says nothing about the server.
  bool asked = true;
  std::string text{};  // "HTTP status 503, expected 200-299"; one line without control characters
};

class Probes {
 public:
  static constexpr size_t kMost = 256;  // probes in progress

  static Result<std::unique_ptr<Probes>> open(const Helper& helper);  // helper must outlive it
  ~Probes();                                                          // has programs that still run killed
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  int fd() const;  // an epoll descriptor: readable when serve() has something to do
  Instant next_deadline()
      const;  // when serve() has something to do without a descriptor; kNever: no probe is in progress

  // serve() returns the finding, exactly one for each probe that is not cancelled. id: the caller's; a probe in
  // progress with the same id is cancelled. False: kMost are in progress, and nothing was started.
  bool start(ProbeId id, const CheckSpec& spec, const ProbeTarget& target, Instant now);
  void cancel(ProbeId id);  // no finding follows; an unknown id is ignored
  size_t running() const;
  Endpoint source(ProbeId id) const;  // its own address and port; unspecified: not in progress, or none

  // Does a bounded amount of work for each ready probe.
  std::vector<ProbeFinding> serve(Instant now);

 private:
  struct Impl;
  explicit Probes(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
