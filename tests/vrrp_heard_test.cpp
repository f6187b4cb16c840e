// SPDX-License-Identifier: BSD-2-Clause
// Tests a VRRP instance's handling of others' adverts: the rules of reception, and the peers that it sends to; and
// events of its host: links, tracks, start and stop.
#include <gtest/gtest.h>

#include "links.h"
#include "vrrp_fixture.h"

namespace rawvs {
namespace {

using namespace test;
using S = VrrpState;

TEST_F(VrrpTest, FollowsTheMastersIntervalInVersion3) {
  begin({vrrp_spec(100)});
  VrrpAdvert a = advert(200);
  a.interval = 100ms;
  EXPECT_EQ(hear(a), "");
  EXPECT_EQ(state(), "backup 0.361");
  EXPECT_EQ(one().counters.other_interval, 1u);
  EXPECT_EQ(notices(), "vrrp web: 192.0.2.9 has the interval 0.100 s, ours is 1.000 s\n");
  EXPECT_EQ(hear(a), "");
  EXPECT_EQ(notices(), "");  // it was told
  a.priority = 0;
  hear(a);
  EXPECT_EQ(state(), "backup 0.061");
  wait(61ms);
  EXPECT_EQ(state(), "master 1.000");  // its own
}

TEST_F(VrrpTest, AnswersOnceHoweverManyOthersTakeThemselvesForTheMaster) {
  begin_as_master(vrrp_spec(100));
  wait(500ms);
  out_.clear();
  for (int n = 0; n < 1000; ++n) hear(uint8_t(n % 100));
  EXPECT_EQ(sent(), "100>224.0.0.18");
  EXPECT_EQ(one().counters.answered, 1u);
  wait(10ms);
  hear(50);
  EXPECT_EQ(sent(), "100>224.0.0.18");
}

TEST_F(VrrpTest, RefusesAndCountsWhatBreaksItsRules) {
  VrrpSpec spec = vrrp_spec(100);
  begin({spec});
  VrrpAdvert a = advert(200);
  EXPECT_EQ(hear(a, "192.0.2.10"), "own-address");
  EXPECT_EQ(hear(a, "192.0.2.9", ip("192.0.2.10")), "destination");
  EXPECT_EQ(hear(a, "192.0.2.9", kVrrpGroup, 254), "ttl");
  a.version = 2;
  EXPECT_EQ(hear(a), "version");
  a = advert(200), a.vrid = 52;
  EXPECT_EQ(hear(a), "vrid");
  EXPECT_EQ(vrrp_.strangers()[static_cast<size_t>(VrrpRefusal::vrid)], 1u);
  const std::array<uint8_t, 2> cut = {0x31, 51};
  EXPECT_EQ(vrrp_.heard(kOutLink, {ip("192.0.2.9"), kVrrpGroup, 255, cut}, {now_, out_}), VrrpRefusal::truncated);
  EXPECT_EQ(refused(VrrpRefusal::truncated), 1u);
  for (const auto r : {VrrpRefusal::own_address, VrrpRefusal::destination, VrrpRefusal::ttl, VrrpRefusal::version}) {
    EXPECT_EQ(refused(r), 1u) << words(r).name;
  }
  EXPECT_EQ(one().counters.heard, 0u);
  EXPECT_EQ(state(), "backup 3.610");
}

TEST_F(VrrpTest, HasVersion2sOwnRules) {
  VrrpSpec spec = vrrp_spec(100);
  spec.version = 2, spec.password = "secret";
  begin({spec});
  EXPECT_EQ(hear(advert(200)), "");
  VrrpAdvert a = advert(200);
  a.interval = spec.interval * 2;
  EXPECT_EQ(hear(a), "interval");
  a = advert(200), a.password = vrrp_password("secreT");
  EXPECT_EQ(hear(a), "password");
  a = advert(200), a.auth = VrrpAuth::none;
  EXPECT_EQ(hear(a), "auth-type");
  a.auth = VrrpAuth::header;
  EXPECT_EQ(hear(a), "auth-type");
  a = advert(200), a.version = 3;
  EXPECT_EQ(hear(a), "version");
  out_.clear();
  a = advert(200), a.password = vrrp_password("guess");
  for (int n = 0; n < 100; ++n) hear(a);
  EXPECT_EQ(refused(VrrpRefusal::password), 101u);
}

// Once per neighbour and change, not once per advert.
TEST_F(VrrpTest, TheLogHearsOfRefusedAdvertsOncePerNeighbourAndChange) {
  VrrpSpec spec = vrrp_spec(100);
  spec.version = 2, spec.password = "secret";
  begin({spec});
  VrrpAdvert wrong = advert(200), none = advert(200);
  wrong.password = vrrp_password("guess");
  none.auth = VrrpAuth::none;
  for (int n = 0; n < 1000; ++n) now_ += 1s, hear(wrong);
  EXPECT_EQ(notices(), "vrrp web: adverts from 192.0.2.9 are refused: its password is wrong\n");
  hear(wrong, "192.0.2.8");
  EXPECT_EQ(notices(), "vrrp web: adverts from 192.0.2.8 are refused: its password is wrong\n");
  for (int n = 0; n < 1000; ++n) hear(none), hear(wrong, "192.0.2.8");
  EXPECT_EQ(notices(),
            "vrrp web: adverts from 192.0.2.9 are refused: its kind of authentication is not the instance's\n");
  hear(200);
  EXPECT_NE(notices().find("vrrp web: adverts from 192.0.2.9 are taken now\n"), std::string::npos);
  hear(200);
  EXPECT_EQ(notices(), "");
  size_t lines = 0;
  for (uint32_t n = 0; n < 10000; ++n) {  // invented neighbours do not fill the log
    hear(wrong, "192.0.3." + std::to_string(1 + n % 250));
    lines += out_.notices().size(), out_.clear();
  }
  EXPECT_LT(lines, 20u);
}

TEST_F(VrrpTest, ANeighbourWithAnAuthenticationHeaderIsNotOverlooked) {
  VrrpSpec spec = vrrp_spec(100);
  spec.version = 2;
  begin({spec});
  const VrrpAdvert a = advert(200);
  std::vector<uint8_t> bytes(kMostVrrpSize);
  bytes.resize(write_vrrp(bytes, a, ip("192.0.2.9"), kVrrpGroup));
  std::vector<uint8_t> header(24);  // RFC 4302: next header, its length in words but 2, SPI, number, ICV of 12 bytes
  header[0] = 112, header[1] = 4;
  bytes.insert(bytes.begin(), header.begin(), header.end());
  const auto refused_for = [&](Bytes payload) {
    const auto why = vrrp_.heard(kOutLink, {ip("192.0.2.9"), kVrrpGroup, 255, payload, true}, {now_, out_});
    return why ? words(*why).name : "";
  };
  EXPECT_EQ(refused_for(bytes), "header-auth");
  EXPECT_EQ(refused_for(bytes), "header-auth");
  EXPECT_EQ(refused(VrrpRefusal::header_auth), 2u);
  EXPECT_EQ(notices(),
            "vrrp web: adverts from 192.0.2.9 are refused: it has an IPsec header (auth_type AH), which is not "
            "understood here\n");
  for (size_t size = 0; size < 26; ++size) refused_for(Bytes(bytes).first(size));
  bytes[1] = 255;
  refused_for(bytes);
  EXPECT_EQ(refused(VrrpRefusal::header_auth), 2u) << "nobody can tell whose those are";
  EXPECT_EQ(state(), "backup 3.610");
}

TEST_F(VrrpTest, KeepalivedsOldUnicastChecksumIsRefusedByItsName) {
  VrrpSpec spec = vrrp_spec(100);
  spec.peers = {ip("192.0.2.9")};
  begin({spec});
  std::vector<uint8_t> bytes(kMostVrrpSize);
  bytes.resize(write_vrrp(bytes, advert(200), ip("192.0.2.9"), kVrrpGroup));  // as if it went to the group
  const auto why = vrrp_.heard(kOutLink, {ip("192.0.2.9"), ip("192.0.2.10"), 255, bytes}, {now_, out_});
  EXPECT_EQ(why, VrrpRefusal::old_checksum);
  EXPECT_EQ(notices(),
            "vrrp web: adverts from 192.0.2.9 are refused: its checksum is that of keepalived's "
            "old_unicast_checksum\n");
  bytes[2] ^= 1;
  EXPECT_EQ(vrrp_.heard(kOutLink, {ip("192.0.2.9"), ip("192.0.2.10"), 255, bytes}, {now_, out_}),
            VrrpRefusal::checksum);
}

TEST_F(VrrpTest, UsesAdvertsWithOtherAddressesUnlessToldOtherwise) {
  VrrpSpec spec = vrrp_spec(100);
  spec.version = 2;
  spec.addresses = {ip("192.0.2.100"), ip("192.0.2.101")};
  begin({spec});
  VrrpAdvert a = advert(200);
  a.addresses = {};
  a.addresses.add(ip("192.0.2.101")), a.addresses.add(ip("192.0.2.100"));
  EXPECT_EQ(hear(a), "");
  EXPECT_EQ(one().counters.other_addresses, 0u);  // only in another order
  a.addresses.add(ip("192.0.2.102"));
  EXPECT_EQ(hear(a), "");
  EXPECT_EQ(one().counters.other_addresses, 1u);
  EXPECT_EQ(notices(), "vrrp web: 192.0.2.9 has other addresses in its adverts than are configured here\n");
  spec.same_addresses = true;
  vrrp_.configure({spec}, {now_, out_});
  EXPECT_EQ(hear(a), "addresses");
  a.priority = 255;  // who owns them must know
  EXPECT_EQ(hear(a), "");
}

TEST_F(VrrpTest, ReadsBothChecksumsAndCountsTheOther) {
  VrrpSpec spec = vrrp_spec(100);
  spec.checksum = VrrpChecksum::message;
  begin({spec});
  VrrpAdvert a = advert(200);
  EXPECT_EQ(hear(a), "");
  EXPECT_EQ(one().counters.message_checksums, 0u);
  a.checksum = VrrpChecksum::message;
  EXPECT_EQ(hear(a), "");
  EXPECT_EQ(one().counters.message_checksums, 1u);
  wait(4s);
  ASSERT_FALSE(out_.sends().empty());
  VrrpAdvert own;
  const VrrpSend& s = out_.sends()[0];
  ASSERT_FALSE(parse_vrrp({s.source, s.destination, 255, out_.payload(s)}, own));
  EXPECT_EQ(own.checksum, VrrpChecksum::message);
}

TEST_F(VrrpTest, SpeaksToItsPeersOnlyAndHearsNobodyElse) {
  VrrpSpec spec = vrrp_spec(100);
  spec.peers = {ip("192.0.2.9"), ip("203.0.113.9")};
  spec.source = ip("192.0.2.20"), spec.min_ttl = 250, spec.virtual_mac = true;
  begin_as_master(spec);
  wait(1s);
  ASSERT_EQ(out_.sends().size(), 2u);
  EXPECT_EQ(text(out_.sends()[0].source), "192.0.2.20");
  EXPECT_FALSE(out_.sends()[0].from) << "they go by the host's routes, from the interface's MAC address";
  EXPECT_EQ(sent(), "100>192.0.2.9 100>203.0.113.9");
  EXPECT_EQ(one().counters.sent, 2u);
  const Ip self = ip("192.0.2.20");
  EXPECT_EQ(hear(advert(50), "192.0.2.9"), "destination");
  EXPECT_EQ(hear(advert(50), "192.0.2.8", self), "peer");
  EXPECT_EQ(hear(advert(50), "203.0.113.9", self, 249), "ttl");
  EXPECT_EQ(hear(advert(50), "203.0.113.9", self, 250), "");
  EXPECT_EQ(hear(advert(50), "192.0.2.20", self), "own-address");
}

TEST_F(VrrpTest, ResignsWhenItsLinkOrATrackFailsAndComesBackAsBackup) {
  VrrpSpec spec = vrrp_spec(100);
  spec.tracks = {{"2 servers of shop", 0}};
  begin_as_master(spec);
  vrrp_.track(0, 0, false, {now_, out_});
  EXPECT_EQ(one().state, S::fault);
  EXPECT_EQ(one().reason, "2 servers of shop: not well");
  EXPECT_EQ(sent(), "0>224.0.0.18");
  EXPECT_EQ(state(), "fault");
  EXPECT_EQ(hear(50), "idle");
  EXPECT_EQ(notices(), "");
  LinkFacts facts = link_facts("192.0.2.10");
  facts.carrier = false;
  vrrp_.link_changed(kOutLink, facts, {now_, out_});
  vrrp_.track(0, 0, true, {now_, out_});
  EXPECT_EQ(one().state, S::fault);  // one reason is gone, another is there
  vrrp_.link_changed(kOutLink, link_facts("192.0.2.10"), {now_, out_});
  EXPECT_EQ(state(), "backup 3.610");
  EXPECT_EQ(one().reason, "well again");
  wait(4s);
  EXPECT_EQ(one().state, S::master);
}

TEST_F(VrrpTest, IsInFaultWithoutItsInterfaceOrAnAddressToSendFrom) {
  vrrp_.configure({vrrp_spec(100)}, {now_, out_});
  vrrp_.start({now_, out_});
  EXPECT_EQ(one().state, S::fault);
  LinkFacts facts = link_facts("");
  facts.up = false;
  vrrp_.link_changed(kOutLink, facts, {now_, out_});
  EXPECT_EQ(one().state, S::fault);
  facts.up = true;
  vrrp_.link_changed(kOutLink, facts, {now_, out_});
  EXPECT_EQ(one().state, S::fault);
  facts.addresses = {{ip("192.0.2.100"), 24}};  // the VIP is not its own
  vrrp_.link_changed(kOutLink, facts, {now_, out_});
  EXPECT_EQ(one().state, S::fault);
  facts.addresses.push_back({ip("192.0.2.10"), 24});
  vrrp_.link_changed(kOutLink, facts, {now_, out_});
  EXPECT_EQ(one().state, S::backup);
  facts.ifindex = 0;
  vrrp_.link_changed(kOutLink, facts, {now_, out_});
  EXPECT_EQ(one().reason, "interface eth0 is missing");
  VrrpSpec spec = vrrp_spec(100);
  spec.track_link = false;
  vrrp_.configure({spec}, {now_, out_});
  EXPECT_EQ(one().state, S::backup);
}

TEST_F(VrrpTest, SendsFromTheVipIfItOwnsIt) {
  vrrp_.configure({vrrp_spec(255)}, {now_, out_});
  vrrp_.link_changed(kOutLink, link_facts("192.0.2.100"), {now_, out_});
  vrrp_.start({now_, out_});
  EXPECT_EQ(one().state, S::master);
  EXPECT_EQ(text(out_.sends().at(0).source), "192.0.2.100");
}

TEST_F(VrrpTest, ChangesItsPriorityByTheWeightsOfItsTracks) {
  VrrpSpec spec = vrrp_spec(100);
  spec.tracks = {{"uplink", -30}, {"cache", 20}, {"disk", -253}};
  begin({spec});
  EXPECT_EQ(one().priority, 120);
  EXPECT_EQ(state(), "backup 3.532");
  vrrp_.track(0, 0, false, {now_, out_});
  EXPECT_EQ(one().priority, 90);
  EXPECT_EQ(state(), "backup 3.649");
  wait(3648ms);
  EXPECT_EQ(one().state, S::backup);
  wait(1ms);
  EXPECT_EQ(one().state, S::master);
  out_.clear();
  vrrp_.track(0, 2, false, {now_, out_});
  EXPECT_EQ(one().priority, 1);
  EXPECT_EQ(sent(), "1>224.0.0.18");  // others need not wait for it to learn of it
  vrrp_.track(0, 2, true, {now_, out_});
  vrrp_.track(0, 1, false, {now_, out_});
  EXPECT_EQ(one().priority, 70);
}

TEST_F(VrrpTest, TakesOverAtOnceWhenAHigherPriorityWouldHaveDoneSoAlready) {
  VrrpSpec spec = vrrp_spec(1);
  begin({spec});
  wait(3900ms);
  EXPECT_EQ(state(), "backup 0.097");
  spec.priority = 254;
  vrrp_.configure({spec}, {now_, out_});
  EXPECT_EQ(state(), "backup 0.000");
  vrrp_.time_passed({now_, out_});
  EXPECT_EQ(one().state, S::master);
  EXPECT_EQ(one().counters.woke_late, 0u);
}

TEST_F(VrrpTest, StopsAsMasterWithPriorityZeroAndAsBackupWithoutAWord) {
  begin_as_master(vrrp_spec(100));
  vrrp_.stop({now_, out_});
  EXPECT_EQ(sent(), "0>224.0.0.18");
  EXPECT_EQ(state(), "initialize");
  EXPECT_EQ(hear(50), "idle");
  EXPECT_EQ(one().counters.ends_sent, 1u);
  vrrp_.start({now_, out_});
  vrrp_.stop({now_, out_});
  EXPECT_EQ(sent(), "");
}

TEST_F(VrrpTest, AnswersForEveryVipOnlyAsMaster) {
  VrrpSpec spec = vrrp_spec(100);
  spec.virtual_mac = true;
  begin({spec});
  EXPECT_FALSE(vrrp_.may_answer(ip("192.0.2.100")));
  EXPECT_FALSE(vrrp_.may_answer(ip("192.0.2.99")));
  EXPECT_EQ(text(one().mac()), "00:00:5e:00:01:33");
  wait(4s);
  EXPECT_TRUE(vrrp_.may_answer(ip("192.0.2.100")));
  EXPECT_TRUE(vrrp_.may_answer(ip("192.0.2.99")));
  EXPECT_FALSE(out_.announce_others());
  EXPECT_EQ(hear(50), "");  // who heard this one believes it: both kinds of VIPs are announced once more
  wait(1s);
  EXPECT_TRUE(out_.announce_others());
  ASSERT_FALSE(out_.sends().empty());
  EXPECT_EQ(text(*out_.sends()[0].from), "00:00:5e:00:01:33");
}

}  // namespace
}  // namespace rawvs
