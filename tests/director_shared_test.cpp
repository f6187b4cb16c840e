// SPDX-License-Identifier: BSD-2-Clause
// Tests addresses shared by VRRP through director.h: answered for or not, on the right link, with the right MAC
// address.
#include "director_fixture.h"
#include "links.h"

namespace rawvs {
namespace {

constexpr Mac kVirtualMac{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}}, kOtherVirtualMac{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x34}};
constexpr const char* kGateway = "203.0.113.1";

class SharedTest : public DirectorTest {
 protected:
  // The frames that a change causes at once.
  std::string share(std::vector<Shared> shared, const std::optional<Shared>& others = {}) {
    out_.clear();
    director_->share(std::move(shared), others, {now_, out_});
    return left();
  }
  std::string share_others(bool ours, Mac mac = {}) { return share({}, Shared{Ip(), kOutLink, ours, mac}); }
  std::string share_vip(bool ours, Mac mac = {}) { return share({{ip("192.0.2.100"), kOutLink, ours, mac}}); }
  std::string share_gateway(bool ours, Mac mac = {}) { return share({{ip(kGateway), kInLink, ours, mac}}); }
  std::string ask_inside(const char* target = kGateway) {
    return arrive(frame(ArpFrame{.sender_mac = Mac{{2, 0, 0, 0, 1, 0x11}}, .sender = "203.0.113.11", .target = target}),
                  kInLink);
  }
};

TEST_F(SharedTest, AVipHasItsVirtualMacAddressInAnswersAnnouncementsAndProbes) {
  web(1);
  EXPECT_EQ(share_vip(true, kVirtualMac),
            "00:00:5e:00:01:33>ff:ff:ff:ff:ff:ff arp who-has 192.0.2.100 tell 192.0.2.100 00:00:5e:00:01:33 | "
            "00:00:5e:00:01:33>ff:ff:ff:ff:ff:ff arp 192.0.2.100 is-at 00:00:5e:00:01:33 to 192.0.2.100 "
            "ff:ff:ff:ff:ff:ff");
  EXPECT_EQ(arrive(frame(ArpFrame{})),
            "00:00:5e:00:01:33>02:00:00:00:00:01 arp 192.0.2.100 is-at 00:00:5e:00:01:33 to 192.0.2.1 "
            "02:00:00:00:00:01");
  EXPECT_NE(pass(1s).find("00:00:5e:00:01:33>ff:ff:ff:ff:ff:ff arp who-has 192.0.2.100 tell 0.0.0.0 00:00:5e:00:01:33"),
            std::string::npos)
      << "the probe must not teach anybody this MAC address for our own address: " << left();
}

TEST_F(SharedTest, FramesToAVirtualMacAddressAreTheMastersOnItsLinkAlone) {
  web(1);
  share_vip(true, kVirtualMac);
  EXPECT_EQ(director_->watch().macs[index(kOutLink)], std::vector{kVirtualMac});
  EXPECT_TRUE(director_->watch().macs[index(kInLink)].empty());
  EXPECT_EQ(arrive(frame(Tcp{.to = kVirtualMac})), to_server(1, "198.51.100.1:1001 > 192.0.2.100:80 S ttl 63"));
  EXPECT_EQ(arrive(frame(Ping{.to = kVirtualMac})),
            "00:00:5e:00:01:33>02:00:00:00:00:01 192.0.2.100 > 198.51.100.1 icmp 0/0 ttl 64");
  arrive(frame(Tcp{.to = kOtherVirtualMac}));
  arrive(frame(Tcp{.to = kVirtualMac}), kInLink);
  EXPECT_EQ(count(Exit::other_mac), 2u);
  EXPECT_EQ(arrive(frame(Tcp{.sport = 1002})), to_server(1, "198.51.100.1:1002 > 192.0.2.100:80 S ttl 63"));
  share_vip(false, kVirtualMac);
  EXPECT_TRUE(director_->watch().macs[index(kOutLink)].empty());
  EXPECT_EQ(arrive(frame(Tcp{.to = kVirtualMac})), "");
  EXPECT_EQ(count(Exit::other_mac), 3u);
  EXPECT_EQ(arrive(frame(Tcp{})), "");
  EXPECT_EQ(count(Exit::standby), 1u);
}

