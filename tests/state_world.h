// SPDX-License-Identifier: BSD-2-Clause
// state_world.h: for tests of state.h: the tables of a process, connections as the director creates them, and a
// description of them all without slots and ids.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "core/state.h"
#include "core/track.h"
#include "flows_peer.h"
#include "frames.h"
#include "wire/crc32c.h"

namespace rawvs::test {

class World {
 public:
  explicit World(uint32_t capacity = 1000) : flows_(limits(capacity), services, {next_key_++, 9}, now - 77s) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  StateTables tables() {
    return {services, connections,
            ftp,      [this](const Restoration& e, Turn turn) { return flows_.restore(e, false, turn); },
            nullptr,  nullptr,
            nullptr,  events,
            verdicts};
  }

  // A service with two servers, of which the second is added first, or not at all where `servers` is another service's.
  void web(Method method, Protocol protocol = Protocol::tcp, std::string vip = "", int servers = -1,
           uint16_t port = 80) {
    const auto number = static_cast<uint8_t>(keys.size());
    if (vip.empty()) vip = (family == Family::ipv6 ? "2001:db8::" : "192.0.2.") + std::to_string(100 + number);
    add({protocol, {ip(vip), Port(port)}, {}}, method, servers < 0 ? number : static_cast<uint8_t>(servers), port);
  }
  // A virtual of several ports under a mark.
  void shop(Mark mark, const std::vector<uint16_t>& ports) {
    const Ip vip = shop_vip(family);
    std::vector<GroupMatch> groups = services.groups();
    for (const uint16_t p : ports) groups.push_back({vip, Protocol::tcp, {{p, p}}, mark});
    services.set_groups(groups);
    add(mark_key(mark, family), Method::route, 9, 0);
  }
  static Ip shop_vip(Family of) { return ip(of == Family::ipv4 ? "192.0.2.200" : "2001:db8::200"); }
  Ip client_of(uint8_t service) const {
    return ip(keys.at(service).family() == Family::ipv4 ? "198.51.100.1" : "2001:db8:c6::1");
  }
  Endpoint at(uint8_t service, uint32_t server) const { return servers_.at(service).at(server); }
  ServerSlot slot(uint8_t service, uint32_t server) const {
    for (const ServerSlot s : services.find(keys.at(service))->servers) {
      if (services.server(s).spec.at == at(service, server)) return s;
    }
    return kNoServer;
  }

  uint64_t gave_way() const { return rawvs::gave_way(flows_.pressure()); }  // unproven entries, to others

  Connection& open_from(uint8_t service, uint32_t server, Ip client, Port cport, Connection* parent = nullptr,
                        Port vport = Port(80), Duration timeout = 900s) {
    const ServiceKey& key = keys.at(service);
    const bool marked = key.mark.value != 0;
    const FlowKey flow{client,
                       marked ? shop_vip(key.family()) : key.vip.addr,
                       cport,
                       marked || vport != Port(80) ? vport : key.vip.port,
                       marked ? Protocol::tcp : key.protocol,
                       false};
    Connection& c = *connections.create(flow, connections.hash(flow), at(service, server).addr);
    join(c, slot(service, server), services.server(slot(service, server)), vport);
    c.peer.client_mac = {2, 0, 0, 0, 7, static_cast<uint8_t>(cport.value)};
    connections.arm(c, now, timeout);
    if (parent) {
      c.set_controller(connections.id(*parent));
      ++(parent->is_template() ? parent->stay.children : ftp.at(parent->peer.ftp)->children);
    }
    if (cport.value != 0 && c.method() == Method::masq) connections.add_server_side(c);
    return c;
  }
  Connection& open(uint8_t service, uint32_t server, Port cport, Connection* parent = nullptr, Port vport = Port(80),
                   Duration timeout = 900s) {
    return open_from(service, server, client_of(service), cport, parent, vport, timeout);
  }
  Connection& client_template(uint8_t service, uint32_t server, uint32_t seconds, const std::string& client = "") {
    const ServiceKey& key = keys.at(service);
    FlowKey flow{
        client.empty() ? client_of(service) : ip(client), key.vip.addr, Port(0), key.vip.port, key.protocol, true};
    if (key.mark.value != 0) flow.vip = mark_address(key.mark, key.family());
    Connection& c = *connections.create(flow, connections.hash(flow), at(service, server).addr);
    c.stay = {0, seconds};
    join(c, slot(service, server), services.server(slot(service, server)), flow.vport);
    connections.arm(c, now, std::chrono::seconds(seconds));
    return c;
  }
  // As advance() does: counted active or not.
  void set_state(Connection& c, uint8_t state) {
    const bool active = c.protocol == Protocol::sctp ? rawvs::active(static_cast<SctpState>(state))
                                                     : rawvs::active(static_cast<TcpState>(state));
    c.state = state;
    if (!active) return;
    c.flags &= static_cast<uint8_t>(~Connection::inactive);
    --services.server(c.server).inactive, ++services.server(c.server).active;
  }
  Connection* find(uint8_t service, Port cport) {
    const ServiceKey& key = keys.at(service);
    const FlowKey flow{client_of(service), key.vip.addr, cport, key.vip.port, key.protocol, false};
    return connections.find(Side::client, flow, connections.hash(flow));
  }

