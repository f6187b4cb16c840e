// SPDX-License-Identifier: BSD-2-Clause
// route.h: the route to a real server by the host's routing table. sys/net/netlink looks it up.
#pragma once

#include <string>

#include "rawvs/frame.h"

namespace rawvs {

struct Route {
  enum class Kind : uint8_t {
    direct,      // the server, or a gateway to it, is on one of our links
    elsewhere,   // the route uses another interface
    local,       // the address is the host's own
    unreachable  // no route, or one that refuses
  };
  Ip to{};  // the server
  Kind kind = Kind::direct;
  Link link{};               // of a direct route
  Ip next_hop{};             // the address to resolve: a gateway, or the server itself
  Ip source{};               // our source address on this route; unspecified: none
  uint16_t mtu = 0;          // of the route, bytes; 0: the link's
  std::string interface {};  // of Kind::elsewhere
  friend bool operator==(const Route&, const Route&) = default;
};

}  // namespace rawvs
