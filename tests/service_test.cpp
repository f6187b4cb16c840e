// SPDX-License-Identifier: BSD-2-Clause
// Tests service.h: the tables of services and servers, the slots of servers that left, what a packet belongs to.
#include "core/service.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

constexpr Instant kStart{};
const ServiceKey kWeb{Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
ServerSpec server(const char* at, int32_t weight = 1) { return {.at = *parse_endpoint(at), .weight = weight}; }

std::string order(Services& services, const ServiceKey& key) {
  std::string s;
  for (const ServerSlot slot : services.find(key)->servers) {
    s += text(services.server(slot).spec.at.addr).substr(8) + ' ';
  }
  return s;
}

TEST(Services, PutNewServersInFront) {
  Services s(8);
  ASSERT_FALSE(s.add({kWeb}));
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.11:80")));
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.12:80")));
  EXPECT_EQ(order(s, kWeb), "12 11 ");
}

TEST(Services, RefuseWhatIpvsRefuses) {
  Services s(1);
  const ServiceKey other{Protocol::udp, kWeb.vip, {}};
  ASSERT_FALSE(s.add({kWeb}));
  EXPECT_EQ(s.add({kWeb}), Refusal::exists);
  EXPECT_EQ(s.edit({other}), Refusal::no_service);
  EXPECT_EQ(s.remove(other, kStart), Refusal::no_service);
  EXPECT_EQ(s.zero(other), Refusal::no_service);
  EXPECT_EQ(s.add_server(other, server("192.0.2.11:80")), Refusal::no_service);
  EXPECT_EQ(s.edit_server(kWeb, server("192.0.2.11:80")), Refusal::no_server);
  EXPECT_EQ(s.remove_server(kWeb, {ip("192.0.2.11"), Port(80)}, kStart), Refusal::no_server);
  EXPECT_EQ(s.add_server(kWeb, server("192.0.2.11:80", -1)), Refusal::range);
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.11:80")));
  EXPECT_EQ(s.add_server(kWeb, server("192.0.2.11:80")), Refusal::exists);
  EXPECT_EQ(s.add_server(kWeb, server("192.0.2.12:80")), Refusal::full);
  ServerSpec thresholds = server("192.0.2.11:80");
  thresholds.upper = 4, thresholds.lower = 5;
  EXPECT_EQ(s.edit_server(kWeb, thresholds), Refusal::range);
}

TEST(Services, GiveAReturningServerItsConnectionsBack) {
  Services s(4);
  const Endpoint at{ip("192.0.2.11"), Port(80)};
  ASSERT_FALSE(s.add({kWeb}));
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.11:80")));
  const ServerSlot slot = s.find(kWeb)->servers[0];
  s.server(slot).active = 3;
  s.server(slot).traffic.connections = 9;
  ASSERT_FALSE(s.remove_server(kWeb, at, kStart));
  EXPECT_FALSE(s.server(slot).in_service());
  std::vector<ServerSlot> gone;
  s.forget_removed(kStart + 1h, 9, gone);
  EXPECT_TRUE(s.server(slot).used);  // connections still remember it
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.11:80")));
  EXPECT_EQ(s.find(kWeb)->servers[0], slot);
  EXPECT_EQ(s.server(slot).active, 3u);
  EXPECT_EQ(s.server(slot).traffic.connections, 9u);
  ASSERT_FALSE(s.remove(kWeb, kStart));
  ASSERT_FALSE(s.add({kWeb}));
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.11:80")));
  EXPECT_EQ(s.server(slot).active, 3u);
  EXPECT_EQ(s.server(slot).traffic.connections, 0u);  // another service, other statistics
}

TEST(Services, ForgetRemovedServersThatNothingUses) {
  Services s(1);
  ASSERT_FALSE(s.add({kWeb}));
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.11:80")));
  ASSERT_FALSE(s.remove_server(kWeb, {ip("192.0.2.11"), Port(80)}, kStart));
  std::vector<ServerSlot> gone;
  s.forget_removed(kStart + 119s, 9, gone);
  EXPECT_TRUE(s.server(0).used);
  s.forget_removed(kStart + 120s, 9, gone);
  EXPECT_FALSE(s.server(0).used);
  EXPECT_EQ(gone, std::vector<ServerSlot>{0});
}

TEST(Services, GiveTheSlotOfAServerThatLeftFirstToANewOneWhenNoneIsFree) {
  Services s(3);
  const auto at = [](int n) { return Endpoint{ip("192.0.2.1" + std::to_string(n)), Port(80)}; };
  const auto add = [&](int n) { return s.add_server(kWeb, server(text(at(n)).c_str())); };
  ASSERT_FALSE(s.add({kWeb}));
  for (int n = 1; n <= 3; ++n) ASSERT_FALSE(add(n));
  const std::vector<ServerSlot> slots = s.find(kWeb)->servers;  // of 3, 2, 1
  s.server(slots[0]).inactive = 1;
  for (const int n : {3, 1, 2})
    ASSERT_FALSE(s.remove_server(kWeb, at(n), kStart + std::chrono::seconds(n == 2 ? 1 : 0)));
  EXPECT_FALSE(add(4));
  EXPECT_EQ(s.find(kWeb)->servers, std::vector{slots[2]});
  EXPECT_FALSE(add(2));
  EXPECT_EQ(s.find(kWeb)->servers[0], slots[1]) << "one that returns gets its own";
  EXPECT_EQ(add(5), Refusal::full) << "the third has a connection still";
  s.server(slots[0]).inactive = 0;
  EXPECT_FALSE(add(5));
  EXPECT_EQ(s.server(slots[0]).spec.at, at(5));
}

TEST(Services, AWholeTableCanBeReplacedAtOnce) {
  Services s(4);
  for (int round = 0; round < 3; ++round) {
    ASSERT_FALSE(s.add({kWeb}));
    for (int n = 1; n <= 4; ++n) {
      const std::string at = "192.0.2." + std::to_string(10 * round + n) + ":80";
      EXPECT_FALSE(s.add_server(kWeb, server(at.c_str()))) << at;
    }
    ASSERT_FALSE(s.remove(kWeb, kStart));
  }
}

ServiceKey service_number(uint32_t n) {
  return {Protocol::tcp, {Ip(ip("203.0.113.0").v4() + n % 200), Port(static_cast<uint16_t>(n / 200 + 1))}, {}};
}

TEST(Services, AreAsManyAsSettingsSay) {
  constexpr uint32_t kMany = 10000;
  Services s(1, kMany);
  for (uint32_t n = 0; n < kMany; ++n) ASSERT_FALSE(s.add({service_number(n)})) << n;
  EXPECT_EQ(s.add({service_number(kMany)}), Refusal::full);
  ASSERT_FALSE(s.remove(service_number(17), kStart));
  ASSERT_FALSE(s.add({service_number(kMany)}));
  EXPECT_FALSE(s.find(service_number(17)));
  EXPECT_EQ(s.services()[17].spec.key, service_number(kMany)) << "the slot that is free";
}

// The cost of a change does not depend on the table's size.
TEST(Services, LookAtFewServersHoweverManyThereAre) {
  constexpr uint32_t kServices = 1000, kEach = 60;
  Services s(65534, kServices);
  const auto at = [](uint32_t n) { return Endpoint{Ip(ip("198.51.100.0").v4() + n % 250), Port(80)}; };
  const auto spec = [&](uint32_t n) { return ServerSpec{.at = at(n)}; };
  for (uint32_t n = 0; n < kServices; ++n) {
    ASSERT_FALSE(s.add({service_number(n), Scheduler::wlc}));
    for (uint32_t m = 0; m < kEach; ++m) ASSERT_FALSE(s.add_server(service_number(n), spec(m)));
  }
  const auto cost = [&](auto change) {
    const uint64_t before = s.looked_at();
    change();
    return s.looked_at() - before;
  };
  const ServiceKey key = service_number(777);
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.edit_server(key, {.at = at(5), .weight = 7})); }), 10u);
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.set_standing(key, at(6), Standing::keeps, 0)); }), 10u);
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.remove_server(key, at(7), kStart)); }), 20u);
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.add_server(key, spec(7))); }), 20u);
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.add_server(key, spec(99))); }), 20u);
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.remove(key, kStart)); }), 2 * kEach);
  std::vector<ServerSlot> gone;
  EXPECT_LE(cost([&] { s.forget_removed(kStart + 1h, 30, gone); }), 30u);
  EXPECT_EQ(gone.size(), 30u);
}

