// SPDX-License-Identifier: BSD-2-Clause
// packet.h: reads the IP packet in a frame, of either family.
// In:  any bytes: a malformed frame is ordinary input.
// Out: a Packet whose every offset lies inside the frame, or the Exit that names the fault. Callers check nothing
// again.
// Not: to whom the packet belongs (director.cpp).
// RFC: 791, 8200, 9293, 768, 792, 4443; 1122 section 3.2.1.3 on addresses.
#pragma once

#include <optional>

#include "rawvs/exit.h"
#include "rawvs/frame.h"
#include "wire/icmp_header.h"
#include "wire/ipv6_header.h"
#include "wire/l4_header.h"

namespace rawvs {

struct Packet {
  Ip src{}, dst{};
  Port sport{}, dport{};  // TCP, UDP, SCTP; 0 for other protocols and for later fragments
  Protocol protocol = Protocol::any;
  uint8_t ttl = 0;
  uint8_t tos = 0;         // with the ECN bits
  uint8_t tcp_flags = 0;   // TcpFlags
  uint8_t sctp_chunk = 0;  // SctpChunk: the first one; an ABORT right after a COOKIE-ECHO or COOKIE-ACK counts instead
  Icmp icmp = Icmp::other;
  uint8_t icmp_code = 0;
  uint16_t icmp_mtu = 0;         // of too_big (RFC 1191, 8201): the next hop's MTU, bytes; 0 from old routers
  uint16_t ip_at = 0;            // where the IP header starts in the frame
  uint16_t l4_at = 0;            // where its payload starts, after IPv6's extension headers
  uint16_t next_at = 0;          // IPv6: where the byte is that names the payload's protocol (a Next Header field)
  uint16_t fragment_at = 0;      // IPv6: where the fragment header starts, also an atomic one's; 0: there is none
  uint32_t ip_size = 0;          // header and payload, bytes; without Ethernet's padding
  uint16_t fragment_offset = 0;  // bytes
  bool more_fragments = false;
  bool dont_fragment = false;     // always, with IPv6: routers do not fragment it
  uint16_t largest_fragment = 0;  // of a reassembled packet: its largest fragment, bytes of IP packet; 0: it came whole
  uint32_t fragment_id = 0;       // IPv6, of a reassembled packet: the identification of its fragments
  uint32_t tcp_seq = 0, tcp_ack = 0;
  uint32_t tcp_payload = 0;  // bytes after the TCP header
  Family family() const { return dst.family(); }
  bool fragmented() const { return more_fragments || fragment_offset != 0; }
  // IPv6: an extension header stands before the payload, also a fragment header.
  bool extended() const { return family() == Family::ipv6 && next_at != ip_at + kIpv6NextHeaderAt; }
  uint32_t l4_size() const { return ip_size - (l4_at - ip_at); }
};

enum class Kind : uint8_t { ipv4, ipv6, arp, other };

// The Ethernet header. A frame that is too short for one, or tagged, is an Exit.
struct Ethernet {
  Kind kind = Kind::other;
  Mac dst{}, src{};
};
std::optional<Exit> parse_ethernet(const Frame& frame, Ethernet& out);

// REQUIRES: the Ethernet header is sound, its type is one of IP. Checks lengths, IPv4's header checksum, IPv6's
// extension headers, the place of a partial checksum, source address and, for TCP, UDP, SCTP and ICMP except later
// fragments, the L4 header; does not check L4 checksums. With an Exit, src and dst are set if the frame holds them: the
// caller counts a broken packet only if it was sent to a VIP.
std::optional<Exit> parse_ip(const Frame& frame, Packet& out);

// Whether it is a solicitation or an advertisement of a neighbour (discovery.h). Fragments are not (RFC 6980).
inline bool is_discovery(const Packet& p) {
  return (p.icmp == Icmp::solicitation || p.icmp == Icmp::advertisement) && p.fragment_at == 0;
}

// The identification that the fragments of one packet share. REQUIRES: parse_ip() accepted a fragment.
uint32_t fragment_id(const Frame& frame, const Packet& packet);

struct Quote {  // the packet that an ICMP error quotes, as far as it is quoted
  Ip src{}, dst{};
  Port sport{}, dport{};  // TCP, UDP, SCTP: at l4_at; 0 for tunnel protocols
  Protocol protocol = Protocol::any;
  bool dont_fragment = false;
  uint16_t ip_at = 0;  // where its IP header starts in the frame
  uint16_t l4_at = 0;  // where its payload starts
  uint32_t size = 0;   // bytes of it that are quoted, from ip_at on
  uint16_t total = 0;  // its length by its IP header, at most 65535
  uint32_t l4_size() const { return size - (l4_at - ip_at); }
};

// Takes the fragment header out of an atomic fragment, which is no part of anything (RFC 6946): the frame begins eight
// bytes later and is to be parsed again. REQUIRES: parse_ip() accepted it.
void remove_fragment_header(Frame& frame, const Packet& packet);

// What an ICMP error quotes (RFC 792: the IP header and eight bytes). None: the packet is no error (is_error()); or it
// quotes a later fragment, or neither TCP, UDP or SCTP with nonzero ports nor a tunnel (IP in IP, GRE).
std::optional<Quote> parse_quote(const Frame& frame, const Packet& packet);

// The packet inside a quoted tunnel packet, `encapsulation` bytes after the outer IP header (tunnel.h). None when less
// than its IP header and eight bytes are quoted, or when it has no ports.
std::optional<Quote> parse_inner_quote(const Frame& frame, const Quote& outer, size_t encapsulation);

// True if the TCP, UDP, SCTP or ICMP checksum is right, partial, already validated, or absent (UDP over IPv4). False
// for fragments: the checksum covers the whole datagram. Sums the whole payload: call it only to answer a packet.
bool l4_checksum_right(const Frame& frame, const Packet& packet);

}  // namespace rawvs
