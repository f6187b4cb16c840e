// SPDX-License-Identifier: BSD-2-Clause
// packet.h: from a frame's bytes to facts about the IPv4 packet in it.
// In:  any bytes whatever.   Out: a Packet whose every offset lies inside the frame, or the Exit that says what is
// wrong. Code behind this door indexes freely and checks nothing again. A malformed frame is ordinary input. Not: whose
// packet it is (director.cpp). RFC 791, RFC 9293, RFC 768, RFC 792; RFC 1122 section 3.2.1.3 on addresses.
#pragma once

#include <optional>

#include "rawvs/exit.h"
#include "rawvs/frame.h"

namespace rawvs {

struct TcpFlags {
  enum : uint8_t { fin = 1, syn = 2, rst = 4, psh = 8, ack = 16, urg = 32 };
};

struct IcmpType {
  enum : uint8_t { echo_reply = 0, unreachable = 3, source_quench = 4, echo = 8, time_exceeded = 11 };
};

struct Packet {
  Ip src{}, dst{};
  Port sport{}, dport{};  // TCP, UDP; 0 for other protocols and for fragments but the first
  Protocol protocol = Protocol::any;
  uint8_t ttl = 0;
  uint8_t tos = 0;        // with the ECN bits
  uint8_t tcp_flags = 0;  // TcpFlags
  uint8_t icmp_type = 0;
  uint16_t ip_at = 0;            // where the IPv4 header starts in the frame
  uint16_t l4_at = 0;            // where its payload starts
  uint32_t ip_size = 0;          // header and payload, bytes; Ethernet padding is not in it
  uint16_t fragment_offset = 0;  // bytes
  bool more_fragments = false;
  bool dont_fragment = false;
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

// The IPv4 packet of a frame whose Ethernet header is sound. Checks lengths, header checksum, source address and, for
// TCP, UDP and ICMP that are no later fragment, the L4 header; it does not check L4 checksums. With an Exit, src and
// dst are still set when the frame was long enough to hold them, so that others' broken packets are not counted as
// ours.
std::optional<Exit> parse_ipv4(const Frame& frame, Packet& out);

struct Quote {  // the packet that an ICMP error is about, as far as it is quoted
  Ip src{}, dst{};
  Port sport{}, dport{};
  Protocol protocol = Protocol::any;
};

// What an ICMP error quotes (RFC 792: the IP header and eight bytes); none when it is no error, or quotes no TCP or UDP
// ports. The types are those that IPVS looks at: unreachable, source quench, time exceeded.
std::optional<Quote> parse_quote(const Frame& frame, const Packet& packet);

// Is the TCP, UDP or ICMP checksum right? True for partial and already validated ones, and for UDP without one; false
// for fragments, whose checksum is the whole datagram's.
// Sums the whole payload: ask only before answering a packet.
bool l4_checksum_right(const Frame& frame, const Packet& packet);

}  // namespace rawvs
