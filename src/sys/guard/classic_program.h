// SPDX-License-Identifier: BSD-2-Clause
// classic_program.h: the classic BPF programs of the guard for kernels without the bpf system call.
// In:  ranges of addresses, our MAC addresses.   Out: programs that return TC_ACT_SHOT for the frames they are about
// and Out: TC_ACT_UNSPEC, which asks the next filter, for all others. Not: which filter has which addresses
// (classic_guard.h), attaching (tc.h).
//
// An address is looked for by halves, in ranges of neighbours: 64 scattered ones take 100 instructions.
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

// The fewest ranges that hold these sorted addresses and no others.
std::vector<AddressRange> ranges_of(std::span<const Ip> addresses);

// Instructions that compare an address with these ranges; what leads to them is a fourth as many.
size_t comparisons(std::span<const AddressRange> ranges);

struct AddressPart {                 // what one filter knows of a list
  AddressRange place{};              // it has the list's addresses of this place ...
  std::vector<AddressRange> ranges;  // ... which are these: sorted, apart from one another
};

using ClassicProgram = std::vector<sock_filter>;

// Untagged or with a priority tag only. IPv4 to one of `own` and one of these addresses, and ARP requests for these.
ClassicProgram vip_program(const AddressPart& vips, std::span<const Mac> own);

// IPv4 from one of these servers to one of `own` that may be of a connection: TCP, UDP, SCTP, ICMP errors, fragments;
// but what is sent to a host's address. Only what is sent to the place of `hosts` is looked at.
ClassicProgram nat_program(const AddressPart& servers, const AddressPart& hosts, std::span<const Mac> own);

}  // namespace rawvs
