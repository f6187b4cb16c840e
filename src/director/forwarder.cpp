// SPDX-License-Identifier: BSD-2-Clause
// forwarder.cpp: count, age, rewrite, and where to.
#include "director/forwarder.h"

#include <algorithm>

#include "core/outbox.h"
#include "core/rewrite.h"
#include "core/tunnel.h"
#include "director/pieces.h"

namespace rawvs {

namespace {

constexpr uint32_t kLeastMtu = 68;  // RFC 791: every link carries so much

// FTP that names another host's address goes on, but is told apart from what was understood.
Exit sent_on(Exit exit, const FtpFound& found) {
  const bool sent = exit == Exit::forwarded || exit == Exit::answer_forwarded;
  return sent && found.refused != 0 ? Exit::ftp_refused : exit;
}

}  // namespace

Forwarder::Forwarder(const Settings& settings, Services& services, Flows& flows, Surroundings& surroundings, Host& host)
    : settings_(settings), services_(services), flows_(flows), surroundings_(surroundings), host_(host) {}

Exit Forwarder::to_server(Arrival& a, Connection& c, Server& server, Turn turn) {
  return a.role == Role::client_error ? carry_client_error(a, c, server, turn) : carry(a, c, server, turn);
}

Exit Forwarder::to_client(Arrival& a, Connection& c, Server& server, Turn turn) {
  return a.role == Role::reply ? carry_reply(a, c, server, turn) : carry_server_error(a, c, server, turn);
}

Exit Forwarder::once(Arrival& a, Connection& c, Server& server, Turn turn) {
  count_in(a, server);
  return forward(a, c, server, turn);
}

// Packets are counted as IPVS counts them: before it is known whether they can leave.
void Forwarder::count_in(const Arrival& a, Server& server) {
  for (Traffic* const traffic : {&server.traffic, &services_.service(server.service).traffic}) {
    ++traffic->in_packets;
    traffic->in_bytes += a.packet.ip_size;
  }
}

void Forwarder::count_out(const Arrival& a, Server& server) {
  if (!server.in_service()) return;
  for (Traffic* const traffic : {&server.traffic, &services_.service(server.service).traffic}) {
    ++traffic->out_packets;
    traffic->out_bytes += a.packet.ip_size;
  }
}

Exit Forwarder::carry(Arrival& a, Connection& c, Server& server, Turn turn) {
  count_in(a, server);
  if (!flows_.follow_ftp(a.packet, c, Direction::input)) return Exit::ftp_full;
  if (c.cport.value == 0 && !flows_.know_client_port(c, a.packet.sport, turn.out)) return Exit::table_full;
  flows_.age(a.packet, c, server, Direction::input, turn.now);
  flows_.came_from_client(a, c, turn.now);
  if (c.peer.ftp == 0) return forward(a, c, server, turn);
  FtpSession& session = flows_.session(c);
  const FtpSession before = session;
  const FtpOutcome outcome = from_client(session, *a.frame, a.packet);
  if (outcome.what != FtpOutcome::What::forward) return Exit::ftp_disorder;
  if (!flows_.arrange(c, before, outcome.found, turn)) return Exit::table_full;
  return sent_on(forward(a, c, server, turn), outcome.found);
}

// A NAT server's answer goes back the way the client's packets came.
Exit Forwarder::carry_reply(Arrival& a, Connection& c, Server& server, Turn turn) {
  const uint32_t mtu = surroundings_.link(c.link()).mtu;
  if (a.packet.ttl <= 1) return host_.error(a, Exit::ttl_exceeded, turn);
  if (const auto refused = too_long(a, mtu, true, turn)) return *refused;
  count_out(a, server);
  if (!flows_.follow_ftp(a.packet, c, Direction::output)) return Exit::ftp_full;
  flows_.age(a.packet, c, server, Direction::output, turn.now);
  FtpFound found;
  if (c.peer.ftp != 0) {
    if (const auto refused = read_ftp_reply(a, c, mtu, found, turn)) return *refused;
  }
  rewrite_source(*a.frame, a.packet, c.vip().addr, c.vport);
  // Another director has told of it, a kernel: it is the host's routes that know the way, until the client speaks.
  if (c.peer.client_mac == Mac{}.bytes)
    return turn.out.give_back(*a.frame) ? Exit::answer_forwarded : Exit::outbox_full;
  return sent_on(back(a, c, turn), found);
}

// The server's half of an FTP control connection: read, and edited where it says the server's address. An exit: it
// cannot go on, and will be repeated.
std::optional<Exit> Forwarder::read_ftp_reply(Arrival& a, Connection& c, uint32_t mtu, FtpFound& found, Turn turn) {
  const MutableBytes letter = turn.out.letter();
  if (letter.empty()) return Exit::outbox_full;
  Frame& edited = edited_frame_;
  FtpSession& session = flows_.session(c);
  const FtpSession before = session;
  const FtpOutcome outcome = from_server(session, *a.frame, a.packet, letter, edited);
  const bool rewritten = outcome.what == FtpOutcome::What::rewritten;
  if (!rewritten && outcome.what != FtpOutcome::What::forward) return Exit::ftp_disorder;
  if (!flows_.arrange(c, before, outcome.found, turn)) return Exit::table_full;
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

Exit Forwarder::forward(Arrival& a, Connection& c, Server& server, Turn turn) {
  Packet& p = a.packet;
  const Method method = c.method();  // a server that is edited keeps its connections as they are
  if (p.ttl <= 1) return host_.error(a, Exit::ttl_exceeded, turn);
  Hop hop;
  if (const auto nowhere = surroundings_.hop_to(server, hop, turn.now)) return *nowhere;
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

Exit Forwarder::forward_tunnelled(Arrival& a, const Server& server, const Hop& hop, Turn turn) {
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

// To the MAC address that the client's packets came from.
Exit Forwarder::back(Arrival& a, const Connection& c, Turn turn) {
  const LinkFacts& way = surroundings_.link(c.link());
  if (!way.usable()) return Exit::no_link;
  decrement_ttl(*a.frame, a.packet);
  settle_sctp_checksum(*a.frame, a.packet);
  const Hop hop{c.link(), Mac{c.peer.client_mac}, kNoNeighbor, way.mtu, true};
  const Exit exit = depart(*a.frame, a.packet, a.cuts, hop, turn);
  return exit == Exit::forwarded ? Exit::answer_forwarded : exit;
}

// Refused, with an error to its sender, because it is longer than the way ahead and must not be cut. Errors themselves
// are cut rather than answered.
std::optional<Exit> Forwarder::too_long(const Arrival& a, uint32_t mtu, bool df_counts, Turn turn) {
  const Packet& p = a.packet;
  const uint32_t longest = longest_packet(*a.frame, p);
  if (longest <= mtu || !p.dont_fragment || !df_counts || p.protocol == Protocol::icmp) return std::nullopt;
  return host_.error(a, Exit::too_big, turn, static_cast<uint16_t>(mtu));
}

Exit Forwarder::check(Arrival& a, const Server* server, Turn turn) {
  if (const auto wrong = parse_ethernet(*a.frame, a.ethernet)) return *wrong;
  if (a.ethernet.kind != Kind::ipv4) return Exit::not_ipv4;
  if (const auto wrong = parse_ipv4(*a.frame, a.packet)) return *wrong;
  const Packet& p = a.packet;
  const bool asks = p.protocol == Protocol::tcp || p.protocol == Protocol::udp;
  if (!asks || p.fragmented() || !surroundings_.takes(p.dst)) return Exit::not_vip;
  if (p.ttl == 0) return Exit::bad_ip_header;  // no kernel sends such
  if (!server) return Exit::server_gone;
  if (server->spec.method != Method::route && server->spec.method != Method::tunnel) return Exit::not_vip;
  Hop hop;
  if (const auto nowhere = surroundings_.hop_to(*server, hop, turn.now)) return *nowhere;
  // Its sender is this host, to whom no ICMP error can be sent: what is too long is cut instead.
  a.packet.dont_fragment = false;
  const Exit exit = server->spec.method == Method::tunnel ? forward_tunnelled(a, *server, hop, turn)
                                                          : depart(*a.frame, a.packet, {}, hop, turn);
  return exit == Exit::forwarded ? Exit::check_sent : exit;
}

}  // namespace rawvs
