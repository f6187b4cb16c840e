// SPDX-License-Identifier: BSD-2-Clause
// Tests persistence through director.h: templates created, used, kept, retired; marks, FTP, every port.
#include "core/track.h"
#include "director_fixture.h"

namespace rawvs {
namespace {

class PersistenceTest : public DirectorTest {
 protected:
  void sticky(ServiceKey key, int servers, Duration persistence = 300s, Netmask mask = {}) {
    key_ = key;
    ServiceSpec spec{.key = key, .scheduler = Scheduler::rr};
    spec.persistence = persistence;
    spec.netmask = mask;
    ASSERT_FALSE(director_->add(spec, {now_, out_}));
    for (int i = 1; i <= servers; ++i) ASSERT_FALSE(director_->add_server(key_, server(i), {now_, out_}));
    for (int i = 1; i <= servers; ++i) resolve(i);
  }
  static ServiceKey at(uint16_t port) { return {Protocol::tcp, {ip("192.0.2.100"), Port(port)}, {}}; }
  // The number of the server that got the SYN; 0: none.
  int server_of(const std::string& client, uint16_t sport, uint16_t dport) {
    const std::string to = arrive(frame(Tcp{.src = client, .sport = sport, .dport = dport}));
    for (int i = 1; i <= 9; ++i) {
      if (to.starts_with(mac_of(0x10) + '>' + mac_of(0x10 + i) + ' ')) return i;
    }
    return 0;
  }
  const Connection* client_template() {
    for (ConnectionId id = 1; id < director_->connections().id_limit(); ++id) {
      const Connection* const c = director_->connections().at(id);
      if (c && c->is_template()) return c;
    }
    return nullptr;
  }
};

TEST_F(PersistenceTest, AClientStaysWhereItBegan) {
  sticky(at(80), 2);
  EXPECT_EQ(server_of("198.51.100.1", 1001, 80), 2);
  EXPECT_EQ(server_of("198.51.100.1", 1002, 80), 2);
  EXPECT_EQ(server_of("198.51.100.2", 1001, 80), 1);
  EXPECT_EQ(server_of("198.51.100.1", 1003, 80), 2);
  EXPECT_EQ(director_->services().servers()[1].persistent, 1u);
  EXPECT_EQ(director_->connections().size(), 6u);
}

TEST_F(PersistenceTest, ANetmaskMakesNeighboursOneClient) {
  sticky(at(80), 2, 300s, Netmask(ip("255.255.255.240")));
  EXPECT_EQ(server_of("198.51.100.1", 1001, 80), 2);
  EXPECT_EQ(server_of("198.51.100.14", 1001, 80), 2);
  EXPECT_EQ(server_of("198.51.100.17", 1001, 80), 1);
  EXPECT_EQ(client_template()->client().addr, ip("198.51.100.0"));
}

TEST_F(PersistenceTest, EveryPortOfAClientIsOneServersButAServiceOfOnePortComesFirst) {
  sticky(at(0), 2);
  const ServiceKey https = at(443);
  ASSERT_FALSE(director_->add({.key = https, .scheduler = Scheduler::rr}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(https, {.at = {ip("192.0.2.11"), Port(443)}}, {now_, out_}));
  EXPECT_EQ(server_of("198.51.100.1", 1001, 80), 2);
  EXPECT_EQ(server_of("198.51.100.1", 1002, 8000), 2);
  EXPECT_EQ(server_of("198.51.100.1", 1003, 443), 1);
  EXPECT_EQ(client_template()->vip().port.value, 0);
}

TEST_F(PersistenceTest, AnFtpServiceTakesItsDataConnectionsToTheSameServer) {
  sticky(at(21), 2);
  EXPECT_EQ(server_of("198.51.100.1", 1001, 21), 2);
  EXPECT_EQ(server_of("198.51.100.2", 1001, 21), 1);
  EXPECT_EQ(server_of("198.51.100.1", 1002, 30000), 2);
  EXPECT_EQ(server_of("198.51.100.2", 1002, 1024), 1);
  EXPECT_EQ(server_of("198.51.100.1", 1003, 20), 2);
  EXPECT_EQ(server_of("198.51.100.1", 1004, 1023), 0);
  EXPECT_EQ(count(Exit::reset_sent), 1u);
}

TEST_F(PersistenceTest, AMarkIsOneGroupOfPortsAndProtocols) {
  const Mark mark{10};
  director_->set_groups({{ip("192.0.2.100"), Protocol::tcp, {{80, 80}, {443, 443}}, mark},
                         {ip("192.0.2.100"), Protocol::udp, {{53, 53}}, mark}},
                        {now_, out_});
  sticky({Protocol::any, {}, mark}, 2);
  EXPECT_EQ(server_of("198.51.100.1", 1001, 80), 2);
  EXPECT_EQ(server_of("198.51.100.2", 1001, 443), 1);
  EXPECT_EQ(server_of("198.51.100.1", 1002, 443), 2);
  EXPECT_EQ(arrive(frame(Udp{})), to_server(2, "198.51.100.1:1001 > 192.0.2.100:53 udp ttl 63"));
  EXPECT_EQ(client_template()->vip().addr, Ip(10));
  EXPECT_EQ(client_template()->protocol, Protocol::any);
}

TEST_F(PersistenceTest, AGroupMayLookAtWhereTheClientIs) {
  const Mark mark{10};
  director_->set_groups({{ip("192.0.2.100"), Protocol::tcp, {{80, 80}}, mark, {ip("198.51.100.0"), 29}}}, {now_, out_});
  sticky({Protocol::any, {}, mark}, 1);
  EXPECT_EQ(server_of("198.51.100.7", 1001, 80), 1);
  EXPECT_EQ(server_of("198.51.100.8", 1001, 80), 0);
}

TEST_F(PersistenceTest, TheTemplateLivesOnWhileItsConnectionsDo) {
  sticky(at(80), 2, 10s);
  EXPECT_EQ(server_of("198.51.100.1", 1001, 80), 2);
  arrive(frame(Tcp{.flags = "A"}));
  pass(11s);
  ASSERT_TRUE(client_template());
  EXPECT_EQ(client_template()->stay.seconds, 60u);
  EXPECT_STREQ(state_name(*client_template()), "ASSURED");
  arrive(frame(Tcp{.flags = "R"}));
  pass(11s);
  EXPECT_EQ(client_template()->stay.children, 0u);
  pass(60s);
  EXPECT_FALSE(client_template());
  EXPECT_EQ(director_->services().servers()[1].persistent, 0u);
}

TEST_F(PersistenceTest, WeightZeroKeepsPersistentClientsUnlessToldOtherwise) {
  for (const bool quiescent : {false, true}) {
    Settings settings;
    settings.expire_quiescent_template = quiescent;
    make(settings);
    sticky(at(80), 2);
    EXPECT_EQ(server_of("198.51.100.1", 1001, 80), 2);
    ServerSpec drained = server(2);
    drained.weight = 0;
    ASSERT_FALSE(director_->edit_server(key_, drained, {now_, out_}));
    EXPECT_EQ(server_of("198.51.100.1", 1002, 80), quiescent ? 1 : 2);
  }
}

TEST_F(PersistenceTest, ARemovedServersTemplateIsNotFollowed) {
  sticky(at(80), 2);
  EXPECT_EQ(server_of("198.51.100.1", 1001, 80), 2);
  ASSERT_FALSE(director_->remove_server(key_, server(2).at, {now_, out_}));
  EXPECT_EQ(server_of("198.51.100.1", 1002, 80), 1);
}

TEST_F(PersistenceTest, TheConnectionsOfARemovedServerEndWithExpireNodestConn) {
  Settings settings;
  settings.expire_nodest_conn = true;
  make(settings);
  sticky(at(80), 2);
  for (uint16_t port = 1001; port <= 1700; ++port) server_of("198.51.100.1", port, 80);
  EXPECT_EQ(director_->connections().size(), 701u);
  ASSERT_FALSE(director_->remove_server(key_, server(2).at, {now_, out_}));
  EXPECT_LE(director_->next_deadline(), now_);
  pass(0s), pass(0s);
  EXPECT_EQ(director_->connections().size(), 0u);
  EXPECT_GT(director_->next_deadline(), now_);
}

}  // namespace
}  // namespace rawvs
