// SPDX-License-Identifier: BSD-2-Clause
// Tests src/core: TCP states, schedulers, services, packets' effects on connections and counters.
#include <gtest/gtest.h>

#include "core/scheduler.h"
#include "core/track.h"
#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

// --- TCP states ---------------------------------------------------------------------------------------------------

std::string path(std::initializer_list<const char*> segments) {  // "S" in, "<A" out, "|F" in when replies are unseen
  std::string states;
  TcpState state = TcpState::none;
  for (const char* s : segments) {
    Direction direction = Direction::input;
    if (*s == '<') direction = Direction::output, ++s;
    if (*s == '|') direction = Direction::input_only, ++s;
    uint8_t flags = 0;
    for (; *s; ++s) flags = static_cast<uint8_t>(flags | 1u << std::string_view("FSRPAU").find(*s));
    state = step(state, direction, flags);
    states += std::string(states.empty() ? "" : " ") + name(state);
  }
  return states;
}

TEST(TcpState, FollowsAConnectionWhoseRepliesAreNotSeen) {
  EXPECT_EQ(path({"|S", "|S", "|A", "|PA", "|FA", "|A", "|R"}),
            "SYN_RECV SYN_RECV ESTABLISHED ESTABLISHED FIN_WAIT FIN_WAIT CLOSE");
}
TEST(TcpState, FollowsAConnectionWithBothHalves) {
  EXPECT_EQ(path({"S", "<SA", "A", "<FA", "A", "FA", "<A"}),
            "SYN_RECV SYN_RECV ESTABLISHED FIN_WAIT FIN_WAIT TIME_WAIT TIME_WAIT");
  EXPECT_EQ(path({"S", "<SA", "A", "FA", "<A", "<FA", "A"}),
            "SYN_RECV SYN_RECV ESTABLISHED CLOSE_WAIT CLOSE_WAIT TIME_WAIT TIME_WAIT");
}
TEST(TcpState, LetsOneFlagDecideRstFirstThenSynThenFin) {
  EXPECT_EQ(path({"|SA"}), "SYN_RECV");
  EXPECT_EQ(path({"|S", "|SFA"}), "SYN_RECV SYN_RECV");
  EXPECT_EQ(path({"|S", "|A", "|RSFA"}), "SYN_RECV ESTABLISHED CLOSE");
  EXPECT_EQ(path({"|S", "|A", "|PU"}), "SYN_RECV ESTABLISHED CLOSE");  // none of them
}
TEST(TcpState, KeepsAnRstOfTheHandshakeFromClosingIt) { EXPECT_EQ(path({"|S", "|R"}), "SYN_RECV SYN_RECV"); }

// --- schedulers ---------------------------------------------------------------------------------------------------

struct Load {
  int32_t weight;
  uint32_t active = 0, inactive = 0;
  bool overloaded = false;
};

class ScheduleTest : public testing::Test {
 protected:
  void servers(std::initializer_list<Load> loads) {  // in the scheduler's order: newest first
    all_.clear(), order_.clear();
    for (const Load& l : loads) {
      Server s;
      s.spec.weight = l.weight;
      s.active = l.active, s.inactive = l.inactive, s.overloaded = l.overloaded;
      order_.push_back(static_cast<ServerSlot>(all_.size()));
      all_.push_back(s);
    }
  }
  Pool pool() { return {all_, order_}; }
  // The choices of n new connections, a letter each, '-' for none; each choice becomes an active connection.
  std::string choices(Scheduler scheduler, int n) {
    SchedulerState state;
    begin(scheduler, pool(), state, 0);
    return more(scheduler, n, state);
  }
  std::string more(Scheduler scheduler, int n, SchedulerState& state) {
    std::string s;
    for (int i = 0; i < n; ++i) {
      const auto at = choose({.scheduler = scheduler}, pool(), state, {});
      s += at ? static_cast<char>('a' + order_[*at]) : '-';
      if (at) ++all_[order_[*at]].active;
    }
    return s;
  }
  std::vector<Server> all_;
  std::vector<ServerSlot> order_;
};

