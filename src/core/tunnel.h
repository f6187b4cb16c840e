// SPDX-License-Identifier: BSD-2-Clause
// tunnel.h: TUN: a packet inside another one: IP in IP, GUE or GRE, as IPVS makes them; and back out of a quoted one.
// In:  a frame with room before it, the two outer addresses.   Out: the frame, longer, around the same bytes. Not:
// which way and MTU (director.cpp), segments of super-frames (split.h), rewriting (rewrite.h). RFC 2003; RFC 2784, RFC
// 2890 (GRE); draft-ietf-intarea-gue and draft-herbert-remotecsumoffload (GUE); RFC 3168 section 9.1 on ECN.
#pragma once

#include "core/tunnel_type.h"
#include "wire/packet.h"

namespace rawvs {

inline constexpr uint32_t kMostTunnelOverhead = 40;  // bytes: GUE with remote checksum

// Bytes that the outer headers take. `inner`: GUE's remote checksum needs eight more where the inner one is partial.
uint32_t tunnel_overhead(const Tunnel& tunnel, const Offload& inner = {});

// The frame's packet as payload of a packet from `source` to `destination`, written into the frame's headroom: `inner`
// is no longer a frame afterwards. TOS with ECN and TTL are the inner packet's as they stand in the frame now (so
// decrement first); Ethernet padding is cut; a partial inner checksum stays partial, offsets moved, except SCTP's.
// None when the headroom is too small, when it would be longer than an IPv4 packet can be, and for super-frames, except
// over IP in IP: no segmenter knows the other headers.
std::optional<Frame> encapsulate(const Frame& inner, const Packet& packet, const Tunnel& tunnel, Ip source,
                                 Ip destination, uint16_t id, bool dont_fragment);

// How many bytes of encapsulation lie between an outer IP header's end, where `outer_payload` begins, and the inner IP
// header; none when it is too short to tell, or is not the tunnel's.
std::optional<size_t> tunnel_header(Bytes outer_payload, TunnelType type);

}  // namespace rawvs
