// SPDX-License-Identifier: BSD-2-Clause
// watch.h: which frames the outside must deliver to the director, and keep from the host's kernel.
// The director says it; sockets, programs of the kernel and guards are made from it.
#pragma once

#include <array>
#include <vector>

#include "core/link.h"
#include "rawvs/addr.h"

namespace rawvs {

struct Watch {
  std::vector<Ip> vips;         // sorted: frames to these, ARP about these
  std::vector<Ip> neighbors;    // sorted: ARP from these: servers, or gateways to them
  std::vector<Ip> nat_servers;  // sorted: IPv4 from these, sent to our MAC address, may be answers to translate
  bool icmp_errors = false;     // also ICMP errors to our MAC address: about packets under NAT or in a tunnel
  std::array<std::vector<Mac>, kLinks> macs{};  // sorted: ours on that link beside the interface's own (VRRP)
  friend bool operator==(const Watch&, const Watch&) = default;
};

}  // namespace rawvs
