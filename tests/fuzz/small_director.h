// SPDX-License-Identifier: BSD-2-Clause
// small_director.h: a director with small tables, which is quickly made, and the promises about its tables.
#pragma once

#include <array>
#include <memory>

#include "core/outbox.h"
#include "input.h"
#include "whole_director.h"

namespace rawvs::fuzz {

inline constexpr Link kOutside{0}, kInside{1};
inline constexpr Mac kOutsideMac{{2, 0, 0, 0, 0, 0x10}}, kInsideMac{{2, 0, 0, 0, 1, 0x10}};
inline constexpr uint32_t kMostConnections = 64, kMostServers = 16;

inline Ip ip(std::string_view s) { return parse_ip(s).value(); }

inline Settings small_settings() {
  return {.max_connections = kMostConnections,
          .max_servers = kMostServers,
          .max_services = 16,
          .max_fragmented = 4,
          .max_ftp = 4,
          .timeouts = {}};
}

inline LinkFacts facts(Link link) {
  const bool outside = link == kOutside;
  LinkFacts f;
  f.name = outside ? "eth0" : "eth1";
  f.role = outside ? LinkRole::clients : LinkRole::servers;
  f.ifindex = outside ? 2 : 3;
  f.up = f.carrier = true;
  f.mac = outside ? kOutsideMac : kInsideMac;
  static const std::vector<LinkAddress> kOut{{ip("192.0.2.10"), 24}, {ip("2001:db8::10"), 64}, {ip("fe80::10"), 64}},
      kIn{{ip("203.0.113.10"), 24}, {ip("2001:db8:1::10"), 64}, {ip("fe80::1:10"), 64}};
  f.addresses = outside ? kOut : kIn;
  return f;
}

// Its memory is not given back between executions: making it anew would take most of their time.
inline Outbox& outbox() {
  static Outbox out;
  return out;
}

struct SmallDirector {
  explicit SmallDirector(const Settings& settings = small_settings()) : director(settings, HashKey{3, 4}, now) {
    out.clear();
    director.link_changed(kOutside, facts(kOutside), turn());
    director.link_changed(kInside, facts(kInside), turn());
  }
  Turn turn() { return {now, out}; }
  void add(const ServiceSpec& spec, std::initializer_list<ServerSpec> servers) {
    director.add(spec, turn());
    for (const ServerSpec& server : servers) director.add_server(spec.key, server, turn());
  }
  // Every server's counters are those of the connections that there are.
  void check_tables() const {
    const ConnectionTable& table = director.connections();
    std::array<uint32_t, kMostServers> active{}, inactive{}, persistent{}, unproven{};
    uint32_t used = 0;
    for (ConnectionId id = 1; id < table.id_limit(); ++id) {
      const Connection* const c = table.at(id);
      if (!c) continue;
      ++used;
      MUST(c->server < kMostServers);
      ++(c->is_template() ? persistent : (c->flags & Connection::inactive) != 0 ? inactive : active)[c->server];
      if (c->is_unproven()) unproven[c->server] += c->is_wide() ? 2 : 1;
      const FlowKey key = c->key(Side::client);
      const Connection* const found = table.find(Side::client, key, table.hash(key));
      MUST(found && found->key(Side::client) == key);
      if (c->controller() == kNoConnection) continue;
      const Connection* const parent = table.at(c->controller());
      MUST(parent && (parent->is_template() || parent->peer.ftp != 0));
    }
    MUST(table.size() == used);
    for (ServerSlot slot = 0; slot < kMostServers; ++slot) {
      const Server& server = director.services().server(slot);
      MUST(server.active == active[slot] && server.inactive == inactive[slot]);
      MUST(server.persistent == persistent[slot] && server.unproven == unproven[slot]);
      MUST(server.used || server.references() == 0);
    }
  }

  Instant now{1000s};
  Outbox& out = outbox();
  Director director;
};

}  // namespace rawvs::fuzz
