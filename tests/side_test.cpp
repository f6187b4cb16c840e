// SPDX-License-Identifier: BSD-2-Clause
// Tests src/side: neighbours, claims on VIPs, limits. Time is an argument: a day takes no time.
#include <gtest/gtest.h>

#include "director/limit.h"
#include "frames.h"
#include "links.h"
#include "side/claim.h"
#include "side/neighbor.h"

namespace rawvs {
namespace {

using namespace test;

constexpr Instant kStart{1000s};
constexpr Mac kServerMac{{2, 0, 0, 0, 0, 0x11}}, kOtherMac{{2, 0, 0, 0, 0, 0x22}};

class NeighborTest : public testing::Test {
 protected:
  // Every question until `end`, as "second:target" with "!" for unicast.
  std::string questions(Duration end) {
    std::string s;
    for (; now_ <= kStart + end; now_ = std::max(now_ + 1ms, std::min(table_.next_deadline(), kStart + end + 1ms))) {
      std::vector<Ask> asks;
      table_.time_passed(512, asks, {now_, out_});
      for (const Ask& a : asks) {
        s += (s.empty() ? "" : " ") + std::to_string((now_ - kStart) / 1s) + (a.to ? "!" : "");
        EXPECT_EQ(text(a.target), "192.0.2.11");
      }
    }
    now_ = kStart + end;
    return s;
  }
  bool answer(Mac mac = kServerMac) {
    return table_.heard({Discovery::What::says, ip("192.0.2.11"), mac, ip("192.0.2.10"), kDirectorMac}, kOutLink,
                        kDirectorMac, {now_, out_});
  }
  bool says(Mac mac) {  // without having been asked
    return table_.heard({Discovery::What::asks, ip("192.0.2.11"), mac, ip("192.0.2.11"), {}}, kOutLink, kDirectorMac,
                        {now_, out_});
  }
  std::string notices() {
    std::string s;
    for (const Notice& n : out_.notices()) s += n.text + '\n';
    out_.clear();
    return s;
  }
  Settings settings_;
  Changes changes_;
  Neighbors table_{settings_, 16, changes_};
  Outbox out_;
  Instant now_ = kStart;
  uint16_t slot_ = table_.want(ip("192.0.2.11"), kOutLink, std::nullopt, kStart);
};

TEST_F(NeighborTest, AsksAtOnceThenEverySecondThenLessOften) {
  EXPECT_EQ(questions(40s), "0 1 2 3 5 9 17 25 33");
  EXPECT_EQ(notices(), "real server 192.0.2.11 does not answer ARP: packets for it are dropped\n");
  EXPECT_EQ(table_.at(slot_).state, Neighbors::State::silent);
  EXPECT_TRUE(answer());
  EXPECT_EQ(notices(), "real server 192.0.2.11 answers ARP again: 02:00:00:00:00:11\n");
}

TEST_F(NeighborTest, AsksSoonWhenASilentServerIsNeeded) {
  questions(26s);
  FrameBytes b = frame(Tcp{});
  Frame f;
  f.data = b.data(), f.size = static_cast<uint32_t>(b.size());
  EXPECT_EQ(table_.hold(slot_, f, now_), Hold::silent);
  EXPECT_LE(table_.next_deadline(), now_ + 1s);
}

TEST_F(NeighborTest, RefreshesByUnicastBeforeTheAnswerAges) {
  questions(0s);
  ASSERT_TRUE(answer());
  EXPECT_EQ(questions(48s), "45! 46! 47! 48");
  EXPECT_TRUE(table_.at(slot_).knows_mac());
  EXPECT_EQ(questions(59s).substr(0, 2), "50");
  EXPECT_TRUE(table_.at(slot_).knows_mac());
  questions(60s);
  EXPECT_FALSE(table_.at(slot_).knows_mac());  // nobody confirmed it for a minute
}

TEST_F(NeighborTest, StaysFreshForeverWhileTheServerAnswers) {
  for (int minute = 0; minute < 100; ++minute) {
    ASSERT_TRUE(answer());
    questions(std::chrono::duration_cast<Duration>(now_ - kStart) + 46s);
    ASSERT_TRUE(table_.at(slot_).knows_mac());
  }
  EXPECT_EQ(notices(), "");
}

TEST_F(NeighborTest, HoldsSoManyFramesAndSendsThemInOrderOnTheAnswer) {
  for (uint16_t i = 0; i < 10; ++i) {
    FrameBytes b = frame(Tcp{.sport = static_cast<uint16_t>(100 + i)});
    Frame f;
    f.data = b.data(), f.size = static_cast<uint32_t>(b.size());
    EXPECT_EQ(table_.hold(slot_, f, kStart), i < 8 ? Hold::held : Hold::full);
  }
  ASSERT_TRUE(answer());
  ASSERT_EQ(out_.departures().size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    const Frame& f = out_.departures()[i].frame;
    EXPECT_EQ(describe({f.data, f.data + f.size}), "02:00:00:00:00:10>02:00:00:00:00:11 198.51.100.1:" +
                                                       std::to_string(100 + i) + " > 192.0.2.100:80 S ttl 64");
  }
  EXPECT_EQ(table_.at(slot_).holding, 0u);
  out_.clear();
  table_.recycle();
  ASSERT_TRUE(answer());
  EXPECT_TRUE(out_.departures().empty());  // nothing is sent twice
}

TEST_F(NeighborTest, DropsHeldFramesOfAServerThatStaysSilent) {
  FrameBytes b = frame(Tcp{});
  Frame f;
  f.data = b.data(), f.size = static_cast<uint32_t>(b.size());
  ASSERT_EQ(table_.hold(slot_, f, kStart), Hold::held);
  questions(4s);
  ASSERT_TRUE(answer());
  EXPECT_TRUE(out_.departures().empty());
}

TEST_F(NeighborTest, BelievesAnotherMacWhenTheOldOneDoesNotAnswerAndTheOtherIsAskedItself) {
  ASSERT_TRUE(answer());
  now_ += 5s;
  ASSERT_TRUE(says(kOtherMac));
  EXPECT_EQ(table_.at(slot_).mac, kServerMac);
  ASSERT_TRUE(answer(kOtherMac)) << "nobody has asked it";
  EXPECT_EQ(table_.at(slot_).mac, kServerMac);
  EXPECT_EQ(questions(6s), "5! 6");  // the old one, then all
  ASSERT_TRUE(says(kOtherMac));
  EXPECT_EQ(table_.at(slot_).mac, kServerMac) << "that is no answer";
  ASSERT_TRUE(answer(kOtherMac));
  EXPECT_EQ(table_.at(slot_).mac, kOtherMac);
  EXPECT_EQ(notices(), "real server 192.0.2.11 moved from 02:00:00:00:00:11 to 02:00:00:00:00:22\n");
  EXPECT_EQ(table_.who_has(kOtherMac), ip("192.0.2.11"));
  EXPECT_FALSE(table_.who_has(kServerMac));
}

TEST_F(NeighborTest, AForgedAnnouncementChangesNothingWhileTheServerAnswers) {
  ASSERT_TRUE(answer());
  std::string log;
  for (int i = 0; i < 100; ++i) {
    now_ += 500ms;
    ASSERT_TRUE(says(kOtherMac));
    const Duration since_start = now_ - kStart;
    EXPECT_LE(questions(since_start).size(), 5u) << "at most one question per second";
    ASSERT_TRUE(answer());
    EXPECT_EQ(table_.at(slot_).mac, kServerMac) << i;
    log += notices();
  }
  EXPECT_EQ(log,
            "real server 192.0.2.11 is 02:00:00:00:00:11 still, but 02:00:00:00:00:22 says that it has its address\n");
  EXPECT_GE(table_.at(slot_).disputes, 10u);
  EXPECT_EQ(table_.at(slot_).disputant, kOtherMac);
}

TEST_F(NeighborTest, BelievesOnlyOneOtherMacPerSecondHoweverOftenTwoMachinesAnswer) {
  ASSERT_TRUE(answer());
  now_ += 5s;
  ASSERT_TRUE(answer(kOtherMac));
  questions(6s);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(answer(kOtherMac));
    ASSERT_TRUE(answer());
    EXPECT_EQ(table_.at(slot_).mac, kOtherMac) << i;
    now_ += 9ms;
  }
  EXPECT_EQ(notices(), "real server 192.0.2.11 moved from 02:00:00:00:00:11 to 02:00:00:00:00:22\n");
}

TEST_F(NeighborTest, GivesUpTheFramesThatWaitForAnAddressThatBecomesFixed) {
  FrameBytes b = frame(Tcp{});
  Frame f;
  f.data = b.data(), f.size = static_cast<uint32_t>(b.size());
  for (int i = 0; i < 8; ++i) ASSERT_EQ(table_.hold(slot_, f, kStart), Hold::held);
  ASSERT_EQ(table_.want(ip("192.0.2.11"), kOutLink, kOtherMac, kStart), slot_);
  EXPECT_EQ(table_.at(slot_).holding, 0u);
  EXPECT_EQ(table_.take_discarded(), 8u);
}

TEST_F(NeighborTest, AsksForEveryServerHoweverFewQuestionsFitAtOnce) {
  for (uint8_t i = 12; i < 22; ++i) table_.want(ip("192.0.2." + std::to_string(i)), kOutLink, std::nullopt, kStart);
  std::string targets;
  for (int call = 0; call < 4; ++call) {
    EXPECT_LE(table_.next_deadline(), kStart) << call;
    std::vector<Ask> asks;
    table_.time_passed(3, asks, {kStart, out_});
    for (const Ask& a : asks) targets += text(a.target).substr(8) + ' ';
  }
  EXPECT_EQ(targets, "11 12 13 14 15 16 17 18 19 20 21 ");
  EXPECT_EQ(table_.next_deadline(), kStart + 1s);
}

TEST_F(NeighborTest, NeverAsksForAFixedAddressNorBelievesOthers) {
  const uint16_t fixed = table_.want(ip("192.0.2.12"), kOutLink, kOtherMac, kStart);
  EXPECT_TRUE(table_.heard({Discovery::What::says, ip("192.0.2.12"), kServerMac, ip("192.0.2.10"), kDirectorMac},
                           kOutLink, kDirectorMac, {now_, out_}));
  EXPECT_EQ(table_.at(fixed).mac, kOtherMac);
  questions(100s);  // expects 192.0.2.11 in every question
}

TEST_F(NeighborTest, IgnoresStrangersAndTheSameAddressOnAnotherLink) {
  EXPECT_FALSE(table_.heard({Discovery::What::says, ip("192.0.2.13"), kServerMac, ip("192.0.2.10"), kDirectorMac},
                            kOutLink, kDirectorMac, {now_, out_}));
  EXPECT_FALSE(table_.heard({Discovery::What::says, ip("192.0.2.11"), kServerMac, ip("192.0.2.10"), kDirectorMac},
                            kInLink, kDirectorMac, {now_, out_}));
}

TEST_F(NeighborTest, CountsWhoWantsAnAddress) {
  EXPECT_EQ(table_.want(ip("192.0.2.11"), kOutLink, std::nullopt, kStart), slot_);
  table_.unwant(slot_);
  EXPECT_TRUE(table_.find(ip("192.0.2.11"), kOutLink));
  table_.unwant(slot_);
  EXPECT_FALSE(table_.find(ip("192.0.2.11"), kOutLink));
  EXPECT_EQ(questions(10s), "");
}

class ClaimTest : public testing::Test {
 protected:
  std::string said(Duration end) {  // "0A" an announcement in second 0, "1P" a probe
    std::string s;
    for (; now_ <= kStart + end; now_ = std::max(now_ + 1ms, std::min(claims_.next_deadline(), kStart + end + 1ms))) {
      std::vector<Say> say;
      claims_.time_passed(now_, 512, say, over_);
      for (const Say& one : say) {
        s += (s.empty() ? "" : " ") + std::to_string((now_ - kStart) / 1s) +
             (one.what == Say::What::announce ? "A" : "P");
      }
    }
    now_ = kStart + end;
    return s;
  }
  std::optional<Conflict> heard(Mac mac) {
    return claims_.heard({Discovery::What::says, ip("192.0.2.100"), mac, {}, {}}, false, kOutLink, kDirectorMac, now_);
  }
  Settings settings_;
  Claims claims_{settings_};
  std::vector<Conflict> over_;
  Instant now_ = kStart;
};

TEST_F(ClaimTest, AnnouncesANewVipAFewTimesThenNowAndThenAndLooksForRivals) {
  claims_.claim(ip("192.0.2.100"), {}, kStart);
  EXPECT_EQ(said(130s), "0A 1A 1P 2A 61P 62A 121P 122A");
}

TEST_F(ClaimTest, SaysNothingThatIsTurnedOff) {
  settings_.garp_count = 0, settings_.arp_probe_interval = 0ms;
  claims_.claim(ip("192.0.2.100"), {}, kStart);
  EXPECT_EQ(said(1000s), "");
  EXPECT_EQ(claims_.next_deadline(), kNever);
}

TEST_F(ClaimTest, DoesNotAnnounceAVipAgainWhenOthersChange) {
  claims_.claim(ip("192.0.2.100"), {}, kStart);
  said(5s);
  claims_.claim(ip("192.0.2.100"), {}, now_);
  claims_.claim(ip("192.0.2.99"), {}, now_);
  EXPECT_EQ(said(6s), "5A 6A 6P");
}

TEST_F(ClaimTest, StopsAnsweringForAVipWithoutServiceButRemembersItForAWhile) {
  claims_.claim(ip("192.0.2.100"), {}, kStart);
  claims_.retire(ip("192.0.2.100"), kStart + 1s);
  EXPECT_FALSE(claims_.answers_for(ip("192.0.2.100")));
  EXPECT_TRUE(claims_.takes(ip("192.0.2.100")));
  EXPECT_EQ(said(302s), "");
  EXPECT_FALSE(claims_.takes(ip("192.0.2.100")));
}

TEST_F(ClaimTest, ReportsEachRivalOnceAndWhenItIsOver) {
  claims_.claim(ip("192.0.2.100"), {}, kStart);
  said(70s);
  const auto conflict = heard(kOtherMac);
  ASSERT_TRUE(conflict);
  EXPECT_EQ(conflict->mac, kOtherMac);
  EXPECT_FALSE(heard(kOtherMac));
  EXPECT_EQ(said(71s).substr(0, 3), "70A");  // says whose it is
  const auto second = heard(kServerMac);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->mac, kServerMac);
  EXPECT_FALSE(heard(kOtherMac));  // both are known by now
  said(249s);
  EXPECT_TRUE(over_.empty());
  said(252s);
  ASSERT_EQ(over_.size(), 2u);
  EXPECT_TRUE(over_[0].over);
  EXPECT_TRUE(heard(kServerMac));  // back again: news
}

