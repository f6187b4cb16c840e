// SPDX-License-Identifier: BSD-2-Clause
// forwarder_errors.cpp: forwards ICMP errors about forwarded packets, in both directions; learns path MTUs from them.
#include <algorithm>
#include <array>

#include "core/outbox.h"
#include "core/rewrite.h"
#include "core/tunnel.h"
#include "director/forwarder.h"
#include "wire/ethernet.h"
#include "wire/ip_header.h"

namespace rawvs {

namespace {

// Lower values of ICMP errors are ignored: of IPv4 as Linux does (ip_rt_min_pmtu).
constexpr uint16_t least_path_mtu(Family family) { return family == Family::ipv4 ? 552 : kIpv6LeastMtu; }
constexpr uint16_t kLeastUnprovenMtu = 1280;  // for an error that does not prove that a packet was too long
constexpr size_t kQuotedMost = 1280;          // RFC 4443 2.4 (c); RFC 1812 4.3.2.3: 576, which compose.h cuts to
constexpr Duration kPathMtuBelieved = 600s;   // as Linux (ip_rt_mtu_expires): then larger packets are tried again

// Whether a router may have refused this tunnel packet because of its length: it was longer than the MTU in the error,
// no longer than the packets that we send, had DF set, and its length matches the packet inside.
bool was_too_big(const Quote& outer, const Quote& inner, uint32_t told, uint32_t sent_at_most) {
  return outer.dont_fragment && outer.total > told && outer.total <= sent_at_most &&
         outer.total == inner.total + (inner.ip_at - outer.ip_at);
}

std::optional<TunnelType> tunnel_type_of(Protocol outer) {
  switch (outer) {
    case Protocol::ipip:
    case Protocol::ipv6: return TunnelType::ipip;
    case Protocol::udp: return TunnelType::gue;
    case Protocol::gre: return TunnelType::gre;
    default: return std::nullopt;
  }
}

// Does the connection's server get its packets in packets such as this one?
bool sends_in_tunnel(const Server& server, const Connection& c, const Quote& outer) {
  const Tunnel& tunnel = server.spec.tunnel;
  return server.in_service() && c.method() == Method::tunnel && server.source == outer.src &&
         protocol_of(tunnel.type, c.vip().addr.family()) == outer.protocol &&
         (tunnel.type != TunnelType::gue || tunnel.port == outer.dport);
}

// Where the fault is in the inner packet (RFC 4443 section 3.4); 0: it is in the outer one, or there is no pointer.
uint16_t pointer_in(const Quote& inner, const Arrival& a) {
  if (a.packet.icmp != Icmp::parameter_problem) return 0;
  const uint32_t outer_at = a.packet.l4_at + kIcmpSize, skipped = inner.ip_at - outer_at;
  const uint32_t pointer = load_be32(a.frame->bytes(), a.packet.l4_at + kIcmpv6WordAt);
  return pointer > skipped && pointer - skipped < inner.size ? static_cast<uint16_t>(pointer - skipped) : 0;
}

}  // namespace

// An ICMP error about a connection is forwarded to its server, for path MTU discovery; the connection's timeout does
// not change.
Exit Forwarder::carry_client_error(Arrival& a, Connection& c, Server& server, Turn turn) {
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  count_in(a, server);
  return forward(a, c, server, turn);
}

Exit Forwarder::carry_server_error(Arrival& a, Connection& c, Server& server, Turn turn) {
  if (a.packet.ttl <= 1) return Exit::stray_icmp;
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  count_out(a, server);
  if (c.is_full()) from_server_side(c.full().proxy, *a.frame, a.packet, a.quote, c.client().addr.family());
  if (c.is_full() && c.is_mixed()) {
    const LinkFacts& way = surroundings_.link(c.link());
    if (!way.usable()) return Exit::no_link;
    const Hop hop{c.link(), Mac{c.peer.client_mac}, kNoNeighbor, 0, true};
    const Exit exit = tell_in_family(a, c.client(), c.vip(), hop, turn);
    return exit == Exit::forwarded ? Exit::answer_forwarded : exit;
  }
  rewrite_error_source(*a.frame, a.packet, a.quote, c.vip().addr, c.vport);
  if (c.is_full()) rewrite_error_destination(*a.frame, a.packet, a.quote, c.client().addr, c.cport);
  return back(a, c, turn);
}

// A router's error about one of our tunnel packets concerns the client's packet inside: it is translated for the
// client. Client and director learn the lower path MTU (RFC 2003 section 4). The packet inside tells the connection,
// and the connection the server: many servers may be at the address.
Exit Forwarder::tunnel_error(const Arrival& a, Turn turn) {
  const auto outer = parse_quote(*a.frame, a.packet);
  const auto type = outer ? tunnel_type_of(outer->protocol) : std::nullopt;
  if (!type) return Exit::not_vip;
  const Bytes payload = Bytes(a.frame->bytes()).subspan(outer->l4_at, outer->l4_size());
  const auto header = tunnel_header(payload, *type);
  const auto inner = header ? parse_inner_quote(*a.frame, *outer, *header) : std::nullopt;
  if (!inner) return Exit::not_vip;
  const FlowKey key{inner->src, inner->dst, inner->sport, inner->dport, inner->protocol, false};
  const Connection* const c = flows_.find(key);
  if (!c || c->server == kNoServer || c->real_server().addr != outer->dst) return Exit::not_vip;
  const Server& server = services_.server(c->server);
  if (!sends_in_tunnel(server, *c, *outer)) return Exit::not_vip;
  const bool to_us =
      server.source == a.packet.dst || surroundings_.takes(a.packet.dst);  // as IPVS: any address of this host
  if (!to_us || !l4_checksum_right(*a.frame, a.packet)) return Exit::not_vip;

  uint16_t mtu = 0;
  if (a.packet.icmp == Icmp::too_big) {
    const auto narrow = narrower(a, *c, server, *outer, *inner, turn);
    if (!narrow) return Exit::tunnel_error;
    mtu = *narrow;
  }
  return tell_client(a, *c, *inner, mtu, turn);
}

// Whether the client can have sent the quoted packet, by the sequence number, if it has one.
bool Forwarder::quotes_client(const Frame& frame, const Connection& c, const Quote& inner) const {
  if (inner.protocol != Protocol::tcp || inner.l4_size() < kTcpSeqAt + 4) return true;
  return flows_.can_be_clients(c, load_be32(frame.bytes(), inner.l4_at + kTcpSeqAt));
}

// Learns the lower path MTU. Returns the MTU for the client's ICMP error; none: no error is sent.
std::optional<uint16_t> Forwarder::narrower(const Arrival& a, const Connection& c, const Server& server,
                                            const Quote& outer, const Quote& inner, Turn turn) {
  // As IPVS: the first error is translated with the MTU known before; the client's next packet gets the learned one.
  Hop hop, learned;
  const bool nowhere = surroundings_.hop_to(server, hop, turn.now).has_value();
  const bool first = nowhere || server.path_mtu == 0 || turn.now >= server.path_mtu_until;
  uint16_t told = std::max(a.packet.icmp_mtu, least_path_mtu(outer.dst.family()));
  // The MTU learned so far does not count: it may come from an error about the packet before.
  uint32_t sent_at_most = nowhere ? 0 : surroundings_.link(hop.link).mtu_of(outer.dst.family());
  if (server.route_mtu != 0) sent_at_most = std::min<uint32_t>(sent_at_most, server.route_mtu);
  // IPVS accepts an error about any packet of a connection: one forged error lowers the MTU of all. Here, an error
  // without proof lowers it at most to 1,280, which tunnels and access lines have. An error that tells less about
  // a packet that is shorter than that, or any error about one that its client cannot have sent, lowers nothing.
  if (!nowhere && !was_too_big(outer, inner, told, sent_at_most)) told = std::max(told, kLeastUnprovenMtu);
  const bool large = outer.total >= told || a.packet.icmp_mtu >= kLeastUnprovenMtu;
  if (large && quotes_client(*a.frame, c, inner)) learn_path_mtu(server, told, turn.now);
  if (surroundings_.hop_to(server, learned, turn.now) || !outer.dont_fragment) return std::nullopt;
  const uint32_t overhead = tunnel_overhead(server.spec.tunnel, outer.dst.family());
  return static_cast<uint16_t>(room_in_tunnel((first ? hop : learned).mtu, overhead, inner.src.family()));
}

// For all servers at the address: they share the path. They are visited only if this one did not know; else the others
// have learned it already, or learn it by errors about their own packets.
void Forwarder::learn_path_mtu(const Server& server, uint16_t mtu, Instant now) {
  const auto news = [&](const Server& s) { return s.path_mtu == 0 || now >= s.path_mtu_until || s.path_mtu > mtu; };
  if (!news(server)) return;
  static_cast<void>(services_.find_at(server.spec.at.addr, [&](const Server& at) {
    Server& s = services_.server(services_.slot_of(at));
    if (news(s)) {
      s.path_mtu = mtu, s.path_mtu_until = now + kPathMtuBelieved;
      surroundings_.changes().server(services_.slot_of(at));
    }
    return false;  // and the next
  }));
}

// Sends the error from the VIP, about the client's own packet as far as it was quoted.
Exit Forwarder::tell_client(const Arrival& a, const Connection& c, const Quote& inner, uint16_t mtu, Turn turn) {
  std::array<uint8_t, kEthernetSize + kQuotedMost> bytes{};
  Frame about;
  about.data = bytes.data();
  about.size = static_cast<uint32_t>(kEthernetSize + std::min<size_t>(inner.size, kQuotedMost));
  std::copy_n(a.frame->data + inner.ip_at, about.size - kEthernetSize, bytes.data() + kEthernetSize);
  set_macs(about, Mac{c.peer.client_mac}, surroundings_.link(c.link()).mac);
  const Family family = inner.src.family();
  store_be16(about.bytes(), kEthernetTypeAt, ether_type(family));
  Packet packet;
  packet.src = inner.src;
  packet.dst = inner.dst;
  packet.ip_at = kEthernetSize;
  packet.ip_size = about.size - static_cast<uint32_t>(kEthernetSize);
  const Bytes header = Bytes(about.bytes()).subspan(kEthernetSize);
  packet.tos = tos_of(header, family);
  const IcmpAnswer error{a.packet.icmp, a.packet.icmp_code, mtu, a.packet.family(), pointer_in(inner, a)};
  return host_.error_about(about, packet, error, c.link(), turn) ? Exit::tunnel_error : Exit::answer_limited;
}

}  // namespace rawvs
