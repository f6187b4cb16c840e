// SPDX-License-Identifier: BSD-2-Clause
// probes.h: asks real servers whether they are well, many at once, waiting for none.
// In:  a CheckSpec, whom to ask, the time.   Out: findings: well or not, and why, in words.
// Not: when to ask, again or at all, and what an answer means (health.h); ARP checks, which the director's own
// neighbour table answers; names of hosts, which would have to be looked up. One attempt is one probe: retries, jitter,
// rise and fall are others' job. An exec probe holds the caller up until its program has begun, as vfork(2) does: a
// fraction of a millisecond, on a busy machine until that has its turn. TLS is one hello each way (tls_hello.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/result.h"
#include "rawvs/time.h"
#include "side/check.h"
#include "side/health.h"

namespace rawvs {

struct ProbeTarget {
  Endpoint to{};          // where it is sent; with via = vip the VIP and its port. icmp has no port, exec does not care
  Endpoint server{};      // whom it is about: what exec programs are told
  Ip vip{};               // the same
  std::string service{};  // as in messages: the same
  Ip source{};            // unspecified: the kernel's choice
  uint32_t mark = 0;      // SO_MARK; 0: none. Whose probe has one, nobody on this host may answer: check_path.h
};

struct ProbeFinding {
  ProbeId id{};
  bool well = false;
  // False: the director could not ask (no descriptor left, no such user, ...). That says nothing of the server.
  bool asked = true;
  std::string text{};  // "HTTP status 503, expected 200-299"; one line without control characters
};

class Probes {
 public:
  static constexpr size_t kMost = 256;  // on their way at once

  static Result<std::unique_ptr<Probes>> open();
  ~Probes();  // ends programs that still run
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  int fd() const;                 // an epoll descriptor: readable when serve() has something to do
  Instant next_deadline() const;  // when serve() has something to do even so; kNever: nothing is on its way

  // The finding comes from serve(), however soon it is known; exactly one for each probe that is not cancelled. An id
  // is the caller's; a probe with the same one that is still on its way is cancelled. False: kMost are on their way,
  // nothing was begun.
  bool start(ProbeId id, const CheckSpec& spec, const ProbeTarget& target, Instant now);
  void cancel(ProbeId id);  // no finding comes; an unknown id is fine
  size_t running() const;
  Endpoint source(ProbeId id) const;  // its own address and port; unspecified: it is not on its way, or has none

  // A bounded piece of work for each that is ready.
  std::vector<ProbeFinding> serve(Instant now);

 private:
  struct Impl;
  explicit Probes(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
