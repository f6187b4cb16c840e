// SPDX-License-Identifier: BSD-2-Clause
// departure.cpp: the last steps of forwarding: tunnel header, fragmentation or segmentation to the MTU, the next hop's
// MAC address.
#include <algorithm>

#include "core/outbox.h"
#include "core/rewrite.h"
#include "core/tunnel.h"
#include "director/forwarder.h"
#include "director/pieces.h"
#include "wire/ip_header.h"

namespace rawvs {

namespace {

// Removes the padding of short Ethernet frames.
void trim(Frame& frame, const Packet& p) { frame.size = p.ip_at + p.ip_size; }

// The longest fragment in which a reassembled packet leaves, bytes. As the kernel's, it is no longer than those that
// came, but not shorter than what every IPv6 link carries; in a tunnel of the other family, what the path carries.
uint32_t longest_fragment(const Frame& frame, const Packet& p, uint32_t mtu) {
  const Family leaves_as = stated_family(frame.bytes().subspan(kEthernetSize));
  if (leaves_as != p.family()) return mtu;
  return std::min(mtu, std::max<uint32_t>(p.largest_fragment, leaves_as == Family::ipv6 ? kIpv6LeastMtu : 0));
}

}  // namespace

Exit Forwarder::wrap_and_depart(Frame frame, Packet packet, const Cuts& cuts, const Server& server, const Hop& hop,
                                Turn turn) {
  // As in IPVS, an IPv6 packet in an IPv4 tunnel may be fragmented there.
  const bool keep_df = packet.dont_fragment && settings_.pmtu_disc && packet.family() == Family::ipv4;
  trim(frame, packet);
  // Many cards compute TCP checksums only after the first IP header. The receiver completes GUE's remote checksum.
  const Tunnel& tunnel = server.spec.tunnel;
  if (tunnel.type != TunnelType::gue || tunnel.checksum != TunnelChecksum::remote) complete_checksum(frame);
  const Family family = server.spec.at.addr.family();
  if (frame.headroom < tunnel_overhead(tunnel, family, frame.offload)) {  // the frame's source left too little room
    const MutableBytes buffer = turn.out.buffer();
    if (buffer.size() < frame.size) return Exit::outbox_full;
    std::copy_n(frame.data, frame.size, buffer.begin());
    frame.data = buffer.data();
    frame.headroom = Outbox::kBufferRoom;
    turn.out.keep_buffer();
  }
  if (++next_tunnel_id_ == 0) ++next_tunnel_id_;
  // RFC 6864: a packet that is never fragmented needs no ID. Despite DF, reassembled packets and packets without a
  // sender to notify are fragmented.
  const uint32_t size = packet.ip_size + tunnel_overhead(tunnel, family, frame.offload);
  const uint16_t id = keep_df && packet.largest_fragment == 0 && size <= hop.mtu ? uint16_t{0} : next_tunnel_id_;
  const auto outer = encapsulate(frame, packet, tunnel, server.source, server.spec.at.addr, id, keep_df);
  if (!outer) return Exit::bad_length;
  packet.ip_size = outer->size - static_cast<uint32_t>(kEthernetSize);
  packet.fragment_id = next_tunnel_id_;
  return depart(*outer, packet, cuts, hop, turn);
}

// Sends a packet in which only the Ethernet addresses are still to be set: whole, or in pieces that fit the MTU.
Exit Forwarder::depart(Frame frame, const Packet& p, const Cuts& cuts, const Hop& hop, Turn turn) {
  const bool whole = p.largest_fragment == 0 && longest_packet(frame, p) <= hop.mtu;
  if (frame.offload.super_frame()) {
    // The kernel segments super-frames with a partial checksum; those that it made itself have one.
    return whole && frame.offload.partial_checksum() ? depart_whole(frame, hop, turn)
                                                     : depart_segmented(frame, p, hop, turn);
  }
  if (whole) return depart_whole(frame, hop, turn);
  // A reassembled packet leaves in the fragments in which it came, the first of them with the tunnel's headers; where
  // that cannot be, in fragments no larger than those.
  trim(frame, p);
  complete_checksum(frame);
  if (p.largest_fragment == 0) return depart_cut(frame, p, hop.mtu, {}, hop, turn);
  return depart_cut(frame, p, longest_fragment(frame, p, hop.mtu), cuts, hop, turn);
}

Exit Forwarder::depart_segmented(const Frame& frame, const Packet& p, const Hop& hop, Turn turn) {
  Segmenter segments(frame, p);
  return each_piece(segments, turn.out, [&](Frame& piece) {
    if (piece.size - kEthernetSize <= hop.mtu) return depart_whole(piece, hop, turn);
    complete_checksum(piece);
    return depart_cut(piece, p, hop.mtu, {}, hop, turn);
  });
}

Exit Forwarder::depart_cut(const Frame& frame, const Packet& p, uint32_t mtu, const Cuts& cuts, const Hop& hop,
                           Turn turn) {
  Fragmenter fragments(frame, mtu, Fragmenter::DontFragment::keep, cuts, p.fragment_id);
  return each_piece(fragments, turn.out, [&](const Frame& piece) { return depart_whole(piece, hop, turn); });
}

Exit Forwarder::depart_whole(const Frame& frame, const Hop& hop, Turn turn) {
  if (hop.knows_mac) {
    set_macs(frame, surroundings_.link(hop.link).mac, hop.mac);
    return turn.out.send(hop.link, frame) ? Exit::forwarded : Exit::outbox_full;
  }
  switch (surroundings_.hold(hop, frame, turn.now)) {
    case Hold::held: return Exit::held;
    case Hold::full: return Exit::hold_full;
    case Hold::silent: break;
  }
  return Exit::server_silent;
}

}  // namespace rawvs
