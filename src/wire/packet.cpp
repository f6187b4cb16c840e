// SPDX-License-Identifier: BSD-2-Clause
// packet.cpp: checks an arriving frame once, in the order of its bytes.
#include "wire/packet.h"

#include <algorithm>
#include <cstring>

#include "wire/checksum.h"
#include "wire/crc32c.h"
#include "wire/ethernet.h"
#include "wire/ip_header.h"

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
  const bool v6 = out.family() == Family::ipv6;
  out.icmp = v6 ? icmpv6_of(l4[kIcmpTypeAt]) : icmp_of(l4[kIcmpTypeAt], out.icmp_code);
  if (out.icmp != Icmp::too_big) return std::nullopt;
  const uint32_t mtu = v6 ? load_be32(l4, kIcmpv6WordAt) : load_be16(l4, kIcmpMtuAt);
  out.icmp_mtu = static_cast<uint16_t>(std::min<uint32_t>(mtu, UINT16_MAX));
  return std::nullopt;
}

uint32_t least_header(Protocol p) {
  switch (p) {
    case Protocol::tcp: return kTcpSize;
    case Protocol::udp: return kUdpSize;
    case Protocol::icmp: return kIcmpSize;
    default: return 0;
  }
}

std::optional<Exit> parse_l4(const Frame& frame, Packet& out) {
  if (out.fragmented()) {  // its L4 header is checked after reassembly
    // IPv6's first fragment must hold the headers (RFC 8200 section 4.5); IPv4's need not.
    const bool holds_headers = out.family() == Family::ipv6 && out.fragment_offset == 0;
    return holds_headers && out.l4_size() < least_header(out.protocol) ? std::optional(Exit::truncated) : std::nullopt;
  }
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

// ICMPv6 is ICMP here. IPv4's ICMP is none in IPv6, and must not be taken for it.
Protocol protocol_of_ipv6(uint8_t number) {
  const auto p = static_cast<Protocol>(number);
  return p == Protocol::icmpv6 ? Protocol::icmp : p == Protocol::icmp ? Protocol::any : p;
}

bool read_ipv4(Bytes rest, Quote& q, size_t& header, uint32_t& total) {
  if (rest.size() < kIpv4Size) return false;
  const Ipv4Header ip(rest);
  header = ip.header_size(), total = ip.total();
  if (!ip.version_4() || header < kIpv4Size || header > rest.size() || ip.fragment_offset() != 0) return false;
  q.protocol = ip.protocol();
  q.src = ip.source();
  q.dst = ip.destination();
  q.dont_fragment = ip.dont_fragment();
  return true;
}

bool read_ipv6(Bytes rest, Quote& q, size_t& header, uint32_t& total) {
  if (rest.size() < kIpv6Size) return false;
  const Ipv6Header ip(rest);
  Ipv6Chain chain;
  if (walk(rest, chain) || (chain.fragment_word & kIpv6FragmentOffset) != 0) return false;
  header = chain.payload_at, total = ip.total();
  q.protocol = protocol_of_ipv6(chain.protocol);
  q.src = ip.source();
  q.dst = ip.destination();
  q.dont_fragment = true;
  return q.src.is_v6() && q.dst.is_v6();
}

// The IP packet that begins at `at` and is quoted up to `end`. An IPv4 header's checksum is not checked: routers change
// the header before they quote it, and some do not update the checksum.
std::optional<Quote> quoted(const Frame& frame, size_t at, size_t end) {
  const Bytes rest = Bytes(frame.bytes()).first(end).subspan(at);
  if (rest.empty()) return std::nullopt;
  Quote q;
  size_t header = 0;
  uint32_t total = 0;
  if (!(states_ipv6(rest) ? read_ipv6(rest, q, header, total) : read_ipv4(rest, q, header, total))) return std::nullopt;
  // Padding and extensions (RFC 4884) may follow the quoted packet.
  const Bytes packet = total >= header && total < rest.size() ? rest.first(total) : rest;
  q.ip_at = static_cast<uint16_t>(at);
  q.l4_at = static_cast<uint16_t>(at + header);
  q.size = static_cast<uint32_t>(packet.size());
  q.total = static_cast<uint16_t>(std::min<uint32_t>(total, UINT16_MAX));
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
  switch (type) {
    case kEtherTypeIpv4: out.kind = Kind::ipv4; break;
    case kEtherTypeIpv6: out.kind = Kind::ipv6; break;
    case kEtherTypeArp: out.kind = Kind::arp; break;
    default: out.kind = Kind::other;
  }
  return std::nullopt;
}

namespace {

std::optional<Exit> parse_ipv4(const Frame& frame, Bytes bytes, Packet& out) {
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
  return std::nullopt;
}

std::optional<Exit> parse_ipv6(const Frame& frame, Bytes bytes, Packet& out) {
  if (bytes.size() < kIpv6Size) return Exit::truncated;
  const Ipv6Header ip(bytes);
  out.src = ip.source();
  out.dst = ip.destination();
  const uint32_t total = ip.total();
  if (!ip.version_6()) return Exit::bad_ip_header;
  if (total > bytes.size()) return Exit::truncated;
  if (out.src.is_v4() || out.dst.is_v4()) return Exit::bad_source;  // mapped: they would be IPv4's
  Ipv6Chain chain;
  if (const auto wrong = walk(bytes.first(total), chain)) return wrong;
  if (!checksum_inside(frame.offload, kEthernetSize + chain.payload_at, kEthernetSize + total)) return Exit::bad_length;

  out.ip_at = kEthernetSize;
  out.l4_at = static_cast<uint16_t>(kEthernetSize + chain.payload_at);
  out.next_at = static_cast<uint16_t>(kEthernetSize + chain.named_at);
  if (chain.fragment_at != 0) out.fragment_at = static_cast<uint16_t>(kEthernetSize + chain.fragment_at);
  out.ip_size = total;
  out.ttl = ip.hop_limit();
  out.tos = ip.traffic_class();
  out.protocol = protocol_of_ipv6(chain.protocol);
  out.dont_fragment = true;
  out.more_fragments = (chain.fragment_word & kIpv6MoreFragments) != 0;
  out.fragment_offset = chain.fragment_word & kIpv6FragmentOffset;
  return std::nullopt;
}

}  // namespace

std::optional<Exit> parse_ip(const Frame& frame, Packet& out) {
  const Bytes all = frame.bytes(), bytes = all.subspan(kEthernetSize);
  out = Packet{};
  const bool v6 = load_be16(all, kEthernetTypeAt) == kEtherTypeIpv6;
  if (const auto wrong = v6 ? parse_ipv6(frame, bytes, out) : parse_ipv4(frame, bytes, out)) return wrong;
  // A host that looks for another of its address has none yet.
  if (!out.src.unicast() && !(v6 && out.src.unspecified() && out.protocol == Protocol::icmp)) return Exit::bad_source;
  if (out.src == out.dst) return Exit::land;
  if (const auto wrong = parse_l4(frame, out)) return wrong;
  return out.src.unspecified() && !is_discovery(out) ? std::optional(Exit::bad_source) : std::nullopt;
}

uint32_t fragment_id(const Frame& frame, const Packet& packet) {
  if (packet.family() == Family::ipv6) return load_be32(frame.bytes(), packet.fragment_at + kIpv6FragmentIdAt);
  return Ipv4Header(Bytes(frame.bytes()).subspan(packet.ip_at)).id();
}

void remove_fragment_header(Frame& frame, const Packet& packet) {
  const MutableBytes bytes = frame.bytes(), ip = bytes.subspan(packet.ip_at);
  Ipv6Chain chain;
  walk(ip, chain);
  ip[chain.fragment_named_at] = bytes[packet.fragment_at];
  MutableIpv6Header(ip).set_total(packet.ip_size - kIpv6FragmentSize);
  std::memmove(frame.data + kIpv6FragmentSize, frame.data, packet.fragment_at);
  frame.data += kIpv6FragmentSize;
  frame.size -= kIpv6FragmentSize;
  frame.headroom += kIpv6FragmentSize;
  uint16_t& start = frame.offload.checksum_start;
  if (frame.offload.partial_checksum()) start = static_cast<uint16_t>(start - kIpv6FragmentSize);
}

std::optional<Quote> parse_quote(const Frame& frame, const Packet& packet) {
  if (packet.protocol != Protocol::icmp || packet.fragmented() || !is_error(packet.icmp)) return std::nullopt;
  const auto quote = quoted(frame, packet.l4_at + kIcmpSize, packet.ip_at + packet.ip_size);
  if (!quote || quote->src.family() != packet.family()) return std::nullopt;
  const bool tunnel =
      quote->protocol == Protocol::ipip || quote->protocol == Protocol::ipv6 || quote->protocol == Protocol::gre;
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
  const bool v6 = packet.family() == Family::ipv6;
  uint64_t sum = 0;
  switch (packet.protocol) {
    case Protocol::icmp:
      if (!v6) break;
      sum = pseudo_header_sum(packet.src, packet.dst, Protocol::icmpv6, static_cast<uint32_t>(l4.size()));
      break;
    case Protocol::udp:
      if (!UdpHeader(l4).has_checksum()) return !v6;  // the sender made none, which it may with IPv4 only
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
