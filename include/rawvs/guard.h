// SPDX-License-Identifier: BSD-2-Clause
// guard.h: keeps the host's own kernel from handling the frames that the director takes.
// The director gets copies; without a guard the kernel would route its own copy, answer it by RST or ICMP, and spend
// more time on it than the director does. The guard drops exactly the director's frames right behind the packet
// socket's tap, on one interface's ingress, and no others.
// Ways, best first: tcx (a BPF link, Linux 6.6: gone with its file descriptor), clsact (a BPF filter, Linux 4.5;
// survives a crash, so it is taken over at start and removed at stop), classic (the same hook with a classic BPF
// program, for kernels without the bpf system call). tc-bpf(8), bpf(2).
#pragma once

#include <memory>
#include <string>

#include "rawvs/config.h"
#include "rawvs/director.h"
#include "rawvs/result.h"

namespace rawvs {

class Guard {
 public:
  // Attaches to the interface, with nothing to drop yet. Removes a guard that a killed rawvsd left there.
  // An error says which ways were tried, why each failed, and what to type instead.
  static Result<std::unique_ptr<Guard>> attach(const std::string& interface, int ifindex, GuardMode mode);
  ~Guard();  // detaches
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // From now on frames to these VIPs (and `own`, this interface's MAC) are dropped for the kernel.
  Result<Done> protect(const Watch& watch, Mac own);

  const char* way() const;  // "tcx", "clsact", "classic"

 private:
  struct Impl;
  explicit Guard(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
