// SPDX-License-Identifier: BSD-2-Clause
// bpf.h: bpf(2) itself, no library: maps, programs, tcx links.
#pragma once

#include <linux/bpf.h>

#include <span>

#include "fd.h"
#include "rawvs/result.h"

namespace rawvs {

class BpfMap {  // a set of keys: that a key is there is all that counts
 public:
  static Result<BpfMap> make(size_t key_size, uint32_t most_keys);
  int fd() const { return fd_.get(); }
  // In effect from the next frame on. Both return 0 or an errno; E2BIG: full. Removing a key that is not there is fine.
  int put(const void* key);
  int remove(const void* key);

 private:
  explicit BpfMap(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

Result<Fd> load_bpf_classifier(std::span<const bpf_insn> code, const char* name);

// A tcx link on the interface's ingress, in front of all others; it is gone when the descriptor is closed.
Result<Fd> attach_tcx(int program, int ifindex);
int replace_program(int link, int program);  // no frame passes in between; 0 or an errno

}  // namespace rawvs
