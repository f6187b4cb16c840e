// SPDX-License-Identifier: BSD-2-Clause
// Tests state.h: tables written and restored in another process, with another hash key, other slots, perhaps another
// configuration. A description of everything in a connection is compared.
#include "links.h"
#include "state_world.h"

namespace rawvs {
namespace {

using namespace test;

TEST(State, KeepsEveryTcpStateByDirectRoutingTunnelAndNat) {
  World before;
  for (const Method method : {Method::route, Method::tunnel, Method::masq}) before.web(method);
  for (uint32_t state = 0; state < static_cast<uint32_t>(TcpState::count_); ++state) {
    for (uint8_t service = 0; service < 3; ++service) {
      Connection& c = before.open(service, state % 2, Port(static_cast<uint16_t>(2000 + state)));
      before.set_state(c, static_cast<uint8_t>(state));
      if (state % 3 == 0) c.set_link(kInLink);
      if (state % 4 == 0) c.flags &= static_cast<uint8_t>(~Connection::no_output);
      c.packets = static_cast<uint8_t>(state * 20);
    }
  }
  World after;
  for (const Method method : {Method::route, Method::tunnel, Method::masq}) after.web(method);
  EXPECT_EQ(text(after.restore(before.state())), "33 connections and 0 templates taken back");
  EXPECT_EQ(after.picture(), before.picture());
  EXPECT_EQ(after.connections.two_sided(), 11u);
}

TEST(State, KeepsUdpAndSctp) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::masq, Protocol::udp), w->web(Method::route, Protocol::sctp);
  before.open(0, 0, Port(2000));
  for (uint32_t state = 0; state < static_cast<uint32_t>(SctpState::count_); ++state) {
    before.set_state(before.open(1, 1, Port(static_cast<uint16_t>(3000 + state))), static_cast<uint8_t>(state));
  }
  EXPECT_EQ(text(after.restore(before.state())), "15 connections and 0 templates taken back");
  EXPECT_EQ(after.picture(), before.picture());
}

TEST(State, KeepsTemplatesAndWhatTheyControl) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::route), w->web(Method::masq), w->shop(Mark(10), {80, 443});
  Connection& web = before.client_template(0, 1, 300);
  web.state = 1;
  Connection& shop = before.client_template(2, 0, 360);
  before.client_template(1, 0, 60);  // controls none
  for (uint16_t n = 0; n < 3; ++n) before.open(0, 1, Port(static_cast<uint16_t>(2000 + n)), &web);
  before.open(2, 0, Port(2100), &shop);
  EXPECT_EQ(text(after.restore(before.state())), "4 connections and 3 templates taken back");
  EXPECT_EQ(after.picture(), before.picture());
  EXPECT_EQ(after.report.uncontrolled, 0u);
}

TEST(State, FindsATemplateThatLiesBehindWhatItControls) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::route);
  Connection& first = before.open(0, 0, Port(2000));
  Connection& client_template = before.client_template(0, 0, 300);
  first.set_controller(before.connections.id(client_template));
  ++client_template.stay.children;
  EXPECT_EQ(text(after.restore(before.state())), "1 connection and 1 template taken back");
  EXPECT_EQ(after.picture(), before.picture());
}

TEST(State, ATemplateThatWasGivenUpStaysForWhatItControlsAndIsNeverFound) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::route);
  for (int n = 0; n < 2; ++n) {
    Connection& old = before.client_template(0, 0, 300);
    before.open(0, 0, Port(static_cast<uint16_t>(2000 + n)), &old);
    old.rport = Port(0xffff);
    before.connections.rename(old, {old.key().client, old.key().vip, Port(0), Port(0xffff), Protocol::tcp, true});
  }
  before.client_template(0, 1, 300);
  EXPECT_EQ(text(after.restore(before.state())), "2 connections and 3 templates taken back");
  EXPECT_EQ(after.picture(), before.picture());
}

TEST(State, WithoutItsTemplateAConnectionIsTakenBackAllTheSame) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::route);
  Connection& client_template = before.client_template(0, 0, 300);
  before.open(0, 0, Port(2000), &client_template);
  std::vector<uint8_t> bytes = before.state();
  World::damage(bytes, 1);  // the servers' block is the first, the template's the second
  EXPECT_EQ(text(after.restore(bytes)),
            "1 connection and 0 templates taken back, 1 not: 1 in damaged blocks; 1 block damaged");
  EXPECT_EQ(after.report.uncontrolled, 1u);
}

