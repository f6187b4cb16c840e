// SPDX-License-Identifier: BSD-2-Clause
// classic_program.h: the guard's classic BPF programs, for kernels without the bpf system call.
// In:  ranges of addresses, our MAC addresses.
// Out: programs that return TC_ACT_SHOT for matching frames, and TC_ACT_UNSPEC (run the next filter) for others.
// Not: which filter has which addresses (classic_guard.h), attaching (tc.h).
//
// An address is found by binary search in ranges of adjacent addresses: 64 scattered ones take 100 instructions.
#pragma once

#include <linux/filter.h>

#include <span>
#include <vector>

#include "rawvs/addr.h"

namespace rawvs {

struct AddressRange {  // IPv4 addresses in host order, both ends included
  uint32_t first = 0, last = ~uint32_t{0};
  bool whole() const { return first == 0 && last == ~uint32_t{0}; }
  bool meets(const AddressRange& other) const { return first <= other.last && other.first <= last; }
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

// The fewest ranges that contain exactly these sorted addresses.
std::vector<AddressRange> ranges_of(std::span<const Ip> addresses);

// The number of instructions that compare an address with these ranges; the search adds a fourth.
size_t comparisons(std::span<const AddressRange> ranges);

struct AddressPart {                 // the part of a list that one filter has
  AddressRange place{};              // it has the list's addresses in this place:
  std::vector<AddressRange> ranges;  // sorted, disjoint
};

using ClassicProgram = std::vector<sock_filter>;

// Untagged or with a priority tag only: IPv4 to one of `own` and one of these addresses, and ARP requests for these.
ClassicProgram vip_program(const AddressPart& vips, std::span<const Mac> own);

// IPv4 from one of these servers to one of `own` that may belong to a connection: TCP, UDP, SCTP, ICMP errors,
// fragments; except to a host's address. Only frames to the place of `hosts` are examined.
ClassicProgram nat_program(const AddressPart& servers, const AddressPart& hosts, std::span<const Mac> own);

}  // namespace rawvs
