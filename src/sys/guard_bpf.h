// SPDX-License-Identifier: BSD-2-Clause
// guard_bpf.h: the guard's eBPF program, its map of VIPs, and the tcx link. bpf(2) itself, no library.
#pragma once

#include "fd.h"
#include "rawvs/addr.h"
#include "rawvs/result.h"

namespace rawvs {

class GuardProgram {
 public:
  static constexpr uint32_t kMostEntries = 8192;  // of the map; it takes memory only as it fills

  static Result<GuardProgram> load();
  int fd() const { return program_.get(); }

  // From the next frame on. Both return 0 or an errno.
  int protect(Ip vip);
  int unprotect(Ip vip);

 private:
  GuardProgram(Fd map, Fd program) : map_(std::move(map)), program_(std::move(program)) {}
  Fd map_, program_;
};

// A tcx link on the interface's ingress, in front of all others; it is gone when the descriptor is closed.
Result<Fd> attach_tcx(const GuardProgram& program, int ifindex);

}  // namespace rawvs
