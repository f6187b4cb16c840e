// SPDX-License-Identifier: BSD-2-Clause
// director_track.cpp: connections: found, begun (by the scheduler's choice or the persistence template's), ended.
#include "core/scheduler.h"
#include "core/track.h"
#include "rawvs/director.h"

namespace rawvs {

namespace {

constexpr Duration kNewConnection = 3s;   // IPVS: until the first transition sets the state's own timeout
constexpr Duration kStillControls = 60s;  // IPVS: an entry that is over stays as long as it controls others
constexpr Port kNoPort{0xffff};           // of a template that is not valid any more, as IPVS lists it
constexpr uint32_t kOrphanWork = 512;     // entries looked at per call

bool is(const Packet& p, uint8_t flag) { return (p.tcp_flags & flag) != 0; }

// FTP's control connection, whose payload NAT has to look into.
bool reads_ftp(Method method, const FlowKey& flow) {
  return method == Method::masq && flow.protocol == Protocol::tcp && flow.vport == kFtp;
}

// Does the packet want to begin a connection?
bool begins(const Packet& p) {
  if (p.protocol == Protocol::tcp) return is(p, TcpFlags::syn);
  return p.protocol == Protocol::sctp && p.sctp_chunk == SctpChunk::init;
}

}  // namespace

// The packet's live connection, if it has one. Connections that this packet ends (a reused client port, a server that
// left, a deadline just passed) are gone afterwards; ones that control others stay, but out of the way.
Connection* Director::track(const Arrival& a, Turn turn) {
  if (a.role == Role::other || services_.empty()) return nullptr;  // IPVS, too, stands aside while it has no service
  Connection* c = connections_.find(Side::client, a.key, a.hash);
  if (!c && unknown_ports_ != 0) {
    FlowKey any_port = a.key;
    any_port.cport = Port(0);
    c = connections_.find(Side::client, any_port, connections_.hash(any_port));
  }
  if (!c) return nullptr;
  const uint32_t* const controlled = children(*c);
  if (connections_.expired(*c, turn.now)) {
    if (!controlled || *controlled == 0) return end(*c, turn.out), nullptr;
    expire(*c, turn);
  }
  if (!over(a, *c)) return c;
  if (!controlled || *controlled == 0) end(*c, turn.out);
  return nullptr;
}

// Is the connection over because of this packet?
bool Director::over(const Arrival& a, const Connection& c) const {
  const Server& server = services_.server(c.server);
  if (settings_.expire_nodest_conn && !server.in_table()) return true;
  if (server.standing == Standing::resets) return true;
  if (a.role != Role::request || !begins(a.packet)) return false;
  return (settings_.expire_nodest_conn && server.spec.weight == 0) || reusable(c, settings_.conn_reuse_mode);
}

Connection* Director::track_reply(const Arrival& a, Turn turn) {
  if (a.role == Role::other || services_.empty()) return nullptr;
  Connection* const c = connections_.find(Side::server, a.key, a.hash);
  if (!c || !connections_.expired(*c, turn.now)) return c;
  const uint32_t* const controlled = children(*c);
  if (controlled && *controlled != 0) return c;
  end(*c, turn.out);
  return nullptr;
}

// The service that may begin a connection with this packet.
Service* Director::schedulable(const Arrival& a) {
  const Packet& p = a.packet;
  if (a.role == Role::other || a.key.cport == kFtpData) return nullptr;  // IPVS never schedules FTP's data port
  if (a.role == Role::client_error) return settings_.schedule_icmp ? services_.classify(a.key) : nullptr;
  switch (p.protocol) {
    case Protocol::tcp:
      if (is(p, TcpFlags::rst) || !(is(p, TcpFlags::syn) || settings_.sloppy_tcp)) return nullptr;
      break;
    case Protocol::sctp:
      if (p.sctp_chunk == SctpChunk::abort || !(begins(p) || settings_.sloppy_sctp)) return nullptr;
      break;
    case Protocol::udp: break;
    default: return nullptr;
  }
  return services_.classify(a.key);
}

Exit Director::open(Arrival& a, Service& service, Turn turn) {
  Exit why = Exit::no_server;
  const auto choice = choose_server(a.key, service, turn, why);
  if (!choice) {
    if (why != Exit::no_server) return why;
    // An FTP service is asked about other ports, too, but has no say about them.
    const bool others_port = service.spec.key.vip.port == kFtp && a.key.vport != kFtp;
    return others_port ? answer_as_host(a, turn) : error(a, why, turn);
  }
  if (service.spec.one_packet && a.packet.protocol == Protocol::udp) return open_once(a, *choice, service, turn);
  Connection* const c = connections_.create(a.key, a.hash);
  if (!c || !place(*c, *choice, kNewConnection, turn)) return Exit::table_full;
  opened_ = true;
  Server& server = services_.server(c->server);
  ++service.traffic.connections;
  ++server.traffic.connections;
  return a.role == Role::client_error ? carry_client_error(a, *c, server, turn) : carry(a, *c, server, turn);
}

// One-packet scheduling: a connection that lives as long as its only packet, and never comes into the table.
Exit Director::open_once(Arrival& a, const Choice& choice, Service& service, Turn turn) {
  Connection c{};
  c.client_v4 = a.key.client.v4();
  c.vip_v4 = a.key.vip.v4();
  c.cport = a.key.cport;
  c.vport = a.key.vport;
  c.protocol = a.key.protocol;
  Server& server = services_.server(choice.server);
  join(c, choice.server, server, choice.port);
  ++service.traffic.connections;
  ++server.traffic.connections;
  count_in(a, server);
  opened_ = true;
  served_by_ = choice.server;
  const Exit exit = forward(a, c, server, turn);
  rawvs::leave(c, server);
  return exit;
}

// Which server, by template or by the scheduler; else why not.
std::optional<Director::Choice> Director::choose_server(const FlowKey& flow, Service& service, Turn turn, Exit& why) {
  const ServiceKey& key = service.spec.key;
  if (service.spec.persistence > Duration::zero()) return stay(flow, service, turn, why);
  if (key.mark.value == 0 && key.vip.port != flow.vport) return std::nullopt;
  const auto chosen = schedule(flow, service, turn.now);
  if (!chosen) return std::nullopt;
  const ServerSlot slot = service.servers[*chosen];
  const Port own = services_.server(slot).spec.at.port;
  return Choice{slot, own.value != 0 ? own : flow.vport, nullptr};
}

std::optional<size_t> Director::schedule(const FlowKey& flow, Service& service, Instant now) const {
  const ServiceSpec& s = service.spec;
  return choose({s.scheduler, s.flags, settings_.lblc_expiration, settings_.lblcr_expiration},
                Pool(services_.servers(), service.servers), service.state, {flow.client, flow.cport, flow.vip, now});
}

// Persistence: the client's template decides without the scheduler, whatever the server's weight or load; without a
// valid template the scheduler does, and its choice becomes the template.
std::optional<Director::Choice> Director::stay(const FlowKey& flow, Service& service, Turn turn, Exit& why) {
  const ServiceSpec& s = service.spec;
  const bool own_port = s.key.mark.value == 0 && flow.vport == s.key.vip.port;
  const FlowKey key = template_key(flow, s);
  const uint64_t hash = connections_.hash(key);
  Connection* ticket = connections_.find(Side::client, key, hash);
  if (ticket && connections_.expired(*ticket, turn.now)) {
    expire(*ticket, turn);
    ticket = connections_.find(Side::client, key, hash);
  }
  if (ticket && !keeps(*ticket)) {
    retire(*ticket);
    ticket = nullptr;
  }
  if (!ticket) {
    const auto chosen = schedule(flow, service, turn.now);
    if (!chosen) return std::nullopt;
    ticket = connections_.create(key, hash);
    if (!ticket) return why = Exit::table_full, std::nullopt;
    const ServerSlot slot = service.servers[*chosen];
    ticket->stay = {0, static_cast<uint32_t>(s.persistence / 1s)};
    join(*ticket, slot, services_.server(slot), key.vport.value != 0 ? services_.server(slot).spec.at.port : Port(0));
  }
  connections_.arm(*ticket, turn.now, std::chrono::seconds(ticket->stay.seconds));
  const Port at_server = services_.server(ticket->server).spec.at.port;
  return Choice{ticket->server, own_port && at_server.value != 0 ? at_server : flow.vport, ticket};
}

// As in IPVS it stays, for the connections it controls, but is never found again.
void Director::retire(Connection& ticket) {
  const FlowKey key = ticket.key();
  ticket.rport = kNoPort;
  connections_.rename(ticket, {key.client, key.vip, Port(0), kNoPort, key.protocol, true});
}

// Is the template's server still one to stay with?
bool Director::keeps(const Connection& ticket) const {
  const Server& server = services_.server(ticket.server);
  if (!server.in_table() || !server.reachable) return false;
  if (server.standing == Standing::drains || server.standing == Standing::resets) return false;
  return !settings_.expire_quiescent_template || server.spec.weight != 0;
}

// False: there is no room for it, and it is gone.
bool Director::place(Connection& c, const Choice& choice, Duration timeout, Turn turn) {
  Server& server = services_.server(choice.server);
  join(c, choice.server, server, choice.port);
  connections_.arm(c, turn.now, timeout);
  if (choice.parent) {
    c.controlled_by = connections_.id(*choice.parent);
    ++*children(*choice.parent);
  }
  if (c.cport.value == 0) {
    ++unknown_ports_;
    return true;
  }
  if (expect_replies(c, turn.out)) return true;
  end(c, turn.out);
  return false;
}

// NAT: the server's answers come through us, and the host's kernel must leave them alone. False: too many connections'
// answers would look like this one's.
bool Director::expect_replies(Connection& c, Outbox& out) {
  if (c.method() != Method::masq) return true;
  if (!connections_.add_server_side(c)) return false;
  out.change_reply(c.reply_flow(), true);
  return true;
}

bool Director::know_client_port(Connection& c, Port port, Outbox& out) {
  const FlowKey unknown = c.key();
  FlowKey known = unknown;
  known.cport = port;
  connections_.rename(c, known);
  if (!expect_replies(c, out)) {
    connections_.rename(c, unknown);
    return false;
  }
  --unknown_ports_;
  return true;
}

// FTP behind NAT: a session for the connection that this packet belongs to, as soon as it needs one: with the first
// payload. Half of them are for those alone whose server has spoken: clients that do not exist cannot make it do so.
// False: there is none left.
bool Director::follow_ftp(const Packet& p, Connection& c, Direction direction) {
  if (c.peer.ftp != 0 || p.tcp_payload == 0 || is(p, TcpFlags::rst) || !reads_ftp(c.method(), c.key())) return true;
  const auto state = static_cast<TcpState>(c.state);
  if (state == TcpState::time_wait || state == TcpState::close) return true;  // what comes now was sent before
  const bool from_client = direction == Direction::input;
  if (ftp_.size() >= (from_client ? (ftp_.capacity() + 1) / 2 : ftp_.capacity())) return false;
  c.peer.ftp = ftp_.take(c.real_server().addr, c.vip().addr, c.client().addr);
  if (!settings_.sloppy_tcp) begin_with(*ftp_.at(c.peer.ftp), p, from_client);  // else it may be in mid-stream
  return true;
}

// The data connections that the control connection has just arranged. False: there is no room for them; then the
// segment was never here (`before` is the session without it), so that it is read again when its sender repeats it.
bool Director::arrange(Connection& control, const FtpSession& before, const FtpFound& found, Turn turn) {
  FtpSession& session = *ftp_.at(control.peer.ftp);
  ++session.children;  // it stays even if the last of its children makes room
  const bool expected = expect_data(control, found, turn);
  const uint32_t controlled = --session.children;
  if (!expected) session = before, session.children = controlled;
  release_ftp(control);
  return expected;
}

// A session is needed no longer than there is something to read or to map.
void Director::release_ftp(Connection& control) {
  if (control.is_template() || control.peer.ftp == 0) return;
  const FtpSession& session = *ftp_.at(control.peer.ftp);
  if (session.children != 0 || !session.over()) return;
  ftp_.release(control.peer.ftp);
  control.peer.ftp = 0;
}

bool Director::expect_data(Connection& control, const FtpFound& found, Turn turn) {
  const auto below = [](Port port) { return Port(static_cast<uint16_t>(port.value - 1)); };
  for (const FtpExpectation& data : std::span(found.expected).first(found.count)) {
    const Ip client = control.client().addr, vip = control.vip().addr;
    // Active: from the server's port below its control port. Passive: from any port of the client.
    const bool active = data.mode == FtpExpectation::Mode::active;
    const FlowKey key = active ? FlowKey{client, vip, data.port, below(control.vport), Protocol::tcp, false}
                               : FlowKey{client, vip, Port(0), data.port, Protocol::tcp, false};
    const Port port = active ? below(control.rport) : data.port;
    const uint64_t hash = connections_.hash(key);
    if (Connection* const earlier = connections_.find(Side::client, key, hash)) {
      if (earlier->server == control.server && earlier->rport == port) continue;
      end(*earlier, turn.out);  // the client's port was another server's a moment ago
    }
    Connection* const c = connections_.create(key, hash);
    if (!c) return false;
    c->peer.client_mac = control.peer.client_mac;
    if (control.flags & Connection::inside) c->flags |= Connection::inside;
    if (!place(*c, {control.server, port, &control}, listen(*c, settings_.timeouts), turn)) return false;
  }
  return true;
}

// How many connections this one controls; null: it cannot control any.
uint32_t* Director::children(Connection& c) {
  if (c.is_template()) return &c.stay.children;
  return c.peer.ftp != 0 ? &ftp_.at(c.peer.ftp)->children : nullptr;
}

// Its time is over; IPVS lets it live on, from minute to minute, while it controls others.
void Director::expire(Connection& c, Turn turn) {
  const uint32_t* const controlled = children(c);
  if (!controlled || *controlled == 0) return end(c, turn.out);
  if (c.is_template()) c.stay.seconds = static_cast<uint32_t>(kStillControls / 1s);
  connections_.arm(c, turn.now, kStillControls);
}

void Director::end(Connection& c, Outbox& out) {
  rawvs::leave(c, services_.server(c.server));
  const bool two_sided = (c.flags & Connection::two_sided) != 0;
  const ReplyFlow reply = c.reply_flow();
  const FlowKey from_server = c.key(Side::server);
  if (!c.is_template()) {
    if (c.cport.value == 0) --unknown_ports_;
    if (c.peer.ftp != 0) ftp_.release(c.peer.ftp);
  }
  if (Connection* const parent = connections_.at(c.controlled_by)) {
    --*children(*parent);
    release_ftp(*parent);
  }
  if (told_) told_->ended(connections_.id(c));
  connections_.remove(c);
  // Two VIPs may give one client's port the same server: their answers look alike.
  if (two_sided && !connections_.find(Side::server, from_server, connections_.hash(from_server))) {
    out.change_reply(reply, false);
  }
}

// expire_nodest_conn: the connections and templates of servers that were removed end soon, not when their next packet
// comes. A step of the search through the whole table; time_passed() takes one after the other.
void Director::end_orphans(Outbox& out) {
  if (orphans_from_ == kNoConnection) return;
  const auto orphan = [&](const Connection* c) { return c && !services_.server(c->server).in_table(); };
  for (uint32_t work = kOrphanWork; work != 0 && orphans_from_ < connections_.id_limit(); --work, ++orphans_from_) {
    Connection* const c = connections_.at(orphans_from_);
    if (!orphan(c)) continue;
    const uint32_t* const controlled = children(*c);
    if (controlled && *controlled != 0) continue;  // it goes with the last of those
    Connection* const parent = connections_.at(c->controlled_by);
    end(*c, out);
    if (!orphan(parent)) continue;
    const uint32_t* const others = children(*parent);
    if (!others || *others == 0) end(*parent, out);
  }
  if (orphans_from_ >= connections_.id_limit()) orphans_from_ = kNoConnection;
}

}  // namespace rawvs
