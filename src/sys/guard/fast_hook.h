// SPDX-License-Identifier: BSD-2-Clause
// fast_hook.h: attaches the fast path's classifier to an interface's ingress, before the guard.
// In:  an interface, the program, which ways come before the guard there.
// Out: each frame passes the program before the guard can drop it.
// Not: the program (sys/io/fast_path.h), when it may be attached (engine/interface.h).
//
// The guard's ways: tcx, a BPF link (Linux 6.6), which ends with this process; where that is refused clsact, a filter
// that stays when the process is killed: the next start removes it. What is newest comes first, so it has to be
// attached after the guard, and again after each of the guard's new filters.
#pragma once

#include <memory>
#include <optional>

#include "rawvs/result.h"
#include "sys/fd.h"
#include "sys/guard/tc.h"

namespace rawvs {

enum class FastWays : uint8_t { both, tcx, clsact };

class FastHook {
 public:
  // REQUIRES: a program is attached to an interface once; tcx alone where the guard is attached by tcx: clsact comes
  // after it. An error names the ways that were tried and why each failed.
  static Result<std::unique_ptr<FastHook>> attach(int ifindex, int program, FastWays ways);
  ~FastHook();  // detaches
  FastHook(const FastHook&) = delete;
  FastHook& operator=(const FastHook&) = delete;

  // Removes what a killed rawvsd left on clsact, which forwards by what it knew.
  static void remove_left(int ifindex);

  bool stays_first() const { return !hook_; }  // false: new filters of a guard come before it
  const char* way() const { return hook_ ? "clsact" : "tcx"; }

 private:
  FastHook() = default;
  Fd link_;                          // tcx
  std::optional<IngressHook> hook_;  // clsact
};

}  // namespace rawvs
