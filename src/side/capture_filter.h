// SPDX-License-Identifier: BSD-2-Clause
// capture_filter.h: the frames that the director needs, as a pcap filter expression for the packet socket.
// In:  a Watch, our MAC addresses.
// Out: the expression.
// Not: compiling and attaching it (sys/io/link_socket.h).
#pragma once

#include <span>
#include <string>

#include "side/watch.h"

namespace rawvs {

// The networks that a filter admits. Their number is limited: for many scattered addresses they are wider than asked.
struct CaptureSets {
  std::vector<Network> vips{}, neighbors{}, nat_servers{};  // sorted, disjoint
  std::vector<VipPorts> own{};                              // sorted; of protocol any: all that is sent to this address
  bool icmp_errors = false;
  // True if no watched frame would be lost. Neighbours' replies are admitted without their addresses.
  bool admits(const Watch& watch) const;
};
CaptureSets capture_sets(const Watch& watch);
std::string capture_filter(const CaptureSets& sets, std::span<const Mac> own);

// Admits, to our MAC addresses: IP to a VIP or from a NAT server, ICMP errors if wanted, ARP; any ARP about a VIP or
// from a neighbour; and, if an IPv6 address is watched, all of neighbour discovery. own: our MAC addresses on this
// link, the interface's first; none: its frames are bare IP packets, and all are sent to us.
std::string capture_filter(const Watch& watch, std::span<const Mac> own);

}  // namespace rawvs
