// SPDX-License-Identifier: BSD-2-Clause
// rewrite.h: what forwarding changes in a frame. Checksums and offload facts stay true.
// In:  a frame, the facts of its packet, the new addresses.   Out: the frame changed in place, the facts with it. What
// was wrong before stays wrong: checksums are updated for the change (RFC 1624), so the receiver still finds the
// damage. Not: the tunnels' outer headers (tunnel.h), payload (ftp). RFC 3022 section 4 on NAT; RFC 768 on UDP's zero.
#pragma once

#include "wire/packet.h"

namespace rawvs {

// Ethernet addresses of the next hop.
void set_macs(const Frame& frame, Mac from, Mac to);

// One hop less to live, header checksum updated (RFC 1141, RFC 1624). The caller has seen that ttl > 1.
void decrement_ttl(const Frame& frame, const Packet& packet);

// NAT: the address, and for TCP, UDP and SCTP the port, of one end. IPv4 header checksum; TCP and UDP checksums, full
// or partial; SCTP's CRC32c. Not for later fragments' ports, which they do not have, nor for SCTP that came in
// fragments and was not put together: its checksum is the whole's.
void rewrite_destination(Frame& frame, Packet& packet, Ip addr, Port port);
void rewrite_source(Frame& frame, Packet& packet, Ip addr, Port port);

// NAT of an ICMP error and of what it quotes, which has ports: both IP headers, the quoted ports, all checksums but the
// quoted payload's own (IPVS leaves it, and few errors quote so much). From the client's side, about what VIP:port
// sent: the error goes to the server, and quotes what the server sent.
void rewrite_error_to_server(Frame& frame, Packet& packet, const Quote& quote, Ip server, Port port);
// From the server's side, about what the server was sent: the error comes from the VIP, and quotes what it was sent.
void rewrite_error_to_client(Frame& frame, Packet& packet, const Quote& quote, Ip vip, Port port);

// A partial checksum means the Internet checksum to whoever gets the frame next; of an SCTP packet it meant CRC32c to
// the sender. It is computed here, and the frame is partial no more. Every method needs this. Others are left alone.
void settle_sctp_checksum(Frame& frame, const Packet& packet);

}  // namespace rawvs
