// SPDX-License-Identifier: BSD-2-Clause
// Tests several VRRP instances of one host: groups that are master together or not at all, changes of the
// configuration, and configurations that are refused.
#include <gtest/gtest.h>

#include "links.h"
#include "vrrp_net.h"

namespace rawvs {
namespace {

using namespace test;
using S = VrrpState;

// Two instances of a group: one for the clients' side, one for the servers'.
std::vector<VrrpSpec> pair(uint8_t priority, const std::string& group = "router") {
  VrrpSpec front = vrrp_spec(priority, "front"), back = vrrp_spec(priority, "back");
  back.link = kInLink, back.vrid = 52, back.addresses = {ip("198.51.100.100")};
  front.group = back.group = group;
  return {front, back};
}

void set_link(VrrpNet& net, VrrpNet::Host& h, Link link, bool up) {
  net.act(h, [&](Vrrp& v, VrrpTurn turn) {
    LinkFacts facts = link_facts(text(h.addr[index(link)]), link == kOutLink ? "eth0" : "eth1");
    facts.carrier = up;
    v.link_changed(link, facts, turn);
  });
}

std::string both(const VrrpNet& net) { return net.masters("front") + " / " + net.masters("back"); }

TEST(VrrpGroup, BecomesMasterTogetherAndStopsTogether) {
  VrrpNet net;
  auto& a = net.add("a", "1", pair(150));
  net.add("b", "2", pair(100));
  net.run(10s);
  EXPECT_EQ(both(net), "a / a");
  EXPECT_EQ(net.story(), "3.415 a back: backup -> master\n3.415 a front: backup -> master\n");
  net.stop(a);
  net.run(10s);
  EXPECT_EQ(both(net), "b / b");
}

TEST(VrrpGroup, LeavesBothLinksWhenOneIsCut) {
  VrrpNet net;
  auto& a = net.add("a", "1", pair(150));
  net.add("b", "2", pair(100));
  net.run(10s);
  net.story();
  set_link(net, a, kInLink, false);
  EXPECT_EQ(net.story(), "10.000 a back: master -> fault\n10.000 a front: master -> backup\n");
  EXPECT_EQ(a.vrrp.all()[0].reason, "group router: back is in fault");
  net.run(3700ms);
  EXPECT_EQ(both(net), "b / b");
  net.run(1h);
  EXPECT_EQ(both(net), "b / b");  // a's front is stronger, but its group cannot be master
  set_link(net, a, kInLink, true);
  net.run(5s);
  EXPECT_EQ(both(net), "a / a");
}

// One link loses all adverts, though it has a carrier: the master on the other link stays master on both.
TEST(VrrpGroup, DoesNotFlapWhenOneLinkLosesAllAdverts) {
  VrrpNet net;
  net.add("a", "1", pair(150));
  auto& b = net.add("b", "2", pair(100));
  net.run(10s);
  net.story();
  net.reaches = [](const VrrpNet::Host&, const VrrpNet::Host&, Link link) { return link == kOutLink; };
  net.run(1h);
  EXPECT_EQ(net.story(), "");
  EXPECT_TRUE(b.vrrp.all()[1].wants_master);
  EXPECT_FALSE(b.vrrp.all()[0].wants_master);
  net.heal();
  net.run(10s);
  EXPECT_EQ(net.story(), "");
  EXPECT_FALSE(b.vrrp.all()[1].wants_master);
}

TEST(VrrpGroup, YieldsOnBothLinksWhenOneHearsAStrongerMaster) {
  VrrpNet net;
  auto& a = net.add("a", "1", pair(150));
  auto& b = net.add("b", "2", pair(100));
  net.cut(a, b);
  net.run(10s);
  EXPECT_EQ(both(net), "a b / a b");
  net.story();
  // Only one link recovers.
  net.reaches = [](const VrrpNet::Host&, const VrrpNet::Host&, Link link) { return link == kOutLink; };
  net.run(2s);
  EXPECT_EQ(both(net), "a / a");
  EXPECT_EQ(b.vrrp.all()[1].reason, "group router: front is in backup");
  net.story();
  net.run(1h);
  EXPECT_EQ(net.story(), "");
}

TEST(VrrpGroup, FollowsATrackOfOneOfThem) {
  VrrpNet net;
  auto specs = pair(150);
  specs[0].tracks = {{"1 server of shop", 0}};
  auto& a = net.add("a", "1", specs);
  net.add("b", "2", pair(100));
  net.run(10s);
  EXPECT_EQ(both(net), "a / a");
  net.act(a, [](Vrrp& v, VrrpTurn turn) { v.track(0, 0, false, turn); });
  net.run(3700ms);
  EXPECT_EQ(both(net), "b / b");
  net.act(a, [](Vrrp& v, VrrpTurn turn) { v.track(0, 0, true, turn); });
  net.run(5s);
  EXPECT_EQ(both(net), "a / a");
}

TEST(VrrpGroup, PreemptsTogetherAfterTheDelay) {
  VrrpNet net;
  net.add("b", "2", pair(100));
  net.run(10s);
  net.story();
  auto specs = pair(150);
  specs[0].preempt_delay = 20s, specs[1].preempt_delay = 30s;
  net.add("a", "1", specs);
  net.run(29s);
  EXPECT_EQ(both(net), "b / b");
  net.run(2s);
  EXPECT_EQ(both(net), "a / a");
  net.story();
  net.run(1h);
  EXPECT_EQ(net.story(), "");
}

TEST(VrrpGroup, OfOwnersIsMasterAtOnceIfAllOfItCan) {
  VrrpNet net;
  auto& a = net.add("a", "1", pair(255));
  net.run(0ms);
  EXPECT_EQ(both(net), "a / a");
  set_link(net, a, kInLink, false);
  net.run(10s);
  EXPECT_EQ(both(net), " / ");
  set_link(net, a, kInLink, true);
  net.run(4s);
  EXPECT_EQ(both(net), "a / a");
}

TEST(VrrpGroup, TakesANewInstanceInWithoutLeavingTheOthers) {
  VrrpNet net;
  auto specs = pair(100);
  auto& a = net.add("a", "1", {specs[0]});
  net.run(10s);
  net.story();
  net.act(a, [&](Vrrp& v, VrrpTurn turn) { v.configure(specs, turn); });
  net.run(10s);
  EXPECT_EQ(net.story(), "13.610 a back: backup -> master\n");
  EXPECT_EQ(both(net), "a / a");
}

TEST(VrrpGroup, LeavesIfANewInstanceInItHearsAStrongerMaster) {
  VrrpNet net;
  auto specs = pair(100);
  auto& a = net.add("a", "1", {specs[0]});
  VrrpSpec other = pair(150, "")[1];
  net.add("b", "2", {other});
  net.run(10s);
  EXPECT_EQ(both(net), "a / b");
  net.act(a, [&](Vrrp& v, VrrpTurn turn) { v.configure(specs, turn); });
  net.run(1s);
  EXPECT_EQ(both(net), " / b");
}

TEST(VrrpGroup, OfOneHostDoesNotConcernAnotherGroup) {
  VrrpNet net;
  auto specs = pair(150), more = pair(150, "other");
  more[0].name = "mail", more[0].vrid = 53, more[0].addresses = {ip("192.0.2.101")};
  more[1].name = "news", more[1].vrid = 54, more[1].addresses = {ip("192.0.2.102")}, more[1].link = kOutLink;
  specs.insert(specs.end(), more.begin(), more.end());
  ASSERT_TRUE(check_vrrp(specs));
  auto& a = net.add("a", "1", specs);
  net.run(10s);
  set_link(net, a, kInLink, false);
  net.run(10s);
  EXPECT_EQ(both(net), " / ");
  EXPECT_EQ(net.masters("mail") + net.masters("news"), "aa");
}

TEST(VrrpReload, KeepsMastersThatStayTheSameAndStopsThoseThatGo) {
  VrrpNet net;
  VrrpSpec web = vrrp_spec(150), mail = vrrp_spec(150, "mail");
  mail.vrid = 53, mail.addresses = {ip("192.0.2.101")};
  auto& a = net.add("a", "1", {web, mail});
  net.run(10s);
  net.story();
  const uint64_t sent = a.vrrp.all()[0].counters.sent;
  web.addresses.push_back(ip("192.0.2.102"));
  a.out.clear();
  a.vrrp.configure({web}, {net.now(), a.out});
  ASSERT_EQ(a.out.transitions().size(), 1u);
  EXPECT_EQ(text(a.out.transitions()[0]), "vrrp mail: master -> initialize: removed from the configuration");
  ASSERT_EQ(a.out.sends().size(), 2u);
  EXPECT_EQ(a.out.sends()[0].priority, 0);
  EXPECT_EQ(a.out.sends()[0].vrid, 53);
  EXPECT_EQ(a.out.sends()[1].vrid, 51);  // its addresses are others now
  EXPECT_EQ(a.vrrp.all()[0].counters.sent, sent + 1);
  EXPECT_EQ(a.vrrp.all()[0].state, S::master);
  EXPECT_TRUE(a.vrrp.may_answer(ip("192.0.2.102")));
  EXPECT_TRUE(a.vrrp.may_answer(ip("192.0.2.101")));  // no instance names it any more: web decides
}

// Both directors choose the same instance, whatever the order of their sections.
TEST(Vrrp, TheInstanceOfSmallestIdDecidesAboutVipsThatNoneNames) {
  VrrpOutbox out;
  VrrpSpec gateway = vrrp_spec(150, "gateway"), web = vrrp_spec(150), mail = vrrp_spec(150, "mail");
  gateway.link = kInLink, gateway.vrid = 1, gateway.addresses = {ip("203.0.113.1")};
  mail.vrid = 53, mail.addresses = {ip("192.0.2.101")};
  const Ip other = ip("192.0.2.102");
  const auto decides = [&](std::vector<VrrpSpec> specs) {
    Vrrp vrrp;
    EXPECT_TRUE(check_vrrp(specs));
    vrrp.configure(std::move(specs), {Instant(1000s), out});
    EXPECT_EQ(vrrp.may_answer(other), vrrp.of_others() == nullptr);
    return vrrp.instance_of(other) ? vrrp.instance_of(other)->spec.name : "";
  };
  EXPECT_EQ(decides({}), "");
  EXPECT_EQ(decides({gateway}), "gateway");
  EXPECT_EQ(decides({gateway, web, mail}), "web");
  EXPECT_EQ(decides({mail, web, gateway}), "web");
  mail.other_vips = OtherVips::yes;
  EXPECT_EQ(decides({web, mail}), "mail");
  web.other_vips = OtherVips::no;
  mail.other_vips = OtherVips::automatic;
  EXPECT_EQ(decides({web, mail}), "mail");
  mail.other_vips = OtherVips::no;
  EXPECT_EQ(decides({web, mail}), "");
  web.other_vips = mail.other_vips = OtherVips::yes;
  EXPECT_EQ(check_vrrp(std::vector{web, mail}).error().text, "vrrp mail: other_vips = yes is in web, too");
}

TEST(VrrpReload, KnowsTracksByTheirNamesAndInstancesByTheirIds) {
  VrrpNet net;
  VrrpSpec web = vrrp_spec(150);
  web.tracks = {{"uplink", -10}, {"cache", -20}};
  auto& a = net.add("a", "1", {web});
  net.run(10s);
  net.act(a, [&](Vrrp& v, VrrpTurn turn) { v.track(0, 1, false, turn); });
  EXPECT_EQ(a.vrrp.all()[0].priority, 130);
  web.name = "www", web.tracks = {{"cache", -5}};
  net.act(a, [&](Vrrp& v, VrrpTurn turn) { v.configure({web}, turn); });
  EXPECT_EQ(a.vrrp.all()[0].priority, 145);
  EXPECT_EQ(net.masters("www"), "a");
  web.version = 2;
  net.act(a, [&](Vrrp& v, VrrpTurn turn) { v.configure({web}, turn); });
  EXPECT_EQ(net.masters("www"), "");
  EXPECT_EQ(a.vrrp.all()[0].state, S::backup);
}

TEST(VrrpReload, AppliesAnotherIntervalAtOnce) {
  VrrpNet net;
  VrrpSpec slow = vrrp_spec(150);
  slow.interval = 40s;
  auto& a = net.add("a", "1", {slow});
  auto& b = net.add("b", "2", {slow});
  net.run(300s);
  EXPECT_EQ(net.masters(), "b");
  net.kill(b);
  net.act(a, [&](Vrrp& v, VrrpTurn turn) { v.configure({vrrp_spec(150)}, turn); });
  net.run(3700ms);
  EXPECT_EQ(net.masters(), "a");
}

TEST(VrrpReload, MoreThanThousandTimesHasNoEffectByItself) {
  VrrpNet net;
  net.add("a", "1", pair(150));
  auto& b = net.add("b", "2", pair(100));
  net.run(10s);
  net.story();
  for (int n = 0; n < 1200; ++n) {
    net.act(b, [](Vrrp& v, VrrpTurn turn) { v.configure(pair(100), turn); });
    net.run(10ms);
  }
  EXPECT_EQ(net.story(), "");
  EXPECT_EQ(both(net), "a / a");
}

std::string refusal(const std::function<void(VrrpSpec&)>& change) {
  VrrpSpec s = vrrp_spec(100);
  change(s);
  const auto checked = check_vrrp(std::span(&s, 1));
  return checked ? "" : checked.error().text;
}

TEST(VrrpCheck, RefusesWhatCannotBe) {
  EXPECT_EQ(refusal([](VrrpSpec&) {}), "");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.interval = 10ms; }), "");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.interval = 40950ms; }), "");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.version = 2, s.interval = 255s, s.password = "12345678"; }), "");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.version = 4; }), "vrrp web: version 4 is neither 2 nor 3");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.vrid = 0; }), "vrrp web: vrid 0 is not between 1 and 255");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.priority = 0; }), "vrrp web: priority 0 is not between 1 and 255");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.interval = 1005ms; }),
            "vrrp web: interval 1.005 s is not one of 0.01 s to 40.95 s, in steps of 0.01 s");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.version = 2, s.interval = 100ms; }),
            "vrrp web: interval 0.100 s is not one of 1 s to 255 s, whole seconds, as version 2 has them");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.preempt_delay = 1001s; }),
            "vrrp web: preempt_delay 1001.000 s is not between 0 and 1000 s");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.preempt = false, s.begins_as_master = true; }),
            "vrrp web: without preempt it cannot begin as master");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.password = "secret"; }), "vrrp web: version 3 has no password");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.version = 2, s.password = "123456789"; }),
            "vrrp web: its password has more than 8 bytes");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.addresses.clear(); }), "vrrp web: it must have 1 to 255 addresses");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.addresses = {ip("224.0.0.1")}; }),
            "vrrp web: address 224.0.0.1 cannot be a host's");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.addresses.push_back(s.addresses[0]); }),
            "vrrp web: address 192.0.2.100 is in web, too, or in it twice");
  EXPECT_EQ(refusal([](VrrpSpec& s) { s.source = ip("192.0.2.1"), s.peers = {ip("192.0.2.1")}; }),
            "vrrp web: peer 192.0.2.1 cannot be another host's");
  EXPECT_EQ(refusal([](VrrpSpec& s) {
              s.tracks = {{"t", -254}};
            }),
            "vrrp web: track t: weight -254 is not between -253 and 253");
  EXPECT_EQ(refusal([](VrrpSpec& s) {
              s.group = "g", s.tracks = {{"t", -1}};
            }),
            "vrrp web: track t: instances of a group cannot have weights: theirs is the group's fate");
}

