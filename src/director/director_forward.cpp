// SPDX-License-Identifier: BSD-2-Clause
// director_forward.cpp: on to the server, or back to the client: count, rewrite, resolve, transmit. One path for all
// methods and both directions; what differs is which headers are rewritten and where the frame goes.
#include <algorithm>

#include "core/rewrite.h"
#include "core/track.h"
#include "core/tunnel.h"
#include "director/director_pieces.h"
#include "rawvs/director.h"
#include "wire/ipv4_header.h"

namespace rawvs {

namespace {

constexpr uint32_t kLeastMtu = 68;            // RFC 791: every link carries so much
constexpr uint16_t kLeastPathMtu = 552;       // as Linux: what ICMP says below is not believed (ip_rt_min_pmtu)
constexpr uint16_t kLeastUnprovenMtu = 1280;  // of an error about a packet that was not too long
constexpr size_t kQuotedMost = 576;           // RFC 1812 4.3.2.3
constexpr Duration kPathMtuBelieved = 600s;   // as Linux: then larger packets are tried again (ip_rt_mtu_expires)

// The length of the longest IP packet that this frame becomes on the wire: a super-frame leaves in segments.
uint32_t longest_packet(const Frame& frame, const Packet& p) {
  if (!frame.offload.super_frame()) return p.ip_size;
  const uint32_t headers = p.protocol == Protocol::tcp ? p.ip_size - p.tcp_payload : p.l4_at - p.ip_at + 8u;
  return std::min<uint32_t>(p.ip_size, headers + frame.offload.segment_size);
}

// FTP that names another host's address goes on, but is told apart from what was understood.
Exit sent_on(Exit exit, const FtpFound& found) {
  const bool sent = exit == Exit::forwarded || exit == Exit::answer_forwarded;
  return sent && found.refused != 0 ? Exit::ftp_refused : exit;
}

// Can a router have refused this tunnel packet of ours because of its length? It was longer than what the router has
// room for, no longer than what we send, must not be cut, and is as long as what is in it wants.
bool was_too_big(const Quote& outer, const Quote& inner, uint32_t told, uint32_t sent_at_most) {
  return outer.dont_fragment && outer.total > told && outer.total <= sent_at_most &&
         outer.total == inner.total + (inner.ip_at - outer.ip_at);
}

// Without the padding of short Ethernet frames.
void trim(Frame& frame, const Packet& p) { frame.size = p.ip_at + p.ip_size; }

}  // namespace

// Packets are counted as IPVS counts them: before it is known whether they can leave.
void Director::count_in(const Arrival& a, Server& server) {
  for (Traffic* const traffic : {&server.traffic, &services_.service(server.service).traffic}) {
    ++traffic->in_packets;
    traffic->in_bytes += a.packet.ip_size;
  }
}

void Director::count_out(const Arrival& a, Server& server) {
  if (!server.in_service()) return;
  for (Traffic* const traffic : {&server.traffic, &services_.service(server.service).traffic}) {
    ++traffic->out_packets;
    traffic->out_bytes += a.packet.ip_size;
  }
}

void Director::age(const Arrival& a, Connection& c, Server& server, Direction direction, Instant now) {
  const uint8_t before = c.state;
  connections_.arm(c, now, rawvs::advance(c, server, a.packet, direction, settings_.timeouts));
  if (told_ && c.state != before) told_->state_changed(c, sync_view(), now);
  if (!assures(c, direction)) return;
  Connection* const parent = connections_.at(c.controlled_by);
  if (parent && parent->is_template()) parent->state = 1;
}

Exit Director::carry(Arrival& a, Connection& c, Server& server, Turn turn) {
  count_in(a, server);
  if (!follow_ftp(a.packet, c, Direction::input)) return Exit::ftp_full;
  if (c.cport.value == 0 && !know_client_port(c, a.packet.sport, turn.out)) return Exit::table_full;
  age(a, c, server, Direction::input, turn.now);
  ++c.packets;
  if (told_) told_->packet(c, sync_view(), turn.now);
  c.peer.client_mac = a.ethernet.src.bytes;
  c.flags = static_cast<uint8_t>(a.frame->link == Link::inside ? c.flags | Connection::inside
                                                               : c.flags & ~Connection::inside);
  if (c.peer.ftp == 0) return forward(a, c, server, turn);
  FtpSession& session = *ftp_.at(c.peer.ftp);
  const FtpSession before = session;
  const FtpOutcome outcome = from_client(session, *a.frame, a.packet);
  if (outcome.what != FtpOutcome::What::forward) return Exit::ftp_disorder;
  if (!arrange(c, before, outcome.found, turn)) return Exit::table_full;
  return sent_on(forward(a, c, server, turn), outcome.found);
}

// A NAT server's answer goes back the way the client's packets came.
Exit Director::carry_reply(Arrival& a, Connection& c, Server& server, Turn turn) {
  const uint32_t mtu = links_[index(c.link())].mtu;
  if (a.packet.ttl <= 1) return error(a, Exit::ttl_exceeded, turn);
  if (const auto refused = too_long(a, mtu, true, turn)) return *refused;
  count_out(a, server);
  if (!follow_ftp(a.packet, c, Direction::output)) return Exit::ftp_full;
  age(a, c, server, Direction::output, turn.now);
  FtpFound found;
  if (c.peer.ftp != 0) {
    if (const auto refused = read_ftp_reply(a, c, mtu, found, turn)) return *refused;
  }
  rewrite_source(*a.frame, a.packet, c.vip().addr, c.vport);
  // Another director has told of it, a kernel: it is the host's routes that know the way, until the client speaks.
  if (c.peer.client_mac == Mac{}.bytes)
    return turn.out.give_back(*a.frame) ? Exit::answer_forwarded : Exit::outbox_full;
  return sent_on(to_client(a, c, turn), found);
}

// The server's half of an FTP control connection: read, and edited where it says the server's address. An exit: it
// cannot go on, and will be repeated.
std::optional<Exit> Director::read_ftp_reply(Arrival& a, Connection& c, uint32_t mtu, FtpFound& found, Turn turn) {
  const MutableBytes letter = turn.out.letter();
  if (letter.empty()) return Exit::outbox_full;
  Frame& edited = edited_frame_;
  FtpSession& session = *ftp_.at(c.peer.ftp);
  const FtpSession before = session;
  const FtpOutcome outcome = from_server(session, *a.frame, a.packet, letter, edited);
  const bool rewritten = outcome.what == FtpOutcome::What::rewritten;
  if (!rewritten && outcome.what != FtpOutcome::What::forward) return Exit::ftp_disorder;
  if (!arrange(c, before, outcome.found, turn)) return Exit::table_full;
  found = outcome.found;
  if (!rewritten) return std::nullopt;
  turn.out.keep_letter();
  edited.headroom = Outbox::kLetterRoom;
  edited.link = a.frame->link;
  a.frame = &edited;
  if (const auto wrong = parse_ipv4(edited, a.packet)) return wrong;
  // Longer than it was, and now too long? Then it is two segments.
  const Packet& p = a.packet;
  if (!edited.offload.super_frame() && p.ip_size > mtu) {
    edited.offload.segmentation = Offload::tcp4;
    edited.offload.segment_size = static_cast<uint16_t>(mtu - (p.ip_size - p.tcp_payload));
  }
  return std::nullopt;
}

// An ICMP error about a connection goes to its server, as path MTU discovery needs it; the connection does not age
// any differently for it.
Exit Director::carry_client_error(Arrival& a, Connection& c, Server& server, Turn turn) {
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  count_in(a, server);
  return forward(a, c, server, turn);
}

Exit Director::carry_server_error(Arrival& a, Connection& c, Server& server, Turn turn) {
  if (a.packet.ttl <= 1) return Exit::stray_icmp;
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  count_out(a, server);
  rewrite_error_to_client(*a.frame, a.packet, a.quote, c.vip().addr, c.vport);
  return to_client(a, c, turn);
}

// An error of some router about a tunnel packet of ours: what it is about is the client's packet inside, and so it is
// translated; the client learns of a narrower path, and so do we (RFC 2003 section 4).
Exit Director::carry_tunnel_error(const Arrival& a, Turn turn) {
  const auto outer = parse_quote(*a.frame, a.packet);
  if (!outer) return Exit::not_vip;
  const bool to_vip = claims_.takes(a.packet.dst);  // as IPVS: any address of this host will do
  const ServerSlot slot = services_.find_at(outer->dst, [&](const Server& s) {
    return s.spec.method == Method::tunnel && s.source == outer->src && (to_vip || s.source == a.packet.dst) &&
           protocol_of(s.spec.tunnel.type) == outer->protocol &&
           (s.spec.tunnel.type != TunnelType::gue || s.spec.tunnel.port == outer->dport);
  });
  if (slot == kNoServer) return Exit::not_vip;
  const Server* const found = &services_.server(slot);
  const Bytes payload = Bytes(a.frame->bytes()).subspan(outer->l4_at, outer->l4_size());
  const auto header = tunnel_header(payload, found->spec.tunnel.type);
  const auto inner = header ? parse_inner_quote(*a.frame, *outer, *header) : std::nullopt;
  if (!inner || !l4_checksum_right(*a.frame, a.packet)) return Exit::not_vip;
  const FlowKey key{inner->src, inner->dst, inner->sport, inner->dport, inner->protocol, false};
  const Connection* const c = connections_.find(Side::client, key, connections_.hash(key));
  if (!c || c->real_server().addr != outer->dst) return Exit::not_vip;

  uint16_t mtu = 0;
  if (a.packet.icmp == Icmp::too_big) {
    // As IPVS: while nothing had been learned, the client is told what was thought before; its next packet teaches it.
    Hop hop, learned;
    const bool nowhere = hop_to(*found, hop, turn.now).has_value();
    const bool first = nowhere || found->path_mtu == 0 || turn.now >= found->path_mtu_until;
    uint16_t told = std::max(a.packet.icmp_mtu, kLeastPathMtu);
    // What was learned meanwhile may be of an error about the packet before.
    uint32_t sent_at_most = nowhere ? 0 : links_[index(neighbors_.at(found->neighbor).link)].mtu;
    if (found->route_mtu != 0) sent_at_most = std::min<uint32_t>(sent_at_most, found->route_mtu);
    // IPVS believes an error about any packet of a connection, so that one forged error narrows the path of all. What
    // proves nothing narrows it no further than to what tunnels and access lines have.
    if (!nowhere && !was_too_big(*outer, *inner, told, sent_at_most)) told = std::max(told, kLeastUnprovenMtu);
    learn_path_mtu(outer->dst, told, turn.now);
    if (hop_to(*found, learned, turn.now) || !outer->dont_fragment) return Exit::tunnel_error;
    mtu = static_cast<uint16_t>((first ? hop : learned).mtu - tunnel_overhead(found->spec.tunnel));
  }
  return tell_client(a, *c, *inner, mtu, turn);
}

// For all servers at the address: the path is one.
void Director::learn_path_mtu(Ip server, uint16_t mtu, Instant now) {
  static_cast<void>(services_.find_at(server, [&](const Server& at) {
    Server& s = services_.server(services_.slot_of(at));
    if (s.path_mtu == 0 || now >= s.path_mtu_until || s.path_mtu > mtu) {
      s.path_mtu = mtu;
      s.path_mtu_until = now + kPathMtuBelieved;
    }
    return false;  // and the next
  }));
}

// The error, from the VIP and about the client's own packet, as far as it was quoted.
Exit Director::tell_client(const Arrival& a, const Connection& c, const Quote& inner, uint16_t mtu, Turn turn) {
  Limit& limit = mtu != 0 ? too_bigs_ : errors_;
  if (!limit.take(turn.now)) return Exit::answer_limited;
  std::array<uint8_t, kEthernetSize + kQuotedMost> bytes{};
  Frame about;
  about.data = bytes.data();
  about.size = static_cast<uint32_t>(kEthernetSize + std::min<size_t>(inner.size, kQuotedMost));
  std::copy_n(a.frame->data + inner.ip_at, about.size - kEthernetSize, bytes.data() + kEthernetSize);
  set_macs(about, Mac{c.peer.client_mac}, links_[index(c.link())].mac);
  Packet packet;
  packet.src = inner.src;
  packet.dst = inner.dst;
  packet.ip_at = kEthernetSize;
  packet.ip_size = about.size - static_cast<uint32_t>(kEthernetSize);
  // cppcheck-suppress containerOutOfBounds ; there are kQuotedMost more
  packet.tos = bytes[kEthernetSize + kIpv4TosAt];
  const MutableBytes letter = turn.out.letter();
  const size_t size =
      letter.empty() ? 0 : composer_.icmp_error(letter, about, packet, {a.packet.icmp, a.packet.icmp_code, mtu});
  if (size == 0) return Exit::answer_limited;
  turn.out.send_letter(c.link(), size);
  return Exit::tunnel_error;
}

Exit Director::forward(Arrival& a, Connection& c, Server& server, Turn turn) {
  Packet& p = a.packet;
  const Method method = c.method();  // a server that is edited keeps its connections as they are
  if (p.ttl <= 1) return error(a, Exit::ttl_exceeded, turn);
  Hop hop;
  if (const auto nowhere = hop_to(server, hop, turn.now)) return *nowhere;
  decrement_ttl(*a.frame, p);  // as in IPVS before the MTU is looked at: errors quote the packet so
  settle_sctp_checksum(*a.frame, p);
  if (method == Method::tunnel) return forward_tunnelled(a, server, hop, turn);
  if (method == Method::masq && c.client().addr == c.real_server().addr) return Exit::hairpin;
  if (const auto refused = too_long(a, hop.mtu, true, turn)) return *refused;
  if (method == Method::masq) {
    if (a.role == Role::client_error) {
      rewrite_error_to_server(*a.frame, p, a.quote, c.real_server().addr, c.rport);
    } else {
      rewrite_destination(*a.frame, p, c.real_server().addr, c.rport);
    }
  }
  return depart(*a.frame, p, a.cuts, hop, turn);
}

Exit Director::forward_tunnelled(Arrival& a, const Server& server, const Hop& hop, Turn turn) {
  const uint32_t overhead = tunnel_overhead(server.spec.tunnel, a.frame->offload);
  if (server.source.unspecified()) return Exit::no_route;  // no address of ours on that way
  if (hop.mtu < overhead + kLeastMtu) return Exit::tunnel_narrow;
  if (const auto refused = too_long(a, hop.mtu - overhead, settings_.pmtu_disc, turn)) return *refused;
  if (!a.frame->offload.super_frame()) return wrap_and_depart(*a.frame, a.packet, server, hop, turn);

  // No segmenter behind us knows of the outer header: the super-frame is cut here, and each segment gets its own.
  Segmenter segments(*a.frame, a.packet);
  return each_piece(segments, turn.out, [&](Frame& piece) {
    piece.headroom = Outbox::kLetterRoom;
    Packet packet;
    if (const auto wrong = parse_ipv4(piece, packet)) return *wrong;
    return wrap_and_depart(piece, packet, server, hop, turn);
  });
}

Exit Director::wrap_and_depart(Frame frame, Packet packet, const Server& server, const Hop& hop, Turn turn) {
  const bool keep_df = packet.dont_fragment && settings_.pmtu_disc;
  trim(frame, packet);
  // Many cards look for TCP only behind the first IP header. GUE's remote checksum is the receiver's to complete.
  const Tunnel& tunnel = server.spec.tunnel;
  if (tunnel.type != TunnelType::gue || tunnel.checksum != TunnelChecksum::remote) complete_checksum(frame);
  if (frame.headroom < kMostTunnelOverhead) {  // whoever brought it left no room before it
    const MutableBytes letter = turn.out.letter();
    if (letter.size() < frame.size) return Exit::outbox_full;
    std::copy_n(frame.data, frame.size, letter.begin());
    frame.data = letter.data();
    frame.headroom = Outbox::kLetterRoom;
    turn.out.keep_letter();
  }
  if (++next_tunnel_id_ == 0) ++next_tunnel_id_;
  // RFC 6864: what is not cut needs none. With DF, what came in fragments is, and what is no one's to answer.
  const uint32_t size = packet.ip_size + tunnel_overhead(tunnel, frame.offload);
  const uint16_t id = keep_df && packet.largest_fragment == 0 && size <= hop.mtu ? uint16_t{0} : next_tunnel_id_;
  const auto outer = encapsulate(frame, packet, tunnel, server.source, server.spec.at.addr, id, keep_df);
  if (!outer) return Exit::bad_length;
  packet.ip_size = outer->size - static_cast<uint32_t>(kEthernetSize);
  return depart(*outer, packet, {}, hop, turn);
}

// To the MAC address that the client's packets came from.
Exit Director::to_client(Arrival& a, const Connection& c, Turn turn) {
  const LinkFacts& way = links_[index(c.link())];
  if (!way.usable()) return Exit::no_link;
  decrement_ttl(*a.frame, a.packet);
  settle_sctp_checksum(*a.frame, a.packet);
  const Hop hop{c.link(), Mac{c.peer.client_mac}, kNoNeighbor, way.mtu, true};
  const Exit exit = depart(*a.frame, a.packet, a.cuts, hop, turn);
  return exit == Exit::forwarded ? Exit::answer_forwarded : exit;
}

// Where the server's packets go next; or why they cannot.
std::optional<Exit> Director::hop_to(const Server& server, Hop& hop, Instant now) const {
  if (server.neighbor == kNoNeighbor) return Exit::no_route;
  const Neighbors::Neighbor& neighbor = neighbors_.at(server.neighbor);
  const LinkFacts& way = links_[index(neighbor.link)];
  if (!way.usable()) return Exit::no_link;
  hop = {neighbor.link, neighbor.mac, server.neighbor, way.mtu, neighbor.knows_mac()};
  if (server.route_mtu != 0) hop.mtu = std::min<uint32_t>(hop.mtu, server.route_mtu);
  if (server.path_mtu != 0 && now < server.path_mtu_until) hop.mtu = std::min<uint32_t>(hop.mtu, server.path_mtu);
  return std::nullopt;
}

// Refused, with an error to its sender, because it is longer than the way ahead and must not be cut. Errors themselves
// are cut rather than answered.
std::optional<Exit> Director::too_long(const Arrival& a, uint32_t mtu, bool df_counts, Turn turn) {
  const Packet& p = a.packet;
  const uint32_t longest = longest_packet(*a.frame, p);
  if (longest <= mtu || !p.dont_fragment || !df_counts || p.protocol == Protocol::icmp) return std::nullopt;
  return error(a, Exit::too_big, turn, static_cast<uint16_t>(mtu));
}

// Everything is rewritten but the Ethernet addresses. Out it goes: whole, or in pieces that fit the way.
Exit Director::depart(Frame frame, const Packet& p, std::span<const uint16_t> cuts, const Hop& hop, Turn turn) {
  const bool whole = p.largest_fragment == 0 && longest_packet(frame, p) <= hop.mtu;
  if (frame.offload.super_frame()) {
    // The kernel cuts those whose checksum is partial, as all are that it made itself.
    return whole && frame.offload.partial_checksum() ? depart_whole(frame, hop, turn)
                                                     : depart_segmented(frame, p, hop, turn);
  }
  if (whole) return depart_whole(frame, hop, turn);
  // What came in fragments leaves in the same ones; inside a tunnel, in fragments no larger than they were.
  trim(frame, p);
  complete_checksum(frame);
  if (p.largest_fragment == 0) return depart_cut(frame, hop.mtu, {}, hop, turn);
  return depart_cut(frame, std::min<uint32_t>(hop.mtu, p.largest_fragment), cuts, hop, turn);
}

Exit Director::depart_segmented(const Frame& frame, const Packet& p, const Hop& hop, Turn turn) {
  Segmenter segments(frame, p);
  return each_piece(segments, turn.out, [&](Frame& piece) {
    if (piece.size - kEthernetSize <= hop.mtu) return depart_whole(piece, hop, turn);
    complete_checksum(piece);
    return depart_cut(piece, hop.mtu, {}, hop, turn);
  });
}

Exit Director::depart_cut(const Frame& frame, uint32_t mtu, std::span<const uint16_t> cuts, const Hop& hop, Turn turn) {
  Fragmenter fragments(frame, mtu, Fragmenter::DontFragment::keep, cuts);
  return each_piece(fragments, turn.out, [&](const Frame& piece) { return depart_whole(piece, hop, turn); });
}

Exit Director::depart_whole(const Frame& frame, const Hop& hop, Turn turn) {
  if (hop.knows_mac) {
    set_macs(frame, links_[index(hop.link)].mac, hop.mac);
    return turn.out.send(hop.link, frame) ? Exit::forwarded : Exit::outbox_full;
  }
  switch (neighbors_.hold(hop.neighbor, frame, turn.now)) {
    case Hold::held: return Exit::held;
    case Hold::full: return Exit::hold_full;
    case Hold::silent: break;
  }
  return Exit::server_silent;
}

}  // namespace rawvs
