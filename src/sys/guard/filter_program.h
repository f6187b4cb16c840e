// SPDX-License-Identifier: BSD-2-Clause
// filter_program.h: compiles a pcap filter expression into a classic BPF program.
//
// libpcap's header and the kernel's linux/bpf.h both define struct bpf_insn: filter_program.cpp alone includes pcap.h.
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "rawvs/result.h"

namespace rawvs {

using FilterProgram = std::vector<sock_filter>;

inline constexpr size_t kMostInstructions = 4096;  // BPF_MAXINSNS: the kernel's limit

// libpcap's optimizer takes a second for this many characters (500 scattered addresses), and minutes for many more.
inline constexpr size_t kLongestExpression = 32768;

// ethernet = false: for bare IP packets. The program returns `matched` for frames that match, and 0 for others.
// REQUIRES: the expression is no longer than kLongestExpression. The program may still be too long for the kernel.
Result<FilterProgram> compile_filter(const std::string& expression, int matched, bool ethernet = true);

}  // namespace rawvs