TEST(State, OneServerServesATemplateAndWhatItControls) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::route);
  Connection& other = before.client_template(0, 1, 300, "198.51.100.9");
  before.open(0, 0, Port(2000), &before.client_template(0, 0, 300));
  std::vector<uint8_t> bytes = before.state();
  constexpr size_t kOthers = 3;  // the block behind both servers' and the templates'
  World::change(bytes, kOthers - 1, 32, before.connections.id(other));
  after.restore(bytes);
  EXPECT_EQ(after.report.uncontrolled, 1u);
  EXPECT_EQ(after.find(0, Port(2000))->controller(), kNoConnection);
}

TEST(State, NatAnswersAreExpectedAgainAndTheNewestIsFound) {
  World before, after;
  for (World* const w : {&before, &after}) {
    w->web(Method::masq, Protocol::tcp, "192.0.2.100");
    w->web(Method::masq, Protocol::tcp, "192.0.2.101", 0);  // the same servers
  }
  before.open(0, 0, Port(2000));
  before.open(1, 0, Port(2000));  // its answers look like the first one's
  before.open(0, 0, Port(2001));
  before.connections.rename(*before.find(0, Port(2000)), before.find(0, Port(2000))->key());  // now the first is newer
  after.restore(before.state());
  EXPECT_EQ(after.expected,
            (std::vector<std::string>{"tcp 203.0.113.11:80>198.51.100.1:2000", "tcp 203.0.113.11:80>198.51.100.1:2000",
                                      "tcp 203.0.113.11:80>198.51.100.1:2001"}));
  for (World* const w : {&before, &after}) {
    const FlowKey key = w->find(0, Port(2000))->key(Side::server);
    EXPECT_EQ(text(w->connections.find(Side::server, key, w->connections.hash(key))->vip()), "192.0.2.100:80");
  }
}

TEST(State, OnePacketSchedulingLeavesNothingBehind) {
  World before;
  before.web(Method::route);
  const std::vector<uint8_t> bytes = before.state();
  EXPECT_EQ(bytes.size(), 72u + 28 + 4);  // what is not in the table is not in the state
  EXPECT_EQ(text(World().restore(bytes)), "0 connections and 0 templates taken back");
}

TEST(State, TimeGoesOnBetweenTheProcesses) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::route);
  before.open(0, 0, Port(2000), nullptr, Port(80), 30s);
  before.open(0, 0, Port(2001), nullptr, Port(80), 900s);
  Connection& client_template = before.client_template(0, 0, 20);
  before.open(0, 0, Port(2002), &client_template, Port(80), 500s);
  before.client_template(0, 1, 20, "198.51.100.9");
  const std::vector<uint8_t> bytes = before.state();
  after.now += 100s;
  EXPECT_EQ(text(after.restore(bytes)), "2 connections and 1 template taken back, 2 not: 2 over meanwhile");
  EXPECT_EQ(after.connections.left(*after.find(0, Port(2001)), after.now) / 1s, 800);
  const Connection& kept = *after.connections.at(after.find(0, Port(2002))->controller());  // as it controls another
  EXPECT_EQ(after.connections.left(kept, after.now) / 1s, 60);
  EXPECT_EQ(kept.stay.seconds, 60u);
}

TEST(State, WhatIsOverAndControlsNothingIsNotWritten) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::route);
  before.open(0, 0, Port(2000), nullptr, Port(80), 30s);
  before.open(0, 0, Port(2001), &before.client_template(0, 0, 30), Port(80), 900s);
  before.now += 100s;
  after.now += 100s;
  before.clock.now = before.now;
  EXPECT_EQ(text(after.restore(before.state())), "1 connection and 1 template taken back");
  EXPECT_EQ(after.find(0, Port(2001))->controller(), 1u);
}