TEST(Services, KnowTheirVips) {
  Services s(4);
  const ServiceKey mark{Protocol::any, {}, Mark(10)};
  s.set_groups({{ip("192.0.2.101"), Protocol::tcp, {{80, 80}, {443, 443}}, Mark(10)}});
  EXPECT_TRUE(s.vips().empty());  // matches without a service have no VIP
  ASSERT_FALSE(s.add({mark}));
  ASSERT_FALSE(s.add({kWeb}));
  EXPECT_EQ(s.vips(), (std::vector{ip("192.0.2.100"), ip("192.0.2.101")}));
  ASSERT_FALSE(s.remove(mark, kStart));
  EXPECT_EQ(s.vips(), std::vector{ip("192.0.2.100")});
}

TEST(Services, ClassifyByMarkFirstThenByPort) {
  Services s(4);
  const ServiceKey mark{Protocol::any, {}, Mark(10)};
  s.set_groups({{ip("192.0.2.100"), Protocol::tcp, {{80, 80}, {440, 450}}, Mark(10)}});
  ASSERT_FALSE(s.add({kWeb}));
  FlowKey flow{.vip = ip("192.0.2.100"), .vport = Port(80), .protocol = Protocol::tcp};
  EXPECT_EQ(s.classify(flow), s.find(kWeb));  // the mark has no service yet
  ASSERT_FALSE(s.add({mark}));
  EXPECT_EQ(s.classify(flow), s.find(mark));
  flow.vport = Port(443);
  EXPECT_EQ(s.classify(flow), s.find(mark));
  flow.vport = Port(451);
  EXPECT_EQ(s.classify(flow), nullptr);
  flow.vport = Port(80), flow.protocol = Protocol::udp;
  EXPECT_EQ(s.classify(flow), nullptr);
}

}  // namespace
}  // namespace rawvs
