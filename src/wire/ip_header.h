// SPDX-License-Identifier: BSD-2-Clause
// ip_header.h: what the headers of both families have in common.
#pragma once

#include "rawvs/frame.h"
#include "wire/ipv4_header.h"
#include "wire/ipv6_header.h"

namespace rawvs {

constexpr uint32_t ip_header_size(Family f) { return f == Family::ipv4 ? kIpv4Size : kIpv6Size; }  // without options
// The MTU of every link is at least this, bytes (RFC 791, RFC 8200 section 5).
constexpr uint32_t least_mtu(Family f) { return f == Family::ipv4 ? 68 : kIpv6LeastMtu; }
constexpr uint32_t most_ip_bytes(Family f) { return f == Family::ipv4 ? kMostIpv4Size : kMostIpv6Size; }  // of a packet
constexpr uint16_t ether_type(Family f) { return f == Family::ipv4 ? kEtherTypeIpv4 : kEtherTypeIpv6; }

// A packet's protocol as a number of its header.
constexpr Protocol protocol_on_wire(Protocol p, Family f) {
  return p == Protocol::icmp && f == Family::ipv6 ? Protocol::icmpv6 : p;
}

// Fields as the header has them now: they may have been rewritten since it was parsed. REQUIRES: the header of an IP
// packet of this family.
inline Ip source_of(Bytes header, Family f) {
  return f == Family::ipv4 ? Ipv4Header(header).source() : Ipv6Header(header).source();
}
inline Ip destination_of(Bytes header, Family f) {
  return f == Family::ipv4 ? Ipv4Header(header).destination() : Ipv6Header(header).destination();
}
inline uint32_t total_of(Bytes header, Family f) {  // header and payload, bytes
  return f == Family::ipv4 ? Ipv4Header(header).total() : Ipv6Header(header).total();
}
inline uint8_t tos_of(Bytes header, Family f) {
  return f == Family::ipv4 ? Ipv4Header(header).tos() : Ipv6Header(header).traffic_class();
}
constexpr size_t ttl_at(Family f) { return f == Family::ipv4 ? kIpv4TtlAt : kIpv6HopLimitAt; }

// By the version that the header states. REQUIRES: at least one byte.
inline bool states_ipv6(Bytes packet) { return packet[0] >> 4 == 6; }
inline Family stated_family(Bytes packet) { return states_ipv6(packet) ? Family::ipv6 : Family::ipv4; }

// The header of a packet of `protocol` with so many bytes behind it. REQUIRES: `out` has ip_header_size(family) bytes.
struct HeaderFacts {
  Ip src{}, dst{};
  Protocol protocol = Protocol::any;
  uint32_t payload = 0;
  uint8_t tos = 0, ttl = 64;
  uint16_t id = 0;
  bool dont_fragment = false;  // of IPv4
  Family family() const { return dst.family(); }
};
inline void write_ip_header(MutableBytes out, const HeaderFacts& f) {
  if (f.dst.is_v6()) {
    MutableIpv6Header ip(out);
    ip.set_version_and_class(f.tos);  // with flow label 0, as IPVS
    ip.set_payload_size(f.payload);
    ip.set_next_header(protocol_on_wire(f.protocol, Family::ipv6));
    ip.set_hop_limit(f.ttl);
    ip.set_source(f.src);
    return ip.set_destination(f.dst);
  }
  MutableIpv4Header ip(out);
  ip.set_version_and_size();
  ip.set_tos(f.tos);
  ip.set_total(kIpv4Size + f.payload);
  ip.set_id(f.id);
  ip.set_fragment_word(f.dont_fragment ? kDontFragment : uint16_t{0});
  ip.set_ttl(f.ttl);
  ip.set_protocol(f.protocol);
  ip.set_source(f.src);
  ip.set_destination(f.dst);
  ip.make_checksum();
}

}  // namespace rawvs