TEST(State, AfterAnotherBootTheWallClockTellsTheTime) {
  World before;
  before.web(Method::route);
  before.open(0, 0, Port(2000), nullptr, Port(80), 900s);
  const std::vector<uint8_t> bytes = before.state();
  const auto left = [&](bool same_boot, Duration by_boot_clock, int64_t by_wall) {
    World after;
    after.web(Method::route);
    after.now += by_boot_clock;
    after.clock.wall += by_wall;
    if (!same_boot) after.clock.boot[3] ^= 1;
    after.restore(bytes);
    const Connection* const c = after.find(0, Port(2000));
    return c ? after.connections.left(*c, after.now) / 1s : -1;
  };
  EXPECT_EQ(left(true, 10s, 99'000), 890);
  EXPECT_EQ(left(true, -10s, 99'000), 900);  // never happens: then no time has passed
  EXPECT_EQ(left(false, -500s, 99'000), 801);
  EXPECT_EQ(left(false, 10s, -5), 900);
  EXPECT_EQ(left(false, 10s, 1'000'000), -1);
}

TEST(State, WhatIsStillConfiguredIsTakenBack) {
  World before;
  before.web(Method::route), before.web(Method::tunnel), before.web(Method::masq);
  for (uint8_t service = 0; service < 3; ++service) {
    for (uint32_t server = 0; server < 2; ++server) {
      before.open(service, server, Port(static_cast<uint16_t>(2000 + server)));
      before.client_template(service, server, 300, "198.51.100." + std::to_string(10 + server));
    }
  }
  World after;
  after.web(Method::tunnel);  // the first service has another method now
  after.web(Method::tunnel);
  ASSERT_FALSE(after.services.remove_server(after.keys[1], after.at(1, 0), after.now));
  ServerSpec draining = after.services.server(after.slot(0, 1)).spec;
  draining.weight = 0;
  ASSERT_FALSE(after.services.edit_server(after.keys[0], draining));
  EXPECT_EQ(text(after.restore(before.state())),
            "3 connections and 3 templates taken back, 6 not: 4 without service, 2 without server");
  EXPECT_EQ(after.find(0, Port(2000))->method(), Method::route);  // as it began
  EXPECT_TRUE(after.find(0, Port(2001)));                         // weight 0 keeps its own
  EXPECT_FALSE(after.find(1, Port(2000)));
  EXPECT_TRUE(after.find(1, Port(2001)));
}

TEST(State, AServerThatWasNatIsStillLookedAtForItsAnswers) {
  World before, after;
  before.web(Method::masq), after.web(Method::route);
  before.open(0, 0, Port(2000));
  after.restore(before.state());
  EXPECT_TRUE(after.services.server(after.slot(0, 0)).was_nat);
  EXPECT_FALSE(after.services.server(after.slot(0, 1)).was_nat);
  EXPECT_EQ(after.find(0, Port(2000))->method(), Method::masq);
  EXPECT_EQ(after.expected.size(), 1u);
}

// What becomes of a shop's connection and template when its mark was `was` for these ports, and now there are others.
std::string shop_after(Mark was, const std::vector<uint16_t>& ports,
                       const std::vector<std::pair<Mark, std::vector<uint16_t>>>& now) {
  World before, after;
  before.shop(was, ports);
  before.open(0, 0, Port(2000), &before.client_template(0, 0, 300));
  for (const auto& [mark, its_ports] : now) after.shop(mark, its_ports);
  std::string said = text(after.restore(before.state()));
  for (size_t i = 0; i < now.size(); ++i) {
    const Server& server = after.services.server(after.slot(static_cast<uint8_t>(i), 0));
    said += " | " + std::to_string(server.active + server.inactive) + '+' + std::to_string(server.persistent);
    const FlowKey key{ip("198.51.100.1"), Ip(now[i].first.value), Port(0), Port(0), Protocol::any, true};
    const Connection* const client_template = after.connections.find(Side::client, key, after.connections.hash(key));
    if (client_template) said += " by " + text(after.keys[i]);
  }
  return said;
}

constexpr Mark kGiven{10}, kChosen{0x52560000}, kNext{0x52560001};

TEST(State, AMarkIsKnownByItsNumberWherePeopleChoseIt) {
  EXPECT_EQ(shop_after(kGiven, {80, 443}, {{kGiven, {80, 443, 8080}}}),
            "1 connection and 1 template taken back | 1+1 by mark 10");
  EXPECT_EQ(shop_after(kGiven, {80, 443}, {{Mark(11), {80, 442}}}),
            "0 connections and 0 templates taken back, 2 not: 2 without service | 0+0");
}

TEST(State, AChosenMarkIsKnownByItsAddressAndPorts) {
  EXPECT_EQ(shop_after(kChosen, {80, 443}, {{kChosen, {21, 22}}, {kNext, {80, 443}}}),
            "1 connection and 1 template taken back | 0+0 | 1+1 by mark 1381367809");
  EXPECT_EQ(shop_after(kChosen, {80, 443}, {{kGiven, {443, 80}}}),
            "1 connection and 1 template taken back | 1+1 by mark 10");
}

TEST(State, AVirtualWhosePortsHaveChangedIsKnownByItsAddressIfItIsTheOnlyOne) {
  EXPECT_EQ(shop_after(kChosen, {80, 443}, {{kNext, {80, 8080}}}),
            "1 connection and 1 template taken back | 1+1 by mark 1381367809");
  EXPECT_EQ(shop_after(kChosen, {80, 443}, {{kNext, {81, 8080}}}),  // the connection's port is none of its own
            "0 connections and 1 template taken back, 1 not: 1 without service | 0+1 by mark 1381367809");
  EXPECT_EQ(shop_after(kChosen, {80, 443}, {{kChosen, {80, 8080}}, {kNext, {443, 444}}}),
            "0 connections and 0 templates taken back, 2 not: 2 without service | 0+0 | 0+0");
}

TEST(State, BetweenItsThresholdsAServerStaysOverloaded) {
  World before;
  before.web(Method::route);
  const auto limit = [](World& w, uint32_t upper, uint32_t lower) {
    ServerSpec spec = w.services.server(w.slot(0, 0)).spec;
    spec.upper = upper, spec.lower = lower;
    ASSERT_FALSE(w.services.edit_server(w.keys[0], spec));
  };
  limit(before, 4, 2);
  for (uint16_t n = 0; n < 3; ++n) before.open(0, 0, Port(static_cast<uint16_t>(2000 + n)));
  before.services.server(before.slot(0, 0)).overloaded = true;  // it had four
  const std::vector<uint8_t> bytes = before.state();
  const auto overloaded = [&](uint32_t upper, uint32_t lower) {
    World after;
    after.web(Method::route);
    limit(after, upper, lower);
    after.restore(bytes);
    return after.services.server(after.slot(0, 0)).overloaded;
  };
  EXPECT_TRUE(overloaded(4, 2));
  EXPECT_TRUE(overloaded(3, 1));  // it is
  EXPECT_FALSE(overloaded(10, 4));
  EXPECT_FALSE(overloaded(10, 0));
  EXPECT_FALSE(overloaded(0, 0));
}

TEST(State, LearnedPathMtusAreBelievedForAsLongAsBefore) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::tunnel);
  before.open(0, 0, Port(2000));
  before.services.server(before.slot(0, 0)).path_mtu = 1400;
  before.services.server(before.slot(0, 0)).path_mtu_until = before.now + 600s;
  after.now += 100s;
  after.restore(before.state());
  EXPECT_EQ(after.services.server(after.slot(0, 0)).path_mtu, 1400);
  EXPECT_EQ(after.services.server(after.slot(0, 0)).path_mtu_until, after.now + 500s);
}

TEST(State, WhatHasBegunMeanwhileIsNotDisturbed) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::masq);
  Connection& old = before.client_template(0, 0, 300);
  before.open(0, 0, Port(2000), &old), before.open(0, 0, Port(2001), &old);
  Connection& client_template = after.client_template(0, 0, 60);
  after.open(0, 1, Port(2000));
  EXPECT_EQ(text(after.restore(before.state())), "1 connection and 0 templates taken back, 2 not: 2 begun anew");
  EXPECT_EQ(after.find(0, Port(2000))->server, after.slot(0, 1));
  EXPECT_EQ(client_template.stay.children,
            1u);  // it has the same server: it is that template, and controls what it did
}

TEST(State, AFullTableTakesWhatItHasRoomFor) {
  World before, after(3);
  for (World* const w : {&before, &after}) w->web(Method::masq);
  for (uint16_t n = 0; n < 5; ++n) before.open(0, 0, Port(static_cast<uint16_t>(2000 + n)));
  EXPECT_EQ(text(after.restore(before.state())), "3 connections and 0 templates taken back, 2 not: 2 without room");
  EXPECT_EQ(after.services.server(after.slot(0, 0)).inactive, 3u);
  EXPECT_EQ(after.expected.size(), 3u);
}

TEST(State, ManyConnectionsWhoseAnswersLookAlikeAreTakenOnlyAsFarAsTheLivePathWould) {
  World before, after;
  for (World* const w : {&before, &after}) {
    for (uint8_t n = 0; n < 64; ++n) w->web(Method::masq, Protocol::tcp, "192.0.2." + std::to_string(100 + n), 0);
  }
  for (uint8_t n = 0; n < 64; ++n) before.open(n, 0, Port(2000));
  after.open(63, 0, Port(2001));
  Connection& alike = after.open(63, 0, Port(2000));  // and one that is there already
  EXPECT_EQ(text(after.restore(before.state())), "63 connections and 0 templates taken back, 1 not: 1 begun anew");
  const uint32_t server_counts = after.services.server(after.slot(0, 0)).references();
  EXPECT_EQ(server_counts, 1u);
  EXPECT_TRUE(alike.flags & Connection::two_sided);
}

}  // namespace
}  // namespace rawvs
