// SPDX-License-Identifier: BSD-2-Clause
// packet.cpp: every check of an arriving frame, once, in the order of its bytes.
#include "rawvs/packet.h"

#include <algorithm>

#include "rawvs/checksum.h"

namespace rawvs {

namespace {

constexpr size_t kMinIp = 20, kMinTcp = 20, kUdpSize = 8, kMinIcmp = 8, kUdpChecksumAt = 6;
constexpr uint16_t kDontFragment = 0x4000, kMoreFragments = 0x2000, kOffsetMask = 0x1fff;

Mac load_mac(Bytes b, size_t at) {
  Mac m;
  std::copy_n(b.begin() + static_cast<std::ptrdiff_t>(at), m.bytes.size(), m.bytes.begin());
  return m;
}

std::optional<Exit> parse_tcp(Bytes l4, Packet& out) {
  if (l4.size() < kMinTcp) return Exit::truncated;
  const uint32_t header = (l4[12] >> 4) * 4u;
  if (header < kMinTcp || header > l4.size()) return Exit::bad_length;
  out.tcp_seq = load_be32(l4, 4);
  out.tcp_ack = load_be32(l4, 8);
  out.tcp_flags = l4[13] & 0x3f;
  out.tcp_payload = static_cast<uint32_t>(l4.size()) - header;
  return std::nullopt;
}

std::optional<Exit> parse_udp(Bytes l4, const Packet& packet, bool super_frame) {
  if (l4.size() < kUdpSize) return Exit::truncated;
  const uint32_t length = load_be16(l4, 4);
  // A fragmented datagram's length is that of the whole; a super-frame's may be that of one segment.
  if (length < kUdpSize || (length > l4.size() && !packet.more_fragments && !super_frame)) return Exit::bad_length;
  return std::nullopt;
}

std::optional<Exit> parse_l4(const Frame& frame, Packet& out) {
  if (out.fragment_offset != 0) return std::nullopt;  // no L4 header in it
  const Bytes l4 = Bytes(frame.bytes()).subspan(out.l4_at, out.l4_size());
  if (out.protocol == Protocol::icmp) {
    if (l4.size() < kMinIcmp) return Exit::truncated;
    out.icmp_type = l4[0];
    return std::nullopt;
  }
  if (out.protocol != Protocol::tcp && out.protocol != Protocol::udp) return std::nullopt;
  const auto wrong =
      out.protocol == Protocol::tcp ? parse_tcp(l4, out) : parse_udp(l4, out, frame.offload.super_frame());
  if (wrong) return wrong;
  out.sport = Port(load_be16(l4, 0));
  out.dport = Port(load_be16(l4, 2));
  if (out.sport.value == 0 || out.dport.value == 0) return Exit::zero_port;
  return std::nullopt;
}

}  // namespace

std::optional<Exit> parse_ethernet(const Frame& frame, Ethernet& out) {
  const Bytes b = frame.bytes();
  if (b.size() < kEthernetSize) return Exit::truncated;
  out.dst = load_mac(b, 0);
  out.src = load_mac(b, 6);
  const uint16_t type = load_be16(b, 12);
  if (frame.vlan != 0 || type == kEtherTypeVlan || type == kEtherTypeQinQ) return Exit::vlan_tagged;
  out.kind = type == kEtherTypeIpv4 ? Kind::ipv4 : type == kEtherTypeArp ? Kind::arp : Kind::other;
  return std::nullopt;
}

std::optional<Exit> parse_ipv4(const Frame& frame, Packet& out) {
  const Bytes ip = Bytes(frame.bytes()).subspan(kEthernetSize);
  out = Packet{};
  if (ip.size() < kMinIp) return Exit::truncated;
  out.src = Ip(load_be32(ip, 12));
  out.dst = Ip(load_be32(ip, 16));
  const size_t header = (ip[0] & 0x0fu) * 4;
  if (ip[0] >> 4 != 4 || header < kMinIp) return Exit::bad_ip_header;
  if (header > ip.size()) return Exit::truncated;
  const uint32_t total = load_be16(ip, 2);
  if (total < header) return Exit::bad_length;
  if (total > ip.size()) return Exit::truncated;
  if (checksum(ip.first(header)) != 0) return Exit::bad_ip_checksum;

  out.ip_at = kEthernetSize;
  out.l4_at = static_cast<uint16_t>(kEthernetSize + header);
  out.ip_size = total;
  out.ttl = ip[8];
  out.tos = ip[1];
  out.protocol = static_cast<Protocol>(ip[9]);
  const uint16_t fragment = load_be16(ip, 6);
  out.dont_fragment = (fragment & kDontFragment) != 0;
  out.more_fragments = (fragment & kMoreFragments) != 0;
  out.fragment_offset = static_cast<uint16_t>((fragment & kOffsetMask) * 8);
  if (!out.src.unicast()) return Exit::bad_source;
  if (out.src == out.dst) return Exit::land;
  return parse_l4(frame, out);
}

std::optional<Quote> parse_quote(const Frame& frame, const Packet& packet) {
  constexpr size_t kPorts = 4;
  const uint8_t type = packet.icmp_type;
  const bool error =
      type == IcmpType::unreachable || type == IcmpType::source_quench || type == IcmpType::time_exceeded;
  if (packet.protocol != Protocol::icmp || packet.fragmented() || !error) return std::nullopt;
  const Bytes ip = Bytes(frame.bytes()).subspan(packet.l4_at, packet.l4_size()).subspan(kMinIcmp);
  if (ip.size() < kMinIp) return std::nullopt;
  const size_t header = (ip[0] & 0x0fu) * 4;
  const bool first_fragment = (load_be16(ip, 6) & kOffsetMask) == 0;
  if (ip[0] >> 4 != 4 || header < kMinIp || ip.size() < header + kPorts || !first_fragment) return std::nullopt;
  Quote q;
  q.protocol = static_cast<Protocol>(ip[9]);
  if (q.protocol != Protocol::tcp && q.protocol != Protocol::udp) return std::nullopt;
  q.src = Ip(load_be32(ip, 12));
  q.dst = Ip(load_be32(ip, 16));
  q.sport = Port(load_be16(ip, header));
  q.dport = Port(load_be16(ip, header + 2));
  return q;
}

bool l4_checksum_right(const Frame& frame, const Packet& packet) {
  if (packet.fragmented()) return false;  // nobody can tell from a part
  if (frame.offload.partial_checksum() || (frame.offload.flags & Offload::checksum_valid) != 0) return true;
  const Bytes l4 = Bytes(frame.bytes()).subspan(packet.l4_at, packet.l4_size());
  uint64_t sum = 0;
  switch (packet.protocol) {
    case Protocol::icmp: break;
    case Protocol::udp:
      if (load_be16(l4, kUdpChecksumAt) == 0) return true;  // the sender made none
      [[fallthrough]];
    case Protocol::tcp: sum = pseudo_header_sum(packet.src, packet.dst, packet.protocol, packet.l4_size()); break;
    default: return true;
  }
  return checksum_fold(checksum_add(l4, sum)) == 0xffff;
}

}  // namespace rawvs
