// SPDX-License-Identifier: BSD-2-Clause
// bpf.h: the system call bpf(2) without a library: maps, programs, tcx links.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>

#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

class BpfMap {  // a set of keys; the values have no meaning
 public:
  static Result<BpfMap> make(size_t key_size, uint32_t most_keys);
  int fd() const { return fd_.get(); }
  // In effect from the next frame on. Both return 0 or an errno; E2BIG: full. Removing an absent key succeeds.
  int put(const void* key);
  int remove(const void* key);

  // The same for an array of keys, with as few system calls as the kernel allows (one since Linux 5.6).
  struct Refused {
    uint32_t keys = 0;
    int problem = 0;  // of the last of them
  };
  Refused put_all(const void* keys, uint32_t count);
  Refused remove_all(const void* keys, uint32_t count);

 private:
  BpfMap(Fd fd, size_t key_size) : fd_(std::move(fd)), key_size_(key_size) {}
  int change(int batch_command, const uint8_t* keys, uint32_t& count);
  Refused change_all(int batch_command, const uint8_t* keys, uint32_t count);
  Fd fd_;
  size_t key_size_;
  bool batches_ = true;  // false once the kernel has refused a batch
};

Result<Fd> load_bpf_program(bpf_prog_type type, std::span<const bpf_insn> code, const char* name);

// A tcx link on the interface's ingress, before all others. Closing the descriptor detaches it.
Result<Fd> attach_tcx(int program, int ifindex);
int replace_program(int link, int program);  // atomic between two frames; 0 or an errno

}  // namespace rawvs
