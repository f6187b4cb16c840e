// SPDX-License-Identifier: BSD-2-Clause
// director.cpp: the path of a packet:
//   parse -> classify -> track -> schedule -> rewrite -> resolve -> transmit
//
// classify.cpp parses and classifies; flows.h tracks connections and schedules; forwarder.h rewrites, resolves and
// transmits; host.h sends a VIP's own replies. Every frame ends with one Exit, counted once. Operators' changes are in
// operators.cpp, changes of links and routes in surroundings.h.
#include "core/outbox.h"
#include "director/path.h"
#include "wire/ipv6_header.h"
#include "wire/tcp_segment.h"

namespace rawvs {

// Three passes over the batch: memory is prefetched while other frames are processed. Otherwise a look-up in a table of
// a million connections costs two cache misses.
void Director::Path::frames_arrived(std::span<Frame> frames, Turn turn) {
  estimate(turn.now);
  surroundings.recycle();
  const std::span<Arrival> batch = std::span(batch_).first(std::min(frames.size(), kBatch));
  for (size_t i = 0; i < batch.size(); ++i) {
    batch[i].frame = &frames[i];
    parse(batch[i]);
    if (batch[i].role != Role::other) flows.prefetch_cell(batch[i]);
  }
  for (const Arrival& a : batch) {
    if (a.role != Role::other) flows.prefetch_entry(a);
  }
  if (!onlookers.empty()) {
    for (Arrival& a : batch)
      exits.count(onlookers.look_on(a, turn, [&] { return a.exit ? *a.exit : decide(a, turn); }));
  } else {
    for (Arrival& a : batch) exits.count(a.exit ? *a.exit : decide(a, turn));
  }
  if (fast.stale(!onlookers.empty())) fast.settle(turn.now, !onlookers.empty());
}

Exit Director::Path::decide(Arrival& a, Turn turn) {
  const bool discovery = a.ethernet.kind == Kind::arp || is_discovery(a.packet);
  return discovery ? host.discovery(a, turn) : ip_arrived(a, turn);
}

Exit Director::Path::ip_arrived(Arrival& a, Turn turn) {
  const auto* const claimed = surroundings.claimed(a.packet.dst);
  const bool to_vip =
      claimed && a.side() == Side::client && (!claimed->own || a.role == Role::request || a.role == Role::client_error);
  if (to_vip && claimed->on_host && surroundings.chosen_by_peer(a.packet.dst, a.ethernet.src, a.packet.src)) {
    return Forwarder::deliver(a, Exit::peer_delivered, turn.out);
  }
  if (claimed && claimed->standby) return Exit::standby;
  if (a.packet.fragmented() || a.packet.fragment_at != 0) {
    // An address of the host may also be a local address of full NAT, to which servers reply.
    const bool of_service = claimed && surroundings.takes_fragment(*claimed, *a.frame, a.packet);
    const bool reply = (!claimed || claimed->own) && surroundings.from_nat_server(a.packet.src);
    if (!of_service && !reply) return Exit::not_vip;
    if (a.packet.fragmented()) return fragment_arrived(a, turn);
    join_atomic(a);
    return a.exit ? *a.exit : ip_arrived(a, turn);
  }
  return to_vip ? vip_packet(a, turn) : passing_packet(a, turn);
}

Exit Director::Path::vip_packet(Arrival& a, Turn turn) {
  if (Connection* const c = flows.track(a, turn)) {
    Server& server = services.server(c->server);
    return server.in_service() ? forwarder.to_server(a, *c, server, turn) : Exit::server_gone;
  }
  // A broadcast address as the source: replies would go to all hosts of the subnet (RFC 1122 3.2.1.3).
  if (surroundings.is_broadcast(a.packet.src, a.frame->link)) return Exit::bad_source;
  if (a.packet.protocol == Protocol::icmp) {
    if (const Exit exit = forwarder.tunnel_error(a, turn); exit != Exit::not_vip) return exit;
  }
  if (const auto proxy = handshakes.proof(a, turn.now)) return cookie_came_back(a, *proxy, turn);
  Service* const service = flows.schedulable(a, turn.now);
  if (!service) return host.answer(a, turn);
  if (const auto refused = flows.refuses(a.key, *service, turn.now)) return *refused;
  return handshakes.wants(a, *service, turn) ? handshakes.answer(a, *service, turn) : new_flow(a, *service, turn);
}

// The first packet of a connection to a VIP.
Exit Director::Path::new_flow(Arrival& a, Service& service, Turn turn) {
  Exit why = Exit::no_server;
  const auto choice = flows.choose(a.key, service, turn, why);
  if (a.proven && choice && !services.server(choice->server).replies_pass()) return Exit::no_server;
  if (!choice) {
    if (a.proven || why != Exit::no_server) return why;
    // An FTP service is also looked up for other ports, but does not decide about them.
    const bool others_port = service.spec.key.vip.port == kFtp && a.key.vport != kFtp;
    return others_port ? host.answer(a, turn) : host.error(a, why, turn);
  }
  Server& server = services.server(choice->server);
  if (service.spec.one_packet && a.packet.protocol == Protocol::udp) return once(a, service, *choice, turn);
  const auto shed = a.proven ? std::nullopt : flows.sheds(a, choice->server);
  if (shed) return *shed;
  Connection* const c = flows.begin(a, service, *choice, turn, why);
  if (c) return forwarder.to_server(a, *c, server, turn);
  if (why != Exit::table_full || !flows.can_do_without(service, choice->server)) return why;
  flows.does_without(turn.now);
  return once(a, service, *choice, turn);
}

// A client has answered a SYN cookie: the SYN that began its half goes to a server now, by the usual path.
Exit Director::Path::cookie_came_back(Arrival& a, const SynProxy& proxy, Turn turn) {
  const size_t size = write_tcp_segment(turn.out.buffer(), Handshakes::syn(proxy, a));
  if (size == 0) return Exit::outbox_full;
  syn_frame_ = turn.out.take_buffer(size);
  syn_frame_.link = a.frame->link;
  syn_.frame = &syn_frame_;
  parse(syn_);
  if (syn_.exit) return *syn_.exit;
  syn_.proven = true;
  Service* const service = flows.schedulable(syn_, turn.now);
  const auto refused = service ? flows.refuses(a.key, *service, turn.now) : Exit::no_server;
  const Exit exit = refused ? *refused : new_flow(syn_, *service, turn);
  a.opened = syn_.opened && flows.begin_proxy(syn_, proxy, turn.now);
  if (a.opened) return exit == Exit::forwarded || exit == Exit::held ? Exit::cookie_right : exit;
  return exit == Exit::no_server ? host.answer(a, turn) : exit;  // an RST; or it comes again with its next packet
}

// A packet without an entry in the table.
Exit Director::Path::once(Arrival& a, Service& service, const Choice& choice, Turn turn) {
  LooseConnection c = flows.begin_once(a, service, choice, turn.now);
  const Exit exit = forwarder.once(a, *c, services.server(choice.server), turn);
  flows.end_once(*c);
  return exit;
}

// Not to a VIP: a NAT server's reply, an error about a forwarded packet, or a packet that is not for the director.
Exit Director::Path::passing_packet(Arrival& a, Turn turn) {
  if (Connection* const c = flows.track_reply(a, turn)) {
    return forwarder.to_client(a, *c, services.server(c->server), turn);
  }
  if (a.packet.protocol == Protocol::icmp) {
    if (const Exit exit = forwarder.tunnel_error(a, turn); exit != Exit::not_vip) return exit;
  }
  return kept_from_kernel(a) ? Forwarder::give_back(a, turn.out) : Exit::not_vip;
}

// Fragments are kept until their datagram is complete, as Linux does for IPVS; then it is processed as one packet.
Exit Director::Path::fragment_arrived(Arrival& a, Turn turn) {
  const Reassembly::Outcome outcome = reassembly.add(*a.frame, a.packet, turn.now);
  for (uint32_t n = outcome.gave_way; n > 0; --n) exits.count(Exit::fragment_flood);
  if (outcome.exit) return *outcome.exit;
  whole_frame_ = outcome.whole;
  whole_.frame = &whole_frame_;
  parse(whole_);
  a.whole = &whole_;
  whole_.packet.largest_fragment = outcome.largest;
  whole_.packet.fragment_id = outcome.id;
  whole_.cuts = outcome.cuts;
  if (!whole_.exit && whole_.packet.fragment_at != 0) return Exit::bad_extension;  // it holds a fragment once more
  return whole_.exit ? *whole_.exit : ip_arrived(whole_, turn);  // no discovery comes in fragments (RFC 6980 section 5)
}

// A fragment that is the whole: it goes on without its fragment header, as those do that were put together.
void Director::Path::join_atomic(Arrival& a) {
  const uint32_t size = a.packet.ip_size;
  remove_fragment_header(*a.frame, a.packet);
  parse(a);
  a.packet.largest_fragment = static_cast<uint16_t>(size);
}

// Whether the guard dropped a packet that belongs to the kernel: it cannot look up fragments, packets with extension
// headers or, on old kernels, flows; and it guards known flows even when no service is left.
bool Director::Path::kept_from_kernel(const Arrival& a) const {
  const Packet& p = a.packet;
  if (services.empty(p.family()) && a.role != Role::other && flows.find(a)) return true;
  if (!surroundings.from_nat_server(p.src)) return false;
  if (surroundings.is_own(p.dst)) return false;  // the guard never drops packets to the host itself
  if (p.largest_fragment != 0 || p.extended()) return true;
  const bool icmp_error = p.protocol == Protocol::icmp && is_error(p.icmp);
  return !surroundings.guard_knows_flows(a.frame->link) && (has_ports(p.protocol) || icmp_error);
}

void Director::Path::time_passed(Turn turn) {
  surroundings.recycle();
  flows.expire_due(turn, [&](Connection& c) { forwarder.ask_again(c, turn); });
  flows.end_orphans(turn);
  for (Frame first; reassembly.timed_out(turn.now, first);) {
    exits.count(Exit::fragment_expired);
    host.give_up(first, turn);
  }
  if (estimates.more() || fast.counts()) estimate(turn.now);
  surroundings.time_passed(turn);
  pressure_log.look(flows.pressure(), turn);
  handshakes.time_passed(turn);
  if (fast.stale(!onlookers.empty())) fast.settle(turn.now, !onlookers.empty());
}

Instant Director::Path::next_deadline() const {
  if (flows.searching() || estimates.more() || surroundings.more_work() || fast.stale(!onlookers.empty()))
    return Instant();  // at once
  const Pressure pressure = flows.pressure();
  return std::min({flows.next_deadline(), surroundings.next_deadline(), reassembly.next_deadline(),
                   handshakes.next_deadline(), fast.counts() ? estimates.next_end() : kNever,
                   pressure_log.next_deadline(pressure.on, gave_way(pressure))});
}

}  // namespace rawvs
