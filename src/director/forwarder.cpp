// SPDX-License-Identifier: BSD-2-Clause
// forwarder.cpp: counts, ages, rewrites and resolves packets.
#include "director/forwarder.h"

#include <algorithm>

#include "core/outbox.h"
#include "core/rewrite.h"
#include "core/tunnel.h"
#include "director/pieces.h"
#include "wire/ip_header.h"
#include "wire/translate.h"

namespace rawvs {

namespace {

// FTP that names another host's address is forwarded, but has an exit of its own.
Exit sent_on(Exit exit, const FtpFound& found) {
  const bool sent = exit == Exit::forwarded || exit == Exit::answer_forwarded;
  return sent && found.refused != 0 ? Exit::ftp_refused : exit;
}

// What came in fragments goes in the same ones.
template <class Give>
Exit to_kernel(const Arrival& a, Outbox& out, Give give) {
  const uint16_t largest = a.packet.largest_fragment;
  if (largest == 0) return give(*a.frame);
  Fragmenter fragments(*a.frame, largest, Fragmenter::DontFragment::keep, a.cuts, a.packet.fragment_id);
  return each_piece(fragments, out, give);
}

}  // namespace

Forwarder::Forwarder(const Settings& settings, Services& services, Flows& flows, Surroundings& surroundings,
                     FastConnections& fast, Host& host)
    : settings_(settings), services_(services), flows_(flows), surroundings_(surroundings), fast_(fast), host_(host) {}

Exit Forwarder::to_server(Arrival& a, Connection& c, Server& server, Turn turn) {
  if (c.is_proxied()) {
    if (const auto exit = from_proxied_client(a, c, server, turn)) return *exit;
  }
  if (a.role == Role::client_error) return carry_client_error(a, c, server, turn);
  const Exit exit = carry(a, c, server, turn);
  if (exit == Exit::forwarded) fast_.request_passed(a, c, server, turn.now);
  return exit;
}

Exit Forwarder::to_client(Arrival& a, Connection& c, Server& server, Turn turn) {
  if (a.role != Role::reply) return carry_server_error(a, c, server, turn);
  const Exit exit = carry_reply(a, c, server, turn);
  if (exit == Exit::answer_forwarded) fast_.reply_passed(a, c, turn.now);
  return exit;
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
  if (c.cport.value == 0) {
    if (const auto refused = flows_.know_client_port(c, a.packet.sport, turn)) return *refused;
  }
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

// Sends a NAT server's reply to the MAC address and link from which the client's packets came.
Exit Forwarder::carry_reply(Arrival& a, Connection& c, Server& server, Turn turn) {
  const bool mixed = c.is_full() && c.is_mixed();
  uint32_t mtu = surroundings_.link(c.link()).mtu_of(c.client().addr.family());
  if (mixed) mtu = room_in_other_family(mtu, a.packet.family());
  if (a.packet.ttl <= 1) return host_.error(a, Exit::ttl_exceeded, turn);
  if (const auto refused = too_long(a, mtu, true, turn)) return *refused;
  if (c.is_proxied()) {
    if (const auto exit = from_proxied_server(a, c, server, turn)) return *exit;
  }
  count_out(a, server);
  if (!flows_.follow_ftp(a.packet, c, Direction::output)) return Exit::ftp_full;
  flows_.age(a.packet, c, server, Direction::output, turn.now);
  if (c.is_full() && a.packet.protocol == Protocol::tcp)
    from_server(c.full().proxy, *a.frame, a.packet, c.client().addr.family());
  FtpFound found;
  if (c.peer.ftp != 0) {
    if (const auto refused = read_ftp_reply(a, c, mtu, found, turn)) return *refused;
  }
  clamp_mss(a, c, server, surroundings_.link(a.frame->link).mtu_of(a.packet.family()));
  learn_promise(a, c, server);
  if (mixed && !change_family(a, c.vip().addr, c.client().addr, turn)) return Exit::bad_length;
  rewrite_source(*a.frame, a.packet, c.vip().addr, c.vport);
  if (c.is_full()) rewrite_destination(*a.frame, a.packet, c.client().addr, c.cport);
  if (c.is_proxied()) {
    if (const auto exit = show_proxied(a, c, server, turn)) return *exit;
  }
  // A connection from sync with a Linux director: until the client sends, only the host's routes know the way to it.
  if (c.peer.client_mac == Mac{}.bytes) {
    const Exit exit = give_back(a, turn.out);
    return exit == Exit::given_back ? Exit::answer_forwarded : exit;
  }
  return sent_on(back(a, c, turn), found);
}

Exit Forwarder::give_back(const Arrival& a, Outbox& out) {
  return to_kernel(a, out,
                   [&](const Frame& frame) { return out.give_back(frame) ? Exit::given_back : Exit::outbox_full; });
}

Exit Forwarder::deliver(const Arrival& a, Exit done, Outbox& out) {
  settle_sctp_checksum(*a.frame, a.packet);
  return to_kernel(a, out, [&](const Frame& frame) { return out.deliver(frame) ? done : Exit::outbox_full; });
}

// As in IPVS, its time to live does not matter here.
Exit Forwarder::forward_local(Arrival& a, const Connection& c, Turn turn) {
  const bool translated = translates(c.method()) && c.real_server() != c.vip();
  const auto* const claimed = surroundings_.claimed(a.packet.dst);
  return translated || !claimed || !claimed->on_host ? Exit::no_local : deliver(a, Exit::delivered, turn.out);
}

// Reads the server's half of an FTP control connection and replaces the server's address in it. An exit: the segment is
// dropped, and its sender will repeat it.
std::optional<Exit> Forwarder::read_ftp_reply(Arrival& a, Connection& c, uint32_t mtu, FtpFound& found, Turn turn) {
  const MutableBytes buffer = turn.out.buffer();
  if (buffer.empty()) return Exit::outbox_full;
  Frame& edited = edited_frame_;
  FtpSession& session = flows_.session(c);
  const FtpSession before = session;
  const FtpOutcome outcome = from_server(session, *a.frame, a.packet, buffer, edited);
  const bool rewritten = outcome.what == FtpOutcome::What::rewritten;
  if (!rewritten && outcome.what != FtpOutcome::What::forward) return Exit::ftp_disorder;
  if (!flows_.arrange(c, before, outcome.found, turn)) return Exit::table_full;
  found = outcome.found;
  if (!rewritten) return std::nullopt;
  turn.out.keep_buffer();
  edited.headroom = Outbox::kBufferRoom;
  edited.link = a.frame->link;
  a.frame = &edited;
  if (const auto wrong = parse_ip(edited, a.packet)) return wrong;
  // If the edit made it too long, it is sent in two segments.
  const Packet& p = a.packet;
  if (!edited.offload.super_frame() && p.ip_size > mtu) {
    edited.offload.segmentation = p.family() == Family::ipv4 ? Offload::tcp4 : Offload::tcp6;
    edited.offload.segment_size = static_cast<uint16_t>(mtu - (p.ip_size - p.tcp_payload));
  }
  return std::nullopt;
}

Exit Forwarder::forward(Arrival& a, Connection& c, Server& server, Turn turn) {
  Packet& p = a.packet;
  if (server.local) return forward_local(a, c, turn);
  const Method method = c.method();  // existing connections keep the method they began with
  if (p.ttl <= 1) return host_.error(a, Exit::ttl_exceeded, turn);
  Hop hop;
  if (const auto nowhere = surroundings_.hop_to(server, hop, turn.now)) return *nowhere;
  clamp_mss(a, c, server, surroundings_.link(hop.link).mtu_of(server.spec.at.addr.family()));
  decrement_ttl(*a.frame, p);  // as in IPVS, before the MTU check: ICMP errors quote the lower TTL
  settle_sctp_checksum(*a.frame, p);
  if (method == Method::tunnel) return forward_tunnelled(a, server, hop, turn);
  if (method == Method::masq && c.client().addr == c.real_server().addr) return Exit::hairpin;
  const bool mixed = c.is_full() && c.is_mixed();
  const uint32_t room = mixed ? room_in_other_family(hop.mtu, p.family()) : hop.mtu;
  if (const auto refused = too_long(a, room, true, turn)) return *refused;
  if (mixed && a.role == Role::client_error) {
    if (!hop.knows_mac) return Exit::stray_icmp;
    return tell_in_family(a, c.real_server(), flows_.local(c), hop, turn);
  }
  bool header_due = false;
  if (c.is_full() && a.role == Role::request && p.protocol == Protocol::tcp) {
    const bool begins = c.state == static_cast<uint8_t>(TcpState::syn_recv);
    header_due = from_client(c.full().proxy, *a.frame, p, c.client().addr.family(), begins);
  }
  if (translates(method) && !translate(a, c, turn)) return Exit::bad_length;
  if (header_due) return depart_with_header(a, c, hop, turn);
  return depart(*a.frame, p, a.cuts, hop, turn);
}

// Of a SYN or SYN-ACK. A host knows its own link's MTU only, and its path MTU discovery may fail behind PPPoE.
void Forwarder::clamp_mss(const Arrival& a, const Connection& c, const Server& server, uint32_t server_mtu) const {
  constexpr uint32_t kTcp = 20;
  const Packet& p = a.packet;
  if (settings_.mss_clamp == 0 || p.protocol != Protocol::tcp || (p.tcp_flags & TcpFlags::syn) == 0) return;
  uint32_t most = settings_.mss_clamp;
  if (most == Settings::kMssAuto) {
    const Family clients = c.client().addr.family();
    uint32_t client_mtu = surroundings_.link(c.link()).mtu_of(clients);
    if (server.route_mtu != 0) server_mtu = std::min<uint32_t>(server_mtu, server.route_mtu);
    if (c.is_full() && c.is_mixed()) {  // both in the terms of this packet's family
      uint32_t& others = p.family() == clients ? server_mtu : client_mtu;
      others = room_in_other_family(others, p.family());
    }
    // What a tunnel's server sends does not pass the tunnel.
    if (client_mtu == server_mtu || (c.method() == Method::tunnel && client_mtu > server_mtu)) return;
    const uint32_t headers = (p.family() == Family::ipv4 ? kIpv4Size : kIpv6Size) + kTcp;
    const uint32_t narrower = std::min(client_mtu, server_mtu);
    if (narrower <= headers) return;
    most = narrower - headers;
  }
  lower_mss(*a.frame, p, most);
}

// False: it would be too long in the server's family.
bool Forwarder::translate(Arrival& a, const Connection& c, Turn turn) {
  const bool error = a.role == Role::client_error;
  if (c.is_full()) {  // the sender of an error may be a router: it is not shown either
    const Endpoint local = flows_.local(c);
    if (c.is_mixed() && !change_family(a, local.addr, c.real_server().addr, turn)) return false;
    error ? rewrite_error_source(*a.frame, a.packet, a.quote, local.addr, local.port)
          : rewrite_source(*a.frame, a.packet, local.addr, local.port);
  }
  error ? rewrite_error_destination(*a.frame, a.packet, a.quote, c.real_server().addr, c.rport)
        : rewrite_destination(*a.frame, a.packet, c.real_server().addr, c.rport);
  return true;
}

// The PROXY protocol's header, and then the segment before which it belongs.
Exit Forwarder::depart_with_header(Arrival& a, const Connection& c, const Hop& hop, Turn turn) {
  ProxySegment header;
  const MutableBytes buffer = turn.out.buffer();
  if (!proxy_segment(*a.frame, a.packet, c.client(), c.vip(), buffer, header)) return Exit::outbox_full;
  turn.out.keep_buffer();
  header.frame.headroom = Outbox::kBufferRoom;
  const Exit exit = depart(header.frame, header.packet, {}, hop, turn);
  const bool sent = exit == Exit::forwarded || exit == Exit::held;
  return header.instead || !sent ? exit : depart(*a.frame, a.packet, a.cuts, hop, turn);
}

Exit Forwarder::forward_tunnelled(Arrival& a, const Server& server, const Hop& hop, Turn turn) {
  const Family outer = server.spec.at.addr.family();
  const uint32_t overhead = tunnel_overhead(server.spec.tunnel, outer, a.frame->offload);
  // The host has no address on that route, or none of the server's family.
  if (server.source.unspecified() || server.source.family() != outer) return Exit::no_route;
  const Family inner = a.packet.family();
  if (surroundings_.link(hop.link).mtu < overhead + least_mtu(inner)) return Exit::tunnel_narrow;
  const uint32_t room = room_in_tunnel(hop.mtu, overhead, inner);  // a path behind the link may be narrower
  if (const auto refused = too_long(a, room, settings_.pmtu_disc, turn)) return *refused;
  if (!a.frame->offload.super_frame()) return wrap_and_depart(*a.frame, a.packet, a.cuts, server, hop, turn);

  // Neither kernel nor card segments within this outer header: the super-frame is segmented here, each with its own.
  Segmenter segments(*a.frame, a.packet);
  return each_piece(segments, turn.out, [&](Frame& piece) {
    piece.headroom = Outbox::kBufferRoom;
    Packet packet;
    if (const auto wrong = parse_ip(piece, packet)) return *wrong;
    return wrap_and_depart(piece, packet, {}, server, hop, turn);
  });
}

// Sends to the MAC address from which the client's packets came.
Exit Forwarder::back(Arrival& a, const Connection& c, Turn turn) {
  const LinkFacts& way = surroundings_.link(c.link());
  if (!way.usable()) return Exit::no_link;
  decrement_ttl(*a.frame, a.packet);
  settle_sctp_checksum(*a.frame, a.packet);
  const Hop hop{c.link(), Mac{c.peer.client_mac}, kNoNeighbor, way.mtu_of(a.packet.family()), true};
  const Exit exit = depart(*a.frame, a.packet, a.cuts, hop, turn);
  return exit == Exit::forwarded ? Exit::answer_forwarded : exit;
}

// Refuses a packet that is longer than the MTU and must not be fragmented, with an ICMP error to its sender. IPv4's
// ICMP errors are fragmented instead. IPv6's packets are never fragmented on their way (RFC 8200 section 5): those that
// came in fragments leave in the same ones, of which the largest must fit.
std::optional<Exit> Forwarder::too_long(const Arrival& a, uint32_t mtu, bool df_counts, Turn turn) {
  const Packet& p = a.packet;
  if (p.family() == Family::ipv6) {
    const uint32_t longest = p.largest_fragment != 0 ? p.largest_fragment : longest_packet(*a.frame, p);
    if (longest <= mtu || !p.dont_fragment) return std::nullopt;
    return host_.error(a, Exit::too_big, turn, static_cast<uint16_t>(std::max(mtu, kIpv6LeastMtu)));
  }
  const uint32_t longest = longest_packet(*a.frame, p);
  if (longest <= mtu || !p.dont_fragment || !df_counts || p.protocol == Protocol::icmp) return std::nullopt;
  return host_.error(a, Exit::too_big, turn, static_cast<uint16_t>(mtu));
}

Exit Forwarder::check(Arrival& a, const Server* server, Turn turn) {
  if (const auto wrong = parse_ethernet(*a.frame, a.ethernet)) return *wrong;
  if (a.ethernet.kind != Kind::ipv4 && a.ethernet.kind != Kind::ipv6) return Exit::not_ip;
  if (const auto wrong = parse_ip(*a.frame, a.packet)) return *wrong;
  const Packet& p = a.packet;
  const bool asks = p.protocol == Protocol::tcp || p.protocol == Protocol::udp;
  if (!asks || p.fragmented() || !surroundings_.takes(p.dst)) return Exit::not_vip;
  if (p.ttl == 0) return Exit::bad_ip_header;  // kernels do not send it
  if (!server) return Exit::server_gone;
  if (server->spec.method != Method::route && server->spec.method != Method::tunnel) return Exit::not_vip;
  Hop hop;
  if (const auto nowhere = surroundings_.hop_to(*server, hop, turn.now)) return *nowhere;
  // Its sender is this host, to which no ICMP error can be sent: a packet that is too long is fragmented instead.
  a.packet.dont_fragment = false;
  const Exit exit = server->spec.method == Method::tunnel ? forward_tunnelled(a, *server, hop, turn)
                                                          : depart(*a.frame, a.packet, {}, hop, turn);
  return exit == Exit::forwarded ? Exit::check_sent : exit;
}

}  // namespace rawvs
