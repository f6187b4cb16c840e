// SPDX-License-Identifier: BSD-2-Clause
// sync_node.h: for tests of sync.h: a director's tables without its packets. Connections are created, changed and ended
// as the director does.
#pragma once

#include <gtest/gtest.h>

#include <set>

#include "core/sync.h"
#include "core/track.h"
#include "frames.h"
#include "sync_recorded.h"

namespace rawvs {

using namespace test;

constexpr Instant kStart{5000s};
constexpr UnixTime kClock{1'700'000'000'000};
constexpr uint32_t kCapacity = 3000;

// In the place of HMAC-SHA256: keyed, of all bytes, and 32 bytes long.
inline SyncSeal seal_with(uint64_t key) {
  return [key](Bytes bytes) {
    SyncDigest digest{};
    uint64_t h = 0xcbf29ce484222325 ^ key;
    for (size_t i = 0; i < bytes.size() + digest.size(); ++i) {
      h = (h ^ (i < bytes.size() ? bytes[i] : 0x5c)) * 0x100000001b3;
      digest[i % digest.size()] ^= static_cast<uint8_t>(h >> 32);
    }
    return digest;
  };
}

inline FlowKey flow(uint32_t n, Port vport = Port(80), Protocol protocol = Protocol::tcp) {
  return {Ip(0xc6336401 + n % 200), ip("192.0.2.100"), Port(static_cast<uint16_t>(1001 + n / 200)), vport, protocol};
}

// A director's tables, without its packets.
struct Node {
  explicit Node(uint32_t sender_number, const SyncSettings& s = {}, const SyncSeal& seal = {})
      : sender(s, kCapacity, sender_number, seal, kStart), receiver(s, sender_number, seal) {
    add({.key = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}}}, {"192.0.2.11:80", "192.0.2.12:80"});
    add({.key = {Protocol::tcp, {ip("192.0.2.100"), Port(82)}, {}}}, {"203.0.113.11:8080"}, Method::masq);
    add({.key = {Protocol::udp, {ip("192.0.2.100"), Port(53)}, {}}}, {"192.0.2.11:53"});
    add({.key = {Protocol::sctp, {ip("192.0.2.100"), Port(99)}, {}}}, {"192.0.2.11:99"});
    add({.key = {.mark = Mark(10)}, .persistence = 360s}, {"192.0.2.11:0", "192.0.2.12:0"});
    add({.key = {Protocol::tcp, {ip("192.0.2.100"), Port(85)}, {}},
         .persistence = 100s,
         .netmask = Netmask(ip("255.255.255.0"))},
        {"192.0.2.11:85"});
    services.set_groups({{ip("192.0.2.100"), Protocol::tcp, {{90, 91}}, Mark(10)}});
  }
  void add(const ServiceSpec& spec, std::initializer_list<const char*> servers, Method method = Method::route) {
    ASSERT_FALSE(services.add(spec));
    for (const char* const at : servers) {
      ASSERT_FALSE(services.add_server(spec.key, {.at = parse_endpoint(at).value(), .method = method}));
    }
  }
  Connection* find(const FlowKey& key) { return table.find(Side::client, key, table.hash(key)); }

  // As Director::open() and place(): to the service's oldest server, or the n-th.
  Connection& open(const FlowKey& key, size_t nth = 0) {
    Service& service = *services.classify(key);
    const ServerSlot slot = service.servers[service.servers.size() - 1 - nth];
    const Port at = services.server(slot).spec.at.port;
    Connection* parent = nullptr;
    if (service.spec.persistence > Duration::zero()) {
      const FlowKey stays = template_key(key, service.spec);
      parent = find(stays);
      if (!parent) {
        parent = table.create(stays, table.hash(stays), services.server(slot).spec.at.addr);
        parent->stay = {0, static_cast<uint32_t>(service.spec.persistence / 1s)};
        join(*parent, slot, services.server(slot), stays.vport.value != 0 ? at : Port(0));
      }
      table.arm(*parent, now, std::chrono::seconds(parent->stay.seconds));
    }
    Connection& c = *table.create(key, table.hash(key), services.server(slot).spec.at.addr);
    join(c, slot, services.server(slot), at.value != 0 ? at : key.vport);
    c.peer.client_mac = kClientMac.bytes;
    table.arm(c, now, 3s);
    if (parent) c.set_controller(table.id(*parent)), ++parent->stay.children;
    if (c.method() == Method::masq) table.add_server_side(c);
    return c;
  }
  void packet(Connection& c, uint8_t flags, Direction direction = Direction::input) {
    Packet p{.protocol = c.protocol, .tcp_flags = flags, .sctp_chunk = flags};
    const uint8_t before = c.state;
    table.arm(c, now, advance(c, services.server(c.server), p, direction, timeouts));
    if (c.state != before) sender.state_changed(c, view(), now);
    if (direction != Direction::input) return;
    ++c.packets;
    sender.packet(c, view(), now);
  }
  void established(Connection& c) {
    packet(c, TcpFlags::syn);
    packet(c, TcpFlags::ack);
    packet(c, TcpFlags::ack);
  }
  void end(Connection& c) {
    leave(c, services.server(c.server));
    if (Connection* const parent = table.at(c.controller())) --parent->stay.children;
    sender.ended(table.id(c));
    table.remove(c);
  }
  void adopt(const Adoption& a) {
    Connection* c = table.at(a.old);
    if (a.what == Adoption::What::replace) end(*c), c = nullptr;
    Server& server = services.server(a.server);
    if (c) {
      a.update(*c, server);
    } else {
      c = table.create(a.key, table.hash(a.key), server.spec.at.addr);
      ASSERT_TRUE(c);
      a.begin(*c, server);
      if (c->method() == Method::masq && !c->is_template()) table.add_server_side(*c);
    }
    table.arm(*c, now, a.left);
    if (Connection* const parent = table.at(a.parent)) c->set_controller(a.parent), ++parent->stay.children;
  }
  // Everything that is due.
  std::vector<Datagram> speak() {
    std::vector<Datagram> out;
    while (const auto message = sender.next(view(), now, clock)) {
      out.emplace_back(message->begin(), message->end());
      if (out.size() > 10000) return ADD_FAILURE() << "endless", out;
    }
    return out;
  }
  std::optional<SyncRefusal> hear(const Datagram& d) {
    const auto why = receiver.arrived(d, now, clock);
    Adoption a;
    while (receiver.next(view(), a)) adopt(a);
    if (receiver.asked()) sender.tell_all(now);
    return why;
  }
  SyncView view() { return {table, services, nullptr, timeouts}; }
  // Each live entry as a line, sorted.
  std::set<std::string> listing(bool with_time = false) {
    std::set<std::string> lines;
    for (ConnectionId id = 1; id < table.id_limit(); ++id) {
      const Connection* const c = table.at(id);
      if (!c || table.expired(*c, now)) continue;
      std::string s = std::string(name(c->protocol)) + ' ' + text(c->client()) + ' ' + text(c->vip()) + ' ' +
                      text(c->real_server()) + ' ' + state_name(*c) +
                      (c->flags & Connection::inactive ? " inactive" : "") +
                      (c->is_template() ? " " + std::to_string(c->stay.seconds) : ' ' + text(Mac{c->peer.client_mac})) +
                      (c->controller() != kNoConnection ? " controlled" : "");
      if (with_time) s += ' ' + std::to_string(table.left(*c, now) / 1s);
      lines.insert(s);
    }
    return lines;
  }
  std::string counts() {
    std::string s;
    for (const Server& server : services.servers()) {
      if (!server.used) continue;
      s += (s.empty() ? "" : " ") + std::to_string(server.active) + '/' + std::to_string(server.inactive) + '/' +
           std::to_string(server.persistent);
    }
    return s;
  }

  Instant now = kStart;
  UnixTime clock = kClock;
  Services services{32};
  ConnectionTable table{kCapacity, {1, 2}, kStart};
  Timeouts timeouts{};
  SyncSender sender;
  SyncReceiver receiver;
};

