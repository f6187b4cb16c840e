// SPDX-License-Identifier: BSD-2-Clause
// capture_filter.h: which frames the director may care about, as a pcap filter expression.
// The packet socket copies only these (sys/packet_socket compiles and attaches it), and the guard for kernels without
// eBPF drops the same set.
#pragma once

#include <string>

#include "rawvs/director.h"

namespace rawvs {

// Frames for the packet socket: to our MAC and a VIP; ARP about a VIP, to our MAC, or from a real server.
std::string capture_filter(const Watch& watch, Mac own);

// Frames the host's own kernel must not see: those to our MAC and a VIP, and ARP requests for a VIP. VLAN-tagged frames
// are not among them; the caller's filter has to exclude those, since a pcap expression cannot see a stripped tag.
std::string guard_filter(const Watch& watch, Mac own);

}  // namespace rawvs
