// SPDX-License-Identifier: BSD-2-Clause
// bpf.cpp: the calls, and variants for older kernels.
#include "sys/guard/bpf.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "sys/sys.h"

namespace rawvs {
namespace {

// Missing from some systems' linux/bpf.h (Linux 6.6).
constexpr uint32_t kTcxIngress = 46;                 // BPF_TCX_INGRESS
constexpr uint32_t kBeforeAll = 1u << 3;             // BPF_F_BEFORE, without a reference
constexpr int kUpdateBatch = 26, kDeleteBatch = 27;  // BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH (Linux 5.6)
struct BatchAttributes {                             // bpf_attr.batch
  uint64_t in, out, keys, values;
  uint32_t count, map_fd;
  uint64_t element_flags, flags;
};
constexpr uint32_t kKeysAtOnce = 64;

int bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

uint64_t address_of(const void* p) { return reinterpret_cast<uintptr_t>(p); }

Fd create_map(size_t key_size, uint32_t most_keys, uint32_t flags) {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_HASH;
  attributes.key_size = static_cast<uint32_t>(key_size);
  attributes.value_size = sizeof(uint32_t);
  attributes.max_entries = most_keys;
  attributes.map_flags = flags;
  return Fd(bpf(BPF_MAP_CREATE, attributes));
}

void lift_memory_limit() {  // before Linux 5.11 maps and programs count as locked memory, limited to 64 KB
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_MEMLOCK, &limit);
}

Fd load_program(bpf_prog_type type, std::span<const bpf_insn> code, const char* name) {
  static constexpr char kLicense[] = "BSD";  // the helpers used do not require the GPL
  bpf_attr attributes{};
  attributes.prog_type = type;
  attributes.insns = address_of(code.data());
  attributes.insn_cnt = static_cast<uint32_t>(code.size());
  attributes.license = address_of(kLicense);
  std::strncpy(attributes.prog_name, name, sizeof attributes.prog_name - 1);
  return Fd(bpf(BPF_PROG_LOAD, attributes));
}

}  // namespace

Result<BpfMap> BpfMap::make(size_t key_size, uint32_t most_keys) {
  Fd map = create_map(key_size, most_keys, BPF_F_NO_PREALLOC);
  if (!map && errno == EPERM) {
    lift_memory_limit();
    map = create_map(key_size, most_keys, BPF_F_NO_PREALLOC);
  }
  if (!map && errno == EINVAL) map = create_map(key_size, most_keys, 0);  // Linux 4.5 never preallocates
  if (!map) return Error{system_error("bpf map", errno)};
  return BpfMap(std::move(map), key_size);
}

int BpfMap::put(const void* key) {
  const uint32_t value = 1;
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(fd());
  attributes.key = address_of(key);
  attributes.value = address_of(&value);
  attributes.flags = BPF_ANY;
  return bpf(BPF_MAP_UPDATE_ELEM, attributes) == 0 ? 0 : errno;
}

int BpfMap::remove(const void* key) {
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(fd());
  attributes.key = address_of(key);
  return bpf(BPF_MAP_DELETE_ELEM, attributes) == 0 || errno == ENOENT ? 0 : errno;
}

// One system call. `count` becomes the number of keys done. 0, or why the next one failed.
int BpfMap::change(int batch_command, const uint8_t* keys, uint32_t& count) {
  constexpr int kNotSupported = 524;  // ENOTSUPP, which the kernel returns here
  if (batches_ && count > 1) {
    static constexpr auto kOnes = [] {
      std::array<uint32_t, kKeysAtOnce> ones{};
      ones.fill(1);
      return ones;
    }();
    count = std::min(count, kKeysAtOnce);
    BatchAttributes batch{};
    batch.keys = address_of(keys);
    batch.values = address_of(kOnes.data());
    batch.count = count;
    batch.map_fd = static_cast<uint32_t>(fd());
    const bool done = syscall(SYS_bpf, batch_command, &batch, sizeof batch) == 0;
    const int problem = done ? 0 : errno;
    batches_ = problem != EINVAL && problem != kNotSupported;
    if (batches_) {
      count = std::min(count, batch.count);
      return problem;
    }
  }
  const int problem = batch_command == kUpdateBatch ? put(keys) : remove(keys);
  count = problem == 0 ? 1 : 0;
  return problem;
}

BpfMap::Refused BpfMap::change_all(int batch_command, const uint8_t* keys, uint32_t count) {
  Refused refused;
  while (count != 0) {
    uint32_t done = count;
    const int problem = change(batch_command, keys, done);
    if (problem != 0) {
      if (problem != ENOENT) refused = {refused.keys + 1, problem};
      done = std::min(done + 1, count);
    }
    keys += done * key_size_;
    count -= done;
  }
  return refused;
}

BpfMap::Refused BpfMap::put_all(const void* keys, uint32_t count) {
  return change_all(kUpdateBatch, static_cast<const uint8_t*>(keys), count);
}

BpfMap::Refused BpfMap::remove_all(const void* keys, uint32_t count) {
  return change_all(kDeleteBatch, static_cast<const uint8_t*>(keys), count);
}

Result<Fd> load_bpf_program(bpf_prog_type type, std::span<const bpf_insn> code, const char* name) {
  Fd program = load_program(type, code, name);
  if (!program && (errno == EINVAL || errno == E2BIG)) program = load_program(type, code, "");  // names: Linux 4.15
  if (!program) return Error{system_error("bpf program", errno)};
  return program;
}

Result<Fd> attach_tcx(int program, int ifindex) {
  bpf_attr attributes{};
  attributes.link_create.prog_fd = static_cast<uint32_t>(program);
  attributes.link_create.target_ifindex = static_cast<uint32_t>(ifindex);
  attributes.link_create.attach_type = kTcxIngress;
  attributes.link_create.flags = kBeforeAll;
  Fd link(bpf(BPF_LINK_CREATE, attributes));
  if (!link) return Error{system_error("bpf link (needs Linux 6.6)", errno)};
  return link;
}

int replace_program(int link, int program) {
  bpf_attr attributes{};
  attributes.link_update.link_fd = static_cast<uint32_t>(link);
  attributes.link_update.new_prog_fd = static_cast<uint32_t>(program);
  return bpf(BPF_LINK_UPDATE, attributes) == 0 ? 0 : errno;
}

}  // namespace rawvs
