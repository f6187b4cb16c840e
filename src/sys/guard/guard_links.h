// SPDX-License-Identifier: BSD-2-Clause
// guard_links.h: guards that stay in effect from one process to the next.
//
// Without a guard the host's kernel would route NAT servers' replies untranslated, and clients would reset them. A tcx
// guard is in effect while a process has its link open; the other kinds stay by themselves. REQUIRES: one thread.
#pragma once

#include <span>
#include <vector>

#include "rawvs/result.h"
#include "sys/fd.h"
#include "sys/helper/helper.h"

namespace rawvs {

bool is_bpf_link(int fd);

// A link that rawvs-helper has open, too. It keeps it for kGuardKept more when this process crashes, or destroys this
// without release().
class KeptGuard {
 public:
  KeptGuard() = default;  // none
  static Result<KeptGuard> keep(const Helper& helper, int link);
  void release();  // the guard is not needed any more

 private:
  explicit KeptGuard(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

// The links that RAWVS_GUARD_FDS names, if they are such links: of a version that kept them for this one. Removes the
// variable.
std::vector<Fd> inherited_guard_links();

}  // namespace rawvs
