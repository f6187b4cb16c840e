// SPDX-License-Identifier: BSD-2-Clause
// vrrp_forged_test.cpp: adverts that another host has forged do no more harm than they must.
#include "vrrp_fixture.h"

namespace rawvs {
namespace {

using namespace test;

TEST_F(VrrpTest, FollowsNoIntervalThatIsFarFromItsOwn) {
  begin({vrrp_spec(100)});
  VrrpAdvert a = advert(255);
  a.interval = kLongestVrrpInterval;
  EXPECT_EQ(hear(a), "");
  EXPECT_EQ(one().interval, Duration(10s));
  EXPECT_EQ(state(), "backup 36.09");  // three intervals and the skew time, not two minutes
  a.interval = 10ms;
  EXPECT_EQ(hear(a), "");
  EXPECT_EQ(one().interval, Duration(100ms));
  EXPECT_EQ(vrrp_learned(40s, 10ms), Duration(1s));
  EXPECT_EQ(vrrp_learned(40s, 30s), Duration(40s));
  EXPECT_EQ(vrrp_learned(10ms, 10ms), Duration(10ms));
}

TEST_F(VrrpTest, FromAPeerNextDoorOnlyTheFullTtlIsBelieved) {
  VrrpSpec spec = vrrp_spec(100);
  spec.peers = {ip("192.0.2.9"), ip("203.0.113.9")};
  begin({spec});
  const Ip self = ip("192.0.2.10");
  EXPECT_EQ(hear(advert(255), "192.0.2.9", self, 3), "ttl");
  EXPECT_EQ(hear(advert(255), "192.0.2.9", self, 254), "ttl");
  EXPECT_EQ(hear(advert(150), "192.0.2.9", self, 255), "");
  EXPECT_EQ(hear(advert(150), "203.0.113.9", self, 60), "") << "it is behind routers";
  EXPECT_EQ(refused(VrrpRefusal::ttl), 2u);

  spec.min_ttl = 64;
  vrrp_.configure({spec}, {now_, out_});
  EXPECT_EQ(hear(advert(150), "192.0.2.9", self, 64), "");
  EXPECT_EQ(hear(advert(150), "203.0.113.9", self, 63), "ttl");
}

TEST_F(VrrpTest, OfIpv6APeerWithAGlobalAddressNeedsTheFullHopLimitAndALinkLocalOneIsNextDoorAnyway) {
  VrrpSpec spec = vrrp_spec(100);
  spec.addresses = {ip("2001:db8::100")};
  spec.peers = {ip("fe80::9"), ip("2001:db8::9"), ip("2001:db8:1::9")};
  LinkFacts facts = link_facts("");
  facts.addresses = {{ip("fe80::10"), 64}, {ip("2001:db8::10"), 64}};
  vrrp_.link_changed(kOutLink, facts, {now_, out_});
  vrrp_.configure({spec}, {now_, out_});
  vrrp_.start({now_, out_});
  EXPECT_EQ(hear(advert(150), "fe80::9", ip("fe80::10"), 64), "");
  EXPECT_EQ(hear(advert(255), "2001:db8::9", ip("2001:db8::10"), 64), "ttl");
  EXPECT_EQ(hear(advert(150), "2001:db8::9", ip("2001:db8::10"), 255), "");
  EXPECT_EQ(hear(advert(150), "2001:db8:1::9", ip("2001:db8::10"), 64), "");
}

// What reaches the log and the notify program, in a line each: "to" or "(to)" if it is logged only.
std::string told(const VrrpOutbox& out) {
  std::string s;
  for (const auto* const some : {&out.transitions(), &out.late()}) {
    for (const VrrpTransition& t : *some) {
      const std::string to = name(t.to);
      if (t.logged) s += (s.empty() ? "" : " ") + (t.notified ? to : '(' + to + ')');
    }
  }
  return s;
}

TEST_F(VrrpTest, StatesThatChangeAllTheTimeAreToldNowAndThenAndTheLastOneAlways) {
  begin_as_master(vrrp_spec(100));
  size_t at_once = 0, changes = 0;
  for (int n = 0; n < 100; ++n) {  // 70 s
    out_.clear();
    hear(200);
    hear(0);
    wait(700ms);  // the skew time is over
    changes += out_.transitions().size();
    for (const VrrpTransition& t : out_.transitions()) at_once += t.notified;
    for (const VrrpTransition& t : out_.late()) at_once += t.notified;
  }
  EXPECT_GT(changes, 150u);
  EXPECT_LE(at_once, 6u + 8u);
  EXPECT_GE(at_once, 6u);
  out_.clear();
  hear(200);
  out_.clear();
  for (int n = 0; n < 12; ++n) wait(1s), hear(200);
  EXPECT_EQ(one().state, VrrpState::backup);
  const std::string last = told(out_);
  EXPECT_TRUE(last == "backup" || last == "(backup)") << last;
  EXPECT_NE(out_.late().back().reason.find("changes came too fast to be told; the last: "), std::string::npos);
}

TEST_F(VrrpTest, AFewChangesAreToldAtOnce) {
  begin_as_master(vrrp_spec(100));
  hear(200);
  EXPECT_EQ(told(out_), "backup");
  out_.clear();
  wait(5s);
  EXPECT_EQ(told(out_), "master");
}

TEST_F(VrrpTest, TheStopIsToldInAnyCase) {
  begin_as_master(vrrp_spec(100));
  for (int n = 0; n < 20; ++n) hear(200), hear(0), wait(1s);
  out_.clear();
  vrrp_.stop({now_, out_});
  EXPECT_EQ(told(out_), "initialize");
}

}  // namespace
}  // namespace rawvs
