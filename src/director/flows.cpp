// SPDX-License-Identifier: BSD-2-Clause
// flows.cpp: finds, ages and ends connections.
#include "director/flows.h"

#include "core/next_numbers.h"
#include "core/outbox.h"

namespace rawvs {

namespace {

constexpr Duration kStillControls = 60s;  // IPVS: an expired entry stays as long as it controls others
constexpr uint32_t kOrphanWork = 512;     // entries examined per call

}  // namespace

Flows::Flows(const Settings& settings, Services& services, HashKey secret, Instant now)
    : settings_(settings),
      services_(services),
      connections_(settings.max_connections, secret, now),
      unproven_(connections_, std::min<uint32_t>(settings.max_servers, kNoServer)),
      clients_(settings.max_connections, secret),
      client_table_(connections_.capacity(), secret, now),
      ftp_(static_cast<uint16_t>(settings.max_ftp)),
      proxies_(ConnectionTable::last_id(connections_.capacity()) + 1),
      local_turns_(std::min<uint32_t>(settings.max_servers, kNoServer)) {
  // Not at the first port again after a restart: servers may remember the connections from it.
  for (size_t i = 0; i < local_turns_.size(); ++i) local_turns_[i] = static_cast<uint32_t>(mixed(secret.k0 + i));
}

Connection* Flows::track(const Arrival& a, Turn turn) {
  if (a.role == Role::other || services_.empty(a.packet.family())) return nullptr;  // as IPVS
  Connection* c = connections_.find(Side::client, a.key, a.hash);
  if (!c && unknown_ports_ != 0) {
    FlowKey any_port = a.key;
    any_port.cport = Port(0);
    c = connections_.find(Side::client, any_port, connections_.hash(any_port));
  }
  if (!c) return nullptr;
  if (connections_.expired(*c, turn.now) && !waits(*c)) {
    if (!controls(*c)) return end(*c, turn), nullptr;
    expire(*c, turn);
  }
  if (!over(a, *c)) return c;
  if (!controls(*c)) end(*c, turn);
  return nullptr;
}

// Whether this packet ends the connection.
bool Flows::over(const Arrival& a, const Connection& c) const {
  const Server& server = services_.server(c.server);
  if (settings_.expire_nodest_conn && !server.in_table()) return true;
  if (services_.standing(server) == Standing::resets) return true;
  if (a.role != Role::request || !begins(a.packet)) return false;
  if (waits(c)) return a.packet.tcp_seq != proxies_[connections_.id(c)].client;  // its client has begun anew
  return (settings_.expire_nodest_conn && server.spec.weight == 0) || reusable(c, settings_.conn_reuse_mode);
}

Connection* Flows::track_reply(const Arrival& a, Turn turn) {
  // A full NAT server's service may be of the other family.
  if (a.role == Role::other || (services_.empty(a.packet.family()) && !a.key.persistence)) return nullptr;
  Connection* c = connections_.find(Side::server, a.key, a.hash);
  if (!c && a.key.persistence) {  // the address is a local one, and may be a NAT server's client as well
    const FlowKey key{a.client_address(), a.key.vip, a.key.cport, a.key.vport, a.key.protocol, false};
    c = connections_.find(Side::server, key, connections_.hash(key));
  }
  if (!c || !connections_.expired(*c, turn.now) || waits(*c)) return c;
  if (controls(*c)) return c;
  end(*c, turn);
  return nullptr;
}

// The next sequence number of the packet's sender; null: none is kept of this connection.
uint32_t* Flows::next_of(const Connection& c, Direction direction) const {
  if (c.protocol != Protocol::tcp || c.is_unproven()) return nullptr;
  if (c.is_fast()) return &fast_->next(connections_.fast_id(c), direction == Direction::output);
  NextNumbers& next = connections_.beside()[connections_.id(c)].next;
  return direction == Direction::output ? &next.server : &next.client;
}

bool Flows::can_be_clients(const Connection& c, uint32_t number) const {
  const uint32_t* const next = next_of(c, Direction::input);
  return !next || near_number(*next, number);
}

void Flows::age(const Packet& p, Connection& c, Server& server, Direction direction, Instant now) {
  const uint8_t before = c.state;
  if (const uint32_t* const next = next_of(c, direction); next && ends(p) && !near_number(*next, p.tcp_seq)) {
    ++implausible_;
    return;
  }
  Duration timeout = advance(c, server, p, direction, settings_.timeouts, active(settings_.secure_tcp));
  if (c.is_unproven()) timeout = judge(c, p, direction, timeout, now);
  if (uint32_t* const next = next_of(c, direction)) {
    // A SYN on an established connection begins none: its receiver will say so (RFC 5961 section 4).
    const bool anew = (p.tcp_flags & TcpFlags::syn) != 0 && c.state != static_cast<uint8_t>(TcpState::established);
    *next = next_number(*next, p, anew);
  }
  connections_.arm(c, now, timeout);
  if (c.state != before) {
    if (c.is_fast()) slow(c, now);
    recount(c);
    if (told_) told_->state_changed(c, sync_view(), now);
  }
  if (!assures(c, direction)) return;
  Connection* const parent = connections_.at(c.controller());
  if (parent && parent->is_template()) parent->state = 1;
}

void Flows::came_from_client(const Arrival& a, Connection& c, Instant now) {
  ++c.packets;
  if (told_) told_->packet(c, sync_view(), now);
  if (c.is_fast()) {
    if (c.link() != a.frame->link) {
      slow(c, now);  // those that come by the former link move it back
    } else if (c.peer.client_mac != a.ethernet.src.bytes) {
      fast_->move_client(connections_.fast_id(c), a.ethernet.src, static_cast<uint16_t>(index(a.frame->link)));
    }
  }
  c.peer.client_mac = a.ethernet.src.bytes;
  c.set_link(a.frame->link);
}

// NAT: the server's replies pass through the director, and the host's kernel must not process them. An exit: too many
// connections' replies would have the same addresses and ports.
std::optional<Exit> Flows::expect_replies(Connection& c, Turn turn) {
  if (!translates(c.method())) return std::nullopt;
  if (c.is_full() && !take_local(c)) return Exit::local_ports_full;
  if (fast_ && fast_->size() != 0) {  // replies that an older connection has in common with it are this one's now
    const FlowKey key = c.key(Side::server);
    Connection* const older = connections_.find(Side::server, key, connections_.hash(key));
    if (older && older->is_fast()) slow(*older, turn.now);
  }
  if (!connections_.add_server_side(c)) return Exit::table_full;
  turn.out.change_reply(reply_flow(c), true);
  return std::nullopt;
}

std::optional<Exit> Flows::know_client_port(Connection& c, Port port, Turn turn) {
  const FlowKey unknown = c.key();
  FlowKey known = unknown;
  known.cport = port;
  connections_.rename(c, known);
  if (const auto refused = expect_replies(c, turn)) {
    connections_.rename(c, unknown);
    return refused;
  }
  --unknown_ports_;
  return std::nullopt;
}

void Flows::control(Connection& parent, Connection& c) {
  c.set_controller(connections_.id(parent));
  recount(c);
  hold(parent);
}

// An entry that controls others does not give way.
void Flows::hold(Connection& parent) {
  ++*children(parent);
  if (parent.is_unproven()) believe(parent);
}

void Flows::let_go(Connection& parent) {
  --*children(parent);
  release_ftp(parent);
  if (parent.is_template() && parent.state == 0 && parent.stay.children == 0) doubt(parent);
}

// The number of connections that this one controls; null: it cannot control any.
uint32_t* Flows::children(Connection& c) {
  if (c.is_template()) return &c.stay.children;
  return c.peer.ftp != 0 ? &ftp_.at(c.peer.ftp)->children : nullptr;
}

bool Flows::controls(Connection& c) {
  const uint32_t* const controlled = children(c);
  return controlled && *controlled != 0;
}

// At the end of its timeout; as in IPVS it stays, a minute at a time, while it controls others.
void Flows::expire(Connection& c, Turn turn) {
  if (!controls(c)) return end(c, turn);
  if (c.is_template()) c.stay.seconds = static_cast<uint32_t>(kStillControls / 1s);
  connections_.arm(c, turn.now, kStillControls);
}

void Flows::end(Connection& c, Turn turn) {
  if (c.is_fast()) slow(c, turn.now);
  if (c.is_unproven()) believe(c);
  if (c.is_counted()) uncount(c);
  leave(c, services_.server(c.server));
  const bool two_sided = (c.flags & Connection::two_sided) != 0;
  const ReplyFlow reply = two_sided ? reply_flow(c) : ReplyFlow{};
  const FlowKey from_server = c.key(Side::server);
  if (!c.is_template()) {
    if (c.cport.value == 0) --unknown_ports_;
    if (c.peer.ftp != 0) ftp_.release(c.peer.ftp);
  }
  if (Connection* const parent = connections_.at(c.controller())) let_go(*parent);
  if (told_) told_->ended(connections_.id(c));
  if (c.is_full() && c.full().port != 0) locals_.leave(c.full().local);
  connections_.remove(c);
  look_at_room();
  // Two VIPs may have the same server for one client's port: then their replies have the same addresses and ports.
  if (two_sided && !connections_.find(Side::server, from_server, connections_.hash(from_server))) {
    turn.out.change_reply(reply, false);
  }
}

// expire_nodest_conn: connections and templates of removed servers end soon, not only with their next packet. One step
// of the search through the whole table; time_passed() makes one step per call.
void Flows::end_orphans(Turn turn) {
  if (orphans_from_ == kNoConnection) return;
  const auto orphan = [&](const Connection* c) { return c && !services_.server(c->server).in_table(); };
  for (uint32_t work = kOrphanWork; work != 0 && orphans_from_ < connections_.id_limit(); --work, ++orphans_from_) {
    Connection* const c = connections_.at(orphans_from_);
    if (!orphan(c)) continue;
    if (controls(*c)) continue;  // it ends with the last of them
    Connection* const parent = connections_.at(c->controller());
    end(*c, turn);
    if (orphan(parent) && !controls(*parent)) end(*parent, turn);
  }
  if (orphans_from_ >= connections_.id_limit()) orphans_from_ = kNoConnection;
}

}  // namespace rawvs
