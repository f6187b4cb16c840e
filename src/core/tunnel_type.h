// SPDX-License-Identifier: BSD-2-Clause
// tunnel_type.h: how packets for a TUN server are wrapped, as ipvsadm's --tun-* options say it.
#pragma once

#include "rawvs/addr.h"

namespace rawvs {

enum class TunnelType : uint8_t { ipip, gue, gre };  // IPVS's numbers
// Of the outer header: gue, gre. remote: gue only, where a sender on this machine left the inner checksum to others:
// then the receiver completes it. What comes with a whole one gets an outer checksum, as with `checksum`. So does IPVS.
enum class TunnelChecksum : uint8_t { none, checksum, remote };

constexpr Protocol protocol_of(TunnelType type) {  // of the outer header
  switch (type) {
    case TunnelType::ipip: break;
    case TunnelType::gue: return Protocol::udp;
    case TunnelType::gre: return Protocol::gre;
  }
  return Protocol::ipip;
}

struct Tunnel {
  TunnelType type = TunnelType::ipip;
  Port port{};  // gue's UDP port
  TunnelChecksum checksum = TunnelChecksum::none;
  friend bool operator==(const Tunnel&, const Tunnel&) = default;
};

}  // namespace rawvs