TEST_F(ClaimTest, DefendsAVipEveryTenSecondsHoweverOftenItsRivalSpeaks) {
  claims_.claim(ip("192.0.2.100"), {}, kStart);
  said(100s);
  std::string answers;
  for (int second = 100; second < 130; ++second) {
    heard(kOtherMac);
    answers += said(Duration(second * 1000 + 999)) + ' ';
  }
  EXPECT_EQ(std::ranges::count(answers, 'A'), 3) << answers;  // at 100, 110 and 120
}

TEST_F(ClaimTest, SaysEverythingThatIsDueHoweverFewFramesFitAtOnce) {
  for (int i = 1; i <= 5; ++i) claims_.claim(ip("192.0.2." + std::to_string(i)), {}, kStart);
  const auto all = [&](Instant now) {
    std::string s;
    for (int call = 0; call < 10 && claims_.next_deadline() <= now; ++call) {
      std::vector<Say> say;
      claims_.time_passed(now, 3, say, over_);  // an announcement and a probe, or three probes
      for (const Say& one : say) s += text(one.vip).substr(8) + (one.what == Say::What::announce ? 'A' : 'P');
      s += ' ';
    }
    return s;
  };
  EXPECT_EQ(all(kStart), "1A 2A 3A 4A 5A ");
  EXPECT_EQ(all(kStart + 1s), "1A1P 2A2P 3A3P 4A4P 5A5P ");
}

