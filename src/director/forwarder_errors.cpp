// SPDX-License-Identifier: BSD-2-Clause
// forwarder_errors.cpp: forwards ICMP errors about forwarded packets, in both directions; learns path MTUs from them.
#include <algorithm>
#include <array>

#include "core/outbox.h"
#include "core/rewrite.h"
#include "core/tunnel.h"
#include "director/forwarder.h"
#include "wire/ipv4_header.h"

namespace rawvs {

namespace {

constexpr uint16_t kLeastPathMtu = 552;       // as Linux (ip_rt_min_pmtu): lower values of ICMP errors are ignored
constexpr uint16_t kLeastUnprovenMtu = 1280;  // for an error that does not prove that a packet was too long
constexpr size_t kQuotedMost = 576;           // RFC 1812 4.3.2.3
constexpr Duration kPathMtuBelieved = 600s;   // as Linux (ip_rt_mtu_expires): then larger packets are tried again

// Whether a router may have refused this tunnel packet because of its length: it was longer than the MTU in the error,
// no longer than the packets that we send, had DF set, and its length matches the packet inside.
bool was_too_big(const Quote& outer, const Quote& inner, uint32_t told, uint32_t sent_at_most) {
  return outer.dont_fragment && outer.total > told && outer.total <= sent_at_most &&
         outer.total == inner.total + (inner.ip_at - outer.ip_at);
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
  rewrite_error_to_client(*a.frame, a.packet, a.quote, c.vip().addr, c.vport);
  return back(a, c, turn);
}

// A router's error about one of our tunnel packets concerns the client's packet inside: it is translated for the
// client. Client and director learn the lower path MTU (RFC 2003 section 4).
Exit Forwarder::tunnel_error(const Arrival& a, Turn turn) {
  const auto outer = parse_quote(*a.frame, a.packet);
  if (!outer) return Exit::not_vip;
  const bool to_vip = surroundings_.takes(a.packet.dst);  // as IPVS: to any address of this host
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
  const Connection* const c = flows_.find(key);
  if (!c || c->real_server().addr != outer->dst) return Exit::not_vip;

  uint16_t mtu = 0;
  if (a.packet.icmp == Icmp::too_big) {
    const auto narrow = narrower(a, *found, *outer, *inner, turn);
    if (!narrow) return Exit::tunnel_error;
    mtu = *narrow;
  }
  return tell_client(a, *c, *inner, mtu, turn);
}

// Learns the lower path MTU. Returns the MTU for the client's ICMP error; none: no error is sent.
std::optional<uint16_t> Forwarder::narrower(const Arrival& a, const Server& server, const Quote& outer,
                                            const Quote& inner, Turn turn) {
  // As IPVS: the first error is translated with the MTU known before; the client's next packet gets the learned one.
  Hop hop, learned;
  const bool nowhere = surroundings_.hop_to(server, hop, turn.now).has_value();
  const bool first = nowhere || server.path_mtu == 0 || turn.now >= server.path_mtu_until;
  uint16_t told = std::max(a.packet.icmp_mtu, kLeastPathMtu);
  // The MTU learned so far does not count: it may come from an error about the packet before.
  uint32_t sent_at_most = nowhere ? 0 : surroundings_.link(hop.link).mtu;
  if (server.route_mtu != 0) sent_at_most = std::min<uint32_t>(sent_at_most, server.route_mtu);
  // IPVS accepts an error about any packet of a connection: one forged error lowers the MTU of all. Here, an error
  // without proof lowers it at most to 1,280, which tunnels and access lines have.
  if (!nowhere && !was_too_big(outer, inner, told, sent_at_most)) told = std::max(told, kLeastUnprovenMtu);
  learn_path_mtu(outer.dst, told, turn.now);
  if (surroundings_.hop_to(server, learned, turn.now) || !outer.dont_fragment) return std::nullopt;
  return static_cast<uint16_t>((first ? hop : learned).mtu - tunnel_overhead(server.spec.tunnel));
}

// For all servers at the address: they share the path.
void Forwarder::learn_path_mtu(Ip server, uint16_t mtu, Instant now) {
  static_cast<void>(services_.find_at(server, [&](const Server& at) {
    Server& s = services_.server(services_.slot_of(at));
    if (s.path_mtu == 0 || now >= s.path_mtu_until || s.path_mtu > mtu) {
      s.path_mtu = mtu;
      s.path_mtu_until = now + kPathMtuBelieved;
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
  Packet packet;
  packet.src = inner.src;
  packet.dst = inner.dst;
  packet.ip_at = kEthernetSize;
  packet.ip_size = about.size - static_cast<uint32_t>(kEthernetSize);
  // cppcheck-suppress containerOutOfBounds ; there are kQuotedMost more
  packet.tos = bytes[kEthernetSize + kIpv4TosAt];
  const IcmpAnswer error{a.packet.icmp, a.packet.icmp_code, mtu};
  return host_.error_about(about, packet, error, c.link(), turn) ? Exit::tunnel_error : Exit::answer_limited;
}

}  // namespace rawvs
