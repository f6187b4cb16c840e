// SPDX-License-Identifier: BSD-2-Clause
// Tests a backup: which connections it adopts, with which server and deadline, and from which senders.
#include <gtest/gtest.h>

#include <random>

#include "sync_node.h"
#include "sync_recorded.h"

namespace rawvs {
namespace {

// The services that the recorded kernel had beside the node's own.
void add_recorded(Node& n) {
  const auto tcp = [](const char* at) {
    return ServiceKey{.protocol = Protocol::tcp, .vip = parse_endpoint(at).value(), .mark = {}};
  };
  n.add({.key = tcp("192.0.2.100:81")}, {"192.0.2.11:81"}, Method::tunnel);
  n.add({.key = tcp("192.0.2.100:21")}, {"203.0.113.11:21"}, Method::masq);
  n.add({.key = tcp("192.0.2.101:0"), .persistence = 200s}, {"192.0.2.11:0"});
  n.add({.key = {.protocol = Protocol::any, .vip = {}, .mark = Mark(11)}, .persistence = 50s}, {"203.0.113.11:9090"},
        Method::masq);
}
const RecordedSync& recorded(std::string_view name) {
  for (const RecordedSync& r : kRecordedSync) {
    if (r.name == name) return r;
  }
  return ADD_FAILURE() << name, kRecordedSync[0];
}
Datagram datagram(const RecordedSync& r) { return from_hex(r.bytes); }

TEST_F(SyncTest, TakesAllThatAKernelTellsAndListsItAsTheKernelDid) {
  add_recorded(*backup_);
  for (const RecordedSync& r : kRecordedSync) {
    if (std::string_view(r.name).starts_with("version_0")) continue;
    EXPECT_FALSE(backup_->hear(datagram(r))) << r.name;
  }
  const std::string none = " 00:00:00:00:00:00";
  EXPECT_EQ(backup_->listing(),
            (std::set<std::string>{
                "ip 198.51.100.10:0 0.0.0.11:0 203.0.113.11:0 ASSURED 50",
                "ip 198.51.100.5:0 0.0.0.10:0 192.0.2.11:0 ASSURED 360",
                "sctp 198.51.100.8:1 192.0.2.100:99 192.0.2.11:99 S-RECEIVED inactive" + none,
                "tcp 198.51.100.0:0 192.0.2.100:85 192.0.2.11:85 ASSURED 100",
                "tcp 198.51.100.10:1001 192.0.2.100:95 203.0.113.11:95 ESTABLISHED" + none + " controlled",
                "tcp 198.51.100.1:1001 192.0.2.100:80 192.0.2.11:80 FIN_WAIT inactive" + none,
                "tcp 198.51.100.1:1002 192.0.2.100:80 192.0.2.11:80 CLOSE inactive" + none,
                "tcp 198.51.100.2:1001 192.0.2.100:81 192.0.2.11:81 ESTABLISHED" + none,
                "tcp 198.51.100.2:1002 192.0.2.100:81 192.0.2.11:81 ESTABLISHED" + none,
                "tcp 198.51.100.3:1001 192.0.2.100:82 203.0.113.11:8080 TIME_WAIT inactive" + none,
                "tcp 198.51.100.5:1001 192.0.2.100:90 192.0.2.11:90 ESTABLISHED" + none + " controlled",
                "tcp 198.51.100.6:1001 192.0.2.100:85 192.0.2.11:85 ESTABLISHED" + none + " controlled",
                "tcp 198.51.100.7:0 192.0.2.101:0 192.0.2.11:0 ASSURED 200",
                "tcp 198.51.100.7:1001 192.0.2.101:7777 192.0.2.11:7777 ESTABLISHED" + none + " controlled",
                "tcp 198.51.100.9:1001 192.0.2.100:21 203.0.113.11:21 ESTABLISHED" + none,
                "tcp 198.51.100.9:2001 192.0.2.100:10001 203.0.113.11:10001 ESTABLISHED" + none,
                "udp 198.51.100.4:1001 192.0.2.100:53 192.0.2.11:53 UDP inactive" + none,
            }));
}

TEST_F(SyncTest, TakesVersion0WithItsStatesTimeouts) {
  add_recorded(*backup_);
  for (const RecordedSync& r : kRecordedSync) {
    if (!std::string_view(r.name).starts_with("version_0")) continue;
    EXPECT_FALSE(backup_->hear(datagram(r))) << r.name;
  }
  EXPECT_EQ(backup_->table.size(), 6u);
  EXPECT_EQ(backup_->table.left(*backup_->find(flow(0)), backup_->now), 900s);
  const FlowKey of_mark{ip("198.51.100.5"), Ip(10), Port(0), Port(0), Protocol::any, true};
  ASSERT_TRUE(backup_->find(of_mark));  // a kernel knows no server for it: version 0 does not tell marks
  EXPECT_EQ(backup_->find(of_mark)->stay.seconds, 180u);
}

TEST_F(SyncTest, TellsOfTheSameConnectionsInTheSameBytesAsAKernel) {
  make({.id = 7, .extra = false});
  const auto bytes = [&] {
    wait(2s);
    const auto messages = master_->speak();
    EXPECT_EQ(messages.size(), 1u);
    return to_hex(Bytes(messages.at(0)).subspan(8, messages.at(0).size() - 8 - kSyncTrailer));
  };
  const auto kernels = [](const char* name) { return std::string(recorded(name).bytes).substr(16); };
  master_->established(master_->open(flow(0)));
  EXPECT_EQ(bytes(), kernels("tcp_dr_established"));
  master_->packet(*master_->find(flow(0)), TcpFlags::fin | TcpFlags::ack);
  EXPECT_EQ(bytes(), kernels("tcp_dr_fin_wait"));
  master_->established(master_->open(flow(2, Port(82))));
  EXPECT_EQ(bytes(), kernels("tcp_nat_established"));
  Connection& udp = master_->open(flow(3, Port(53), Protocol::udp));
  for (int n = 0; n < 3; ++n) master_->packet(udp, 0);
  EXPECT_EQ(bytes(), kernels("udp_dr"));
  // With a template: a kernel tells it three times, before and after it was assured.
  const auto [of_mark, of_port] = std::pair(flow(4, Port(90)), flow(5, Port(85)));
  for (const auto& [key, name] : {std::pair(of_mark, "mark_group"), std::pair(of_port, "persistent_netmask")}) {
    Connection& c = master_->open(key);
    master_->table.at(c.controller())->state = 1;
    master_->established(c);
    EXPECT_EQ(bytes(), kernels(name).substr(72, 144)) << name;
  }
}

TEST_F(SyncTest, TellsInTheBytesThatAKernelsBackupHasTaken) {
  Node& n = *master_;
  add_recorded(n);
  n.established(n.open(flow(0)));
  n.established(n.open(flow(200)));
  n.packet(*n.find(flow(200)), TcpFlags::fin | TcpFlags::ack);
  n.established(n.open(flow(1, Port(81))));
  n.established(n.open(flow(2, Port(82))));
  n.open(flow(3, Port(53), Protocol::udp));
  Connection& marked = n.open(flow(4, Port(90)));
  n.established(marked);
  n.table.at(marked.controller())->state = 1;
  for (ConnectionId id = 1; id < n.table.id_limit(); ++id) n.table.arm(*n.table.at(id), n.now, 300s);
  SyncSender sender({.id = 7}, kCapacity, 0x01020304, {}, n.now);
  sender.ask_all();
  EXPECT_EQ(to_hex(sender.next(n.view(), n.now, kClock).value()), kRequest);
  sender.lead(true, n.now);
  sender.tell_all(n.now);
  EXPECT_EQ(to_hex(sender.next(n.view(), n.now, kClock).value()), kTakenByAKernel);
}

TEST_F(SyncTest, CountersAndIndexesStayTrueWhateverComes) {  // run under ASan
  add_recorded(*backup_);
  std::mt19937 engine(11);
  const auto random = [&](size_t n) { return static_cast<size_t>(engine()) % n; };
  for (int round = 0; round < 20000; ++round) {
    Datagram d = datagram(kRecordedSync[random(std::size(kRecordedSync))]);
    for (size_t n = random(5); n-- > 0;) d[8 + random(d.size() - 8)] = static_cast<uint8_t>(engine());
    if (backup_->table.size() + 8 > backup_->table.capacity()) break;
    backup_->hear(d);
    wait(Duration(random(50)));
  }
  EXPECT_GT(backup_->receiver.counters().entries, 10000u);
  std::vector<Server> counted(32);
  for (ConnectionId id = 1; id < backup_->table.id_limit(); ++id) {
    Connection* const c = backup_->table.at(id);
    if (!c) continue;
    Server& server = counted[c->server];
    ++(c->is_template() ? server.persistent : c->flags & Connection::inactive ? server.inactive : server.active);
    EXPECT_EQ(backup_->find(c->key()), c);
  }
  for (ServerSlot slot = 0; slot < 32; ++slot) {
    const Server& server = backup_->services.server(slot);
    EXPECT_EQ(server.active, counted[slot].active);
    EXPECT_EQ(server.inactive, counted[slot].inactive);
    EXPECT_EQ(server.persistent, counted[slot].persistent);
  }
}

TEST_F(SyncTest, TheBackupsConnectionIsTheMasters) {
  master_->established(master_->open(flow(0)));
  master_->established(master_->open(flow(1), 1));
  master_->established(master_->open(flow(2, Port(82))));
  master_->established(master_->open(flow(3, Port(90))));
  master_->established(master_->open(flow(4, Port(85))));
  Connection& udp = master_->open(flow(5, Port(53), Protocol::udp));
  for (int n = 0; n < 3; ++n) master_->packet(udp, 0);
  deliver();
  EXPECT_EQ(backup_->counts(), master_->counts());
  master_->sender.tell_all(master_->now);
  deliver();  // now that the templates are there, connections are put under them
  EXPECT_EQ(backup_->listing(true), master_->listing(true));
  EXPECT_EQ(backup_->listing().size(), 8u);
  EXPECT_EQ(backup_->table.two_sided(), 1u);
  const Connection& c = *backup_->find(flow(0));
  EXPECT_EQ(c.packets, 3);  // as in IPVS: so it tells with the fiftieth packet from now on
  EXPECT_EQ(c.method(), Method::route);
  EXPECT_NE(c.flags & Connection::no_output, 0);
}

TEST_F(SyncTest, AStateThatIsToldMovesTheServersCounters) {
  Connection& c = master_->open(flow(0));
  master_->established(c);
  deliver();
  EXPECT_EQ(backup_->counts().substr(0, 5), "1/0/0");
  master_->packet(c, TcpFlags::fin | TcpFlags::ack);
  deliver();
  EXPECT_EQ(backup_->counts().substr(0, 5), "0/1/0");
  EXPECT_STREQ(state_name(*backup_->find(flow(0))), "FIN_WAIT");
}

TEST_F(SyncTest, AConnectionThatWentToAnotherServerReplacesTheOldOneAndALateEndDoesNot) {
  Connection& before = master_->open(flow(0), 0);
  master_->established(before);
  deliver();
  master_->packet(before, TcpFlags::rst);
  wait(2s);
  const auto late = master_->speak();
  master_->end(before);
  master_->established(master_->open(flow(0), 1));
  deliver();
  EXPECT_EQ(text(backup_->find(flow(0))->real_server()), "192.0.2.12:80");
  EXPECT_EQ(backup_->table.size(), 1u);
  for (const Datagram& d : late) EXPECT_FALSE(backup_->hear(d));
  EXPECT_STREQ(state_name(*backup_->find(flow(0))), "ESTABLISHED");
  EXPECT_EQ(backup_->receiver.counters().of(SyncRefusal::late), 1u);
}

TEST_F(SyncTest, TakesNothingThatItsServicesDoNotKnow) {
  const auto refused = [&](const SyncEntry& e) {
    const auto before = backup_->receiver.counters().refused;
    EXPECT_FALSE(backup_->hear(message_of({e})));
    std::string all;
    for (size_t i = 0; i < before.size(); ++i) {
      if (backup_->receiver.counters().refused[i] != before[i]) all += name(static_cast<SyncRefusal>(i));
    }
    return all;
  };
  SyncEntry e = plain_entry();
  EXPECT_EQ(refused(e), "");
  e = plain_entry(), e.server.addr = ip("192.0.2.99");
  EXPECT_EQ(refused(e), "no-server");
  e = plain_entry(), e.server.port = Port(81);
  EXPECT_EQ(refused(e), "no-server");
  e = plain_entry(), e.vip.port = Port(81);
  EXPECT_EQ(refused(e), "no-server");
  e = plain_entry(), e.protocol = Protocol::icmp;
  EXPECT_EQ(refused(e), "unknown-protocol");
  e = plain_entry(), e.protocol = Protocol::any;
  EXPECT_EQ(refused(e), "unknown-protocol");
  e = plain_entry(), e.state = 11;
  EXPECT_EQ(refused(e), "unknown-state");
  e = plain_entry(), e.protocol = Protocol::udp, e.state = 1;
  EXPECT_EQ(refused(e), "unknown-state");
  e = plain_entry(), e.client.port = Port(0), e.flags |= SyncFlags::no_client_port;
  EXPECT_EQ(refused(e), "no-client-port");
  EXPECT_EQ(backup_->table.size(), 1u);
}

TEST_F(SyncTest, DeadlinesAreTheTimeLeftThenTheTimeoutThenTheStates) {
  const auto left = [&](SyncEntry e) {
    EXPECT_FALSE(backup_->hear(message_of({e})));
    return backup_->table.left(*backup_->find(flow(6)), backup_->now) / 1s;
  };
  SyncEntry e = plain_entry();
  e.timeout = 77;
  EXPECT_EQ(left(e), 77);
  e.extra = SyncExtra{.left = 33s};
  EXPECT_EQ(left(e), 33);
  e.extra.reset(), e.timeout = 0;
  EXPECT_EQ(left(e), 900);
  e.state = static_cast<uint16_t>(TcpState::close);
  EXPECT_EQ(left(e), 10);
}

// Without a key, a sender may be forged.
TEST_F(SyncTest, WithoutAKeyNoConnectionLivesLongerThanOneOfOurs) {
  const auto capped = [&] { return backup_->receiver.counters().capped; };
  SyncEntry e = plain_entry();
  EXPECT_FALSE(backup_->hear(message_of({e})));
  EXPECT_EQ(capped(), 0u);
  e.timeout = 0xffffffff;
  EXPECT_FALSE(backup_->hear(message_of({e})));
  EXPECT_EQ(backup_->table.left(*backup_->find(flow(6)), backup_->now), 900s);
  e.extra = SyncExtra{.left = 31 * 24h};
  e.state = static_cast<uint16_t>(TcpState::close);
  EXPECT_FALSE(backup_->hear(message_of({e})));
  EXPECT_EQ(backup_->table.left(*backup_->find(flow(6)), backup_->now), 10s);
  SyncEntry t = plain_entry();
  t.vip.port = t.server.port = Port(85), t.client = {ip("198.51.100.0"), Port(0)};
  t.flags |= SyncFlags::persistence, t.state = 1, t.timeout = 31 * 86400;
  EXPECT_FALSE(backup_->hear(message_of({t})));
  const FlowKey key{ip("198.51.100.0"), ip("192.0.2.100"), Port(0), Port(85), Protocol::tcp, true};
  ASSERT_TRUE(backup_->find(key));
  EXPECT_EQ(backup_->table.left(*backup_->find(key), backup_->now), 100s);
  EXPECT_EQ(backup_->find(key)->stay.seconds, 100u);
  EXPECT_EQ(capped(), 3u);
}

TEST_F(SyncTest, WithAKeyLifetimesAreTheMasters) {
  make({}, seal_with(42));
  master_->timeouts.tcp = 3600s;
  master_->established(master_->open(flow(0)));
  deliver();
  EXPECT_GT(backup_->table.left(*backup_->find(flow(0)), backup_->now), 3000s);
  EXPECT_EQ(backup_->receiver.counters().capped, 0u);
}

TEST_F(SyncTest, WithoutAKeyAShareOfTheTableIsKeptForOurOwn) {
  make({.share = 50});
  const auto tell = [&](uint32_t n) {
    SyncEntry e = plain_entry();
    e.client = {flow(n).client, flow(n).cport};
    EXPECT_FALSE(backup_->hear(message_of({e})));
  };
  const uint32_t most = backup_->table.capacity() / 2;
  for (uint32_t n = 0; n < most + 100; ++n) tell(n);
  EXPECT_EQ(backup_->table.size(), most);
  EXPECT_EQ(backup_->receiver.counters().of(SyncRefusal::over_share), 100u);
  tell(0);  // one that is there already
  EXPECT_EQ(backup_->receiver.counters().of(SyncRefusal::over_share), 100u);
}

TEST_F(SyncTest, FindsServersOfMarksAndOfEveryPortAsIpvsDoes) {
  backup_->add({.key = {Protocol::tcp, {ip("192.0.2.101"), Port(0)}, {}}, .persistence = 200s}, {"192.0.2.11:0"});
  backup_->add({.key = {.mark = Mark(11)}, .persistence = 50s}, {"203.0.113.11:9090"}, Method::masq);
  backup_->add({.key = {Protocol::tcp, {ip("192.0.2.100"), Port(21)}, {}}, .persistence = 60s}, {"192.0.2.12:21"});
  SyncEntry e = plain_entry();  // a mark's connection, and its template
  e.mark = Mark(10), e.vip.port = e.server.port = Port(443);
  SyncEntry t = plain_entry();
  t.mark = Mark(10), t.protocol = Protocol::any, t.vip = {Ip(10), Port(0)}, t.client.port = t.server.port = Port(0);
  t.flags |= SyncFlags::persistence, t.state = 1, t.timeout = 360;
  SyncEntry every = plain_entry();
  every.vip = {ip("192.0.2.101"), Port(7777)}, every.server.port = Port(7777);
  SyncEntry nat = t;  // its server's port is not told; there is only one with this address
  nat.mark = Mark(11), nat.vip.addr = Ip(11), nat.server.addr = ip("203.0.113.11"), nat.flags &= ~7u;
  SyncEntry ftp = t;
  ftp.mark = {}, ftp.protocol = Protocol::tcp, ftp.vip.addr = ip("192.0.2.100"), ftp.server.addr = ip("192.0.2.12");
  EXPECT_FALSE(backup_->hear(message_of({t, e, every, nat, ftp})));
  EXPECT_EQ(backup_->listing(),
            (std::set<std::string>{
                "ip 198.51.100.7:0 0.0.0.10:0 192.0.2.11:0 ASSURED 360",
                "ip 198.51.100.7:0 0.0.0.11:0 203.0.113.11:0 ASSURED 50",
                "tcp 198.51.100.7:0 192.0.2.100:0 192.0.2.12:0 ASSURED 60",
                "tcp 198.51.100.7:1001 192.0.2.100:443 192.0.2.11:443 ESTABLISHED 00:00:00:00:00:00 controlled",
                "tcp 198.51.100.7:1001 192.0.2.101:7777 192.0.2.11:7777 ESTABLISHED 00:00:00:00:00:00",
            }));
}

TEST_F(SyncTest, AnotherGroupsAndItsOwnMessagesAreLeftAlone) {
  make({.id = 7});
  EXPECT_EQ(backup_->hear(message_of({plain_entry()}, 8)), SyncRefusal::other_id);
  EXPECT_FALSE(backup_->hear(message_of({plain_entry()}, 7)));
  make({.id = 0});
  EXPECT_FALSE(backup_->hear(message_of({plain_entry()}, 8)));
  master_->sender.ask_all();
  EXPECT_EQ(master_->hear(master_->speak().at(0)), SyncRefusal::own);
}

TEST_F(SyncTest, WithAKeyOnlyWhatIsSealedFreshAndNewIsBelieved) {
  make({}, seal_with(42));
  master_->established(master_->open(flow(0)));
  wait(2s);
  const Datagram good = master_->speak().at(0);
  EXPECT_EQ(backup_->hear(message_of({plain_entry()})), SyncRefusal::unsealed);
  for (const size_t at : {size_t{1}, size_t{20}, good.size() - 33, good.size() - 1}) {
    Datagram changed = good;
    changed[at] ^= 1;
    EXPECT_EQ(backup_->hear(changed), SyncRefusal::seal) << at;
  }
  Node other(3, {}, seal_with(43));
  EXPECT_EQ(other.hear(good), SyncRefusal::seal);
  backup_->clock = UnixTime(backup_->clock.value + 31000);
  EXPECT_EQ(backup_->hear(good), SyncRefusal::stale);
  backup_->clock = UnixTime(backup_->clock.value - 62000);
  EXPECT_EQ(backup_->hear(good), SyncRefusal::stale);
  backup_->clock = master_->clock;
  EXPECT_EQ(backup_->table.size(), 0u);
  EXPECT_FALSE(backup_->hear(good));
  EXPECT_EQ(backup_->table.size(), 1u);
  EXPECT_EQ(backup_->hear(good), SyncRefusal::replayed);
  EXPECT_EQ(backup_->receiver.counters().of(SyncRefusal::seal), 4u);
  Node open_node(4);  // without a key, seals are ignored
  EXPECT_FALSE(open_node.hear(good));
}

TEST_F(SyncTest, SendersAreForgottenOnlyWhenTheirMessagesAreTooOldToBeReplayed) {
  make({}, seal_with(42));
  std::vector<std::unique_ptr<Node>> senders;
  std::vector<Datagram> first;
  for (uint32_t n = 0; n < 17; ++n) {
    senders.push_back(std::make_unique<Node>(100 + n, SyncSettings{}, seal_with(42)));
    senders.back()->sender.ask_all();
    first.push_back(senders.back()->speak().at(0));
  }
  for (uint32_t n = 0; n < 16; ++n) EXPECT_FALSE(backup_->hear(first[n]));
  EXPECT_EQ(backup_->hear(first[16]), SyncRefusal::crowded);
  wait(61s);
  senders[16]->clock = backup_->clock;
  senders[16]->sender.ask_all();
  EXPECT_FALSE(backup_->hear(senders[16]->speak().at(0)));
  EXPECT_EQ(backup_->hear(first[0]), SyncRefusal::stale);
}

}  // namespace
}  // namespace rawvs