  std::vector<uint8_t> state(uint32_t places = StateWriter::kPlaces) {
    StateWriter writer(clock);
    std::vector<uint8_t> bytes;
    for (uint32_t n = 0; !writer.done() && n < 100000; ++n) {
      const Bytes portion = writer.next(tables(), now, places);
      bytes.insert(bytes.end(), portion.begin(), portion.end());
    }
    EXPECT_TRUE(writer.done());
    return bytes;
  }
  const StateReport& restore(const std::vector<uint8_t>& bytes) {
    clock.now = now;
    StateReader reader(bytes, clock);
    fault = reader.fault();
    for (bool more = fault == StateFault::none; more;) {
      out.clear();
      more = reader.read(tables(), {now, out});
      for (const ReplyChange& r : out.reply_changes()) {
        EXPECT_TRUE(r.expected);
        expected.push_back(std::string(name(r.flow.protocol)) + ' ' + text(r.flow.server) + '>' + text(r.flow.client));
      }
    }
    return report = reader.report();
  }

  std::string picture() {
    std::vector<std::string> lines;
    for (const Connection* const c : all()) lines.push_back(describe(*c));
    for (const Server& s : services.servers()) {
      if (!s.used) continue;
      lines.push_back("server " + text(s.key) + ' ' + text(s.spec.at) + ' ' + std::to_string(s.active) + '/' +
                      std::to_string(s.inactive) + '/' + std::to_string(s.persistent) + (s.overloaded ? " full" : ""));
    }
    std::ranges::sort(lines);
    std::string all;
    for (const std::string& line : lines) all += line + '\n';
    return all;
  }
  std::string identity(const Connection& c) {
    return std::string(name(c.protocol)) + ' ' + text(c.client()) + ' ' + text(c.vip()) + ' ' + text(c.real_server()) +
           ' ' + state_name(c) + ' ' + name(c.method()) + " flags " + std::to_string(c.flags) + " packets " +
           std::to_string(c.packets) + " left " + std::to_string(connections.left(c, now) / 1s) + " of " +
           text(services.server(c.server).key) + ' ' +
           (c.is_template() ? "for " + std::to_string(c.stay.seconds) + " s" : text(Mac{c.peer.client_mac}));
  }
  std::string describe(const Connection& c) {
    std::string s = identity(c);
    if (const Connection* const parent = connections.at(c.controller())) {
      s += " controlled by " + text(parent->client()) + ' ' + text(parent->vip());
    }
    if (c.is_template()) return s + ": " + std::to_string(c.stay.children);
    return c.peer.ftp != 0 ? s + " ftp: " + std::to_string(ftp.at(c.peer.ftp)->children) : s;
  }
  std::vector<Connection*> all() {
    std::vector<Connection*> found;
    for (ConnectionId id = 1; id < connections.id_limit(); ++id) {
      if (Connection* const c = connections.at(id)) found.push_back(c);
    }
    return found;
  }
  // Ends everything as the director does; then nothing may be left of it anywhere.
  void end_all() {
    for (Connection* const c : all()) {
      leave(*c, services.server(c->server));
      if (!c->is_template() && c->cport.value == 0) --unknown_ports;
      if (Connection* const parent = connections.at(c->controller())) {
        --(parent->is_template() ? parent->stay.children : ftp.at(parent->peer.ftp)->children);
        c->set_controller(kNoConnection);
      }
    }
    for (Connection* const c : all()) {
      if (c->is_template()) {
        EXPECT_EQ(c->stay.children, 0u);
      } else if (c->peer.ftp != 0) {
        EXPECT_EQ(ftp.at(c->peer.ftp)->children, 0u);
        ftp.release(c->peer.ftp);
      }
      connections.remove(*c);
    }
    EXPECT_EQ(connections.size() + connections.two_sided() + unknown_ports + ftp.size(), 0u);
    for (const Server& s : services.servers()) EXPECT_EQ(s.references(), 0u);
  }