TEST_F(ClaimTest, DoesNotTakeItselfForARival) {
  claims_.claim(ip("192.0.2.100"), {}, kStart);
  EXPECT_FALSE(heard(kDirectorMac));
}

constexpr Mac kVirtualMac{{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}};

TEST_F(ClaimTest, AnswersForASharedAddressOnItsLinkWhileItIsOurs) {
  const Ip gateway = ip("203.0.113.1");
  claims_.claim(gateway, {.links = LinkSet(kInLink), .standby = true}, kStart);
  EXPECT_FALSE(claims_.answers_for(gateway));
  EXPECT_TRUE(claims_.stands_by(gateway));
  EXPECT_EQ(said(100s), "");
  claims_.claim(gateway, {.links = LinkSet(kInLink)}, now_);
  EXPECT_TRUE(claims_.answers_for(gateway, kInLink));
  EXPECT_FALSE(claims_.answers_for(gateway, kOutLink));
  EXPECT_FALSE(claims_.stands_by(gateway));
  EXPECT_EQ(said(103s), "100A 101A 101P 102A");
  claims_.claim(gateway, {.links = LinkSet(kInLink)}, now_);
  EXPECT_EQ(said(104s), "") << "it was ours already";
  claims_.retire(gateway, now_);
  EXPECT_FALSE(claims_.answers_for(gateway));
  EXPECT_TRUE(claims_.takes(gateway)) << "retired, not forgotten";
}

