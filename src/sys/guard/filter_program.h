// SPDX-License-Identifier: BSD-2-Clause
// filter_program.h: a pcap filter expression as a classic BPF program, for packet_socket and guard.
// libpcap's header and the kernel's linux/bpf.h both define struct bpf_insn, so pcap.h is kept to one file.
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "rawvs/result.h"

namespace rawvs {

using FilterProgram = std::vector<sock_filter>;

inline constexpr size_t kMostInstructions = 4096;  // BPF_MAXINSNS: what the kernel accepts

// libpcap's optimizer takes a second for this many characters (500 scattered addresses), and soon minutes for more.
inline constexpr size_t kLongestExpression = 32768;

// Ethernet frames. The program returns `matched` for frames that match, and 0 for the rest. REQUIRES: the expression is
// not longer than kLongestExpression. The program may still be longer than the kernel accepts.
Result<FilterProgram> compile_filter(const std::string& expression, int matched);

}  // namespace rawvs
