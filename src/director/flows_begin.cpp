// SPDX-License-Identifier: BSD-2-Clause
// flows_begin.cpp: begins connections: finds the service and the server, by the scheduler or a persistence template.
#include "core/scheduler.h"
#include "director/flows.h"

namespace rawvs {

namespace {

constexpr Duration kNewConnection = 3s;  // IPVS: until the first transition sets the state's own timeout

bool is(const Packet& p, uint8_t flag) { return (p.tcp_flags & flag) != 0; }

// Whether the scheduler finds the same server for each packet of a client, as long as the servers stay the same.
bool finds_again(const ServiceSpec& s) {
  const bool hashes = s.scheduler == Scheduler::sh || s.scheduler == Scheduler::mh || s.scheduler == Scheduler::dh;
  return hashes && s.persistence == Duration::zero();
}

}  // namespace

Service* Flows::schedulable(const Arrival& a, Instant now) {
  const Packet& p = a.packet;
  if (a.role == Role::other || a.key.cport == kFtpData) return nullptr;  // IPVS never schedules FTP's data port
  if (a.role == Role::client_error) return settings_.schedule_icmp ? services_.classify(a.key) : nullptr;
  switch (p.protocol) {
    case Protocol::tcp:
      if (!is(p, TcpFlags::syn) && now < without_until_) {  // perhaps of a connection without an entry
        Service* const service = services_.classify(a.key);
        if (service && finds_again(service->spec)) return service;
      }
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

std::optional<Choice> Flows::choose(const FlowKey& flow, Service& service, Turn turn, Exit& why) {
  if (service.spec.persistence > Duration::zero()) return stay(flow, service, turn, why);
  if (!decides(service.spec, flow)) return std::nullopt;
  const auto chosen = schedule(flow, service, turn.now);
  if (!chosen) return std::nullopt;
  const ServerSlot slot = service.servers[*chosen];
  const Port own = services_.server(slot).spec.at.port;
  return Choice{slot, own.value != 0 ? own : flow.vport, nullptr};
}

std::optional<size_t> Flows::schedule(const FlowKey& flow, Service& service, Instant now) const {
  const ServiceSpec& s = service.spec;
  return rawvs::choose({s.scheduler, s.flags, settings_.lblc_expiration, settings_.lblcr_expiration},
                       Pool(services_.servers(), service.servers), service.state,
                       {flow.client, flow.cport, flow.vip, now});
}

Connection* Flows::begin(Arrival& a, Service& service, const Choice& choice, Turn turn, Exit& why) {
  const Method method = services_.server(choice.server).spec.method;
  const Entry entry{a.key, a.hash, choice.server, choice.port, choice.parent, method, a.proven};
  keep_shares(entry, turn);
  Connection* const c = enter(entry, turn, why, [](Connection& made, Server& server) {
    const bool proxy = server.spec.proxy && made.is_full();
    if (proxy && made.protocol == Protocol::tcp) made.full().proxy = {0, Proxy::wanted};
    return kNewConnection;
  });
  if (c) began(a, service, choice.server, turn.now);
  return c;
}

LooseConnection Flows::begin_once(Arrival& a, Service& service, const Choice& choice, Instant now) {
  Server& server = services_.server(choice.server);
  LooseConnection c(a.key, server.spec.at.addr, server.spec.method);
  join(*c, choice.server, server, choice.port);
  a.served_by = choice.server;
  if (a.packet.protocol == Protocol::tcp && !begins(a.packet)) return c;  // of a connection that has no entry
  began(a, service, choice.server, now);
  return c;
}

void Flows::began(Arrival& a, Service& service, ServerSlot server, Instant now) {
  a.opened = true;
  ++service.traffic.connections;
  ++services_.server(server).traffic.connections;
  if (service.limits) count_in_rates(a.key, service, now);
}

bool Flows::can_do_without(const Service& service, ServerSlot server) const {
  return finds_again(service.spec) && !translates(services_.server(server).spec.method);
}

void Flows::does_without(Instant now) {
  ++without_;
  without_until_ = now + settings_.timeouts.tcp;
}

void Flows::end_once(const Connection& c) { leave(c, services_.server(c.server)); }

// Persistence: a valid template of the client decides, regardless of the server's weight or load; otherwise the
// scheduler decides, and its choice becomes the template.
std::optional<Choice> Flows::stay(const FlowKey& flow, Service& service, Turn turn, Exit& why) {
  const ServiceSpec& s = service.spec;
  const bool own_port = s.key.mark.value == 0 && flow.vport == s.key.vip.port;
  const FlowKey key = template_key(flow, s);
  const uint64_t hash = connections_.hash(key);
  Connection* client_template = connections_.find(Side::client, key, hash);
  if (client_template && connections_.expired(*client_template, turn.now)) {
    expire(*client_template, turn);
    client_template = connections_.find(Side::client, key, hash);
  }
  if (client_template && !keeps(*client_template)) {
    retire(*client_template);
    client_template = nullptr;
  }
  if (!client_template) {
    const auto chosen = schedule(flow, service, turn.now);
    if (!chosen) return std::nullopt;
    const ServerSlot slot = service.servers[*chosen];
    const Port port = key.vport.value != 0 ? services_.server(slot).spec.at.port : Port(0);
    const Method method = services_.server(slot).spec.method;
    client_template = enter({key, hash, slot, port, nullptr, method}, turn, why, [&](Connection& c, Server&) {
      c.stay = {0, static_cast<uint32_t>(s.persistence / 1s)};
      return s.persistence / 1s * 1s;
    });
    if (!client_template) return std::nullopt;
  } else {
    connections_.arm(*client_template, turn.now, std::chrono::seconds(client_template->stay.seconds));
  }
  const Port at_server = services_.server(client_template->server).spec.at.port;
  return Choice{client_template->server, own_port && at_server.value != 0 ? at_server : flow.vport, client_template};
}

// As in IPVS, it stays for the connections that it controls, but is not found again.
void Flows::retire(Connection& client_template) {
  const FlowKey key = client_template.key();
  client_template.rport = kNoPort;
  connections_.rename(client_template, {key.client, key.vip, Port(0), kNoPort, key.protocol, true});
}

bool Flows::keeps(const Connection& client_template) const {
  const Server& server = services_.server(client_template.server);
  if (!server.in_table() || !server.reachable) return false;
  if (services_.standing(server) >= Standing::drains) return false;
  return !settings_.expire_quiescent_template || server.spec.weight != 0;
}

}  // namespace rawvs