TEST_F(ClaimTest, FindsEachOfVeryManyAndForgetsThemOneByOne) {
  constexpr uint32_t kMany = 10000;
  const auto vip = [](uint32_t n) { return Ip(ip("203.0.113.0").v4() + n * 7); };
  settings_.garp_count = 0, settings_.arp_probe_interval = 0ms;
  for (uint32_t n = 0; n < kMany; ++n) claims_.claim(vip(n), {}, kStart);
  for (uint32_t n = 0; n < kMany; n += 2) claims_.retire(vip(n), kStart);
  EXPECT_EQ(said(400s), "");
  EXPECT_EQ(claims_.size(), kMany / 2);
  for (uint32_t n = 0; n < kMany; ++n) {
    ASSERT_EQ(claims_.takes(vip(n)), n % 2 == 1) << n;
    ASSERT_FALSE(claims_.takes(Ip(vip(n).v4() + 1))) << n;
  }
  EXPECT_EQ(claims_.take_changes().size(), kMany + kMany / 2);
  EXPECT_EQ(claims_.next_deadline(), kNever);
}

TEST_F(ClaimTest, AnnouncesAVirtualMacAddressAndTakesNobodyWhoHasItForARival) {
  claims_.claim(ip("192.0.2.100"), {}, kStart);
  said(1s);
  claims_.claim(ip("192.0.2.100"), {.mac = kVirtualMac}, now_);
  std::vector<Say> say;
  claims_.time_passed(now_, 512, say, over_);
  ASSERT_EQ(say.size(), 1u);
  EXPECT_EQ(say[0].mac, kVirtualMac);
  EXPECT_EQ(say[0].what, Say::What::announce);
  EXPECT_FALSE(heard(kVirtualMac)) << "the other director, for a moment";
  EXPECT_FALSE(
      claims_.heard({Discovery::What::says, ip("192.0.2.100"), kOtherMac, {}, {}}, false, kInLink, kInsideMac, now_));
  EXPECT_TRUE(heard(kOtherMac));
}

TEST(Limit, GivesABurstThenSoManyPerSecond) {
  Limit limit(10, 3);
  int given = 0;
  for (int i = 0; i < 10; ++i) given += limit.take(kStart);
  EXPECT_EQ(given, 3);
  for (int ms = 0; ms < 1000; ++ms) given += limit.take(kStart + Duration(ms));
  EXPECT_EQ(given, 3 + 9);
  EXPECT_TRUE(limit.take(kStart + 24h));
  Limit none(0, 5);
  EXPECT_FALSE(none.take(kStart));
}

}  // namespace
}  // namespace rawvs