inline std::vector<SyncEntry> entries(const Datagram& d) {
  SyncMessage m;
  EXPECT_FALSE(parse_sync(d, m));
  std::vector<SyncEntry> all;
  SyncEntries rest(m);
  std::optional<SyncRefusal> why;
  for (SyncEntry e; rest.next(e, why);) all.push_back(e);
  return all;
}
// "198.51.100.1:1001 ESTABLISHED, ..." of all messages; "|" between them.
inline std::string told(const std::vector<Datagram>& messages) {
  std::string s;
  for (const Datagram& d : messages) {
    if (!s.empty()) s += " | ";
    bool first = true;
    for (const SyncEntry& e : entries(d)) {
      s += (first ? "" : ", ") + text(e.client) + ' ';
      s += e.is_template()               ? "template"
           : e.protocol == Protocol::tcp ? name(static_cast<TcpState>(e.state))
                                         : std::to_string(e.state);
      first = false;
    }
  }
  return s;
}

class SyncTest : public testing::Test {
 protected:
  // The third packet is IPVS's, whose recordings these tests begin with.
  void make(SyncSettings settings, const SyncSeal& seal = {}) {
    if (settings.threshold == SyncSettings{}.threshold) settings.threshold = 3;
    master_ = std::make_unique<Node>(1, settings, seal);
    backup_ = std::make_unique<Node>(2, settings, seal);
    master_->sender.lead(true, kStart);
  }
  void SetUp() override { make({}); }
  void wait(Duration d) {
    for (Node* const n : {master_.get(), backup_.get()}) {
      n->now += d;
      n->clock = UnixTime(n->clock.value + static_cast<uint64_t>(d.count()));
    }
  }
  std::string said() {
    wait(2s);
    return told(master_->speak());
  }
  // All of what the master has to say, to the backup.
  void deliver() {
    wait(2s);
    for (const Datagram& d : master_->speak()) EXPECT_FALSE(backup_->hear(d));
  }
  std::unique_ptr<Node> master_, backup_;
};

inline SyncEntry plain_entry() {
  return {.protocol = Protocol::tcp,
          .state = static_cast<uint16_t>(TcpState::established),
          .flags = 3 | SyncFlags::no_output,
          .client = {ip("198.51.100.7"), Port(1001)},
          .vip = {ip("192.0.2.100"), Port(80)},
          .server = {ip("192.0.2.11"), Port(80)},
          .timeout = 900};
}
inline Datagram message_of(const std::vector<SyncEntry>& entries, uint8_t id = 0) {
  SyncComposer composer(id, 1472, 0);
  for (const SyncEntry& e : entries) EXPECT_TRUE(composer.add(e));
  const Bytes b = composer.finish();
  return {b.begin(), b.end()};
}

}  // namespace rawvs