TEST_F(SharedTest, TheOtherDirectorsAnnouncementsAreNoConflict) {
  web(1);
  share_vip(true, kVirtualMac);
  arrive(frame(ArpFrame{.sender_mac = kVirtualMac, .sender = "192.0.2.100"}));
  EXPECT_EQ(notices(), "");
  arrive(frame(ArpFrame{.sender_mac = kClientMac, .sender = "192.0.2.100"}));
  EXPECT_NE(notices().find("another machine (02:00:00:00:00:01) answers ARP for VIP 192.0.2.100"), std::string::npos);
}

TEST_F(SharedTest, AGatewayIsAnsweredForInsideByTheMasterAlone) {
  EXPECT_EQ(share_gateway(false), "");
  EXPECT_EQ(ask_inside(), "");
  EXPECT_EQ(share_gateway(true),
            "02:00:00:00:01:10>ff:ff:ff:ff:ff:ff arp who-has 203.0.113.1 tell 203.0.113.1 02:00:00:00:01:10 | "
            "02:00:00:00:01:10>ff:ff:ff:ff:ff:ff arp 203.0.113.1 is-at 02:00:00:00:01:10 to 203.0.113.1 "
            "ff:ff:ff:ff:ff:ff");
  EXPECT_EQ(director_->watch().vips, std::vector{ip(kGateway)});
  for (const Departure& d : out_.departures()) EXPECT_EQ(d.out, kInLink);
  EXPECT_EQ(ask_inside(),
            "02:00:00:00:01:10>02:00:00:00:01:11 arp 203.0.113.1 is-at 02:00:00:00:01:10 to 203.0.113.11 "
            "02:00:00:00:01:11");
  EXPECT_EQ(arrive(frame(ArpFrame{.target = kGateway})), "") << "outside";
  EXPECT_EQ(arrive(frame(Ping{.src = "203.0.113.11", .dst = kGateway, .to = kInsideMac}), kInLink),
            "02:00:00:00:01:10>02:00:00:00:00:01 203.0.113.1 > 203.0.113.11 icmp 0/0 ttl 64");
  share_gateway(false);
  EXPECT_EQ(ask_inside(), "");
}

TEST_F(SharedTest, NatServersAnswersThatComeToTheGatewaysVirtualMacAddressAreTranslated) {
  nat(1);
  share_gateway(true, kOtherVirtualMac);
  arrive(frame(Tcp{}));
  EXPECT_EQ(arrive(frame(Tcp{.src = "203.0.113.11",
                             .dst = "198.51.100.1",
                             .sport = 8080,
                             .dport = 1001,
                             .flags = "SA",
                             .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                             .to = kOtherVirtualMac}),
                   kInLink),
            to_client("192.0.2.100:80 > 198.51.100.1:1001 SA ttl 63"));
}

// A master with priority 255 has the address on its interface.
TEST_F(SharedTest, TheHostsOwnAddressIsLeftToTheHost) {
  EXPECT_EQ(share({{ip("203.0.113.10"), kInLink, true, {}}}), "");
  EXPECT_EQ(ask_inside("203.0.113.10"), "");
  EXPECT_TRUE(director_->watch().vips.empty());
}

