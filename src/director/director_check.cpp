// SPDX-License-Identifier: BSD-2-Clause
// director_check.cpp: a check's packet on the path of the clients' packets: the same resolving, wrapping and sending,
// but no connection, and nobody counts it. The server answers the host itself, as it answers clients.
#include "rawvs/director.h"

namespace rawvs {

Exit Director::check_arrived(Frame& frame, const ServiceKey& service, Endpoint server, Turn turn) {
  neighbors_.recycle();
  Arrival a;
  a.frame = &frame;
  const Exit exit = send_check(a, services_.known(service, server), turn);
  exits_.count(exit);
  return exit;
}

Exit Director::send_check(Arrival& a, const Server* server, Turn turn) {
  if (const auto wrong = parse_ethernet(*a.frame, a.ethernet)) return *wrong;
  if (a.ethernet.kind != Kind::ipv4) return Exit::not_ipv4;
  if (const auto wrong = parse_ipv4(*a.frame, a.packet)) return *wrong;
  const Packet& p = a.packet;
  const bool asks = p.protocol == Protocol::tcp || p.protocol == Protocol::udp;
  if (!asks || p.fragmented() || !claims_.takes(p.dst)) return Exit::not_vip;
  if (p.ttl == 0) return Exit::bad_ip_header;  // no kernel sends such
  if (!server) return Exit::server_gone;
  if (server->spec.method != Method::route && server->spec.method != Method::tunnel) return Exit::not_vip;
  Hop hop;
  if (const auto nowhere = hop_to(*server, hop, turn.now)) return *nowhere;
  // Its sender is this host, to whom no ICMP error can be sent: what is too long is cut instead.
  a.packet.dont_fragment = false;
  const Exit exit = server->spec.method == Method::tunnel ? forward_tunnelled(a, *server, hop, turn)
                                                          : depart(*a.frame, a.packet, {}, hop, turn);
  return exit == Exit::forwarded ? Exit::check_sent : exit;
}

}  // namespace rawvs
