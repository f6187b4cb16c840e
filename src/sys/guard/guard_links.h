// SPDX-License-Identifier: BSD-2-Clause
// guard_links.h: guards that stay in effect between one process and the next: without one the host's kernel would route
// NAT servers' answers untranslated, and clients would reset them. A guard that is a link of the kernel's (tcx) is in
// effect as long as a process has it open; the other kinds stay by themselves. REQUIRES: one thread.
#pragma once

#include <span>
#include <vector>

#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

class GuardLinks {
 public:
  explicit GuardLinks(std::span<const int> links = {});  // copies of these
  GuardLinks(GuardLinks&& other) noexcept;
  GuardLinks& operator=(GuardLinks&&) = delete;
  ~GuardLinks();

  // For the program that takes this one's place: exec() keeps them, RAWVS_GUARD_FDS names them. exec() has to follow;
  // if it fails, the destructor takes that back.
  Result<Done> hand_over();
  // What RAWVS_GUARD_FDS names, as far as it is such links; afterwards the variable is gone.
  static GuardLinks inherited();
  // For a program that is started soon: a process of its own has them for some seconds. It is a copy of this one, so
  // whatever is not to live on with it must be closed and unmapped before.
  void keep_a_while() const;

 private:
  std::vector<Fd> links_;
  bool handed_over_ = false;
};

}  // namespace rawvs
