// SPDX-License-Identifier: BSD-2-Clause
// packet.h: from a frame's bytes to facts about the IPv4 packet in it.
// In:  any bytes whatever.   Out: a Packet whose every offset lies inside the frame, or the Exit that says what is
// wrong. Code behind this door indexes freely and checks nothing again. A malformed frame is ordinary input. Not: whose
// packet it is (director.cpp). RFC 791, RFC 9293, RFC 768, RFC 792; RFC 1122 section 3.2.1.3 on addresses.
#pragma once

#include <optional>

#include "rawvs/exit.h"
#include "rawvs/frame.h"
#include "wire/icmp_header.h"
#include "wire/l4_header.h"

namespace rawvs {

struct Packet {
  Ip src{}, dst{};
  Port sport{}, dport{};  // TCP, UDP, SCTP; 0 for other protocols and for fragments but the first
  Protocol protocol = Protocol::any;
  uint8_t ttl = 0;
  uint8_t tos = 0;         // with the ECN bits
  uint8_t tcp_flags = 0;   // TcpFlags
  uint8_t sctp_chunk = 0;  // SctpChunk: the first one, but an ABORT right behind a COOKIE-ECHO or COOKIE-ACK counts
  Icmp icmp = Icmp::other;
  uint8_t icmp_code = 0;         // of its type
  uint16_t icmp_mtu = 0;         // of too_big (RFC 1191): the next hop's MTU, bytes; 0 from old routers
  uint16_t ip_at = 0;            // where the IPv4 header starts in the frame
  uint16_t l4_at = 0;            // where its payload starts
  uint32_t ip_size = 0;          // header and payload, bytes; Ethernet padding is not in it
  uint16_t fragment_offset = 0;  // bytes
  bool more_fragments = false;
  bool dont_fragment = false;
  uint16_t largest_fragment = 0;  // it came in fragments, of which this was the largest (bytes of IP packet); 0: whole
  uint32_t tcp_seq = 0, tcp_ack = 0;
  uint32_t tcp_payload = 0;  // bytes behind the TCP header
  bool fragmented() const { return more_fragments || fragment_offset != 0; }
  uint32_t l4_size() const { return ip_size - (l4_at - ip_at); }
};

enum class Kind : uint8_t { ipv4, arp, other };

// What the Ethernet header says. Frames that are too short for one, or tagged, are Exits.
struct Ethernet {
  Kind kind = Kind::other;
  Mac dst{}, src{};
};
std::optional<Exit> parse_ethernet(const Frame& frame, Ethernet& out);

// The IPv4 packet of a frame whose Ethernet header is sound. Checks lengths, header checksum, where a partial checksum
// goes, source address and, for TCP, UDP, SCTP and ICMP that are no later fragment, the L4 header; it does not check L4
// checksums. With an Exit, src and dst are still set when the frame was long enough to hold them, so that others'
// broken packets are not counted as ours.
std::optional<Exit> parse_ipv4(const Frame& frame, Packet& out);

struct Quote {  // the packet that an ICMP error is about, as far as it is quoted
  Ip src{}, dst{};
  Port sport{}, dport{};  // TCP, UDP, SCTP: at l4_at; 0 for the tunnels' protocols
  Protocol protocol = Protocol::any;
  bool dont_fragment = false;
  uint16_t ip_at = 0;  // where its IPv4 header starts in the frame
  uint16_t l4_at = 0;  // where its payload starts
  uint32_t size = 0;   // bytes of it that are quoted, from ip_at on
  uint16_t total = 0;  // its own length, as its IPv4 header says it
  uint32_t l4_size() const { return size - (l4_at - ip_at); }
};

// What an ICMP error quotes (RFC 792: the IP header and eight bytes); none when it is no error, quotes a later
// fragment, no TCP, UDP or SCTP ports (or 0 as one), and no tunnel's header (IP in IP, GRE) either. The types are those
// that IPVS looks at: unreachable, source quench, time exceeded.
std::optional<Quote> parse_quote(const Frame& frame, const Packet& packet);

// The packet inside the tunnel packet that is quoted: `encapsulation` bytes behind its IP header (tunnel.h). None when
// less than its own IP header and eight bytes are quoted, or when it has no ports.
std::optional<Quote> parse_inner_quote(const Frame& frame, const Quote& outer, size_t encapsulation);

// Is the TCP, UDP, SCTP or ICMP checksum right? True for partial and already validated ones, and for UDP without one;
// false for fragments, whose checksum is the whole datagram's.
// Sums the whole payload: ask only before answering a packet.
bool l4_checksum_right(const Frame& frame, const Packet& packet);

}  // namespace rawvs
