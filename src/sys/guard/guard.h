// SPDX-License-Identifier: BSD-2-Clause
// guard.h: keeps the host's own kernel from handling the frames that the director takes.
// The director gets copies; without a guard the kernel would route its own copy, answer it by RST or ICMP, and spend
// more time on it than the director does. The guard drops exactly the director's frames right behind the packet
// socket's tap, on one interface's ingress, and no others.
// NAT servers' answers are kept from it flow by flow, by a map of the flows that the director translates.
// Ways, best first: tcx (a BPF link, Linux 6.6: gone with its file descriptor), clsact (a BPF filter, Linux 4.5;
// survives a crash, so it is taken over at start and removed at stop), classic (the same hook with a classic BPF
// program, for kernels without the bpf system call). tc-bpf(8), bpf(2).
#pragma once

#include <memory>
#include <string>

#include "rawvs/config.h"
#include "rawvs/result.h"
#include "side/watch.h"

namespace rawvs {

// The NAT servers' answers that are kept from the host's kernel: one set for the guards of both links. The kernel's
// memory for it (16 bytes per connection that there may be, 100 more for each that there is) is taken when a NAT server
// appears.
class FlowMap {
 public:
  explicit FlowMap(uint32_t most);
  ~FlowMap();
  FlowMap(const FlowMap&) = delete;
  FlowMap& operator=(const FlowMap&) = delete;

  // From the next frame on. ICMP errors that quote the client's half of a flow belong to it.
  void change(std::span<const ReplyChange> changes);

  // Flows that could not be put in: the kernel routes their answers untranslated, too. And why not, an errno.
  uint64_t refused() const { return refused_; }
  int problem() const { return problem_; }

  Result<int> open();  // its descriptor, for a guard's program

 private:
  uint32_t most_;
  std::unique_ptr<class BpfMap> map_;
  bool tried_ = false;
  uint64_t refused_ = 0;
  int problem_ = 0;
};

class Guard {
 public:
  // Attaches to the interface, with nothing to drop yet. Removes a guard that a killed rawvsd left there.
  // An error says which ways were tried, why each failed, and what to type instead. REQUIRES: flows outlives the guard.
  static Result<std::unique_ptr<Guard>> attach(const std::string& interface, int ifindex, GuardMode mode,
                                               FlowMap& flows);
  ~Guard();  // detaches
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // What is dropped for the kernel from now on: frames to these VIPs (and to `own`, our MAC addresses there, the
  // interface's first); from NAT servers the answers of the flows that the map holds, and fragments, which do not show
  // their ports. hosts: the host's own addresses, sorted. What a NAT server sends there is dropped only if it is of a
  // known flow. What is not dropped the kernel takes for the host's, whichever of `own` it was sent to: so it routes
  // for those whose gateway has a virtual MAC address. (Not in the classic way, and not before Linux 4.8.)
  Result<Done> protect(const Watch& watch, std::span<const Mac> own, const std::vector<Ip>& hosts);

  // False: this way of guarding cannot tell flows apart. It drops everything of TCP, UDP and SCTP, ICMP errors and
  // fragments that a NAT server does not send to one of `hosts`, and the director has to give back what is not its own.
  bool knows_flows() const;

  const char* way() const;  // "tcx", "clsact", "classic"

  // The descriptor that keeps it attached: whoever has it open keeps the guard, as it is. -1: it stays until detached.
  int link_fd() const;

 private:
  struct Impl;
  explicit Guard(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
