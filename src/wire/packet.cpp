// SPDX-License-Identifier: BSD-2-Clause
// packet.cpp: every check of an arriving frame, once, in the order of its bytes.
#include "rawvs/packet.h"

#include <algorithm>

#include "rawvs/checksum.h"
#include "rawvs/crc32c.h"

namespace rawvs {

namespace {

constexpr size_t kMinIp = 20, kMinTcp = 20, kUdpSize = 8, kMinIcmp = 8, kUdpLengthAt = 4, kUdpChecksumAt = 6;
constexpr size_t kSctpHeader = 12, kSctpChecksumAt = 8, kChunkHeader = 4;
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

std::optional<Exit> parse_udp(Bytes l4, bool super_frame) {
  if (l4.size() < kUdpSize) return Exit::truncated;
  const uint32_t length = load_be16(l4, kUdpLengthAt);
  if (length < kUdpSize || (length > l4.size() && !super_frame)) return Exit::bad_length;  // of one segment, perhaps
  return std::nullopt;
}

// Which chunk counts is IPVS's choice: a server that refuses a cookie may bundle its ABORT behind it.
std::optional<Exit> parse_sctp(Bytes l4, Packet& out) {
  if (l4.size() < kSctpHeader + kChunkHeader) return Exit::truncated;
  const Bytes chunks = l4.subspan(kSctpHeader);
  out.sctp_chunk = chunks[0];
  const size_t length = load_be16(chunks, 2);
  const bool cookie = out.sctp_chunk == SctpChunk::cookie_echo || out.sctp_chunk == SctpChunk::cookie_ack;
  if (!cookie || length < kChunkHeader) return std::nullopt;
  const size_t next = (length + 3) / 4 * 4;
  if (next + kChunkHeader <= chunks.size() && chunks[next] == SctpChunk::abort) out.sctp_chunk = SctpChunk::abort;
  return std::nullopt;
}

std::optional<Exit> parse_icmp(Bytes l4, Packet& out) {
  if (l4.size() < kMinIcmp) return Exit::truncated;
  out.icmp_type = l4[0];
  out.icmp_code = l4[1];
  if (out.icmp_type == IcmpType::unreachable && out.icmp_code == kFragmentationNeeded) out.icmp_mtu = load_be16(l4, 6);
  return std::nullopt;
}

std::optional<Exit> parse_l4(const Frame& frame, Packet& out) {
  if (out.fragmented()) return std::nullopt;  // its ports are looked at when it has been put together
  const Bytes l4 = Bytes(frame.bytes()).subspan(out.l4_at, out.l4_size());
  std::optional<Exit> wrong;
  switch (out.protocol) {
    case Protocol::icmp: return parse_icmp(l4, out);
    case Protocol::tcp: wrong = parse_tcp(l4, out); break;
    case Protocol::udp: wrong = parse_udp(l4, frame.offload.super_frame()); break;
    case Protocol::sctp: wrong = parse_sctp(l4, out); break;
    default: return std::nullopt;
  }
  if (wrong) return wrong;
  out.sport = Port(load_be16(l4, 0));
  out.dport = Port(load_be16(l4, 2));
  if (out.sport.value == 0 || out.dport.value == 0) return Exit::zero_port;
  return std::nullopt;
}

bool has_ports(Protocol p) { return p == Protocol::tcp || p == Protocol::udp || p == Protocol::sctp; }

// The IPv4 packet whose beginning lies in [at, end) of the frame. Its checksum is not looked at: routers change the
// header before they quote it, and some stop there.
std::optional<Quote> quoted(const Frame& frame, size_t at, size_t end) {
  constexpr size_t kPorts = 4;
  const Bytes rest = Bytes(frame.bytes()).first(end).subspan(at);
  if (rest.size() < kMinIp) return std::nullopt;
  const size_t header = (rest[0] & 0x0fu) * 4, total = load_be16(rest, 2);
  const uint16_t fragment = load_be16(rest, 6);
  if (rest[0] >> 4 != 4 || header < kMinIp || header > rest.size() || (fragment & kOffsetMask) != 0)
    return std::nullopt;
  // Behind the quoted packet may lie padding and extensions (RFC 4884).
  const Bytes ip = total >= header && total < rest.size() ? rest.first(total) : rest;
  Quote q;
  q.protocol = static_cast<Protocol>(ip[9]);
  q.src = Ip(load_be32(ip, 12));
  q.dst = Ip(load_be32(ip, 16));
  q.dont_fragment = (fragment & kDontFragment) != 0;
  q.ip_at = static_cast<uint16_t>(at);
  q.l4_at = static_cast<uint16_t>(at + header);
  q.size = static_cast<uint32_t>(ip.size());
  if (!has_ports(q.protocol)) return q;
  if (q.l4_size() < kPorts) return std::nullopt;
  q.sport = Port(load_be16(ip, header));
  q.dport = Port(load_be16(ip, header + 2));
  if (q.sport.value == 0 || q.dport.value == 0) return std::nullopt;  // nobody sent that
  return q;
}

// A guest's driver chooses these offsets, and the kernel asks no more than that they lie in the frame.
bool checksum_inside(const Offload& offload, size_t l4_at, size_t end) {
  if (!offload.partial_checksum()) return true;
  return offload.checksum_start >= l4_at && size_t{offload.checksum_start} + offload.checksum_offset + 2 <= end;
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
  if (!checksum_inside(frame.offload, kEthernetSize + header, kEthernetSize + total)) return Exit::bad_length;

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
  const uint8_t type = packet.icmp_type;
  const bool error =
      type == IcmpType::unreachable || type == IcmpType::source_quench || type == IcmpType::time_exceeded;
  if (packet.protocol != Protocol::icmp || packet.fragmented() || !error) return std::nullopt;
  const auto quote = quoted(frame, packet.l4_at + kMinIcmp, packet.ip_at + packet.ip_size);
  if (!quote) return std::nullopt;
  const bool tunnel = quote->protocol == Protocol::ipip || quote->protocol == Protocol::gre;
  return has_ports(quote->protocol) || tunnel ? quote : std::nullopt;
}

std::optional<Quote> parse_inner_quote(const Frame& frame, const Quote& outer, size_t encapsulation) {
  constexpr size_t kLeast = 8;  // of its payload: what RFC 792 wants quoted to the client
  if (encapsulation > outer.l4_size()) return std::nullopt;
  const auto quote = quoted(frame, outer.l4_at + encapsulation, outer.ip_at + outer.size);
  return quote && has_ports(quote->protocol) && quote->l4_size() >= kLeast ? quote : std::nullopt;
}

bool l4_checksum_right(const Frame& frame, const Packet& packet) {
  if (packet.fragmented()) return false;  // nobody can tell from a part
  if (frame.offload.partial_checksum() || (frame.offload.flags & Offload::checksum_valid) != 0) return true;
  Bytes l4 = Bytes(frame.bytes()).subspan(packet.l4_at, packet.l4_size());
  uint64_t sum = 0;
  switch (packet.protocol) {
    case Protocol::icmp: break;
    case Protocol::udp:
      if (load_be16(l4, kUdpChecksumAt) == 0) return true;  // the sender made none
      // Behind the datagram may be more of the IP packet (RFC 768); a super-frame's length may be that of one segment.
      if (!frame.offload.super_frame()) l4 = l4.first(load_be16(l4, kUdpLengthAt));
      [[fallthrough]];
    case Protocol::tcp:
      sum = pseudo_header_sum(packet.src, packet.dst, packet.protocol, static_cast<uint32_t>(l4.size()));
      break;
    case Protocol::sctp: return sctp_checksum(l4) == load_be32(l4, kSctpChecksumAt);
    default: return true;
  }
  return checksum_fold(checksum_add(l4, sum)) == 0xffff;
}

}  // namespace rawvs