TEST(VrrpCheck, RefusesTwoThatAreTheSame) {
  std::vector<VrrpSpec> two = {vrrp_spec(100), vrrp_spec(100, "mail")};
  two[1].addresses = {ip("192.0.2.101")};
  EXPECT_EQ(check_vrrp(two).error().text, "vrrp mail: vrid 51 is that of web, on the same interface");
  two[1].link = kInLink;
  EXPECT_TRUE(check_vrrp(two));
  two[1].name = "web";
  EXPECT_EQ(check_vrrp(two).error().text, "vrrp web: there are two of this name");
  two[1].name = "mail", two[1].addresses = two[0].addresses;
  EXPECT_FALSE(check_vrrp(two));
}

TEST(VrrpCheck, TakesAsManyAsThereAreIdsAndTheyAllRun) {
  std::vector<VrrpSpec> all;
  for (uint32_t n = 1; n <= kMostInstances; ++n) {
    VrrpSpec s = vrrp_spec(100, "v" + std::to_string(n));
    s.vrid = static_cast<uint8_t>(n), s.addresses = {Ip(0xcb007100 + n)};
    all.push_back(s);
  }
  ASSERT_TRUE(check_vrrp(all));
  VrrpNet net;
  auto& a = net.add("a", "1", all);
  net.add("b", "2", all);
  net.run(10s);
  net.story();
  for (const Vrrp::Instance& i : a.vrrp.all()) {
    EXPECT_EQ(i.state, S::backup) << i.spec.name;
    EXPECT_GE(i.counters.heard, 6u) << i.spec.name;
  }
}

}  // namespace
}  // namespace rawvs
