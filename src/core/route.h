// SPDX-License-Identifier: BSD-2-Clause
// route.h: the way to a real server, as the host's routing table has it. sys/netlink finds it out, the director is
// told.
#pragma once

#include "rawvs/frame.h"

namespace rawvs {

struct Route {
  enum class Kind : uint8_t {
    direct,      // the server, or a gateway to it, is on one of our two links
    elsewhere,   // it would go through another interface
    local,       // the address is the host's own
    unreachable  // no route, or one that refuses
  };
  Ip to{};  // the server
  Kind kind = Kind::direct;
  Link link = Link::outside;  // direct: out of this one
  Ip next_hop{};              // whose MAC address is needed: a gateway, or the server itself
  Ip source{};                // our address on that way; unspecified: none
  uint16_t mtu = 0;           // the route's own, bytes; 0: the link's
  friend bool operator==(const Route&, const Route&) = default;
};

}  // namespace rawvs
