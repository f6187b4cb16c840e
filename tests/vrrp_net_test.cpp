// SPDX-License-Identifier: BSD-2-Clause
// Tests two and three hosts with VRRP: who is master when, on links that fail and lose packets.
#include <gtest/gtest.h>

#include <random>

#include "vrrp_net.h"

namespace rawvs {
namespace {

using namespace test;

VrrpSpec fast(uint8_t priority, Duration interval) {
  VrrpSpec s = vrrp_spec(priority);
  s.interval = interval;
  return s;
}

TEST(VrrpNet, TheStrongestBecomesMasterAndStaysIt) {
  VrrpNet net;
  net.add("a", "1", {vrrp_spec(100)});
  net.add("b", "2", {vrrp_spec(150)});
  net.add("c", "3", {vrrp_spec(50)});
  net.run(1h);
  EXPECT_EQ(net.story(), "3.415 b web: backup -> master\n");
  EXPECT_EQ(net.masters(), "b");
}

TEST(VrrpNet, TheNextOneTakesOverWhenTheMasterDies) {
  VrrpNet net;
  auto& a = net.add("a", "1", {vrrp_spec(150)});
  net.add("b", "2", {vrrp_spec(100)});
  net.add("c", "3", {vrrp_spec(50)});
  net.run(10s);
  net.story();
  net.kill(a);  // its last advert: 9.415 s after the start, heard a millisecond later
  net.run(1h);
  EXPECT_EQ(net.story(), "13.026 b web: backup -> master\n");
}

TEST(VrrpNet, TheNextOneTakesOverWithinTheSkewTimeWhenTheMasterStops) {
  VrrpNet net;
  auto& a = net.add("a", "1", {vrrp_spec(150)});
  net.add("b", "2", {vrrp_spec(100)});
  net.add("c", "3", {vrrp_spec(50)});
  net.run(10s);
  net.story();
  net.stop(a);
  net.run(1h);
  EXPECT_EQ(net.story(), "10.611 b web: backup -> master\n");
}

TEST(VrrpNet, AHundredMillisecondsMakeAFailoverOfLessThanFourHundred) {
  VrrpNet net;
  auto& a = net.add("a", "1", {fast(150, 100ms)});
  net.add("b", "2", {fast(100, 100ms)});
  net.run(10s);
  net.kill(a);
  net.run(399ms);
  EXPECT_EQ(net.masters(), "b");
}

TEST(VrrpNet, TenMillisecondsAreEnough) {
  VrrpNet net;
  auto& a = net.add("a", "1", {fast(200, 10ms)});
  net.add("b", "2", {fast(100, 10ms)});
  net.add("c", "3", {fast(50, 10ms)});
  net.run(60s);
  EXPECT_EQ(net.story(), "0.033 a web: backup -> master\n");
  net.kill(a);
  net.run(60s);
  EXPECT_EQ(net.story(), "60.031 b web: backup -> master\n");
  EXPECT_EQ(net.masters(), "b");
}

TEST(VrrpNet, TwoMastersAreResolvedAtTheFirstAdvertAfterASplitHeals) {
  for (const char* other : {"1", "9"}) {  // the weaker one has the smaller address, or the greater one
    VrrpNet net;
    auto& a = net.add("a", "5", {vrrp_spec(150)});
    auto& b = net.add("b", other, {vrrp_spec(100)});
    net.run(10s);
    net.cut(a, b);
    net.run(10s);
    EXPECT_EQ(net.masters(), "a b");
    net.heal();
    net.run(1s);
    EXPECT_EQ(net.masters(), "a") << other;
    net.run(2s);
    EXPECT_GE(a.announced, 1u);  // b may have been believed
    EXPECT_EQ(b.announced, 0u);
  }
}

TEST(VrrpNet, OfTwoEqualOnesTheGreaterAddressWinsAndOfTwoOwnersToo) {
  for (const uint8_t priority : {uint8_t{100}, uint8_t{255}}) {
    VrrpNet net;
    auto& a = net.add("a", "1", {vrrp_spec(priority)});
    auto& b = net.add("b", "2", {vrrp_spec(priority)});
    net.cut(a, b);
    net.run(10s);
    EXPECT_EQ(net.masters(), "a b");
    net.heal();
    net.run(1001ms);  // an interval, and the way
    EXPECT_EQ(net.masters(), "b") << int{priority};
    net.story();
    net.run(1h);
    EXPECT_EQ(net.story(), "");
  }
}

TEST(VrrpNet, AStrongerOneTakesOverUnlessItDoesNotPreempt) {
  VrrpNet net;
  net.add("a", "1", {vrrp_spec(100)});
  net.run(10s);
  net.story();
  VrrpSpec modest = vrrp_spec(150);
  modest.preempt = false;
  auto& b = net.add("b", "2", {modest});
  net.run(60s);
  EXPECT_EQ(net.story(), "");
  net.kill(b);
  net.add("c", "3", {vrrp_spec(200)});
  net.run(60s);
  EXPECT_EQ(net.story(), "73.219 c web: backup -> master\n73.220 a web: master -> backup\n");
}

TEST(VrrpNet, PreemptionWaitsForItsDelay) {
  VrrpNet net;
  net.add("a", "1", {vrrp_spec(100)});
  net.run(10s);
  net.story();
  VrrpSpec patient = vrrp_spec(150);
  patient.preempt_delay = 30s;
  net.add("b", "2", {patient});
  net.run(60s);
  EXPECT_EQ(net.story(), "40.611 b web: backup -> master\n40.612 a web: master -> backup\n");
}

TEST(VrrpNet, APriorityThatChangesChangesTheMaster) {
  VrrpNet net;
  auto& a = net.add("a", "1", {vrrp_spec(150)});
  net.add("b", "2", {vrrp_spec(100)});
  net.run(10s);
  EXPECT_EQ(net.masters(), "a");
  net.story();
  net.act(a, [](Vrrp& v, VrrpTurn turn) { v.configure({vrrp_spec(50)}, turn); });
  net.run(4s);
  EXPECT_EQ(net.masters(), "b");
  net.act(a, [](Vrrp& v, VrrpTurn turn) { v.configure({vrrp_spec(150)}, turn); });
  net.run(4s);
  EXPECT_EQ(net.masters(), "a");
}

TEST(VrrpNet, AMasterThatWasStoppedFindsAnotherAndOneOfThemYieldsAtOnce) {
  VrrpNet net;
  auto& a = net.add("a", "1", {vrrp_spec(150)});
  auto& b = net.add("b", "2", {vrrp_spec(100)});
  net.run(10s);
  net.story();
  net.pause(a);
  net.run(20s);
  EXPECT_EQ(net.story(), "13.026 b web: backup -> master\n");
  net.resume(a);  // it is the stronger one
  net.run(2ms);
  EXPECT_EQ(net.masters(), "a");
  EXPECT_EQ(a.announced, 1u);
  EXPECT_EQ(b.announced, 0u);
  ASSERT_EQ(a.notices.size(), 1u);
  EXPECT_NE(a.notices[0].find("sent no advert for 20."), std::string::npos) << a.notices[0];
}

TEST(VrrpNet, AWeakerMasterThatWasStoppedYieldsWithoutAnnouncingAnything) {
  VrrpNet net;
  auto& b = net.add("b", "2", {vrrp_spec(100)});
  net.run(10s);
  net.pause(b);
  net.run(5s);
  net.add("a", "1", {vrrp_spec(150)});
  net.run(10s);
  EXPECT_EQ(net.masters(), "b a");
  const uint64_t sent = b.sent;
  net.resume(b);
  EXPECT_EQ(net.masters(), "a");
  EXPECT_EQ(b.sent, sent);
  EXPECT_EQ(b.announced, 0u);
}

TEST(VrrpNet, ABackupThatWasStoppedDoesNotDisturbTheMaster) {
  VrrpNet net;
  net.add("a", "1", {vrrp_spec(150)});
  auto& b = net.add("b", "2", {vrrp_spec(100)});
  net.run(10s);
  net.story();
  for (const Duration pause : {Duration(100ms), Duration(3s), Duration(4s), Duration(60s)}) {
    net.pause(b);
    net.run(pause);
    net.resume(b);
    net.run(10s);
    EXPECT_EQ(net.story(), "") << pause.count();
  }
  for (const Duration pause : {Duration(100ms), Duration(2s), Duration(5s), Duration(60s)}) {
    net.pause(b);
    net.run(pause);
    b.waiting.clear();  // its socket has lost what came
    net.resume(b);
    net.run(10s);
    EXPECT_EQ(net.story(), "") << pause.count();
  }
}

TEST(VrrpNet, UnicastPeersWorkAsMulticastDoes) {
  VrrpNet net;
  VrrpSpec spec = vrrp_spec(150);
  spec.peers = {ip("192.0.2.2"), ip("192.0.2.3")};
  auto& a = net.add("a", "1", {spec});
  spec.priority = 100, spec.peers = {ip("192.0.2.1"), ip("192.0.2.3")};
  net.add("b", "2", {spec});
  spec.priority = 50, spec.peers = {ip("192.0.2.1"), ip("192.0.2.2")};
  net.add("c", "3", {spec});
  net.run(10s);
  EXPECT_EQ(net.story(), "3.415 a web: backup -> master\n");
  net.stop(a);
  net.run(10s);
  EXPECT_EQ(net.story(), "10.611 b web: backup -> master\n");
}

TEST(VrrpNet, Version2WithAPasswordDoesTheSame) {
  VrrpNet net;
  VrrpSpec spec = vrrp_spec(150);
  spec.version = 2, spec.password = "secret";
  auto& a = net.add("a", "1", {spec});
  spec.priority = 100;
  net.add("b", "2", {spec});
  net.run(10s);
  EXPECT_EQ(net.masters(), "a");
  net.kill(a);
  net.run(3700ms);
  EXPECT_EQ(net.masters(), "b");
}

// However much is lost: when the link works again there is one master, the strongest, at the latest when its down
// interval has passed and it has sent an advert; and while the link works, nothing changes.
TEST(VrrpNet, ALossyWireEndsWithOneMasterEveryTime) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    std::mt19937 engine(seed);
    VrrpNet net;
    const Duration interval(seed % 2 == 0 ? 10 : 1000);
    net.add("a", "1", {fast(100, interval)});
    net.add("b", "2", {fast(150, interval)});
    net.add("c", "3", {fast(100, interval)});
    for (int round = 0; round < 5; ++round) {
      net.reaches = [&engine](const VrrpNet::Host&, const VrrpNet::Host&, Link) { return engine() % 10 < 3; };
      net.run(100 * interval);
      net.heal();
      net.run(4 * interval + 3ms);
      EXPECT_EQ(net.masters(), "b") << seed;
      net.story();
      net.run(100 * interval);
      EXPECT_EQ(net.story(), "") << seed;
    }
  }
}

}  // namespace
}  // namespace rawvs
