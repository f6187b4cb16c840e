// SPDX-License-Identifier: BSD-2-Clause
// bpf.h: bpf(2) itself, no library: maps, programs, tcx links.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>

#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

class BpfMap {  // a set of keys: that a key is there is all that counts
 public:
  static Result<BpfMap> make(size_t key_size, uint32_t most_keys);
  int fd() const { return fd_.get(); }
  // In effect from the next frame on. Both return 0 or an errno; E2BIG: full. Removing a key that is not there is fine.
  int put(const void* key);
  int remove(const void* key);

  // The same of keys one behind another, by as few system calls as the kernel allows (one, from Linux 5.6 on).
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
  bool batches_ = true;  // until the kernel says otherwise
};

Result<Fd> load_bpf_classifier(std::span<const bpf_insn> code, const char* name);

// A tcx link on the interface's ingress, in front of all others; it is gone when the descriptor is closed.
Result<Fd> attach_tcx(int program, int ifindex);
int replace_program(int link, int program);  // no frame passes in between; 0 or an errno

}  // namespace rawvs
