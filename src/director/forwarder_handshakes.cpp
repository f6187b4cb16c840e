// SPDX-License-Identifier: BSD-2-Clause
// forwarder_handshakes.cpp: connections that began with a SYN cookie: the server's half of the handshake, in the
// client's name, and afterwards the numbers of each segment (syn_proxy.h), where it comes from the client and where it
// leaves for the client.
#include "core/outbox.h"
#include "director/forwarder.h"
#include "wire/tcp_segment.h"

namespace rawvs {

namespace {

bool has(const Packet& p, uint8_t flags) { return (p.tcp_flags & flags) == flags; }
bool is_syn_ack(const Packet& p) { return has(p, TcpFlags::syn | TcpFlags::ack) && !has(p, TcpFlags::rst); }
bool went(Exit exit) { return exit == Exit::forwarded || exit == Exit::held; }

// What the server acknowledges with its SYN-ACK: the PROXY protocol's header has the numbers before the client's.
uint32_t first_acked(const Connection& c, const SynProxy& s) {
  const bool header = c.is_full() && c.full().proxy.stage == Proxy::due;
  return s.client + 1 - (header ? proxy_header_size(c.client().addr.family()) : 0);
}

}  // namespace

// A packet, or an ICMP error about one, before anything else is done with it. An exit: it goes no further.
std::optional<Exit> Forwarder::from_proxied_client(Arrival& a, Connection& c, Server& server, Turn turn) {
  SynProxy& s = flows_.proxy(c);
  Packet& p = a.packet;
  const bool waiting = s.stage == SynStage::waiting;
  if (a.role == Role::client_error) {
    if (waiting) return Exit::stray_icmp;
    to_server_error(s, *a.frame, p, a.quote);
    return std::nullopt;
  }
  if (has(p, TcpFlags::syn) && p.tcp_seq == s.client) return Exit::half_repeated;  // a late copy
  if (!waiting) {
    // Another connection begins in the same entry: its halves begin together.
    const bool anew = has(p, TcpFlags::syn) && c.state != static_cast<uint8_t>(TcpState::established);
    if (anew) return flows_.end_proxy(c), std::nullopt;
    if (is_probe(s, p)) return answer_probe(a, c, server, turn);
    rawvs::to_server(s, *a.frame, p);
    return std::nullopt;
  }
  if (!l4_checksum_right(*a.frame, p)) return Exit::bad_l4_checksum;
  if (has(p, TcpFlags::rst)) {
    if (p.tcp_seq != s.client + 1) return Exit::stray_reset;
    return flows_.end_proxy(c), std::nullopt;
  }
  if (!has(p, TcpFlags::ack) || p.tcp_ack != s.number + 1) return Exit::half_waits;
  // Its window is 0: this is a probe, or its last ACK again.
  remember(s, *a.frame, p);
  c.peer.client_mac = a.ethernet.src.bytes;
  c.set_link(a.frame->link);
  return ask(c, server, turn);
}

// A segment from the server, as it came. An exit: the client does not get it.
std::optional<Exit> Forwarder::from_proxied_server(Arrival& a, Connection& c, Server& server, Turn turn) {
  SynProxy& s = flows_.proxy(c);
  const Packet& p = a.packet;
  if (s.stage != SynStage::waiting) {
    if (!is_syn_ack(p)) return s.stage = SynStage::heard, std::nullopt;
    // It has not got the ACK, and a client that waits for it to speak first sends no other.
    const Exit exit = send_for_client(ack_of(s, *a.frame, p), c, server, turn);
    return went(exit) ? Exit::half_repeated : exit;
  }
  const bool fits = has(p, TcpFlags::ack) && p.tcp_ack == first_acked(c, s);
  if (has(p, TcpFlags::rst)) return fits ? std::nullopt : std::optional(Exit::stray_reset);
  if (fits && is_syn_ack(p)) return std::nullopt;
  if (!has(p, TcpFlags::ack)) return Exit::half_waits;
  // It still has an earlier connection with the same addresses and ports (RFC 9293 section 3.10.7.3).
  const Exit exit = send_for_client({.seq = p.tcp_ack, .flags = TcpFlags::rst}, c, server, turn);
  flows_.wait(c, turn.now);
  return went(exit) ? Exit::half_waits : exit;
}

// The same segment when all but its numbers is as the client gets it. An exit: it goes no further.
std::optional<Exit> Forwarder::show_proxied(Arrival& a, Connection& c, Server& server, Turn turn) {
  const SynProxy& s = flows_.proxy(c);
  if (s.stage != SynStage::waiting) {
    rawvs::to_client(s, *a.frame, a.packet);
    return std::nullopt;
  }
  if (!has(a.packet, TcpFlags::rst)) return open_half(a, c, server, turn);
  show_refused(s, *a.frame, a.packet);
  flows_.end_proxy(c);
  return std::nullopt;
}

std::optional<Exit> Forwarder::open_half(Arrival& a, Connection& c, Server& server, Turn turn) {
  SynProxy now = opened(flows_.proxy(c), *a.frame, a.packet);
  const Exit exit = send_for_client(ack_of(now, *a.frame, a.packet), c, server, turn);
  if (!went(exit)) return exit;  // the server will repeat its SYN-ACK
  show_open(now, *a.frame, a.packet);
  flows_.proxy(c) = now;
  return std::nullopt;
}

Exit Forwarder::answer_probe(const Arrival& a, Connection& c, Server& server, Turn turn) {
  if (!l4_checksum_right(*a.frame, a.packet)) return Exit::bad_l4_checksum;
  const SynProxy& s = flows_.proxy(c);
  const Exit exit = send_for_client(ack_again(s, *a.frame, a.packet), c, server, turn);
  if (!went(exit)) return exit;
  const size_t size = write_tcp_segment(turn.out.buffer(), show_again(s, *a.frame, a.packet));
  if (size == 0) return Exit::outbox_full;
  turn.out.send_buffer(a.frame->link, size);
  return Exit::half_repeated;
}

void Forwarder::ask_again(Connection& c, Turn turn) {
  ++flows_.proxy(c).asked;
  ask(c, services_.server(c.server), turn);
}

Exit Forwarder::ask(Connection& c, Server& server, Turn turn) {
  const Exit exit = send_for_client(syn_of(flows_.proxy(c)), c, server, turn);
  flows_.wait(c, turn.now);
  return went(exit) ? Exit::half_waits : exit;
}

// As if the client had sent it.
Exit Forwarder::send_for_client(const TcpSegment& segment, Connection& c, Server& server, Turn turn) {
  if (!server.in_service()) return Exit::server_gone;
  TcpSegment whole = segment;
  whole.from = Mac{c.peer.client_mac};
  whole.to = surroundings_.link(c.link()).mac;
  whole.src = c.client();
  whole.dst = c.vip();
  const size_t size = write_tcp_segment(turn.out.buffer(), whole);
  if (size == 0) return Exit::outbox_full;
  Frame frame = turn.out.take_buffer(size);
  frame.link = c.link();
  Arrival a;
  a.frame = &frame;
  if (const auto wrong = parse_ethernet(frame, a.ethernet)) return *wrong;
  if (const auto wrong = parse_ip(frame, a.packet)) return *wrong;
  a.role = Role::request;
  a.key = c.key();
  return carry(a, c, server, turn);
}

// What later SYN cookies may promise in the name of this service's servers.
void Forwarder::learn_promise(const Arrival& a, const Connection& c, Server& server) {
  const Packet& p = a.packet;
  if (p.protocol != Protocol::tcp || !is_syn_ack(p) || !server.in_service()) return;
  const TcpOptions theirs = read_tcp_options(Bytes(a.frame->bytes()).subspan(p.l4_at, p.l4_size()));
  SynPromise& promise = services_.service(server.service).promise;
  if (theirs.mss != 0) promise.mss = promise.mss == 0 ? theirs.mss : std::min(promise.mss, theirs.mss);
  if (theirs.scale) promise.scale = *theirs.scale;
  if (!c.is_proxied()) return;  // what its client offered is not known
  const SynOffer& offer = flows_.proxy(c).offer;
  if (offer.sack && !theirs.sack) promise.sack = false;
  if (offer.stamps && !theirs.stamps) promise.stamps = false;
}

}  // namespace rawvs
