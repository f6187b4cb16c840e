// SPDX-License-Identifier: BSD-2-Clause
// tunnel.cpp: writes the outer headers, the innermost first.
#include "core/tunnel.h"

#include <algorithm>
#include <array>

#include "core/rewrite.h"
#include "core/siphash.h"
#include "wire/checksum.h"
#include "wire/ipv4_header.h"

namespace rawvs {

namespace {

constexpr uint32_t kIpSize = kIpv4Size, kGueSize = 4, kRemoteSize = 8, kGreSize = 4, kGreChecksumSize = 4;
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
      siphash13({}, uint64_t{p.src.v4()} << 32 | p.dst.v4(),
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

void write_gue(Frame& frame, const Packet& inner, const Tunnel& tunnel, uint32_t payload_size, Ip source,
               Ip destination) {
  const MutableBytes udp = frame.bytes().subspan(kEthernetSize + kIpSize, payload_size);
  const MutableBytes gue = udp.subspan(kUdpSize);
  const bool remote = remote_checksum(tunnel, frame.offload);
  gue[0] = remote ? kRemoteSize / 4 : 0;  // version 0, no control message, length of the options in words
  gue[kGueProtocolAt] = static_cast<uint8_t>(Protocol::ipip);
  store_be16(gue, kGueFlagsAt, remote ? kGuePrivateFlags : 0);
  if (remote) {  // where the receiver completes the inner checksum, counted from the inner IP header
    const size_t inner_at = kEthernetSize + kIpSize + kUdpSize + kGueSize + kRemoteSize;
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
  const size_t from = kEthernetSize + kIpSize;
  const uint64_t sum =
      sum_of(frame, from, from + payload_size) + pseudo_header_sum(source, destination, Protocol::udp, payload_size);
  const auto check = static_cast<uint16_t>(~checksum_fold(sum));
  store_be16(udp, kUdpChecksumAt, check == 0 ? 0xffff : check);
}

void write_gre(const Frame& frame, const Tunnel& tunnel, uint32_t payload_size) {
  const MutableBytes gre = frame.bytes().subspan(kEthernetSize + kIpSize, payload_size);
  const bool checked = tunnel.checksum != TunnelChecksum::none;
  store_be16(gre, kGreFlagsAt, checked ? kGreHasChecksum : 0);
  store_be16(gre, kGreTypeAt, kEtherTypeIpv4);
  if (!checked) return;
  store_be32(gre, kGreChecksumAt, 0);  // checksum, reserved
  const size_t from = kEthernetSize + kIpSize;
  store_be16(gre, kGreChecksumAt, static_cast<uint16_t>(~checksum_fold(sum_of(frame, from, from + payload_size))));
}

struct Outer {
  uint8_t tos, ttl;
  Protocol protocol;
  uint16_t id;
  bool dont_fragment;
  Ip source, destination;
};

void write_ip(MutableIpv4Header ip, const Outer& o, uint32_t total) {
  ip.set_version_and_size();
  ip.set_tos(o.tos);
  ip.set_total(total);
  ip.set_id(o.id);
  ip.set_fragment_word(o.dont_fragment ? kDontFragment : uint16_t{0});
  ip.set_ttl(o.ttl);
  ip.set_protocol(o.protocol);
  ip.set_source(o.source);
  ip.set_destination(o.destination);
  ip.make_checksum();
}

// The frame with `overhead` more bytes in front, and the Ethernet header at the new beginning.
Frame grown(const Frame& inner, uint32_t overhead, uint32_t ip_size) {
  Frame outer = inner;
  outer.data -= overhead;
  outer.headroom -= overhead;
  outer.size = static_cast<uint32_t>(kEthernetSize) + overhead + ip_size;
  std::copy_n(inner.data, kEthernetSize, outer.data);  // copy_n goes forwards: the two ranges may overlap
  const auto shift = static_cast<uint16_t>(overhead);
  if (outer.offload.partial_checksum()) outer.offload.checksum_start += shift;
  if (outer.offload.header_size != 0) outer.offload.header_size += shift;
  return outer;
}

}  // namespace

uint32_t tunnel_overhead(const Tunnel& tunnel, const Offload& inner) {
  switch (tunnel.type) {
    case TunnelType::ipip: break;
    case TunnelType::gue: return kIpSize + kUdpSize + kGueSize + (remote_checksum(tunnel, inner) ? kRemoteSize : 0);
    case TunnelType::gre: return kIpSize + kGreSize + (tunnel.checksum == TunnelChecksum::none ? 0 : kGreChecksumSize);
  }
  return kIpSize;
}

std::optional<Frame> encapsulate(const Frame& inner, const Packet& packet, const Tunnel& tunnel, Ip source,
                                 Ip destination, uint16_t id, bool dont_fragment) {
  Frame whole = inner;
  settle_sctp_checksum(whole, packet);
  const uint32_t overhead = tunnel_overhead(tunnel, whole.offload);
  if (whole.headroom < overhead || overhead + packet.ip_size > kMostIpv4Size) return std::nullopt;
  if (whole.offload.super_frame() && tunnel.type != TunnelType::ipip) return std::nullopt;

  const Ipv4Header inner_ip(Bytes(whole.bytes()).subspan(packet.ip_at));
  const Outer header{
      outer_tos(inner_ip.tos()), inner_ip.ttl(), protocol_of(tunnel.type), id, dont_fragment, source, destination};
  Frame outer = grown(whole, overhead, packet.ip_size);
  const uint32_t payload_size = overhead - kIpSize + packet.ip_size;
  switch (tunnel.type) {
    case TunnelType::ipip: break;
    case TunnelType::gue: write_gue(outer, packet, tunnel, payload_size, source, destination); break;
    case TunnelType::gre: write_gre(outer, tunnel, payload_size); break;
  }
  write_ip(MutableIpv4Header(outer.bytes().subspan(kEthernetSize)), header, kIpSize + payload_size);
  return outer;
}

std::optional<size_t> tunnel_header(Bytes outer_payload, TunnelType type) {
  size_t size = 0;
  if (type == TunnelType::gue) {
    if (outer_payload.size() < kUdpSize + kGueSize) return std::nullopt;
    const Bytes gue = outer_payload.subspan(kUdpSize);
    const bool data = gue[0] >> 5 == 0;  // version 0, no control message
    if (!data || gue[kGueProtocolAt] != static_cast<uint8_t>(Protocol::ipip)) return std::nullopt;
    size = kUdpSize + kGueSize + (gue[0] & 0x1fu) * 4;
  } else if (type == TunnelType::gre) {
    if (outer_payload.size() < kGreSize) return std::nullopt;
    const uint16_t flags = load_be16(outer_payload, kGreFlagsAt);
    constexpr uint16_t kKnown = kGreHasChecksum | kGreHasKey | kGreHasSequence;
    if ((flags & ~kKnown) != 0 || load_be16(outer_payload, kGreTypeAt) != kEtherTypeIpv4) return std::nullopt;
    size = kGreSize;
    for (const uint16_t option : {kGreHasChecksum, kGreHasKey, kGreHasSequence}) size += (flags & option) ? 4 : 0;
  }
  return size <= outer_payload.size() ? std::optional(size) : std::nullopt;
}

}  // namespace rawvs
