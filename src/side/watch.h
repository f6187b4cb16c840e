// SPDX-License-Identifier: BSD-2-Clause
// watch.h: the frames that the director needs, and that the host's kernel must not handle.
//
// The director fills it; sockets' filters, kernel programs and guards are made from it.
#pragma once

#include <array>
#include <vector>

#include "core/link.h"
#include "core/vip_ports.h"
#include "rawvs/addr.h"

namespace rawvs {

struct Watch {
  std::vector<Ip> vips;         // sorted: frames to these, and ARP and ND about these
  std::vector<Ip> neighbors;    // sorted: ARP and ND from these: servers, or gateways to them
  std::vector<Ip> nat_servers;  // sorted: IP from these to our MAC address may be replies to translate
  bool icmp_errors = false;     // also ICMP errors to our MAC address: about packets with NAT or in a tunnel
  // Sorted: our addresses on each link besides the interface's own (VRRP).
  std::array<std::vector<Mac>, kMostLinks> macs{};
  // Sorted, disjoint: ports of the host's own addresses. Packets to these, unless a fragment or an IPv6 extension
  // header hides the port. All else that is sent to such an address is the host's; of ICMP errors about these ports,
  // and of fragments without ports, both get a copy.
  std::vector<VipPorts> own{};
  size_t all_vips() const {  // how many, with those that are the host's own
    size_t count = vips.size();
    for (size_t i = 0; i < own.size(); ++i) count += i == 0 || own[i].vip != own[i - 1].vip;
    return count;
  }
  friend bool operator==(const Watch&, const Watch&) = default;
};

}  // namespace rawvs
