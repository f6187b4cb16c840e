// SPDX-License-Identifier: BSD-2-Clause
// tunnel.h: TUN: wraps a packet in IP in IP, GUE or GRE as IPVS does; finds the packet in a quoted tunnel packet.
// Packet and tunnel may be of different families.
// In:  a frame with headroom, the two outer addresses.
// Out: the longer frame around the same bytes.
// Not: route and MTU (director.cpp), segments of super-frames (split.h), rewriting (rewrite.h).
// RFC: 2003, 2473, 4213; 2784, 2890 (GRE); 3168 section 9.1 (ECN); draft-ietf-intarea-gue, draft-herbert-remotecsumoffload (GUE).
#pragma once

#include <algorithm>

#include "core/tunnel_type.h"
#include "wire/ip_header.h"
#include "wire/packet.h"

namespace rawvs {

inline constexpr uint32_t kMostTunnelOverhead = 60;  // bytes: GUE with remote checksum over IPv6

// The size of the outer headers, bytes. outer: the family of the server's address. inner: GUE's remote checksum needs
// eight more if the inner checksum is partial.
uint32_t tunnel_overhead(const Tunnel& tunnel, Family outer, const Offload& inner = {});

// The size of the longest packet that its sender may send into the tunnel, bytes. mtu: of the way to the server. A
// sender need not make packets shorter than its family's least MTU: where they do not fit, the tunnel's packet leaves
// in fragments (RFC 2473 section 7.1).
constexpr uint32_t room_in_tunnel(uint32_t mtu, uint32_t overhead, Family inner) {
  return std::max(mtu, overhead + least_mtu(inner)) - overhead;
}

// Makes the frame's packet the payload of a packet from `source` to `destination`, which are of one family. The outer
// headers are written into the headroom: `inner` is no frame afterwards. TOS with ECN and TTL are the inner packet's
// present ones (call decrement_ttl() first); Ethernet padding is cut; a partial inner checksum stays partial with its
// offsets moved, except SCTP's. id and dont_fragment are IPv4's. None: the headroom is too small, the packet would
// exceed IP's largest size, or it is a super-frame, except over IP in IP: nothing segments the other tunnels.
std::optional<Frame> encapsulate(const Frame& inner, const Packet& packet, const Tunnel& tunnel, Ip source,
                                 Ip destination, uint16_t id, bool dont_fragment);

// The size of the tunnel header at the beginning of the outer IP packet's payload, bytes; none when the payload is cut
// within it, or is not of this type, or holds no IP packet.
std::optional<size_t> tunnel_header(Bytes outer_payload, TunnelType type);

}  // namespace rawvs
