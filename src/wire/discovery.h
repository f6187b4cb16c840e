// SPDX-License-Identifier: BSD-2-Clause
// discovery.h: reads ARP for IPv4 over Ethernet, and IPv6's neighbour discovery: both are one fact.
// In:  a frame whose Ethernet header is sound.
// Out: a Discovery, or the Exit that names the fault.
// Not: building such frames (compose.h), what follows from them (neighbor.h, claim.h).
// RFC: 826; 5227 for probes and announcements; 4861 sections 4.3, 4.4, 7.1; 4862 section 5.4.
#pragma once

#include <optional>

#include "wire/packet.h"

namespace rawvs {

// Offsets of the fields and the size of an ARP packet, bytes (RFC 826 for Ethernet and IPv4).
inline constexpr size_t kArpSize = 28, kArpHardwareAt = 0, kArpProtocolAt = 2, kArpOperationAt = 6, kArpSenderMacAt = 8,
                        kArpSenderAt = 14, kArpTargetMacAt = 18, kArpTargetAt = 24;
inline constexpr uint16_t kArpRequest = 1, kArpReply = 2;  // operations

// Who has `target`? Or: `sender` is at sender_mac.
//             asks                                  says
//   ARP       request; sender 0.0.0.0: a probe      reply
//   ND        solicitation; sender ::: a probe      advertisement: sender is its target address
struct Discovery {
  enum class What : uint8_t { asks, says };
  What what = What::asks;
  Ip sender{};       // unspecified: a probe
  Mac sender_mac{};  // ND: of the link-layer address option, else the frame's source; zero in `says` is an Exit
  Ip target{};       // what is asked for; in `says`: who is told; unspecified of its family: all
  Mac target_mac{};  // in `says`: who is told; ND: the frame's destination. Else meaningless
  // ND's advertisement. ARP sets both, as an answer to one host is solicited, and all replies override.
  bool solicited = true, overrides = true;
  bool router = false;  // the sender of an advertisement is a router
  bool probe() const { return sender.unspecified(); }
  Family family() const { return target.family(); }
};

// Refuses other hardware, sizes and operations, and sender addresses that no host can have: Exit::bad_arp.
std::optional<Exit> parse_arp(const Frame& frame, Discovery& out);

// REQUIRES: parse_ip() accepted the packet, is_discovery(packet) is true. Refuses what RFC 4861 section 7.1 calls
// invalid: Exit::bad_nd.
std::optional<Exit> parse_nd(const Frame& frame, const Packet& packet, Discovery& out);

// The ICMPv6 message, without its checksum; its size in bytes, at most kMostNdSize. 0: out is too small.
inline constexpr size_t kMostNdSize = 32;
size_t write_nd(MutableBytes out, const Discovery& d);

// The multicast group, and its MAC address, that a host with this IPv6 address listens to (RFC 4291 section 2.7.1,
// RFC 2464 section 7).
constexpr Ip solicited_node(Ip a) {
  return Ip(uint64_t{0xff02} << 48, uint64_t{1} << 32 | 0xff000000 | (a.lo() & 0xffffff));
}
inline constexpr Ip kAllNodes{uint64_t{0xff02} << 48, 1};

// In messages: what a host with this address answers.
constexpr const char* what_is_answered(Ip a) { return a.is_v4() ? "ARP" : "neighbour solicitations"; }

constexpr Mac multicast_mac(Ip group) {
  const auto low = static_cast<uint32_t>(group.lo());
  const auto byte = [&](int shift) { return static_cast<uint8_t>(low >> shift); };
  return {{0x33, 0x33, byte(24), byte(16), byte(8), byte(0)}};
}

}  // namespace rawvs
