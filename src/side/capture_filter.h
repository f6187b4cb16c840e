// SPDX-License-Identifier: BSD-2-Clause
// capture_filter.h: which frames the director may care about, as a pcap filter expression.
// The packet socket copies only these (sys/io/link_socket compiles and attaches it).
#pragma once

#include <span>
#include <string>

#include "side/watch.h"

namespace rawvs {

// The networks that a filter lets in: few enough of them, so wider than asked where addresses are many and scattered.
struct CaptureSets {
  std::vector<Network> vips{}, neighbors{}, nat_servers{};  // sorted, apart from one another
  bool icmp_errors = false;
  // Would nothing of what is watched be lost? Neighbours' answers come in without their addresses.
  bool admits(const Watch& watch) const;
};
CaptureSets capture_sets(const Watch& watch);
std::string capture_filter(const CaptureSets& sets, std::span<const Mac> own);

// Frames for the packet socket. To our MAC: IPv4 to a VIP or from a NAT server, ICMP errors if they are wanted, ARP;
// and any ARP about a VIP or from a neighbour. own: our MAC addresses on this link, the interface's first.
std::string capture_filter(const Watch& watch, std::span<const Mac> own);

}  // namespace rawvs
