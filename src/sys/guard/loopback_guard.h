// SPDX-License-Identifier: BSD-2-Clause
// loopback_guard.h: keeps marked packets that arrive on lo from this host's programs, behind the packet sockets' tap.
// guard.h has the ways, and why there are several; here no map is needed: all that has the mark is dropped.
#pragma once

#include <memory>
#include <string>

#include "rawvs/config.h"
#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

class LoopbackGuard {
 public:
  // An error says which ways were tried and why each failed.
  static Result<std::unique_ptr<LoopbackGuard>> attach(uint32_t mark, GuardMode mode);
  ~LoopbackGuard();
  LoopbackGuard(const LoopbackGuard&) = delete;
  LoopbackGuard& operator=(const LoopbackGuard&) = delete;

 private:
  LoopbackGuard();
  Fd link_;                                  // tcx; closing it detaches
  std::unique_ptr<class IngressHook> hook_;  // clsact or ingress
};

}  // namespace rawvs
