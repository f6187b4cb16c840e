// SPDX-License-Identifier: BSD-2-Clause
// departure.cpp: the last steps of forwarding: tunnel header, fragmentation or segmentation to the MTU, the next hop's
// MAC address.
#include <algorithm>

#include "core/outbox.h"
#include "core/rewrite.h"
#include "core/tunnel.h"
#include "director/forwarder.h"
#include "director/pieces.h"

namespace rawvs {

namespace {

// Removes the padding of short Ethernet frames.
void trim(Frame& frame, const Packet& p) { frame.size = p.ip_at + p.ip_size; }

}  // namespace

Exit Forwarder::wrap_and_depart(Frame frame, Packet packet, const Server& server, const Hop& hop, Turn turn) {
  const bool keep_df = packet.dont_fragment && settings_.pmtu_disc;
  trim(frame, packet);
  // Many cards compute TCP checksums only after the first IP header. The receiver completes GUE's remote checksum.
  const Tunnel& tunnel = server.spec.tunnel;
  if (tunnel.type != TunnelType::gue || tunnel.checksum != TunnelChecksum::remote) complete_checksum(frame);
  if (frame.headroom < kMostTunnelOverhead) {  // the frame's source left too little room before it
    const MutableBytes letter = turn.out.letter();
    if (letter.size() < frame.size) return Exit::outbox_full;
    std::copy_n(frame.data, frame.size, letter.begin());
    frame.data = letter.data();
    frame.headroom = Outbox::kLetterRoom;
    turn.out.keep_letter();
  }
  if (++next_tunnel_id_ == 0) ++next_tunnel_id_;
  // RFC 6864: a packet that is never fragmented needs no ID. Despite DF, reassembled packets and packets without a
  // sender to notify are fragmented.
  const uint32_t size = packet.ip_size + tunnel_overhead(tunnel, frame.offload);
  const uint16_t id = keep_df && packet.largest_fragment == 0 && size <= hop.mtu ? uint16_t{0} : next_tunnel_id_;
  const auto outer = encapsulate(frame, packet, tunnel, server.source, server.spec.at.addr, id, keep_df);
  if (!outer) return Exit::bad_length;
  packet.ip_size = outer->size - static_cast<uint32_t>(kEthernetSize);
  return depart(*outer, packet, {}, hop, turn);
}

// Sends a packet in which only the Ethernet addresses are still to be set: whole, or in pieces that fit the MTU.
Exit Forwarder::depart(Frame frame, const Packet& p, std::span<const uint16_t> cuts, const Hop& hop, Turn turn) {
  const bool whole = p.largest_fragment == 0 && longest_packet(frame, p) <= hop.mtu;
  if (frame.offload.super_frame()) {
    // The kernel segments super-frames with a partial checksum; those that it made itself have one.
    return whole && frame.offload.partial_checksum() ? depart_whole(frame, hop, turn)
                                                     : depart_segmented(frame, p, hop, turn);
  }
  if (whole) return depart_whole(frame, hop, turn);
  // A reassembled packet leaves in the fragments in which it came; in a tunnel, in fragments no larger than those.
  trim(frame, p);
  complete_checksum(frame);
  if (p.largest_fragment == 0) return depart_cut(frame, hop.mtu, {}, hop, turn);
  return depart_cut(frame, std::min<uint32_t>(hop.mtu, p.largest_fragment), cuts, hop, turn);
}

Exit Forwarder::depart_segmented(const Frame& frame, const Packet& p, const Hop& hop, Turn turn) {
  Segmenter segments(frame, p);
  return each_piece(segments, turn.out, [&](Frame& piece) {
    if (piece.size - kEthernetSize <= hop.mtu) return depart_whole(piece, hop, turn);
    complete_checksum(piece);
    return depart_cut(piece, hop.mtu, {}, hop, turn);
  });
}

Exit Forwarder::depart_cut(const Frame& frame, uint32_t mtu, std::span<const uint16_t> cuts, const Hop& hop,
                           Turn turn) {
  Fragmenter fragments(frame, mtu, Fragmenter::DontFragment::keep, cuts);
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