// A VIP that no instance names, made at run time: the master of the deciding instance answers for it.
TEST_F(SharedTest, AVipThatNoInstanceNamesIsAnsweredForByTheMasterAlone) {
  EXPECT_EQ(share_others(false), "");
  web(1);
  EXPECT_FALSE(director_->claims().answers_for(ip("192.0.2.100")));
  EXPECT_EQ(arrive(frame(ArpFrame{})), "");
  EXPECT_EQ(arrive(frame(Tcp{})), "");
  EXPECT_EQ(count(Exit::standby), 1u);
  EXPECT_EQ(director_->watch().vips, std::vector{ip("192.0.2.100")}) << "the host's kernel must not have it either";
  EXPECT_NE(share_others(true).find("arp 192.0.2.100 is-at 02:00:00:00:00:10"), std::string::npos);
  EXPECT_NE(arrive(frame(ArpFrame{})), "");
  out_.clear();
  director_->announce_others({now_, out_});
  EXPECT_NE(left().find("arp 192.0.2.100 is-at 02:00:00:00:00:10"), std::string::npos);
  EXPECT_EQ(share_others(false), "");
  EXPECT_EQ(arrive(frame(ArpFrame{})), "");
  EXPECT_NE(share({}).find("arp 192.0.2.100 is-at"), std::string::npos) << "without VRRP it is ours alone";
}

TEST_F(SharedTest, AVipThatAnInstanceNamesIsNoneOfTheOthers) {
  web(1);
  const std::optional<Shared> others = Shared{Ip(), kOutLink, false, kVirtualMac};
  share({{ip("192.0.2.100"), kOutLink, true, {}}}, others);
  EXPECT_TRUE(director_->claims().answers_for(ip("192.0.2.100")));
  out_.clear();
  director_->announce_others({now_, out_});
  EXPECT_EQ(left(), "");
  share({{ip("192.0.2.101"), kOutLink, true, {}}}, others);
  EXPECT_FALSE(director_->claims().answers_for(ip("192.0.2.100")));
  EXPECT_TRUE(director_->claims().answers_for(ip("192.0.2.101")));
}

TEST_F(SharedTest, ARemovedVipThatWasOnStandbyStaysSilent) {
  share_others(false);
  web(1);
  out_.clear();
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  EXPECT_EQ(arrive(frame(ArpFrame{})), "");
  EXPECT_EQ(arrive(frame(Tcp{})), "");
  EXPECT_EQ(count(Exit::standby), 1u);
}

// No other director has this host's own address: as a standby it would cut the host off.
TEST_F(SharedTest, AVipThatIsTheHostsOwnAddressIsServedWhoeverIsMaster) {
  LinkFacts facts = director_->link(kOutLink);
  facts.addresses.push_back({ip("192.0.2.100"), 24});
  director_->link_changed(kOutLink, facts, {now_, out_});
  share_others(false);
  web(1);
  EXPECT_FALSE(director_->claims().answers_for(ip("192.0.2.100"))) << "the host's kernel does";
  EXPECT_EQ(arrive(frame(Tcp{})), to_server(1, "198.51.100.1:1001 > 192.0.2.100:80 S ttl 63"));
  share({{ip("192.0.2.100"), kOutLink, false, kVirtualMac}});
  EXPECT_EQ(arrive(frame(Tcp{.sport = 1002})), to_server(1, "198.51.100.1:1002 > 192.0.2.100:80 S ttl 63"));
  EXPECT_TRUE(director_->watch().macs[index(kOutLink)].empty());
}

TEST_F(SharedTest, AnExplanationNamesTheOtherDirector) {
  web(1);
  share_vip(false);
  const FlowKey flow{ip("198.51.100.1"), ip("192.0.2.100"), Port(1001), Port(80), Protocol::tcp, false};
  const Explanation e = director_->explain(flow, now_);
  EXPECT_EQ(e.exit, Exit::standby);
  share_vip(true, kVirtualMac);
  const Explanation ours = director_->explain(flow, now_);
  EXPECT_EQ(ours.exit, Exit::forwarded);
  EXPECT_NE(ours.steps[1].find("answered with 00:00:5e:00:01:33 on eth0"), std::string::npos) << ours.steps[1];
}

}  // namespace
}  // namespace rawvs
