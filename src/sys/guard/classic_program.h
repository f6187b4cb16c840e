// SPDX-License-Identifier: BSD-2-Clause
// classic_program.h: the guard's classic BPF programs, for kernels without the bpf system call.
// In:  ranges of addresses, our MAC addresses.
// Out: programs that return TC_ACT_SHOT for matching frames, and TC_ACT_UNSPEC (run the next filter) for others.
// Not: which filter has which addresses (classic_guard.h), attaching (tc.h).
//
// An address is found by binary search in ranges of adjacent addresses: 64 scattered ones take 100 instructions. The
// machine has one register of 32 bits, so an IPv6 address is looked up word by word: the addresses of one /96 are found
// as those of IPv4 are, and before them their first twelve bytes.
#pragma once

#include <linux/filter.h>

#include <span>
#include <vector>

#include "core/vip_ports.h"
#include "rawvs/addr.h"

namespace rawvs {

struct AddressRange {  // addresses of one family, both ends included
  Ip first{}, last{};
  static constexpr AddressRange all(Family f) {
    return f == Family::ipv4 ? AddressRange{Ip(0), Ip(~uint32_t{0})}
                             : AddressRange{Ip::any(f), Ip(~uint64_t{0}, ~uint64_t{0})};
  }
  bool meets(const AddressRange& other) const {
    return first.family() == other.first.family() && first <= other.last && other.first <= last;
  }
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

// The fewest ranges that contain exactly this family's of these sorted addresses, and of which each has addresses that
// differ in their last word only.
std::vector<AddressRange> ranges_of(std::span<const Ip> addresses, Family family);

// The number of instructions that compare an address with these ranges; the search adds a fourth at most.
size_t comparisons(std::span<const AddressRange> ranges);
size_t comparisons(const AddressRange& range, const AddressRange* before);  // that this one adds to those before

struct AddressPart {                 // the part of a list that one filter has
  AddressRange place{};              // it has the list's addresses in this place:
  std::vector<AddressRange> ranges;  // sorted, disjoint
};

using ClassicProgram = std::vector<sock_filter>;

// own, in both: our MAC addresses; none: frames are bare IP packets, and all are sent to us.
//
// Untagged or with a priority tag only: IP to one of `own` and one of these addresses; ARP requests and solicitations
// for these, whoever they are sent to.
ClassicProgram vip_program(const AddressPart& vips, std::span<const Mac> own);

// To one of `own`: TCP, UDP or SCTP to these ports of an address of the host, also first fragments, which have the
// ports; not behind IPv6 extension headers. REQUIRES: sorted, disjoint, of one address and protocol.
ClassicProgram own_program(std::span<const VipPorts> ports, std::span<const Mac> own);

// IP from one of these servers to one of `own` that may belong to a connection: TCP, UDP, SCTP, ICMP errors, fragments,
// all with IPv6 extension headers; except to a host's address. Only frames to the place of `hosts` are examined.
// REQUIRES: servers and hosts are of one family.
ClassicProgram nat_program(const AddressPart& servers, const AddressPart& hosts, std::span<const Mac> own);

}  // namespace rawvs