TEST_F(ScheduleTest, RrTakesTurnsAndSkipsWeightZeroAndOverload) {
  servers({{1}, {0}, {5}, {1, 0, 0, true}});
  EXPECT_EQ(choices(Scheduler::rr, 5), "acaca");
}
TEST_F(ScheduleTest, NoSchedulerFindsAServerWhereNoneIs) {
  for (const Scheduler s : {Scheduler::rr, Scheduler::wrr, Scheduler::lc, Scheduler::wlc}) {
    servers({});
    EXPECT_EQ(choices(s, 2), "--") << name(s);
    servers({{0}, {0, 1}});
    EXPECT_EQ(choices(s, 2), "--") << name(s);
    servers({{3, 0, 0, true}});
    EXPECT_EQ(choices(s, 2), "--") << name(s);
  }
}
TEST_F(ScheduleTest, WrrInterleavesTheWeights) {
  servers({{2}, {3}, {4}});
  EXPECT_EQ(choices(Scheduler::wrr, 10), "cbcabcabcc");
}
TEST_F(ScheduleTest, WrrKeepsItsThresholdWhenServersAreAdded) {  // as recorded from IPVS: conformance scenario dr-wrr
  servers({});
  SchedulerState state;
  begin(Scheduler::wrr, pool(), state, 0);
  for (const auto& loads : {std::initializer_list<Load>{{4}}, {{3}, {4}}, {{2}, {3}, {4}}}) {
    servers(loads);
    server_added(Scheduler::wrr, pool(), state);
  }
  EXPECT_EQ(more(Scheduler::wrr, 10, state), "abccbcabca");
}
TEST_F(ScheduleTest, WrrUsesTheGreatestCommonDivisor) {
  servers({{100}, {200}});
  EXPECT_EQ(choices(Scheduler::wrr, 6), "babbab");
}
TEST_F(ScheduleTest, WrrGivesUpWhenAllAreOverloadedAndGoesOnLater) {
  servers({{2}, {1}});
  SchedulerState state;
  begin(Scheduler::wrr, pool(), state, 0);
  EXPECT_EQ(more(Scheduler::wrr, 2, state), "aa");
  for (Server& s : all_) s.overloaded = true;
  EXPECT_EQ(more(Scheduler::wrr, 2, state), "--");
  all_[1].overloaded = false;
  EXPECT_EQ(more(Scheduler::wrr, 2, state), "bb");
}
TEST_F(ScheduleTest, LcTakesTheLeastLoadedWhateverItsWeight) {
  servers({{1, 1, 0}, {100, 0, 300}, {1, 1, 0}});  // 256, 300, 256: the first of equals
  EXPECT_EQ(choices(Scheduler::lc, 1), "a");
  servers({{1, 1, 0}, {100, 0, 255}, {1, 1, 0}});
  EXPECT_EQ(choices(Scheduler::lc, 1), "b");
}
TEST_F(ScheduleTest, WlcWeighsConnectionsByWeight) {
  servers({{2}, {1}});
  EXPECT_EQ(choices(Scheduler::wlc, 6), "abaaba");
  servers({{1, 0, 0}, {2, 0, 0}});  // equal while idle: the first
  EXPECT_EQ(choices(Scheduler::wlc, 1), "a");
}
TEST_F(ScheduleTest, WlcDoesNotOverflow) {
  servers({{2147483647, 4000000, 0}, {1, 4000000, 0}});
  EXPECT_EQ(choices(Scheduler::wlc, 1), "a");
}

TEST(SchedulerNames, ReadBack) {
  for (const char* s : {"rr", "wrr", "lc", "wlc"}) EXPECT_STREQ(name(*parse_scheduler(s)), s);
  EXPECT_FALSE(parse_scheduler("foo"));
  EXPECT_FALSE(parse_scheduler(""));
}

// --- services -----------------------------------------------------------------------------------------------------

constexpr Instant kNow{};
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
  EXPECT_EQ(s.remove(other, kNow), Refusal::no_service);
  EXPECT_EQ(s.zero(other), Refusal::no_service);
  EXPECT_EQ(s.add_server(other, server("192.0.2.11:80")), Refusal::no_service);
  EXPECT_EQ(s.edit_server(kWeb, server("192.0.2.11:80")), Refusal::no_server);
  EXPECT_EQ(s.remove_server(kWeb, {ip("192.0.2.11"), Port(80)}, kNow), Refusal::no_server);
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
  ASSERT_FALSE(s.remove_server(kWeb, at, kNow));
  EXPECT_FALSE(s.server(slot).in_service());
  std::vector<ServerSlot> gone;
  s.forget_removed(kNow + 1h, 9, gone);
  EXPECT_TRUE(s.server(slot).used);  // connections still remember it
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.11:80")));
  EXPECT_EQ(s.find(kWeb)->servers[0], slot);
  EXPECT_EQ(s.server(slot).active, 3u);
  EXPECT_EQ(s.server(slot).traffic.connections, 9u);
  ASSERT_FALSE(s.remove(kWeb, kNow));
  ASSERT_FALSE(s.add({kWeb}));
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.11:80")));
  EXPECT_EQ(s.server(slot).active, 3u);
  EXPECT_EQ(s.server(slot).traffic.connections, 0u);  // another service, other statistics
}

