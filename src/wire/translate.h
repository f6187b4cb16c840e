// SPDX-License-Identifier: BSD-2-Clause
// translate.h: turns an IPv4 packet into an IPv6 packet, and the other way round.
// In:  a frame with a whole packet of TCP, UDP or SCTP; its addresses in the other family.
// Out: the frame, changed in place: another IP header, L4 checksum and offload facts for it.
// Not: ports (core/rewrite.h), ICMP errors (director/forwarder_families.cpp).
// RFC: 7915 sections 4.1, 5.1; 768 and 8200 section 8.1 (UDP without checksum).
#pragma once

#include "wire/ip_header.h"
#include "wire/packet.h"

namespace rawvs {

inline constexpr uint32_t kFamilyGrowth = kIpv6Size - kIpv4Size;  // bytes that IPv6's header is longer

// How long a packet of `from` may be so that it is at most mtu bytes long in the other family.
constexpr uint32_t room_in_other_family(uint32_t mtu, Family from) {
  return from == Family::ipv4 ? mtu - kFamilyGrowth : mtu + kFamilyGrowth;
}
// The next hop's MTU in an ICMP error of `from`, for one of the other family; 0 stays unknown (RFC 1191 section 5).
constexpr uint32_t mtu_in_other_family(uint32_t mtu, Family from) {
  if (from == Family::ipv6) return mtu > kFamilyGrowth ? mtu - kFamilyGrowth : mtu;
  return mtu == 0 ? kIpv6LeastMtu : mtu + kFamilyGrowth > kIpv6LeastMtu ? mtu + kFamilyGrowth : kIpv6LeastMtu;
}

// IPv4's options and IPv6's extension headers are left out. id: the identification, unique for source and destination,
// of a packet that may be fragmented. REQUIRES: src and dst are of the family that the packet does not have; no
// fragment; kFamilyGrowth bytes of headroom. False: it would be too long, or is no such packet; it must not be used.
bool translate(Frame& frame, Packet& packet, Ip src, Ip dst, uint16_t id);

}  // namespace rawvs
