// SPDX-License-Identifier: BSD-2-Clause
// director.cpp: a packet's whole path, in the order in which it happens:
//   parse -> classify -> track -> schedule -> rewrite -> resolve -> transmit
// Every way out is an Exit, counted once. What changes around the packets (services, links, time) is
// director_admin.cpp.
#include "rawvs/director.h"

#include <algorithm>

#include "rawvs/rewrite.h"
#include "rawvs/scheduler.h"
#include "rawvs/track.h"

namespace rawvs {

namespace {

constexpr Duration kNewConnection = 3s;  // IPVS: until the first transition sets the state's own timeout
constexpr Port kFtpData{20};             // IPVS never schedules what comes from an FTP server's data port

bool is(const Packet& p, uint8_t flag) { return (p.tcp_flags & flag) != 0; }

// Frames that their Ethernet header alone keeps from us.
std::optional<Exit> misaddressed(const Ethernet& e, Mac own) {
  if (e.src == own) return Exit::own_frame;
  if (e.kind == Kind::other) return Exit::not_ipv4;
  if (e.dst != own && !(e.kind == Kind::arp && e.dst.group())) return Exit::other_mac;
  if (e.src.group()) return Exit::bad_source;
  return std::nullopt;
}

// The length of the longest IP packet that this frame becomes on the wire: a super-frame leaves in segments.
uint32_t longest_packet(const Frame& frame, const Packet& p) {
  if (!frame.offload.super_frame()) return p.ip_size;
  const uint32_t headers = p.protocol == Protocol::tcp ? p.ip_size - p.tcp_payload : p.l4_at - p.ip_at + 8u;
  return std::min<uint32_t>(p.ip_size, headers + frame.offload.segment_size);
}

}  // namespace

// In three passes over the batch, so that memory is fetched while other frames are worked on: a look-up in a table of
// a million connections costs two cache misses otherwise.
void Director::frames_arrived(std::span<Frame> frames, Instant now, Outbox& out) {
  neighbors_.recycle();
  const std::span<Arrival> batch = std::span(batch_).first(std::min(frames.size(), kBatch));
  for (size_t i = 0; i < batch.size(); ++i) {
    batch[i].frame = &frames[i];
    parse(batch[i]);
  }
  for (const Arrival& a : batch) {
    if (a.tracked) connections_.prefetch_entry(a.hash);
  }
  for (const Arrival& a : batch) exits_.count(a.exit ? *a.exit : decide(a, now, out));
}

void Director::parse(Arrival& a) {
  const Frame& frame = *a.frame;
  a.tracked = false;
  a.exit = parse_ethernet(frame, a.ethernet);
  if (!a.exit) a.exit = misaddressed(a.ethernet, links_[index(frame.link)].mac);
  if (a.exit || a.ethernet.kind == Kind::arp) return;

  a.exit = parse_ipv4(frame, a.packet);
  const Packet& p = a.packet;
  if (a.exit) {
    if (*a.exit != Exit::truncated && !claims_.takes(p.dst)) a.exit = Exit::not_vip;
    return;
  }
  if (const auto quote = parse_quote(frame, p)) {
    // An error about what a server sent past us to its client: the quoted packet came from the VIP.
    a.key = {quote->dst, quote->src, quote->dport, quote->sport, quote->protocol};
    a.tracked = quote->src == p.dst;
  } else if (!p.fragmented() && (p.protocol == Protocol::tcp || p.protocol == Protocol::udp)) {
    a.key = {p.src, p.dst, p.sport, p.dport, p.protocol};
    a.tracked = true;
  }
  if (!a.tracked) return;
  a.hash = connections_.hash(a.key);
  connections_.prefetch_cell(a.hash);
}

Exit Director::decide(const Arrival& a, Instant now, Outbox& out) {
  return a.ethernet.kind == Kind::arp ? arp_arrived(a, now, out) : ip_arrived(a, now, out);
}

Exit Director::arp_arrived(const Arrival& a, Instant now, Outbox& out) {
  const Link link = a.frame->link;
  const Mac own = links_[index(link)].mac;
  Arp arp;
  if (const auto wrong = parse_arp(*a.frame, arp)) return *wrong;
  if (arp.sender_mac == own) return Exit::own_frame;
  if (answers_on(link) && claims_.answers_for(arp.sender)) {
    if (const auto conflict = claims_.heard(arp, own, now)) say(*conflict, out);
    return Exit::arp_conflict;
  }
  const bool learned = neighbors_.heard(arp, link, own, now, out);
  if (arp.op == Arp::Op::request && answers_on(link) && claims_.answers_for(arp.target)) {
    send_arp(link, arp.sender_mac, {Arp::Op::reply, own, arp.target, arp.sender_mac, arp.sender}, out);
    return Exit::arp_answered;
  }
  return learned ? Exit::arp_learned : Exit::arp_other;
}

Exit Director::ip_arrived(const Arrival& a, Instant now, Outbox& out) {
  const Packet& p = a.packet;
  Connection* const c = track(a, now);
  if (c) {
    Server& server = services_.server(c->server);
    if (!server.in_service()) return Exit::server_gone;
    return p.protocol == Protocol::icmp ? carry_error(a, server, now, out) : carry(a, *c, server, now, out);
  }
  if (!claims_.takes(p.dst)) return Exit::not_vip;
  if (p.fragmented()) return Exit::fragment;
  if (from_broadcast(a)) return Exit::bad_source;
  if (Service* const service = schedulable(p)) return open(a, *service, now, out);
  return answer_as_host(a, now, out);
}

// A source that is its own subnet's broadcast address: answers to it would go to everybody (RFC 1122 section 3.2.1.3).
bool Director::from_broadcast(const Arrival& a) const {
  return std::ranges::any_of(links_[index(a.frame->link)].addresses,
                             [&](const LinkAddress& own) { return own.broadcast() == a.packet.src; });
}

// The packet's live connection, if it has one. Connections that this packet ends (a reused client port, a server that
// left, a deadline just passed) are gone afterwards.
Connection* Director::track(const Arrival& a, Instant now) {
  if (!a.tracked || services_.empty()) return nullptr;  // IPVS, too, is out of the way while it has no service
  Connection* const c = connections_.find(a.key, a.hash);
  if (!c) return nullptr;
  const Server& server = services_.server(c->server);
  const bool again = a.packet.protocol == Protocol::tcp && is(a.packet, TcpFlags::syn);
  const bool over =
      connections_.expired(*c, now) || (again && settings_.expire_nodest_conn && server.spec.weight == 0) ||
      (again && reusable(*c, settings_.conn_reuse_mode)) || (settings_.expire_nodest_conn && !server.in_service());
  if (!over) return c;
  end(*c);
  return nullptr;
}

// The service that may begin a connection with this packet.
Service* Director::schedulable(const Packet& p) {
  if (p.sport == kFtpData) return nullptr;
  if (p.protocol == Protocol::tcp) {
    if (is(p, TcpFlags::rst) || !(is(p, TcpFlags::syn) || settings_.sloppy_tcp)) return nullptr;
  } else if (p.protocol != Protocol::udp) {
    return nullptr;
  }
  return services_.classify(p);
}

Exit Director::open(const Arrival& a, Service& service, Instant now, Outbox& out) {
  const Pool pool(services_.servers(), service.servers);
  const auto chosen = choose(service.spec.scheduler, pool, service.state);
  if (!chosen) return error(a, Exit::no_server, now, out);
  Connection* const c = connections_.create(a.key, a.hash);
  if (!c) return Exit::table_full;
  const ServerSlot slot = service.servers[*chosen];
  Server& server = services_.server(slot);
  join(*c, slot, server);
  connections_.arm(*c, now, kNewConnection);
  ++service.traffic.connections;
  ++server.traffic.connections;
  return carry(a, *c, server, now, out);
}

// A packet of a connection, counted as IPVS counts it: before it is known whether it can leave.
void Director::count_traffic(const Arrival& a, Server& server) {
  for (Traffic* const traffic : {&server.traffic, &services_.service(server.service).traffic}) {
    ++traffic->in_packets;
    traffic->in_bytes += a.packet.ip_size;
  }
}

// An ICMP error about a connection goes to its server, as path MTU discovery needs it; the connection does not age
// any differently for it.
Exit Director::carry_error(const Arrival& a, Server& server, Instant now, Outbox& out) {
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  count_traffic(a, server);
  return forward(a, server, now, out);
}

Exit Director::carry(const Arrival& a, Connection& c, Server& server, Instant now, Outbox& out) {
  count_traffic(a, server);
  const Duration timeout = advance(c, server, a.packet, Direction::input, settings_.timeouts);
  connections_.arm(c, now, timeout);
  ++c.packets;
  c.client_mac = a.ethernet.src.bytes;
  if (a.frame->link == Link::inside) c.flags |= Connection::inside;
  return forward(a, server, now, out);
}

Exit Director::forward(const Arrival& a, const Server& server, Instant now, Outbox& out) {
  const Packet& p = a.packet;
  Frame& frame = *a.frame;
  if (p.ttl <= 1) return error(a, Exit::ttl_exceeded, now, out);
  if (server.neighbor == kNoNeighbor) return Exit::server_silent;
  const Neighbors::Neighbor& neighbor = neighbors_.at(server.neighbor);
  const LinkFacts& way = links_[index(neighbor.link)];
  if (!way.usable()) return Exit::no_link;
  if (longest_packet(frame, p) > way.mtu) {
    return p.dont_fragment ? error(a, Exit::too_big, now, out, way.mtu) : Exit::fragment_needed;
  }
  decrement_ttl(frame, p);
  if (neighbor.knows_mac()) {
    set_macs(frame, way.mac, neighbor.mac);
    out.send(neighbor.link, frame);
    return Exit::forwarded;
  }
  switch (neighbors_.hold(server.neighbor, frame, now)) {
    case Hold::held: return Exit::held;
    case Hold::full: return Exit::hold_full;
    case Hold::silent: break;
  }
  return Exit::server_silent;
}

void Director::end(Connection& c) {
  leave(c, services_.server(c.server));
  connections_.remove(c);
}

// What nobody else takes is answered as a host answers that has the VIP and nothing listening.
Exit Director::answer_as_host(const Arrival& a, Instant now, Outbox& out) {
  const Packet& p = a.packet;
  switch (p.protocol) {
    case Protocol::tcp: return is(p, TcpFlags::rst) ? Exit::stray_reset : reset(a, now, out);
    case Protocol::udp: return error(a, Exit::port_unreachable, now, out);
    case Protocol::icmp: return p.icmp_type == IcmpType::echo ? echo(a, now, out) : Exit::stray_icmp;
    default: return error(a, Exit::protocol_unreachable, now, out);
  }
}

Exit Director::echo(const Arrival& a, Instant now, Outbox& out) {
  return answer(a, Exit::echo_answered, echoes_, now, out,
                [&](MutableBytes letter) { return composer_.echo_reply(letter, *a.frame, a.packet); });
}

Exit Director::reset(const Arrival& a, Instant now, Outbox& out) {
  return answer(a, Exit::reset_sent, resets_, now, out,
                [&](MutableBytes letter) { return composer_.tcp_reset(letter, *a.frame, a.packet); });
}

Exit Director::error(const Arrival& a, Exit exit, Instant now, Outbox& out, uint16_t mtu) {
  if (a.packet.protocol == Protocol::icmp) return Exit::stray_icmp;  // never an error about an error (RFC 1122 3.2.2)
  enum : uint8_t { protocol = 2, port = 3, fragmentation_needed = 4 };  // codes of "unreachable", RFC 792
  uint8_t type = IcmpType::unreachable, code = port;
  if (exit == Exit::protocol_unreachable) code = protocol;
  if (exit == Exit::too_big) code = fragmentation_needed;
  if (exit == Exit::ttl_exceeded) type = IcmpType::time_exceeded, code = 0;
  return answer(a, exit, errors_, now, out,
                [&](MutableBytes letter) { return composer_.icmp_error(letter, *a.frame, a.packet, type, code, mtu); });
}

template <class Build>
Exit Director::answer(const Arrival& a, Exit exit, Limit& limit, Instant now, Outbox& out, Build&& build) {
  if (settings_.reply_rate == 0) return Exit::replies_off;
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  if (!limit.take(now)) return Exit::answer_limited;
  const MutableBytes letter = out.letter();
  const size_t size = letter.empty() ? 0 : build(letter);
  if (size == 0) return Exit::answer_limited;
  out.send_letter(a.frame->link, size);
  return exit;
}

}  // namespace rawvs
