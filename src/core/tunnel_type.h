// SPDX-License-Identifier: BSD-2-Clause
// tunnel_type.h: the encapsulation for a TUN server, as ipvsadm's --tun-* options define it.
#pragma once

#include "rawvs/addr.h"

namespace rawvs {

enum class TunnelType : uint8_t { ipip, gue, gre };  // IPVS's numbers
// The outer header's checksum, for gue and gre. remote, for gue: if the sender left the inner checksum partial, the
// receiver completes it; if the inner checksum is whole, the outer header gets a checksum. So does IPVS.
enum class TunnelChecksum : uint8_t { none, checksum, remote };

// Of the outer header. inner: the packet's family.
constexpr Protocol protocol_of(TunnelType type, Family inner) {
  switch (type) {
    case TunnelType::ipip: break;
    case TunnelType::gue: return Protocol::udp;
    case TunnelType::gre: return Protocol::gre;
  }
  return inner == Family::ipv4 ? Protocol::ipip : Protocol::ipv6;
}

struct Tunnel {
  TunnelType type = TunnelType::ipip;
  Port port{};  // UDP port of gue
  TunnelChecksum checksum = TunnelChecksum::none;
  friend bool operator==(const Tunnel&, const Tunnel&) = default;
};

}  // namespace rawvs
