// SPDX-License-Identifier: BSD-2-Clause
// program_array.h: an array of BPF programs, as the fast path's taps are (sys/io/tap_filter.h).
#pragma once

#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "sys/fd.h"
#include "sys/guard/bpf.h"
#include "sys/guard/bpf_insn.h"

namespace rawvs::test {

inline Fd array_of_programs() {  // of one
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_PROG_ARRAY;
  attributes.key_size = attributes.value_size = sizeof(uint32_t);
  attributes.max_entries = 1;
  return Fd(static_cast<int>(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes)));
}

inline void put_first(const Fd& array, std::span<const bpf_insn> code) {  // for packet sockets
  const auto program = load_bpf_program(BPF_PROG_TYPE_SOCKET_FILTER, code, "test");
  ASSERT_TRUE(program) << program.error().text;
  const uint32_t first = 0;
  const int fd = program->get();
  bpf_attr attributes{};
  attributes.map_fd = static_cast<uint32_t>(array.get());
  attributes.key = reinterpret_cast<uintptr_t>(&first);
  attributes.value = reinterpret_cast<uintptr_t>(&fd);
  ASSERT_EQ(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attributes, sizeof attributes), 0) << strerror(errno);
}

// It says this of every frame: 0 no, -1 all of it.
inline void put_first(const Fd& array, int32_t says) {
  put_first(array, std::array{ebpf::set(ebpf::r0, says), ebpf::leave()});
}

}  // namespace rawvs::test
