// SPDX-License-Identifier: BSD-2-Clause
// Tests several links through director.h: clients on any of them, links without Ethernet, segment sizes.
#include <set>

#include "control/control_words.h"
#include "director_fixture.h"
#include "links.h"
#include "rawvs/bytes.h"

namespace rawvs {
namespace {

constexpr Link kSecond{2}, kPpp{3};
constexpr Mac kSecondMac{{2, 0, 0, 0, 2, 0x10}};

class SeveralLinksTest : public DirectorTest {
 protected:
  void second_link(LinkRole role = LinkRole::clients) {
    link(kSecond, {.name = "wan1", .role = role, .mac = kSecondMac, .addresses = {{ip("198.51.100.65"), 28}}});
  }
  void ppp(LinkRole role, uint16_t mtu = 1492) {
    link(kPpp, {.name = "ppp0",
                .role = role,
                .ethernet = false,
                .mac = kBareOwn,
                .mtu = mtu,
                .addresses = {{ip("198.51.100.129"), 32}}});
  }
  void link(Link which, LinkFacts facts) {
    facts.ifindex = 10 + static_cast<int>(which), facts.up = facts.carrier = true;
    out_.clear();
    director_->link_changed(which, facts, {now_, out_});
  }
  std::set<Link> announced() {  // the links by which announcements left
    std::set<Link> links;
    for (const Departure& d : out_.departures()) {
      Discovery arp;
      if (!parse_arp(d.frame, arp) && arp.sender == ip("192.0.2.100")) links.insert(d.out);
    }
    return links;
  }
  // A SYN or SYN-ACK that states a segment size.
  static FrameBytes with_mss(Tcp tcp, uint16_t mss, bool odd = false) {
    FrameBytes f = frame(tcp);
    FrameBytes options = {2, 4, static_cast<uint8_t>(mss >> 8), static_cast<uint8_t>(mss), 1, 1, 1, 0};
    if (odd) std::rotate(options.begin(), options.begin() + 7, options.end()), options[0] = 1;
    f.insert(f.end(), options.begin(), options.end());
    f[kEthernetSize + 3] = static_cast<uint8_t>(f[kEthernetSize + 3] + options.size());
    f[l4_offset(f) + 12] = 7 << 4;
    fix_ip_checksum(f), fix_l4_checksum(f);
    return f;
  }
  int mss_left(bool odd = false) {
    if (out_.departures().size() != 1) return -1;
    const Frame& f = out_.departures()[0].frame;
    return load_be16(Bytes(f.data, f.size), kEthernetSize + 20 + 20 + (odd ? 3 : 2));
  }
};

TEST_F(SeveralLinksTest, AVipIsAnsweredForAndAnnouncedOnEveryLinkOfClients) {
  web(1);
  second_link();
  EXPECT_TRUE(announced().contains(kSecond));
  const std::string on_second = arrive(frame(ArpFrame{}), kSecond);
  EXPECT_NE(on_second.find(text(kSecondMac)), std::string::npos) << on_second;
  EXPECT_NE(arrive(frame(ArpFrame{})), "");
  EXPECT_EQ(arrive(frame(ArpFrame{}), kInLink), "");
  EXPECT_EQ(word(*director_, director_->claims().find(ip("192.0.2.100"))->as.links), "eth0,wan1");
  out_.clear();
  director_->announce(ip("192.0.2.100"), {now_, out_});
  EXPECT_EQ(announced(), (std::set<Link>{kOutLink, kSecond}));
}

// What a link without Ethernet has in place of MAC addresses says nothing about hosts on other links.
TEST_F(SeveralLinksTest, AHostWithTheInventedMacAddressOfAnotherLinkIsAnswered) {
  web(1);
  ppp(LinkRole::clients);
  for (const Mac asker : {kBareOwn, kBarePeer}) {
    const std::string answer = arrive(frame(ArpFrame{.sender_mac = asker}));
    EXPECT_NE(answer.find(text(kDirectorMac)), std::string::npos) << text(asker) << ": " << answer;
  }
}

TEST_F(SeveralLinksTest, ALinkOfServersAnswersForNoVip) {
  web(1);
  second_link(LinkRole::servers);
  EXPECT_EQ(arrive(frame(ArpFrame{}), kSecond), "");
  EXPECT_EQ(director_->links(), 3u);
}

TEST_F(SeveralLinksTest, AnAnswerLeavesByTheLinkByWhichItsClientCame) {
  nat(1);
  second_link();
  arrive(frame(Tcp{.to = kSecondMac}), kSecond);
  arrive(
      frame(Tcp{
          .src = "203.0.113.11", .dst = "198.51.100.1", .sport = 8080, .dport = 1001, .flags = "SA", .to = kInsideMac}),
      kInLink);
  ASSERT_EQ(out_.departures().size(), 1u);
  EXPECT_EQ(out_.departures()[0].out, kSecond);
}

TEST_F(SeveralLinksTest, OurOwnAnnouncementOnAnotherLinkOfTheSameNetworkIsNoConflict) {
  web(1);
  second_link();
  arrive(frame(ArpFrame{.sender_mac = kSecondMac, .sender = "192.0.2.100"}));
  EXPECT_EQ(count(Exit::arp_conflict), 0u);
  EXPECT_EQ(count(Exit::own_frame), 1u);
}

TEST_F(SeveralLinksTest, AClientBehindALinkWithoutEthernetIsServedByNatAndNothingIsAskedThere) {
  nat(1);
  ppp(LinkRole::clients);
  EXPECT_EQ(left(), "") << "no ARP";
  EXPECT_EQ(arrive(frame(Tcp{.from = kBarePeer, .to = kBareOwn}), kPpp),
            to_inside(1, "198.51.100.1:1001 > 203.0.113.11:8080 S ttl 63"));
  EXPECT_EQ(arrive(frame(Tcp{.src = "203.0.113.11",
                             .dst = "198.51.100.1",
                             .sport = 8080,
                             .dport = 1001,
                             .flags = "SA",
                             .to = kInsideMac}),
                   kInLink),
            text(kBareOwn) + '>' + text(kBarePeer) + " 192.0.2.100:80 > 198.51.100.1:1001 SA ttl 63");
  EXPECT_EQ(out_.departures()[0].out, kPpp);
}

TEST_F(SeveralLinksTest, AServerBehindSuchALinkNeedsNoNeighbourAndDirectRoutingIsRefused) {
  web(0);
  ppp(LinkRole::servers);
  const Ip far = ip("198.51.100.130");
  const ServerSpec masq{.at = {far, Port(80)}, .method = Method::masq};
  ASSERT_FALSE(director_->add_server(key_, masq, {now_, out_}));
  out_.clear();
  director_->route_found({.to = far, .link = kPpp, .next_hop = far}, {now_, out_});
  EXPECT_EQ(left(), "");
  EXPECT_EQ(arrive(frame(Tcp{})),
            text(kBareOwn) + '>' + text(kBarePeer) + " 198.51.100.1:1001 > 198.51.100.130:80 S ttl 63");
  ASSERT_FALSE(director_->edit_server(key_, {.at = {far, Port(80)}, .method = Method::route}, {now_, out_}));
  EXPECT_EQ(director_->reach(director_->services().server(0)), Director::Reach::no_ethernet);
}

TEST_F(SeveralLinksTest, TheSegmentSizeOfSynsIsLoweredToTheNarrowerWay) {
  nat(1);
  ppp(LinkRole::clients, 1492);
  EXPECT_EQ(arrive(with_mss(Tcp{.from = kBarePeer, .to = kBareOwn}, 1460), kPpp).find("BAD"), std::string::npos);
  EXPECT_EQ(mss_left(), 1452);
  arrive(with_mss({.sport = 1002, .from = kBarePeer, .to = kBareOwn}, 1400), kPpp);
  EXPECT_EQ(mss_left(), 1400) << "never raised";
  EXPECT_EQ(arrive(with_mss({.sport = 1003, .from = kBarePeer, .to = kBareOwn}, 1460, true), kPpp).find("BAD"),
            std::string::npos);
  EXPECT_EQ(mss_left(true), 1452);
  const std::string answered = arrive(
      with_mss(
          {.src = "203.0.113.11", .dst = "198.51.100.1", .sport = 8080, .dport = 1001, .flags = "SA", .to = kInsideMac},
          1460),
      kInLink);
  EXPECT_EQ(answered.find("BAD"), std::string::npos) << answered;
  EXPECT_EQ(mss_left(), 1452);
  arrive(with_mss({.sport = 1004}, 8960));
  EXPECT_EQ(mss_left(), 8960) << "both ways have the same MTU";
}

TEST_F(SeveralLinksTest, TheSegmentSizeIsLeftAloneOrLimitedAsTheSettingSays) {
  nat(1);
  ppp(LinkRole::clients, 1492);
  Settings settings = director_->settings();
  settings.mss_clamp = 0;
  director_->set_settings(settings, now_);
  arrive(with_mss(Tcp{.from = kBarePeer, .to = kBareOwn}, 1460), kPpp);
  EXPECT_EQ(mss_left(), 1460);
  settings.mss_clamp = 1000;
  director_->set_settings(settings, now_);
  arrive(with_mss({.sport = 1002}, 1460));
  EXPECT_EQ(mss_left(), 1000);
}

}  // namespace
}  // namespace rawvs
