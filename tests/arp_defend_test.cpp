// SPDX-License-Identifier: BSD-2-Clause
// VIPs defended against real servers that answer for them: what is repeated, to whom, and how often.
#include "director_ipv6_fixture.h"
#include "side/defence.h"

namespace rawvs {
namespace {

TEST(Defence, RepeatsAtOnceAfter100MsAndAfterAnotherSecond) {
  Defence defence;
  ASSERT_TRUE(defence.asked({ip("192.0.2.100"), ip("192.0.2.1"), kClientMac, {}}, kStart));
  for (const Duration after : {0ms, 100ms, 1100ms}) {
    EXPECT_EQ(defence.next_deadline(), kStart + after);
    EXPECT_FALSE(defence.take_due(kStart + after - 1ms));
    const auto asker = defence.take_due(kStart + after);
    ASSERT_TRUE(asker);
    EXPECT_EQ(asker->mac, kClientMac);
    EXPECT_FALSE(defence.take_due(kStart + after));
  }
  EXPECT_EQ(defence.next_deadline(), kNever);
}

TEST(Defence, IsNoFasterForAHostThatAsksWithoutEnd) {
  Defence defence;
  size_t repeats = 0;
  for (Instant now = kStart; now < kStart + 10s; now += 1ms) {
    ASSERT_TRUE(defence.asked({ip("192.0.2.100"), ip("192.0.2.1"), kClientMac, {}}, now));
    while (defence.take_due(now)) ++repeats;
  }
  EXPECT_EQ(repeats, 100u);
}

TEST(Defence, IsFullAfterSoManyHosts) {
  Defence defence;
  const auto asker = [](size_t i) {
    return Defence::Asker{ip("192.0.2.100"), ip("192.0.2.1"), Mac{{2, 0, 0, 0, 9, static_cast<uint8_t>(i)}}, {}};
  };
  for (size_t i = 0; i < Defence::kMost; ++i) ASSERT_TRUE(defence.asked(asker(i), kStart));
  EXPECT_FALSE(defence.asked(asker(Defence::kMost), kStart));
  size_t repeats = 0;
  for (Instant now = kStart; now < kStart + 2s; now += 100ms) {
    while (defence.take_due(now)) ++repeats;
  }
  EXPECT_EQ(repeats, 3 * Defence::kMost);
  EXPECT_TRUE(defence.asked(asker(Defence::kMost), kStart + 2s));
}

class ArpDefendTest : public Ipv6Test {
 protected:
  // The server with this number, or a stranger, answers for the VIP.
  void answers(int host) {
    arrive(frame(ArpFrame{.request = false,
                          .sender_mac = {{2, 0, 0, 0, 0, static_cast<uint8_t>(0x10 + host)}},
                          .sender = "192.0.2.100",
                          .target_mac = kDirectorMac,
                          .target = "192.0.2.10",
                          .to = kDirectorMac}));
  }
  void web_defended() {
    Settings settings = director_->settings();
    settings.arp_defend = true, settings.garp_count = 0, settings.garp_interval = 0ms,
    settings.arp_probe_interval = 0ms;
    director_->set_settings(settings, now_);
    web(1);
    pass(0s);
  }
  static constexpr const char* kAnswer = "arp 192.0.2.100 is-at 02:00:00:00:00:10 to 192.0.2.1 02:00:00:00:00:01";
  const std::string answer_ = to_client(kAnswer);
  const std::string announcement_ = to_client("arp who-has 192.0.2.100 tell 192.0.2.100 02:00:00:00:00:10");
};

TEST_F(ArpDefendTest, TheAnswerAndAnAnnouncementAreRepeatedToWhoeverAsked) {
  web_defended();
  answers(1);
  EXPECT_NE(notices().find("rawvs-realserver(8); until then the claim is repeated to those who ask (arp_defend)"),
            std::string::npos)
      << notices();
  pass(0s);  // it is announced to all
  EXPECT_EQ(arrive(frame(ArpFrame{})), answer_);
  EXPECT_EQ(pass(0s), answer_ + " | " + announcement_);
  EXPECT_EQ(director_->next_deadline(), now_ + 100ms);
  EXPECT_EQ(pass(100ms), answer_ + " | " + announcement_);
  EXPECT_EQ(pass(1s), answer_ + " | " + announcement_);
  EXPECT_EQ(count(Exit::arp_defended), 1u);
  EXPECT_EQ(count(Exit::arp_answered), 0u);
  EXPECT_EQ(director_->claims().find(ip("192.0.2.100"))->repeats, 3u);
}

TEST_F(ArpDefendTest, NothingIsRepeatedWithoutNeed) {
  web_defended();
  const auto only_the_answer = [&](const char* why) {
    EXPECT_EQ(arrive(frame(ArpFrame{})), answer_) << why;
    EXPECT_EQ(pass(0s), "") << why;
  };
  only_the_answer("no server answers");
  answers(0x67);
  pass(0s);
  only_the_answer("a stranger answers, which is to be found");
  answers(1);
  pass(0s);
  EXPECT_EQ(arrive(frame(ArpFrame{.to = kDirectorMac})), answer_);  // it knows us, and asks whether we are there
  EXPECT_EQ(arrive(frame(ArpFrame{.sender = "0.0.0.0"})).substr(0, 35), answer_.substr(0, 35));  // it wants the VIP
  EXPECT_EQ(pass(0s), "");
  Settings settings = director_->settings();
  settings.arp_defend = false;
  director_->set_settings(settings, now_);
  only_the_answer("it is switched off");
}

TEST_F(ArpDefendTest, AServersOwnClaimsAreFollowedByAnnouncementsOnceASecond) {
  web_defended();
  size_t announced = 0;
  for (int i = 0; i < 100; ++i, now_ += 100ms) {
    answers(1);
    announced += pass(0s).empty() ? 0u : 1u;
  }
  EXPECT_EQ(announced, 10u);
  EXPECT_EQ(count(Exit::arp_conflict), 100u);
}

TEST_F(ArpDefendTest, WhenTooManyAskAllAreTold) {
  web_defended();
  answers(1);
  pass(0s);
  now_ += 2s;
  for (size_t i = 0; i <= Defence::kMost; ++i) {
    arrive(frame(ArpFrame{.sender_mac = Mac{{2, 0, 0, 0, 9, static_cast<uint8_t>(i)}}}));
  }
  EXPECT_EQ(count(Exit::arp_defended), Defence::kMost + 1);
  const std::string said = pass(0s);
  EXPECT_NE(said.find(mac_of(0x10) + ">ff:ff:ff:ff:ff:ff arp who-has 192.0.2.100 tell 192.0.2.100"), std::string::npos)
      << said;
}

TEST_F(ArpDefendTest, AVipThatIsGivenUpIsNotRepeated) {
  web_defended();
  answers(1);
  pass(0s);
  arrive(frame(ArpFrame{}));
  ASSERT_FALSE(director_->remove(key_, {now_, out_}));
  EXPECT_EQ(pass(0s), "");
}

TEST_F(ArpDefendTest, NeighbourAdvertisementsAreRepeatedLikewise) {
  Settings settings = director_->settings();
  settings.arp_defend = true, settings.garp_count = 0, settings.garp_interval = 0ms, settings.arp_probe_interval = 0ms;
  director_->set_settings(settings, now_);
  service(Method::route);
  arrive(frame(NdFrame{.asks = false, .src = kVip6, .target = kVip6, .from = mac(1), .option = mac(1)}));
  pass(0s);
  const std::string answer = arrive(frame(NdFrame{.src = kRouter6, .target = kVip6}));
  EXPECT_NE(answer, "");
  EXPECT_EQ(pass(0s), answer);
  EXPECT_EQ(pass(100ms), answer);
  EXPECT_EQ(count(Exit::nd_defended), 1u);
}

}  // namespace
}  // namespace rawvs
