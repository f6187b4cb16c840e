// SPDX-License-Identifier: BSD-2-Clause
// tunnel.cpp: writes the outer headers, the innermost first.
#include "core/tunnel.h"

#include <algorithm>
#include <array>

#include "core/rewrite.h"
#include "core/siphash.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip_header.h"

namespace rawvs {

namespace {

constexpr uint32_t kGueSize = 4, kRemoteSize = 8, kGreSize = 4, kGreChecksumSize = 4;
constexpr size_t kGreFlagsAt = 0, kGreTypeAt = 2, kGreChecksumAt = 4;
constexpr size_t kGueProtocolAt = 1, kGueFlagsAt = 2;
constexpr uint16_t kGreHasChecksum = 0x8000, kGreHasKey = 0x2000, kGreHasSequence = 0x1000;
constexpr uint16_t kGuePrivateFlags = 0x0001;        // a word of further flags follows
constexpr uint32_t kGueRemoteChecksum = 0x80000000;  // in the private flags: start and offset follow

bool remote_checksum(const Tunnel& t, const Offload& inner) {
  return t.type == TunnelType::gue && t.checksum == TunnelChecksum::remote && inner.partial_checksum();
}

// RFC 3168 section 9.1.1, full functionality: an earlier congestion mark is not copied to the outer header, so that a
// mark set inside the tunnel can be recognised.
uint8_t outer_tos(uint8_t inner) {
  constexpr uint8_t kEcn = 3, kEct0 = 2, kCongested = 3;
  return (inner & kEcn) == kCongested ? static_cast<uint8_t>((inner & ~kEcn) | kEct0) : inner;
}

// A source port by flow, in Linux's ephemeral range: routers hash it, so a connection keeps its path.
Port flow_port(const Packet& p) {
  constexpr uint64_t kFirst = 32768, kPorts = 60999 - kFirst + 1;
  const uint64_t hash =
      siphash13({}, uint64_t{p.src.folded()} << 32 | p.dst.folded(),
                uint64_t{static_cast<uint8_t>(p.protocol)} << 32 | uint64_t{p.sport.value} << 16 | p.dport.value);
  return Port(static_cast<uint16_t>(kFirst + hash % kPorts));
}

// The sum of an outer payload. When an inner partial checksum is completed, the bytes from its start on add up to the
// complement of the field's present value: they need not be read (local checksum offload).
uint64_t sum_of(const Frame& frame, size_t from, size_t end) {
  const Bytes all = Bytes(frame.bytes()).first(end);
  if (!frame.offload.partial_checksum()) return checksum_add(all.subspan(from));
  const size_t start = frame.offload.checksum_start;
  const uint16_t pseudo_sum = load_be16(all, start + frame.offload.checksum_offset);
  return checksum_add(all.subspan(from, start - from), static_cast<uint16_t>(~pseudo_sum));
}

uint32_t payload_at(const HeaderFacts& outer) {
  return static_cast<uint32_t>(kEthernetSize) + ip_header_size(outer.family());
}

void write_gue(Frame& frame, const Packet& inner, const Tunnel& tunnel, const HeaderFacts& outer) {
  const uint32_t at = payload_at(outer), payload_size = outer.payload;
  const MutableBytes udp = frame.bytes().subspan(at, payload_size);
  const MutableBytes gue = udp.subspan(kUdpSize);
  const bool remote = remote_checksum(tunnel, frame.offload);
  gue[0] = remote ? kRemoteSize / 4 : 0;  // version 0, no control message, length of the options in words
  gue[kGueProtocolAt] = static_cast<uint8_t>(protocol_of(TunnelType::ipip, inner.family()));
  store_be16(gue, kGueFlagsAt, remote ? kGuePrivateFlags : 0);
  if (remote) {  // where the receiver completes the inner checksum, counted from the inner IP header
    const size_t inner_at = at + kUdpSize + kGueSize + kRemoteSize;
    const auto start = static_cast<uint16_t>(frame.offload.checksum_start - inner_at);
    store_be32(gue, kGueSize, kGueRemoteChecksum);
    store_be16(gue, kGueSize + 4, start);
    store_be16(gue, kGueSize + 6, static_cast<uint16_t>(start + frame.offload.checksum_offset));
    frame.offload.flags &= static_cast<uint8_t>(~Offload::needs_checksum);
  }
  store_be16(udp, kSourcePortAt, flow_port(inner).value);
  store_be16(udp, kDestinationPortAt, tunnel.port.value);
  store_be16(udp, kUdpLengthAt, static_cast<uint16_t>(payload_size));
  store_be16(udp, kUdpChecksumAt, 0);
  if (tunnel.checksum == TunnelChecksum::none) return;
  const uint64_t sum =
      sum_of(frame, at, at + payload_size) + pseudo_header_sum(outer.src, outer.dst, Protocol::udp, payload_size);
  const auto check = static_cast<uint16_t>(~checksum_fold(sum));
  store_be16(udp, kUdpChecksumAt, check == 0 ? 0xffff : check);
}

void write_gre(const Frame& frame, const Packet& inner, const Tunnel& tunnel, const HeaderFacts& outer) {
  const uint32_t at = payload_at(outer), payload_size = outer.payload;
  const MutableBytes gre = frame.bytes().subspan(at, payload_size);
  const bool checked = tunnel.checksum != TunnelChecksum::none;
  store_be16(gre, kGreFlagsAt, checked ? kGreHasChecksum : 0);
  store_be16(gre, kGreTypeAt, ether_type(inner.family()));
  if (!checked) return;
  store_be32(gre, kGreChecksumAt, 0);  // checksum, reserved
  const uint64_t sum = sum_of(frame, at, at + payload_size);
  store_be16(gre, kGreChecksumAt, static_cast<uint16_t>(~checksum_fold(sum)));
}

bool holds_ip(uint8_t protocol) {
  const auto p = static_cast<Protocol>(protocol);
  return p == Protocol::ipip || p == Protocol::ipv6;
}

// The frame with `overhead` more bytes in front, and the Ethernet header at the new beginning.
Frame grown(const Frame& inner, uint32_t overhead, uint32_t ip_size, Family family) {
  Frame outer = inner;
  outer.data -= overhead;
  outer.headroom -= overhead;
  outer.size = static_cast<uint32_t>(kEthernetSize) + overhead + ip_size;
  std::copy_n(inner.data, kEthernetSize, outer.data);  // copy_n goes forwards: the two ranges may overlap
  store_be16(outer.bytes(), kEthernetTypeAt, ether_type(family));
  const auto shift = static_cast<uint16_t>(overhead);
  if (outer.offload.partial_checksum()) outer.offload.checksum_start += shift;
  if (outer.offload.header_size != 0) outer.offload.header_size += shift;
  return outer;
}

}  // namespace

uint32_t tunnel_overhead(const Tunnel& tunnel, Family outer, const Offload& inner) {
  const uint32_t ip = ip_header_size(outer);
  switch (tunnel.type) {
    case TunnelType::ipip: break;
    case TunnelType::gue: return ip + kUdpSize + kGueSize + (remote_checksum(tunnel, inner) ? kRemoteSize : 0);
    case TunnelType::gre: return ip + kGreSize + (tunnel.checksum == TunnelChecksum::none ? 0 : kGreChecksumSize);
  }
  return ip;
}

std::optional<Frame> encapsulate(const Frame& inner, const Packet& packet, const Tunnel& tunnel, Ip source,
                                 Ip destination, uint16_t id, bool dont_fragment) {
  const Family family = destination.family();
  Frame whole = inner;
  settle_sctp_checksum(whole, packet);
  const uint32_t overhead = tunnel_overhead(tunnel, family, whole.offload);
  if (whole.headroom < overhead || overhead + packet.ip_size > kMostIpv4Size) return std::nullopt;
  if (whole.offload.super_frame() && tunnel.type != TunnelType::ipip) return std::nullopt;

  const Bytes inner_ip = Bytes(whole.bytes()).subspan(packet.ip_at);
  const uint8_t tos = tos_of(inner_ip, packet.family()), ttl = inner_ip[ttl_at(packet.family())];
  const HeaderFacts header{.src = source,
                           .dst = destination,
                           .protocol = protocol_of(tunnel.type, packet.family()),
                           .payload = overhead - ip_header_size(family) + packet.ip_size,
                           .tos = outer_tos(tos),
                           .ttl = ttl,
                           .id = id,
                           .dont_fragment = dont_fragment};
  Frame outer = grown(whole, overhead, packet.ip_size, family);
  switch (tunnel.type) {
    case TunnelType::ipip: break;
    case TunnelType::gue: write_gue(outer, packet, tunnel, header); break;
    case TunnelType::gre: write_gre(outer, packet, tunnel, header); break;
  }
  write_ip_header(outer.bytes().subspan(kEthernetSize), header);
  return outer;
}

std::optional<size_t> tunnel_header(Bytes outer_payload, TunnelType type) {
  size_t size = 0;
  if (type == TunnelType::gue) {
    if (outer_payload.size() < kUdpSize + kGueSize) return std::nullopt;
    const Bytes gue = outer_payload.subspan(kUdpSize);
    const bool data = gue[0] >> 5 == 0;  // version 0, no control message
    if (!data || !holds_ip(gue[kGueProtocolAt])) return std::nullopt;
    size = kUdpSize + kGueSize + (gue[0] & 0x1fu) * 4;
  } else if (type == TunnelType::gre) {
    if (outer_payload.size() < kGreSize) return std::nullopt;
    const uint16_t flags = load_be16(outer_payload, kGreFlagsAt);
    constexpr uint16_t kKnown = kGreHasChecksum | kGreHasKey | kGreHasSequence;
    const uint16_t inner = load_be16(outer_payload, kGreTypeAt);
    if ((flags & ~kKnown) != 0 || (inner != kEtherTypeIpv4 && inner != kEtherTypeIpv6)) return std::nullopt;
    size = kGreSize;
    for (const uint16_t option : {kGreHasChecksum, kGreHasKey, kGreHasSequence}) size += (flags & option) ? 4 : 0;
  }
  return size <= outer_payload.size() ? std::optional(size) : std::nullopt;
}

}  // namespace rawvs