  // Where the number-th block begins.
  static size_t block(const std::vector<uint8_t>& bytes, size_t number) {
    size_t at = 72;
    for (; number != 0; --number) at += 28 + load_be32(bytes, at + 8);
    return at;
  }
  static void damage(std::vector<uint8_t>& bytes, size_t number) { bytes[block(bytes, number) + 30] ^= 1; }
  // All checksums are right again, whatever was changed.
  static void seal(std::vector<uint8_t>& bytes) {
    const MutableBytes all(bytes);
    if (all.size() < 72) return;
    store_be32(all, 68, crc32c(all.first(68)));
    for (size_t at = 72; at + 28 <= all.size();) {
      const size_t size = std::min<size_t>(load_be32(all, at + 8), all.size() - at - 28);
      store_be32(all, at, 0x52565342);
      store_be32(all, at + 20, crc32c(all.subspan(at + 28, size)));
      store_be32(all, at + 24, crc32c(all.subspan(at, 24)));
      at += 28 + size;
    }
  }
  // In the first row of the number-th block.
  static void change(std::vector<uint8_t>& bytes, size_t number, size_t at, uint32_t value) {
    store_be32(bytes, block(bytes, number) + 28 + at, value);
    seal(bytes);
  }

  Family family = Family::ipv4;         // of the services that are added
  Family server_family = Family::ipv4;  // of the servers behind tunnels
  Instant now{5000s};
  Services services{128};

 private:
  const Settings& limits(uint32_t capacity) {
    settings_.max_connections = capacity;
    settings_.max_ftp = 8;
    return settings_;
  }
  static inline uint64_t next_key_ = 1;  // each process has its own
  Settings settings_;
  Flows flows_;

 public:
  ConnectionTable& connections = FlowsPeer::connections(flows_);
  FtpSessions& ftp = FlowsPeer::ftp(flows_);
  uint32_t& unknown_ports = FlowsPeer::unknown_ports(flows_);
  StateClock clock{now, 1'800'000'000'000, {1, 2, 3, 4}};
  Events* events = nullptr;
  ServerVerdicts* verdicts = nullptr;
  Outbox out;
  std::vector<ServiceKey> keys;
  std::vector<std::string> expected;  // NAT's answers, in the order of their announcement
  StateFault fault = StateFault::none;
  StateReport report;

 private:
  void add(const ServiceKey& key, Method method, uint8_t subnet, uint16_t port) {
    keys.push_back(key);
    ASSERT_FALSE(services.add({.key = key}));
    auto& mine = servers_.emplace_back();
    for (const uint32_t host : {11u, 12u}) {
      const uint32_t number = subnet * 16u + host;
      const bool v4 = method == Method::tunnel ? server_family == Family::ipv4 : key.family() == Family::ipv4;
      mine.push_back({v4 ? Ip(ip("203.0.113.0").v4() + number) : Ip(ip("2001:db8:cb::").hi(), number), Port(port)});
      ServerSpec spec{.at = mine.back(), .method = method};
      ASSERT_FALSE(services.add_server(key, spec));
    }
  }
  std::vector<std::vector<Endpoint>> servers_;
};

}  // namespace rawvs::test
