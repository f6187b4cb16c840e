// SPDX-License-Identifier: BSD-2-Clause
// control_rows.cpp: the rows of control replies, written a piece at a time.
// Between two pieces packets are handled and tables change: a row is true when it is written, and nothing that was
// there all the time is left out or written twice.
#include "rawvs/control.h"

#include <algorithm>
#include <utility>

#include "control_words.h"
#include "rawvs/track.h"
#include "spec_words.h"
#include "trace.h"

namespace rawvs {

const char* name(Refusal refusal) {
  switch (refusal) {
    case Refusal::exists: return "exists";
    case Refusal::no_service: return "no-service";
    case Refusal::no_server: return "no-server";
    case Refusal::no_scheduler: return "no-scheduler";
    case Refusal::range: return "range";
    case Refusal::invalid: return "invalid";
    case Refusal::full: return "full";
    case Refusal::unsupported: return "unsupported";
  }
  return "?";
}

namespace {

using Part = Conversation::Part;

constexpr size_t kRowMost = 1024;  // no row is longer
// A piece is written between two turns of packets: its share of work is some tens of microseconds.
constexpr size_t kRows = 24;                    // of a piece
constexpr ConnectionId kConnectionsSeen = 512;  // entries looked at per piece

void put_traffic(std::string& row, const Traffic& total, const Rates& rates) {
  put(row, "conns", total.connections);
  put(row, "inpkts", total.in_packets);
  put(row, "outpkts", total.out_packets);
  put(row, "inbytes", total.in_bytes);
  put(row, "outbytes", total.out_bytes);
  const Traffic now = rates.per_second();
  put(row, "cps", now.connections);
  put(row, "inpps", now.in_packets);
  put(row, "outpps", now.out_packets);
  put(row, "inbps", now.in_bytes);
  put(row, "outbps", now.out_bytes);
}

}  // namespace

const char* word(Method method) {
  switch (method) {
    case Method::masq: return "masq";
    case Method::local: return "local";
    case Method::tunnel: return "tunnel";
    case Method::route: return "route";
  }
  return "?";
}

const char* word(Director::Reach reach) {
  switch (reach) {
    case Director::Reach::ready: return "ready";
    case Director::Reach::asking: return "asking";
    case Director::Reach::silent: return "silent";
    case Director::Reach::no_route: return "no-route";
    case Director::Reach::link_down: return "link-down";
  }
  return "?";
}

const char* fate_word(Fate fate) {
  switch (fate) {
    case Fate::forwarded: return "forwarded";
    case Fate::answered: return "answered";
    case Fate::noted: return "noted";
    case Fate::passed: return "passed";
    case Fate::dropped: return "dropped";
  }
  return "?";
}

std::string word(const ServiceKey& key) {
  if (key.mark.value != 0) return "mark:" + std::to_string(key.mark.value);
  return std::string(name(key.protocol)) + ':' + text(key.vip);
}

std::string word(const Director& director, Link link) {  // its interface; until that is known, which of the two it is
  const std::string& interface = director.link(link).name;
  if (!interface.empty()) return interface;
  return link == Link::outside ? "outside" : "inside";
}

namespace {

// Rows. Each part adds rows until the piece is full or its share of work is done, and says whether there is more.

bool room(const std::string& piece) { return piece.size() + kRowMost <= kPieceMost; }

void add_daemon(Conversation& c, const ConnectionTable& connections, Instant now) {
  c.ready += "daemon";
  put(c.ready, "version", kVersion);
  put(c.ready, "uptime", now - c.desk->started);
  put(c.ready, "size", connections.cells());
  put(c.ready, "pid", c.desk->pid);
  put(c.ready, "config", c.desk->file.empty() ? "-" : c.desk->file);
  c.ready += '\n';
}

void add_service(std::string& ready, const Service& service) {
  const ServiceSpec& spec = service.spec;
  const std::string flags = flags_text(spec.scheduler, spec.flags);
  ready += "service";
  put(ready, "service", word(spec.key));
  put(ready, "scheduler", name(spec.scheduler));
  put(ready, "flags", flags.empty() ? "-" : flags);
  put(ready, "persistence", spec.persistence);
  put(ready, "netmask", text(spec.netmask.bits));
  put(ready, "ops", spec.one_packet ? 1 : 0);
  put_traffic(ready, service.traffic, service.rates);
  ready += '\n';
}

void add_server(std::string& ready, const Server& server, const Director& director, const Desk* desk, Instant now) {
  ready += "server";
  put(ready, "service", word(server.key));
  put(ready, "server", text(server.spec.at));
  put(ready, "method", word(server.spec.method));
  if (server.spec.method == Method::tunnel) {
    put(ready, "tun-type", word(server.spec.tunnel.type));
    put(ready, "tun-port", server.spec.tunnel.port.value);
    put(ready, "tun-checksum", word(server.spec.tunnel.checksum));
  }
  put(ready, "weight", static_cast<uint64_t>(server.spec.weight));
  put(ready, "upper", server.spec.upper);
  put(ready, "lower", server.spec.lower);
  put(ready, "active", server.active);
  put(ready, "inactive", server.inactive);
  put(ready, "persistent", server.persistent);
  put(ready, "overloaded", server.overloaded ? 1 : 0);
  const bool has_way = server.neighbor != kNoNeighbor;
  const Neighbors::Neighbor* const next = has_way ? &director.neighbors().at(server.neighbor) : nullptr;
  put(ready, "reach", word(director.reach(server)));
  put(ready, "via", next ? text(next->addr) : "-");
  put(ready, "mac", next && next->knows_mac() ? text(next->mac) : "-");
  put(ready, "fixed", server.spec.mac ? 1 : 0);
  put_traffic(ready, server.traffic, server.rates);
  if (server.wanted_weight != server.spec.weight) put(ready, "wanted", static_cast<uint64_t>(server.wanted_weight));
  if (server.share != kFullShare) put(ready, "slow-start", server.share * 100u / kFullShare);
  put_health(ready, desk, server, now);
  ready += '\n';
}

// A service and its servers may need several pieces: the order of its servers is noted when its row is written. A
// server that is gone when its turn comes is left out.
bool add_services(Conversation& c, const Director& director, Instant now) {
  const Services& services = director.services();
  const auto all = services.services();
  for (size_t rows = 0; rows < kRows && room(c.ready); ++rows) {
    if (c.next_server < c.servers.size()) {
      const Server& server = services.server(c.servers[c.next_server++]);
      if (server.used && server.in_service() && server.key == c.service) {
        add_server(c.ready, server, director, c.desk, now);
      }
      continue;
    }
    if (c.next_service >= std::min(c.services_end, all.size())) return false;
    const Service& service = all[c.next_service++];
    if (!service.used) continue;
    c.service = service.spec.key;
    c.servers = service.servers;
    c.next_server = 0;
    add_service(c.ready, service);
  }
  return true;
}

void add_connection(std::string& ready, const Connection& connection, Duration left) {
  const FlowKey key = connection.key();
  ready += "connection";
  put(ready, "protocol", name(key.protocol));
  put(ready, "expires", left);
  put(ready, "state", state_name(connection));
  put(ready, "client", text(Endpoint{key.client, key.cport}));
  put(ready, "virtual", text(Endpoint{key.vip, key.vport}));
  put(ready, "server", text(connection.real_server()));
  ready += '\n';
}

bool add_connections(Conversation& c, ConnectionTable& connections, Instant now) {
  size_t rows = 0;
  for (ConnectionId seen = 0; seen < kConnectionsSeen && rows < kRows && room(c.ready); ++seen) {
    if (c.next_connection >= connections.id_limit()) return false;
    const Connection* const connection = connections.at(c.next_connection++);
    if (!connection || connections.expired(*connection, now)) continue;
    if (!c.filter->fits(connection->protocol, connection->client(), connection->vip()) ||
        !c.filter->fits_server(connection->real_server()) || (!c.state.empty() && c.state != state_name(*connection))) {
      continue;
    }
    add_connection(c.ready, *connection, connections.left(*connection, now));
    ++rows;
  }
  return true;
}

void add_timeouts(Conversation& c, const Timeouts& timeouts) {
  c.ready += "timeouts";
  put(c.ready, "tcp", timeouts.tcp);
  put(c.ready, "tcpfin", timeouts.tcpfin);
  put(c.ready, "udp", timeouts.udp);
  c.ready += '\n';
}

bool add_exits(Conversation& c, const ExitCounters& exits) {
  for (size_t rows = 0; c.next_exit < kExits && rows < kRows && room(c.ready); ++rows, ++c.next_exit) {
    const auto exit = static_cast<Exit>(c.next_exit);
    c.ready += "exit";
    put(c.ready, "name", words(exit).name);
    put(c.ready, "fate", fate_word(words(exit).fate));
    put(c.ready, "count", exits.of(exit));
    put(c.ready, "meaning", words(exit).meaning);
    c.ready += '\n';
  }
  return c.next_exit < kExits;
}

void add_links(Conversation& c, const Director& director) {
  for (const Link link : {Link::outside, Link::inside}) {
    const LinkCounters& n = director.counters(link);
    if (director.link(link).name.empty()) continue;
    c.ready += "link";
    put(c.ready, "name", word(director, link));
    put(c.ready, "received", n.received);
    put(c.ready, "kernel_dropped", n.kernel_dropped);
    put(c.ready, "cut", n.cut);
    put(c.ready, "sent", n.sent);
    put(c.ready, "send_failed", n.send_failed);
    put(c.ready, "returned", n.returned);
    put(c.ready, "return_failed", n.return_failed);
    put(c.ready, "unguarded", n.unguarded);
    put(c.ready, "mtu", director.link(link).mtu);
    put(c.ready, "guard", n.guard);
    c.ready += '\n';
  }
}

void add_vip(std::string& ready, const Claims::Claim& claim, const Director& director) {
  ready += "vip";
  put(ready, "address", text(claim.vip));
  put(ready, "link", word(director, claim.link));
  put(ready, "mac", text(director.mac_of(claim)));
  put(ready, "retired", claim.retired_until ? 1 : 0);
  put(ready, "standby", claim.standby ? 1 : 0);
  ready += '\n';
  for (const Claims::Rival& rival : claim.rivals) {
    const auto server = director.neighbors().who_has(rival.mac);
    ready += "rival";
    put(ready, "address", text(claim.vip));
    put(ready, "mac", text(rival.mac));
    put(ready, "server", server ? text(*server) : "-");
    ready += '\n';
  }
}

bool add_vips(Conversation& c, const Director& director) {
  const auto& claims = director.claims().all();  // sorted by address
  auto claim = c.last_vip ? std::ranges::upper_bound(claims, *c.last_vip, {}, &Claims::Claim::vip) : claims.begin();
  for (size_t rows = 0; claim != claims.end() && rows < kRows && room(c.ready); ++rows, ++claim) {
    add_vip(c.ready, *claim, director);
    c.last_vip = claim->vip;
  }
  return claim != claims.end();
}

bool add_neighbors(Conversation& c, const Director& director) {
  const Neighbors& neighbors = director.neighbors();
  for (size_t rows = 0; c.next_neighbor < neighbors.slots() && rows < kRows && room(c.ready); ++c.next_neighbor) {
    const Neighbors::Neighbor& n = neighbors.at(c.next_neighbor);
    if (n.wanted == 0) continue;
    ++rows;
    c.ready += "neighbor";
    put(c.ready, "address", text(n.addr));
    put(c.ready, "link", word(director, n.link));
    put(c.ready, "state", name(n.state));
    put(c.ready, "mac", n.knows_mac() ? text(n.mac) : "-");
    put(c.ready, "servers", n.wanted);
    c.ready += '\n';
  }
  return c.next_neighbor < neighbors.slots();
}

bool add_sights(Conversation& c) {
  c.ready += c.trace->take(kPieceMost - kRowMost);
  if (!c.trace->over()) return true;
  c.trace.reset();
  return false;
}

// The part that follows when this call has written all there is of the present one, or the present one.
Part add_rows(Conversation& c, Director& director, Instant now) {
  switch (c.part) {
    case Part::nothing: break;
    case Part::daemon: return add_daemon(c, director.connections(), now), Part::services;
    case Part::services: return add_services(c, director, now) ? c.part : Part::nothing;
    case Part::connections: return add_connections(c, director.connections(), now) ? c.part : Part::nothing;
    case Part::timeouts: return add_timeouts(c, director.settings().timeouts), Part::nothing;
    case Part::exits: return add_exits(c, director.exits()) ? c.part : Part::links;
    case Part::links: return add_links(c, director), Part::nothing;
    case Part::vrrp: return add_vrrp(c.ready, c.desk, director, now), Part::nothing;
    case Part::sync: return add_sync(c.ready, c.desk, director), Part::nothing;
    case Part::vips: return add_vips(c, director) ? c.part : Part::neighbors;
    case Part::neighbors: return add_neighbors(c, director) ? c.part : Part::nothing;
    case Part::trace: return add_sights(c) ? c.part : Part::nothing;
  }
  return Part::nothing;
}

}  // namespace

bool Conversation::waiting() const { return part == Part::trace && ready.empty() && trace->waiting(); }

std::string next_piece(Conversation& c, Director& director, Instant now) {
  director.estimate(now);
  // A part that has more to say has done its share of work for this piece; one that is done makes room for the next.
  for (bool done = true; done && c.part != Part::nothing;) {
    const Part part = add_rows(c, director, now);
    done = part != c.part;
    c.part = part;
    if (part == Part::nothing) c.ready += "end\n";
  }
  return std::exchange(c.ready, {});
}

}  // namespace rawvs
