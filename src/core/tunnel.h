// SPDX-License-Identifier: BSD-2-Clause
// tunnel.h: TUN: wraps a packet in IP in IP, GUE or GRE as IPVS does; finds the packet in a quoted tunnel packet.
// In:  a frame with headroom, the two outer addresses.
// Out: the longer frame around the same bytes.
// Not: route and MTU (director.cpp), segments of super-frames (split.h), rewriting (rewrite.h).
// RFC: 2003; 2784, 2890 (GRE); 3168 section 9.1 (ECN); draft-ietf-intarea-gue, draft-herbert-remotecsumoffload (GUE).
#pragma once

#include "core/tunnel_type.h"
#include "wire/packet.h"

namespace rawvs {

inline constexpr uint32_t kMostTunnelOverhead = 40;  // bytes: GUE with remote checksum

// The size of the outer headers, bytes. inner: GUE's remote checksum needs eight more if the inner checksum is partial.
uint32_t tunnel_overhead(const Tunnel& tunnel, const Offload& inner = {});

// Makes the frame's packet the payload of a packet from `source` to `destination`. The outer headers are written into
// the headroom: `inner` is no frame afterwards. TOS with ECN and TTL are the inner packet's present ones (call
// decrement_ttl() first); Ethernet padding is cut; a partial inner checksum stays partial with its offsets moved,
// except SCTP's. None: the headroom is too small, the packet would exceed IPv4's largest size, or it is a super-frame,
// except over IP in IP: nothing segments the other tunnels.
std::optional<Frame> encapsulate(const Frame& inner, const Packet& packet, const Tunnel& tunnel, Ip source,
                                 Ip destination, uint16_t id, bool dont_fragment);

// The size of the tunnel header at the beginning of the outer IP packet's payload, bytes; none when the payload is cut
// within it, or is not of this type.
std::optional<size_t> tunnel_header(Bytes outer_payload, TunnelType type);

}  // namespace rawvs
