// SPDX-License-Identifier: BSD-2-Clause
// director_limits_test.cpp: a service's limits: who is refused, by which exit, and what counts.
#include "core/limits.h"
#include "director/explain.h"
#include "director_ipv6_fixture.h"

namespace rawvs {
namespace {

class LimitsTest : public Ipv6Test {
 protected:
  void limit(const ServiceLimits& limits) {
    director_->set_from_file(key_, {std::make_shared<const ServiceLimits>(limits), {}});
  }
  static std::shared_ptr<const NetworkList> list(std::initializer_list<const char*> networks,
                                                 const char* name = "deny") {
    NetworkListBuilder builder;
    uint32_t line = 0;
    for (const char* network : networks) builder.add(*parse_network(network), ++line);
    while (!builder.step(100)) continue;
    return builder.take(name);
  }
  bool syn(const std::string& client, uint16_t port = 1001) {
    return !arrive(frame(Tcp{.src = client, .sport = port})).empty();
  }
  bool syn6(const std::string& client) { return !arrive(frame(Tcp{.src = client, .dst = kVip6})).empty(); }
  const Service& service_now() { return *director_->services().find(key_); }
  Explanation explained(const std::string& client, uint16_t port = 9000) {
    return director_->explain({ip(client), key_.vip.addr, Port(port), key_.vip.port, key_.protocol, false}, now_);
  }
  std::string steps(const std::string& client) {
    std::string all;
    for (const std::string& step : explained(client).steps) all += step + '\n';
    return all;
  }
  void wait(Duration d) {
    now_ += d;
    for (int n = 0; n < 100; ++n) director_->time_passed({now_, out_}), out_.clear();
  }
};

TEST_F(LimitsTest, ADeniedClientIsDroppedAndCounted) {
  web(1);
  limit({.access = {.allow = {}, .deny = {list({"198.51.100.128/25"}, "/etc/bad")}}});
  EXPECT_TRUE(syn("198.51.100.1"));
  EXPECT_FALSE(syn("198.51.100.200"));
  EXPECT_EQ(count(Exit::denied), 1u);
  EXPECT_EQ(service_now().use.refused[0], 1u);
  EXPECT_EQ(explained("198.51.100.200").exit, Exit::denied);
  EXPECT_NE(steps("198.51.100.200").find("Its lists: deny 198.51.100.128/25 (/etc/bad:1)."), std::string::npos);
  EXPECT_NE(steps("198.51.100.1").find("Its lists: no network of deny holds it."), std::string::npos);
  EXPECT_EQ(explained("198.51.100.1").exit, Exit::forwarded);
}

TEST_F(LimitsTest, AnExistingConnectionGoesOnWhenItsNetworkIsDenied) {
  web(1);
  EXPECT_TRUE(syn("198.51.100.1"));
  limit({.access = {.allow = {list({"203.0.113.0/24"}, "allow")}, .deny = {}}});
  EXPECT_FALSE(arrive(frame(Tcp{.src = "198.51.100.1", .flags = "A"})).empty());
  EXPECT_FALSE(syn("198.51.100.1", 1002));
  EXPECT_FALSE(arrive(frame(Tcp{.src = "198.51.100.9", .flags = "A"})).empty()) << "no service is asked: RST";
  EXPECT_EQ(count(Exit::denied), 1u);
}

TEST_F(LimitsTest, OtherServicesAreNotConcerned) {
  web(1);
  limit({.access = {.allow = {list({}, "allow")}, .deny = {}}});
  EXPECT_FALSE(arrive(frame(Tcp{.dport = 81})).empty()) << "a closed port is still answered with RST";
  EXPECT_EQ(count(Exit::reset_sent), 1u);
  EXPECT_EQ(count(Exit::denied), 0u);
}

TEST_F(LimitsTest, Ipv6NetworksAreDeniedAndCountedBySixtyFour) {
  service(Method::route);
  limit(
      {.client_connections = 2, .access = {.allow = {}, .deny = {list({"2001:db8:9::/48", "::/0", "2001:db8::/32"})}}});
  EXPECT_FALSE(syn6("2001:db8:9::1"));
  limit({.client_connections = 2, .access = {.allow = {}, .deny = {list({"2001:db8:9::/48", "0.0.0.0/0"})}}});
  EXPECT_FALSE(syn6("2001:db8:9::1"));
  EXPECT_TRUE(syn6("2001:db8:2::1"));
  EXPECT_TRUE(syn6("2001:db8:2::2"));
  EXPECT_FALSE(syn6("2001:db8:2::3"));
  EXPECT_TRUE(syn6("2001:db8:2:1::3"));
  EXPECT_EQ(count(Exit::client_full), 1u);
  EXPECT_EQ(explained("2001:db8:2::9").text, "It is dropped: 2001:db8:2::/64 has 2 connections, client_connections=2.");
}

TEST_F(LimitsTest, MaxConnectionsLetsTheNextOneInWhenOneHasEnded) {
  web(2);
  limit({.max_connections = 5});
  for (uint16_t port = 1001; port <= 1005; ++port) EXPECT_TRUE(syn("198.51.100.1", port));
  EXPECT_FALSE(syn("198.51.100.2"));
  EXPECT_FALSE(syn("198.51.100.2"));
  EXPECT_TRUE(syn("198.51.100.1", 1001)) << "a repeated SYN belongs to its connection";
  EXPECT_EQ(count(Exit::service_full), 2u);
  EXPECT_EQ(service_now().use.connections, 5u);
  EXPECT_EQ(explained("198.51.100.2").text, "It is dropped: the service has 5 connections, max_connections=5.");
  for (const uint16_t server : {uint16_t{0}, uint16_t{1}}) {
    const Endpoint at = director_->services().server(server).spec.at;
    ASSERT_FALSE(director_->remove_server(key_, at, {now_, out_}));
    ASSERT_FALSE(director_->add_server(key_, {.at = at}, {now_, out_}));
    out_.clear();
  }
  EXPECT_EQ(service_now().use.connections, 5u) << "a server that returns brings its connections";
  wait(2min);  // half-open ones expire
  EXPECT_EQ(service_now().use.connections, 0u);
  resolve(1), resolve(2);
  EXPECT_TRUE(syn("198.51.100.2"));
}

TEST_F(LimitsTest, AConnectionThatIsOverCountsNoMore) {
  web(1);
  limit({.max_connections = 1, .client_connections = 1});
  EXPECT_TRUE(syn("198.51.100.1"));
  arrive(frame(Tcp{.src = "198.51.100.1", .flags = "A"}));
  EXPECT_FALSE(syn("198.51.100.2"));
  arrive(frame(Tcp{.src = "198.51.100.1", .flags = "FA"}));
  EXPECT_EQ(service_now().use.connections, 0u);
  EXPECT_EQ(director_->connections().size(), 1u) << "its entry waits for late packets";
  EXPECT_TRUE(syn("198.51.100.2"));
  EXPECT_EQ(service_now().use.connections, 1u);
  arrive(frame(Tcp{.src = "198.51.100.2", .flags = "A"}));
  arrive(frame(Tcp{.src = "198.51.100.2", .flags = "R"}));
  EXPECT_EQ(service_now().use.connections, 0u);
}

TEST_F(LimitsTest, MaxRateFillsAgainWithoutDrift) {
  web(1);
  limit({.max_rate = 3});
  uint64_t begun = 0;
  for (int tenth = 0; tenth < 1000; ++tenth) {
    for (uint16_t n = 0; n < 2; ++n) begun += syn("198.51.100.1", static_cast<uint16_t>(1001 + 2 * tenth + n));
    now_ += 100ms;
  }
  EXPECT_NEAR(static_cast<double>(begun), 3 + 3 * 100, 1);
  EXPECT_EQ(count(Exit::service_rate), 2000 - begun);
  while (syn("198.51.100.7", static_cast<uint16_t>(50000 + begun))) ++begun;
  EXPECT_EQ(explained("198.51.100.7").exit, Exit::service_rate);
  now_ += 334ms;
  EXPECT_EQ(explained("198.51.100.7").exit, Exit::forwarded);
}

TEST_F(LimitsTest, ClientRateLeavesOtherNetworksAlone) {
  web(1);
  limit({.client_rate = 2});
  for (uint16_t port = 1001; port <= 1010; ++port) syn("198.51.100.1", port);
  EXPECT_EQ(count(Exit::client_rate), 8u);
  EXPECT_TRUE(syn("198.51.101.1"));
  EXPECT_FALSE(syn("198.51.100.77"));
  now_ += 500ms;
  EXPECT_TRUE(syn("198.51.100.77"));
}

TEST_F(LimitsTest, WhatIsRefusedForOneLimitTakesNoTokenOfAnother) {
  web(1);
  limit({.max_connections = 1, .max_rate = 2, .client_rate = 2});
  EXPECT_TRUE(syn("198.51.100.1"));
  for (int n = 0; n < 10; ++n) EXPECT_FALSE(syn("198.51.100.2"));
  EXPECT_EQ(count(Exit::service_full), 10u);
  limit({.max_connections = 2, .max_rate = 2, .client_rate = 2});
  EXPECT_TRUE(syn("198.51.100.2"));
  EXPECT_EQ(service_now().use.refused, (std::array<uint64_t, 5>{0, 10, 0, 0, 0}));
}

TEST_F(LimitsTest, PersistenceCountsConnectionsNotTemplates) {
  web(1);
  ASSERT_FALSE(director_->edit({.key = key_, .persistence = 300s}, {now_, out_}));
  limit({.max_connections = 2});
  EXPECT_TRUE(syn("198.51.100.1"));
  EXPECT_TRUE(syn("198.51.101.1"));
  EXPECT_EQ(director_->connections().size(), 4u);
  EXPECT_FALSE(syn("198.51.102.1"));
  EXPECT_EQ(director_->connections().size(), 4u) << "no template for a refused client";
  limit({.access = {.allow = {}, .deny = {list({"198.51.100.0/24"})}}});
  EXPECT_FALSE(syn("198.51.100.1", 1002)) << "its template does not let it in";
}

TEST_F(LimitsTest, UdpConversationsAndSingleDatagramsCount) {
  web(1, Scheduler::rr, Protocol::udp);
  limit({.max_connections = 1});
  const auto datagram = [&](const std::string& client, uint16_t port) {
    return !arrive(frame(Udp{.src = client, .sport = port})).empty();
  };
  EXPECT_TRUE(datagram("198.51.100.1", 1001));
  EXPECT_TRUE(datagram("198.51.100.1", 1001));
  EXPECT_FALSE(datagram("198.51.100.1", 1002));
  ASSERT_FALSE(director_->edit({.key = key_, .one_packet = true}, {now_, out_}));
  limit({.client_rate = 3, .access = {.allow = {}, .deny = {list({"198.51.101.0/24"})}}});
  int passed = 0;
  for (uint16_t port = 2001; port <= 2010; ++port) passed += datagram("198.51.100.1", port);
  EXPECT_EQ(passed, 3);
  EXPECT_FALSE(datagram("198.51.101.1", 2001));
}

TEST_F(LimitsTest, LimitsOutliveTheRemovalOfTheirService) {
  web(1);
  limit({.access = {.allow = {}, .deny = {list({"198.51.100.0/24"})}}});
  const Endpoint at = director_->services().server(0).spec.at;
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  ASSERT_FALSE(director_->add({.key = key_}, {now_, out_}));
  ASSERT_FALSE(director_->add_server(key_, {.at = at}, {now_, out_}));
  out_.clear();
  EXPECT_FALSE(syn("198.51.100.1"));
  EXPECT_EQ(count(Exit::denied), 1u);
  ASSERT_FALSE(director_->edit({.key = key_, .scheduler = Scheduler::lc}, {now_, out_}));
  EXPECT_FALSE(syn("198.51.100.1")) << "ipvsadm -E keeps them, too";
  director_->set_from_file(key_, {});
  resolve(1);
  EXPECT_TRUE(syn("198.51.100.1"));
}

TEST_F(LimitsTest, ConnectionsOfARemovedServiceCountForTheirNetworkUntilTheyEnd) {
  web(1);
  limit({.max_connections = 10, .client_connections = 2});
  const Endpoint at = director_->services().server(0).spec.at;
  EXPECT_TRUE(syn("198.51.100.1", 1001) && syn("198.51.100.1", 1002));
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  ASSERT_FALSE(director_->add({.key = key_}, {now_, out_}));
  EXPECT_EQ(service_now().use.connections, 0u);
  ASSERT_FALSE(director_->add_server(key_, {.at = at}, {now_, out_}));
  out_.clear();
  EXPECT_EQ(service_now().use.connections, 2u);
  EXPECT_FALSE(syn("198.51.100.1", 1003));
  EXPECT_EQ(count(Exit::client_full), 1u);
  wait(2min);
  resolve(1);
  EXPECT_TRUE(syn("198.51.100.1", 1003));
}

TEST_F(LimitsTest, AnEstablishedConnectionPassesWhateverTheLimitsAre) {
  web(1);
  EXPECT_TRUE(syn("198.51.100.1"));
  limit({.max_connections = 1,
         .max_rate = 1,
         .client_connections = 1,
         .client_rate = 1,
         .access = {.allow = {list({}, "allow")}, .deny = {}}});
  for (int n = 0; n < 100; ++n) EXPECT_FALSE(arrive(frame(Tcp{.src = "198.51.100.1", .flags = "A"})).empty());
  EXPECT_EQ(count(Exit::forwarded), 101u);
}

}  // namespace
}  // namespace rawvs
