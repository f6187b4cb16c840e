// SPDX-License-Identifier: BSD-2-Clause
// rewrite.h: what forwarding changes in a frame, with checksums and offload facts updated.
// In:  a frame, its Packet, the new addresses.
// Out: both changed in place.
// Not: outer headers of tunnels (tunnel.h), payload (ftp.h).
// RFC: 3022 section 4 (NAT), 768 (zero in UDP), 1624.
//
// Checksums are updated for the change alone (RFC 1624): a wrong one stays wrong, and the receiver finds the damage.
#pragma once

#include "wire/packet.h"

namespace rawvs {

// The Ethernet addresses, for the next hop.
void set_macs(const Frame& frame, Mac from, Mac to);

// TTL or hop limit minus one, IPv4's header checksum updated (RFC 1141, RFC 1624). REQUIRES: ttl > 1.
void decrement_ttl(const Frame& frame, const Packet& packet);

// NAT of one end: the address, of the same family, and for TCP, UDP and SCTP the port. Updates the checksums of the
// IPv4 header and of ICMPv6, TCP's and UDP's, whole or partial, and SCTP's CRC32c. A later fragment has no ports to
// change. REQUIRES: an SCTP packet that came in fragments is reassembled: its checksum covers the whole.
void rewrite_destination(Frame& frame, Packet& packet, Ip addr, Port port);
void rewrite_source(Frame& frame, Packet& packet, Ip addr, Port port);

// NAT of one end of an ICMP error and of the packet it quotes, which has ports: both IP headers, the quoted port, all
// checksums but the quoted L4 checksum (IPVS leaves it, and few errors quote that far). The error's destination is the
// source of the quoted packet: an error about a packet from VIP:port goes to the server and quotes the server's packet.
void rewrite_error_destination(Frame& frame, Packet& packet, const Quote& quote, Ip addr, Port port);
// The error's source becomes the destination of the quoted packet: an error about a packet to the server comes from the
// VIP and quotes the packet to the VIP.
void rewrite_error_source(Frame& frame, Packet& packet, const Quote& quote, Ip addr, Port port);

// Lowers the maximum segment size that a SYN or SYN-ACK states (RFC 9293 section 3.7.1) to `most`. Without the option
// nothing is changed: that means 536 or 1220 bytes.
void lower_mss(const Frame& frame, const Packet& packet, uint32_t most);

// A partial checksum of an SCTP packet meant CRC32c to its sender, but would mean the Internet checksum to the
// receiver.
// Computes it, and the frame is partial no more. Needed with every method; other protocols are left alone.
void settle_sctp_checksum(Frame& frame, const Packet& packet);

}  // namespace rawvs
