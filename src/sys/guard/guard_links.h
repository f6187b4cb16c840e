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

namespace rawvs {

class GuardLinks {
 public:
  explicit GuardLinks(std::span<const int> links = {});  // duplicates them
  GuardLinks(GuardLinks&& other) noexcept = default;
  GuardLinks& operator=(GuardLinks&&) = delete;

  // The links that RAWVS_GUARD_FDS names, if they are such links: of a version that kept them for this one. Removes the
  // variable.
  static GuardLinks inherited();
  // For a program that is started soon: a child process keeps the links for some seconds. It is a copy of this process:
  // close and unmap first whatever must not live on in it.
  void keep_a_while() const;

 private:
  std::vector<Fd> links_;
};

}  // namespace rawvs
