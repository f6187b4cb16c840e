// SPDX-License-Identifier: BSD-2-Clause
// guard_code.h: the instructions of the guard's eBPF program (guard_bpf.h), and the keys of its maps of addresses.
#pragma once

#include <linux/bpf.h>

#include <array>
#include <vector>

#include "sys/guard/guard_bpf.h"

namespace rawvs {

struct GuardKey {
  uint32_t what = 0;                 // Guarded
  std::array<uint8_t, 4> address{};  // as on the wire
};
static_assert(sizeof(GuardKey) == 8);
struct GuardKey6 {
  uint32_t what = 0;
  std::array<uint8_t, 16> address{};
};
static_assert(sizeof(GuardKey6) == 20);

// addresses: the map of IPv4's.
std::vector<bpf_insn> guard_code(int addresses, const GuardProgram::Knowledge& knows);

}  // namespace rawvs
