// SPDX-License-Identifier: BSD-2-Clause
// loopback_guard.h: drops marked packets that arrive on lo, after the packet sockets' tap: programs do not get them.
//
// guard.h describes the ways. No map is needed: every packet with the mark is dropped.
#pragma once

#include <memory>
#include <string>

#include "rawvs/config.h"
#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

class LoopbackGuard {
 public:
  // An error names the ways that were tried and why each failed.
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
