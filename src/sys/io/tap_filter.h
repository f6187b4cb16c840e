// SPDX-License-Identifier: BSD-2-Clause
// tap_filter.h: a packet socket's filter that asks the fast path about the frames that it would accept.
// In:  a classic BPF program, as pcap compiles it.
// Out: an eBPF program that decides as the classic one does, and then lets another program decide about what is left.
// Not: that program (fast_path.bpf.c: fast_tap), attaching (link_socket.cpp).
//
// A socket has one filter. Where the classic program returns 0, this one does, too. Where it accepts a frame, this one
// jumps to the first program of an array, whose answer counts; without one there the frame is accepted, and cut, as the
// classic program says. Documentation/networking/filter.rst, and the kernel's own translation (net/core/filter.c).
#pragma once

#include <linux/bpf.h>
#include <linux/filter.h>

#include <span>
#include <vector>

#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

// taps: a map of BPF_MAP_TYPE_PROG_ARRAY. An Error names what has no translation: some facts of a frame that are not
// in it (SKF_AD_*), and what the kernel refuses in a classic program.
Result<std::vector<bpf_insn>> tap_filter_code(std::span<const sock_filter> classic, int taps);

// Loads it, for SO_ATTACH_BPF.
Result<Fd> load_tap_filter(std::span<const sock_filter> classic, int taps);

}  // namespace rawvs
