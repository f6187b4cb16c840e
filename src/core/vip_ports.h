// SPDX-License-Identifier: BSD-2-Clause
// vip_ports.h: ports of a VIP that a service or a group takes.
#pragma once

#include <algorithm>
#include <compare>
#include <span>

#include "rawvs/addr.h"

namespace rawvs {

struct VipPorts {
  Ip vip{};
  Protocol protocol = Protocol::any;
  uint16_t first = 0, last = 0;  // both included
  // Every port: of an address of the host it would leave nothing to the host.
  constexpr bool every() const { return first <= 1 && last == 0xffff; }
  friend constexpr auto operator<=>(const VipPorts&, const VipPorts&) = default;
};

// Whether one of them holds the port. REQUIRES: sorted, disjoint.
inline bool holds(std::span<const VipPorts> all, Ip vip, Protocol protocol, Port port) {
  const auto after = std::ranges::upper_bound(all, VipPorts{vip, protocol, port.value, 0xffff});
  if (after == all.begin()) return false;
  const VipPorts& range = *(after - 1);
  return range.vip == vip && range.protocol == protocol && range.last >= port.value;
}

}  // namespace rawvs
