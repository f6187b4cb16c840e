// SPDX-License-Identifier: BSD-2-Clause
// director_room_test.cpp: a connection table that fills: what gives way, and what never does.
#include "core/pressure.h"
#include "core/track.h"
#include "director_fixture.h"

namespace rawvs {
namespace {

class RoomTest : public DirectorTest {
 protected:
  // Settings without shares: a full table alone makes connections give way.
  static Settings small(uint32_t connections) {
    Settings s{.max_connections = connections};
    s.protocol_share = s.service_share = s.client_share = 100;
    s.secure_tcp = 0;
    return s;
  }
  static std::string forger(uint32_t n) { return text(Ip(0xc6336500 + n)); }  // 198.51.101.0 on
  bool forge(uint32_t n) { return !arrive(frame(Tcp{.src = forger(n)})).empty(); }
  const Connection* connection(const std::string& client, uint16_t port = 1001) {
    const auto& table = director_->connections();
    const FlowKey key{ip(client), key_.vip.addr, Port(port), key_.vip.port, key_.protocol, false};
    return table.find(Side::client, key, table.hash(key));
  }
  // A client that gets an answer of some kilobytes by DR: its packets alone are seen.
  void converse(const std::string& client, uint16_t port = 1001) {
    arrive(frame(Tcp{.src = client, .sport = port}));
    arrive(frame(Tcp{.src = client, .sport = port, .flags = "A", .seq = 1001, .ack = 5001}));
    arrive(frame(Tcp{.src = client, .sport = port, .flags = "PA", .data = "GET /", .seq = 1001, .ack = 5001}));
    for (uint32_t ack = 6449; ack < 5001 + 8 * 1448; ack += 1448) {
      arrive(frame(Tcp{.src = client, .sport = port, .flags = "A", .seq = 1006, .ack = ack}));
    }
  }
  uint64_t gave_way(Unproven kind) { return director_->pressure().gave_way[static_cast<size_t>(kind)]; }
};

TEST_F(RoomTest, TheOldestHalfOpenConnectionGivesWayAndAConversationNeverDoes) {
  make(small(4));
  web(1);
  converse("198.51.100.1");
  for (uint32_t n = 1; n <= 100; ++n) ASSERT_TRUE(forge(n)) << n;
  EXPECT_EQ(count(Exit::table_full), 0u);
  EXPECT_EQ(director_->connections().size(), 4u);
  EXPECT_TRUE(connection("198.51.100.1"));
  for (const uint32_t n : {98u, 99u, 100u}) EXPECT_TRUE(connection(forger(n))) << n;
  EXPECT_FALSE(connection(forger(97)));
  EXPECT_EQ(gave_way(Unproven::half_open), 97u);
  const Server& s = director_->services().servers()[0];
  EXPECT_EQ(s.references(), 4u);
  EXPECT_EQ(s.half_open, 3u);
  EXPECT_EQ(director_->services().services()[0].half_open, 3u);
}

TEST_F(RoomTest, WithoutAnythingUnprovenNewcomersAreRefused) {
  make(small(2));
  web(1);
  converse("198.51.100.1");
  converse("198.51.100.2");
  EXPECT_FALSE(forge(1));
  EXPECT_EQ(count(Exit::table_full), 1u);
  EXPECT_EQ(director_->pressure().unproven, (std::array<uint32_t, 4>{}));
}

TEST_F(RoomTest, DropEntryOffRefusesWhenFull) {
  Settings s = small(2);
  s.drop_entry = 0;
  make(s);
  web(1);
  for (uint32_t n = 1; n <= 5; ++n) forge(n);
  EXPECT_EQ(count(Exit::table_full), 3u);
  EXPECT_EQ(gave_way(Unproven::half_open), 0u);
}

// SYN and ACK without a handshake: what a forger can send.
TEST_F(RoomTest, AForgedAcknowledgementProvesNothing) {
  make(small(3));
  web(1);
  for (uint32_t n = 1; n <= 50; ++n) {
    ASSERT_TRUE(forge(n));
    for (int again = 0; again < 20; ++again) arrive(frame(Tcp{.src = forger(n), .flags = "A", .seq = 1001, .ack = 77}));
  }
  EXPECT_EQ(director_->connections().size(), 3u);
  EXPECT_EQ(director_->pressure().unproven[static_cast<size_t>(Unproven::quiet)], 3u);
  EXPECT_EQ(gave_way(Unproven::quiet), 47u);
}

TEST_F(RoomTest, WithNatTheServersDataIsProof) {
  make(small(3));
  nat(1);
  const auto open = [&](const std::string& client) {
    arrive(frame(Tcp{.src = client}));
    arrive(
        frame(Tcp{.src = "203.0.113.11", .dst = client, .sport = 8080, .dport = 1001, .flags = "SA", .to = kInsideMac}),
        kInLink);
    arrive(frame(Tcp{.src = client, .flags = "A"}));
  };
  open("198.51.100.1");
  EXPECT_TRUE(connection("198.51.100.1")->is_unproven()) << "the ACK may be forged";
  arrive(frame(Tcp{.src = "203.0.113.11",
                   .dst = "198.51.100.1",
                   .sport = 8080,
                   .dport = 1001,
                   .flags = "PA",
                   .data = "220",
                   .to = kInsideMac}),
         kInLink);
  EXPECT_FALSE(connection("198.51.100.1")->is_unproven());
  for (uint32_t n = 1; n <= 10; ++n) open(forger(n));
  EXPECT_TRUE(connection("198.51.100.1"));
  EXPECT_EQ(director_->connections().size(), 3u);
  EXPECT_EQ(director_->connections().two_sided(), 3u);
  // The guard no longer expects the replies of who gave way, and the new one's.
  EXPECT_TRUE(forge(20));
  ASSERT_EQ(out_.reply_changes().size(), 2u);
  EXPECT_FALSE(out_.reply_changes()[0].expected);
  EXPECT_TRUE(out_.reply_changes()[1].expected);
}

TEST_F(RoomTest, UdpIsProvenBySeveralExchangesNotByAnAnswer) {
  make(small(2));
  nat(1, 53, {.key = {Protocol::udp, {ip("192.0.2.100"), Port(53)}, {}}});
  const auto exchange = [&](const std::string& client) {
    arrive(frame(Udp{.src = client}));
    arrive(frame(Udp{.src = "203.0.113.11", .dst = client, .sport = 53, .dport = 1001, .to = kInsideMac}), kInLink);
    now_ += 20ms;
  };
  exchange("198.51.100.1");
  EXPECT_TRUE(connection("198.51.100.1")->is_unproven()) << "a server answers forgers, too";
  for (int i = 0; i < 4; ++i) exchange("198.51.100.1");
  EXPECT_FALSE(connection("198.51.100.1")->is_unproven());
  for (uint32_t n = 1; n <= 20; ++n) exchange(forger(n));
  EXPECT_TRUE(connection("198.51.100.1"));
  EXPECT_EQ(gave_way(Unproven::one_way), 19u);
}

TEST_F(RoomTest, AFloodOfOneServiceTakesNothingFromAnother) {
  make(small(64));
  web(1);
  const ServiceKey flooded = key_;
  const ServiceKey other{Protocol::tcp, {ip("192.0.2.101"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({other, Scheduler::rr}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(other, {.at = {ip("192.0.2.11"), Port(80)}}, {now_, out_}));
  for (uint16_t port = 1; port <= 8; ++port) arrive(frame(Tcp{.dst = "192.0.2.101", .sport = port}));
  for (uint32_t n = 1; n <= 200; ++n) ASSERT_TRUE(forge(n));
  key_ = other;
  for (uint16_t port = 1; port <= 8; ++port) EXPECT_TRUE(connection("198.51.100.1", port)) << port;
  EXPECT_EQ(director_->services().find(flooded)->half_open, 56u);
  EXPECT_EQ(director_->services().find(other)->half_open, 8u);
}

TEST_F(RoomTest, AClientsNetworkBeyondItsShareGivesWayFirst) {
  Settings s = small(20);
  s.client_share = 20;  // four connections
  make(s);
  web(1);
  arrive(frame(Tcp{.src = "203.0.113.200"}));
  for (uint16_t port = 1; port <= 200; ++port) arrive(frame(Tcp{.src = "198.51.100.7", .sport = port}));
  EXPECT_TRUE(connection("203.0.113.200")) << "the oldest of all, but not beyond its share";
  for (uint16_t port = 1; port <= 4; ++port) EXPECT_TRUE(connection("198.51.100.7", port)) << port;
}

TEST_F(RoomTest, AProtocolKeepsToItsShare) {
  Settings s = small(100);
  s.protocol_share = 50;
  make(s);
  web(1);
  for (uint32_t n = 1; n <= 80; ++n) ASSERT_TRUE(forge(n));
  EXPECT_EQ(director_->connections().size(), 50u);
  s.protocol_share = 100;
  s.service_share = 30;
  director_->set_settings(s, now_);
  for (uint32_t n = 101; n <= 180; ++n) ASSERT_TRUE(forge(n));
  EXPECT_EQ(director_->connections().size(), 50u)
      << "the service has more than its share, and each new one replaces one";
}

TEST_F(RoomTest, AForgedClientsTemplateGoesWithItsConnection) {
  make(small(6));
  key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({.key = key_, .scheduler = Scheduler::rr, .persistence = 300s}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(key_, server(1), {now_, out_}));
  resolve(1);
  converse("198.51.100.1");
  for (uint32_t n = 1; n <= 100; ++n) ASSERT_TRUE(forge(n)) << n;
  const Server& s = director_->services().servers()[0];
  EXPECT_EQ(s.persistent, 3u) << "the first client's and two others'";
  EXPECT_EQ(s.active + s.inactive, 3u);
  EXPECT_TRUE(connection("198.51.100.1"));
  // Its connections have expired: the unassured templates alone give way, too.
  pass(70s);
  resolve(1);
  EXPECT_EQ(director_->pressure().unproven[static_cast<size_t>(Unproven::unassured)], 2u);
  for (uint32_t n = 201; n <= 220; ++n) ASSERT_TRUE(forge(n)) << n;
  EXPECT_TRUE(connection("198.51.100.1"));
}

TEST_F(RoomTest, AWideConnectionGetsTwoNeighbouringPlaces) {
  make(small(8));
  web(1);
  const ServiceKey six{Protocol::tcp, {ip("2001:db8::100"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({six, Scheduler::rr}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(six, {.at = {ip("2001:db8::11"), Port(80)}, .mac = kClientMac}, {now_, out_}));
  for (uint32_t n = 1; n <= 8; ++n) ASSERT_TRUE(forge(n));
  for (uint16_t port = 1; port <= 20; ++port)
    arrive(frame(Tcp{.src = "2001:db8:1::1", .dst = "2001:db8::100", .sport = port}));
  EXPECT_EQ(count(Exit::table_full), 0u);
  EXPECT_GE(director_->connections().places(), 7u);
  for (uint32_t n = 1; n <= 8; ++n) ASSERT_TRUE(forge(n)) << "and the other way round";
  EXPECT_EQ(count(Exit::table_full), 0u);
}

TEST_F(RoomTest, UnprovenConnectionsLiveShorterFromThreeQuartersOn) {
  make(small(100));
  web(1);
  for (uint32_t n = 1; n <= 74; ++n) ASSERT_TRUE(forge(n));
  EXPECT_FALSE(director_->pressure().on);
  const auto left = [&](uint32_t n) { return director_->connections().left(*connection(forger(n)), now_); };
  EXPECT_EQ(left(74), 60s);
  for (uint32_t n = 75; n <= 100; ++n) ASSERT_TRUE(forge(n));
  EXPECT_TRUE(director_->pressure().on);
  EXPECT_EQ(left(75), 30s);
  EXPECT_EQ(left(100), 3s);
  converse("198.51.100.1");
  EXPECT_EQ(director_->connections().left(*connection("198.51.100.1"), now_), 900s);
  pass(61s);
  EXPECT_FALSE(director_->pressure().on);
}

TEST_F(RoomTest, DropPacketDropsMoreTheFewerPlacesAreLeft) {
  Settings s = small(100);
  s.drop_packet = 1;
  make(s);
  web(1);
  for (uint16_t port = 1; port <= 75; ++port) converse("198.51.100.1", port);
  EXPECT_EQ(count(Exit::shed), 0u) << "a quarter is left";
  for (uint16_t port = 76; port <= 95; ++port) converse("198.51.100.1", port);
  const uint64_t before = count(Exit::shed);
  EXPECT_GT(before, 0u);
  s.drop_packet = 3;
  director_->set_settings(s, now_);
  for (uint32_t n = 1; n <= 100; ++n) forge(n);
  EXPECT_NEAR(static_cast<double>(count(Exit::shed)), static_cast<double>(before + 10), 1);
}

TEST_F(RoomTest, HalfOpenConnectionsOfAServerAreLimited) {
  Settings s = small(1000);
  s.half_open_server = 100;
  make(s);
  web(1);
  for (uint32_t n = 1; n <= 75; ++n) ASSERT_TRUE(forge(n));
  for (uint32_t n = 76; n <= 5000; ++n) forge(n);
  EXPECT_EQ(director_->services().servers()[0].half_open, 100u);
  EXPECT_EQ(count(Exit::half_open_full), 5000u - 100);
  s.half_open_server = 0;
  s.half_open_service = 50;
  director_->set_settings(s, now_);
  EXPECT_FALSE(forge(6000));
  EXPECT_EQ(director_->remove_server(key_, server(1).at, {now_, out_}), std::nullopt);
  EXPECT_EQ(director_->services().find(key_)->half_open, 0u);
  EXPECT_EQ(director_->add_server(key_, server(1), {now_, out_}), std::nullopt);
  EXPECT_EQ(director_->services().find(key_)->half_open, 100u) << "its connections return with it";
}

TEST_F(RoomTest, HashSchedulersForwardWithoutAnEntry) {
  make(small(2));
  web(2, Scheduler::sh);
  converse("198.51.100.1");
  converse("198.51.100.2");
  const std::string syn = arrive(frame(Tcp{.src = "198.51.100.3"}));
  EXPECT_NE(syn, "");
  EXPECT_EQ(count(Exit::table_full), 0u);
  const std::string ack = arrive(frame(Tcp{.src = "198.51.100.3", .flags = "A", .seq = 1001, .ack = 5001}));
  EXPECT_EQ(ack.substr(0, 40), syn.substr(0, 40)) << "the same server";
  EXPECT_EQ(director_->pressure().without, 2u);
  EXPECT_EQ(director_->connections().size(), 2u);
  EXPECT_EQ(director_->services().services()[0].traffic.connections, 3u);
  const Server& one = director_->services().servers()[0];
  const Server& two = director_->services().servers()[1];
  EXPECT_EQ(one.references() + two.references(), 2u);
}

TEST_F(RoomTest, SecureTcpWaitsForTheServer) {
  Settings s = small(1000);
  s.secure_tcp = 3;
  make(s);
  nat(1);
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.flags = "A"}));
  EXPECT_STREQ(state_name(*connection("198.51.100.1")), "SYN_RECV");
  arrive(
      frame(Tcp{
          .src = "203.0.113.11", .dst = "198.51.100.1", .sport = 8080, .dport = 1001, .flags = "A", .to = kInsideMac}),
      kInLink);
  EXPECT_STREQ(state_name(*connection("198.51.100.1")), "ESTABLISHED");
}

TEST_F(RoomTest, TheLogSaysWhenItBeginsAndEnds) {
  make(small(8));
  web(1);
  for (uint32_t n = 1; n <= 20; ++n) forge(n);
  pass(1s);
  EXPECT_EQ(notices(),
            "connection table: three quarters full (8 of 8 entries): see drop_entry in rawvs.ini(5)"
            "connection table: 12 unproven connections gave way to others (half-open:12); 8 of 8 entries");
  for (uint32_t n = 21; n <= 30; ++n) forge(n);
  pass(1s);
  EXPECT_EQ(notices(), "") << "at most once a minute";
  EXPECT_LE(director_->next_deadline(), now_ + 60s);
  pass(60s);
  EXPECT_EQ(notices(),
            "connection table: it has room again (0 of 8 entries)"
            "connection table: 10 unproven connections gave way to others (half-open:10); 0 of 8 entries");
}

}  // namespace
}  // namespace rawvs