TEST(Services, ForgetRemovedServersThatNothingUses) {
  Services s(1);
  ASSERT_FALSE(s.add({kWeb}));
  ASSERT_FALSE(s.add_server(kWeb, server("192.0.2.11:80")));
  ASSERT_FALSE(s.remove_server(kWeb, {ip("192.0.2.11"), Port(80)}, kNow));
  std::vector<ServerSlot> gone;
  s.forget_removed(kNow + 119s, 9, gone);
  EXPECT_TRUE(s.server(0).used);
  s.forget_removed(kNow + 120s, 9, gone);
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
  for (const int n : {3, 1, 2}) ASSERT_FALSE(s.remove_server(kWeb, at(n), kNow + std::chrono::seconds(n == 2 ? 1 : 0)));
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
    ASSERT_FALSE(s.remove(kWeb, kNow));
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
  ASSERT_FALSE(s.remove(service_number(17), kNow));
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
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.remove_server(key, at(7), kNow)); }), 20u);
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.add_server(key, spec(7))); }), 20u);
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.add_server(key, spec(99))); }), 20u);
  EXPECT_LE(cost([&] { EXPECT_FALSE(s.remove(key, kNow)); }), 2 * kEach);
  std::vector<ServerSlot> gone;
  EXPECT_LE(cost([&] { s.forget_removed(kNow + 1h, 30, gone); }), 30u);
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
  ASSERT_FALSE(s.remove(mark, kNow));
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

// --- connections and counters ---------------------------------------------------------------------------------------

Packet segment(uint8_t flags) {
  Packet p;
  p.protocol = Protocol::tcp;
  p.tcp_flags = flags;
  return p;
}

TEST(Track, CountsAConnectionActiveFromItsSynAndInactiveFromItsFin) {
  Connection c{};
  Server s;
  c.protocol = Protocol::tcp;
  join(c, 0, s, Port(80));
  EXPECT_EQ(s.inactive, 1u);
  const Timeouts t;
  EXPECT_EQ(advance(c, s, segment(TcpFlags::syn), Direction::input, t), 60s);
  EXPECT_EQ(s.active, 1u);
  EXPECT_EQ(advance(c, s, segment(TcpFlags::ack), Direction::input, t), 900s);
  EXPECT_EQ(advance(c, s, segment(TcpFlags::fin | TcpFlags::ack), Direction::input, t), 120s);
  EXPECT_EQ(s.active, 0u);
  EXPECT_EQ(s.inactive, 1u);
  EXPECT_STREQ(state_name(c), "FIN_WAIT");
  leave(c, s);
  EXPECT_EQ(s.references(), 0u);
}

TEST(Track, CountsUdpAsInactive) {
  Connection c{};
  Server s;
  c.protocol = Protocol::udp;
  join(c, 0, s, Port(80));
  EXPECT_EQ(advance(c, s, Packet{}, Direction::input, {.udp = 5s}), 5s);
  EXPECT_EQ(s.inactive, 1u);
  EXPECT_STREQ(state_name(c), "UDP");
}

TEST(Track, SetsAndClearsTheOverloadMarkWithHysteresis) {
  Server s;
  s.spec.upper = 4;
  std::array<Connection, 4> c{};
  for (Connection& one : c) one.protocol = Protocol::tcp, join(one, 0, s, Port(80));
  EXPECT_TRUE(s.overloaded);
  leave(c[0], s);
  EXPECT_TRUE(s.overloaded);  // 3 of 4 is not below three quarters
  leave(c[1], s);
  EXPECT_FALSE(s.overloaded);
  s.spec.lower = 1;
  join(c[0], 0, s, Port(80)), join(c[1], 0, s, Port(80));
  EXPECT_TRUE(s.overloaded);
  for (int i = 0; i < 3; ++i) leave(c[0], s);
  EXPECT_TRUE(s.overloaded);
  leave(c[0], s);
  EXPECT_FALSE(s.overloaded);
}

TEST(Track, LetsASynBeginAnewOnlyWhereTheModeAllows) {
  Connection c{};
  c.protocol = Protocol::tcp;
  const auto at = [&](TcpState state, uint8_t mode) {
    c.state = static_cast<uint8_t>(state);
    return reusable(c, mode);
  };
  EXPECT_TRUE(at(TcpState::time_wait, 1));
  EXPECT_TRUE(at(TcpState::close, 1));
  EXPECT_FALSE(at(TcpState::close, 0));
  EXPECT_FALSE(at(TcpState::established, 3));
  EXPECT_FALSE(at(TcpState::fin_wait, 1));
  EXPECT_FALSE(at(TcpState::fin_wait, 2));  // NAT sees the server's FIN itself
  c.flags = Connection::no_output;
  EXPECT_TRUE(at(TcpState::fin_wait, 2));
  EXPECT_TRUE(at(TcpState::close, 2));
  c.controlled_by = 5;
  EXPECT_FALSE(at(TcpState::close, 3));
}

}  // namespace
}  // namespace rawvs
