// SPDX-License-Identifier: BSD-2-Clause
// packet.cpp: checks an arriving frame once, in the order of its bytes.
#include "wire/packet.h"

#include "wire/checksum.h"
#include "wire/crc32c.h"
#include "wire/ethernet.h"
#include "wire/ipv4_header.h"

namespace rawvs {

namespace {

constexpr size_t kChunkHeader = 4;  // of SCTP, bytes

std::optional<Exit> parse_tcp(Bytes l4, Packet& out) {
  if (l4.size() < kTcpSize) return Exit::truncated;
  const TcpHeader tcp(l4);
  const uint32_t header = tcp.header_size();
  if (header < kTcpSize || header > l4.size()) return Exit::bad_length;
  out.tcp_seq = tcp.seq();
  out.tcp_ack = tcp.ack();
  out.tcp_flags = tcp.flags();
  out.tcp_payload = static_cast<uint32_t>(l4.size()) - header;
  return std::nullopt;
}

std::optional<Exit> parse_udp(Bytes l4, bool super_frame) {
  if (l4.size() < kUdpSize) return Exit::truncated;
  const uint32_t length = UdpHeader(l4).length();
  if (length < kUdpSize || (length > l4.size() && !super_frame))
    return Exit::bad_length;  // a super-frame's length may be that of one segment
  return std::nullopt;
}

// IPVS looks at the second chunk, too: a server that refuses a cookie may bundle its ABORT after it.
std::optional<Exit> parse_sctp(Bytes l4, Packet& out) {
  if (l4.size() < kSctpSize + kChunkHeader) return Exit::truncated;
  const Bytes chunks = l4.subspan(kSctpSize);
  out.sctp_chunk = chunks[0];
  const size_t length = load_be16(chunks, 2);
  const bool cookie = out.sctp_chunk == SctpChunk::cookie_echo || out.sctp_chunk == SctpChunk::cookie_ack;
  if (!cookie || length < kChunkHeader) return std::nullopt;
  const size_t next = (length + 3) / 4 * 4;
  if (next + kChunkHeader <= chunks.size() && chunks[next] == SctpChunk::abort) out.sctp_chunk = SctpChunk::abort;
  return std::nullopt;
}

std::optional<Exit> parse_icmp(Bytes l4, Packet& out) {
  if (l4.size() < kIcmpSize) return Exit::truncated;
  out.icmp_code = l4[kIcmpCodeAt];
  out.icmp = icmp_of(l4[kIcmpTypeAt], out.icmp_code);
  if (out.icmp == Icmp::too_big) out.icmp_mtu = load_be16(l4, kIcmpMtuAt);
  return std::nullopt;
}

std::optional<Exit> parse_l4(const Frame& frame, Packet& out) {
  if (out.fragmented()) return std::nullopt;  // its L4 header is checked after reassembly
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
  const L4Header ports(l4);
  out.sport = ports.source_port();
  out.dport = ports.destination_port();
  if (out.sport.value == 0 || out.dport.value == 0) return Exit::zero_port;
  return std::nullopt;
}

// The IPv4 packet that begins at `at` and is quoted up to `end`. Its checksum is not checked: routers change the header
// before they quote it, and some do not update the checksum.
std::optional<Quote> quoted(const Frame& frame, size_t at, size_t end) {
  const Bytes rest = Bytes(frame.bytes()).first(end).subspan(at);
  if (rest.size() < kIpv4Size) return std::nullopt;
  const Ipv4Header ip(rest);
  const uint32_t header = ip.header_size(), total = ip.total();
  if (!ip.version_4() || header < kIpv4Size || header > rest.size() || ip.fragment_offset() != 0) return std::nullopt;
  // Padding and extensions (RFC 4884) may follow the quoted packet.
  const Bytes packet = total >= header && total < rest.size() ? rest.first(total) : rest;
  Quote q;
  q.protocol = ip.protocol();
  q.src = ip.source();
  q.dst = ip.destination();
  q.dont_fragment = ip.dont_fragment();
  q.ip_at = static_cast<uint16_t>(at);
  q.l4_at = static_cast<uint16_t>(at + header);
  q.size = static_cast<uint32_t>(packet.size());
  q.total = static_cast<uint16_t>(total);
  if (!has_ports(q.protocol)) return q;
  if (q.l4_size() < kPortsSize) return std::nullopt;
  const L4Header ports(packet.subspan(header));
  q.sport = ports.source_port();
  q.dport = ports.destination_port();
  if (q.sport.value == 0 || q.dport.value == 0) return std::nullopt;  // port 0 is never sent
  return q;
}

// A guest's driver chooses these offsets; the kernel checks only that they lie in the frame.
bool checksum_inside(const Offload& offload, size_t l4_at, size_t end) {
  if (!offload.partial_checksum()) return true;
  return offload.checksum_start >= l4_at && size_t{offload.checksum_start} + offload.checksum_offset + 2 <= end;
}

}  // namespace

std::optional<Exit> parse_ethernet(const Frame& frame, Ethernet& out) {
  const Bytes b = frame.bytes();
  if (b.size() < kEthernetSize) return Exit::truncated;
  out.dst = load_mac(b, kEthernetDestinationAt);
  out.src = load_mac(b, kEthernetSourceAt);
  const uint16_t type = load_be16(b, kEthernetTypeAt);
  if (frame.vlan != 0 || type == kEtherTypeVlan || type == kEtherTypeQinQ) return Exit::vlan_tagged;
  out.kind = type == kEtherTypeIpv4 ? Kind::ipv4 : type == kEtherTypeArp ? Kind::arp : Kind::other;
  return std::nullopt;
}

std::optional<Exit> parse_ipv4(const Frame& frame, Packet& out) {
  const Bytes bytes = Bytes(frame.bytes()).subspan(kEthernetSize);
  out = Packet{};
  if (bytes.size() < kIpv4Size) return Exit::truncated;
  const Ipv4Header ip(bytes);
  out.src = ip.source();
  out.dst = ip.destination();
  const uint32_t header = ip.header_size(), total = ip.total();
  if (!ip.version_4() || header < kIpv4Size) return Exit::bad_ip_header;
  if (header > bytes.size()) return Exit::truncated;
  if (total < header) return Exit::bad_length;
  if (total > bytes.size()) return Exit::truncated;
  if (checksum(bytes.first(header)) != 0) return Exit::bad_ip_checksum;
  if (!checksum_inside(frame.offload, kEthernetSize + header, kEthernetSize + total)) return Exit::bad_length;

  out.ip_at = kEthernetSize;
  out.l4_at = static_cast<uint16_t>(kEthernetSize + header);
  out.ip_size = total;
  out.ttl = ip.ttl();
  out.tos = ip.tos();
  out.protocol = ip.protocol();
  out.dont_fragment = ip.dont_fragment();
  out.more_fragments = ip.more_fragments();
  out.fragment_offset = static_cast<uint16_t>(ip.fragment_offset());
  if (!out.src.unicast()) return Exit::bad_source;
  if (out.src == out.dst) return Exit::land;
  return parse_l4(frame, out);
}

std::optional<Quote> parse_quote(const Frame& frame, const Packet& packet) {
  if (packet.protocol != Protocol::icmp || packet.fragmented() || !is_error(packet.icmp)) return std::nullopt;
  const auto quote = quoted(frame, packet.l4_at + kIcmpSize, packet.ip_at + packet.ip_size);
  if (!quote) return std::nullopt;
  const bool tunnel = quote->protocol == Protocol::ipip || quote->protocol == Protocol::gre;
  return has_ports(quote->protocol) || tunnel ? quote : std::nullopt;
}

std::optional<Quote> parse_inner_quote(const Frame& frame, const Quote& outer, size_t encapsulation) {
  constexpr size_t kLeast = 8;  // bytes of its payload that RFC 792 quotes to the client
  if (encapsulation > outer.l4_size()) return std::nullopt;
  const auto quote = quoted(frame, outer.l4_at + encapsulation, outer.ip_at + outer.size);
  return quote && has_ports(quote->protocol) && quote->l4_size() >= kLeast ? quote : std::nullopt;
}

bool l4_checksum_right(const Frame& frame, const Packet& packet) {
  if (packet.fragmented()) return false;  // a part does not show it
  if (frame.offload.partial_checksum() || (frame.offload.flags & Offload::checksum_valid) != 0) return true;
  Bytes l4 = Bytes(frame.bytes()).subspan(packet.l4_at, packet.l4_size());
  uint64_t sum = 0;
  switch (packet.protocol) {
    case Protocol::icmp: break;
    case Protocol::udp:
      if (!UdpHeader(l4).has_checksum()) return true;  // the sender made none
      // More of the IP packet may follow the datagram (RFC 768); a super-frame's length may be that of one segment.
      if (!frame.offload.super_frame()) l4 = l4.first(UdpHeader(l4).length());
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
