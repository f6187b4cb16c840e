// SPDX-License-Identifier: BSD-2-Clause
// Tests SYN cookies, and when they are used.
#include "core/syn_cookie.h"

#include <gtest/gtest.h>

#include <random>

#include "core/outbox.h"
#include "core/syn_alarm.h"
#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

constexpr Instant kNow{100000s};
const FlowKey kFlow{ip("198.51.100.1"), ip("192.0.2.100"), Port(1001), Port(80), Protocol::tcp, false};
const SynCookies kCookies{HashKey{3, 4}};

SynOffer offer(uint16_t mss, std::optional<uint8_t> scale = {}, uint8_t promised = 0, bool sack = false,
               bool stamps = false) {
  return {mss, scale, promised, sack, stamps};
}

TEST(SynCookie, CarriesWhatTheSynOffered) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    SynOffer o = offer(1460, {}, 0, (i & 1) != 0, true);
    if ((i & 2) != 0) o.scale = static_cast<uint8_t>(random() % 15), o.promised = static_cast<uint8_t>(random() % 15);
    const auto isn = static_cast<uint32_t>(random());
    const auto now = Instant(std::chrono::milliseconds(random()));
    const auto cookie = kCookies.make(kFlow, isn, o, now);
    ASSERT_EQ(kCookies.check(kFlow, isn, cookie.number, cookie.stamp, now), o);
  }
}

TEST(SynCookie, WithoutTimestampsCarriesTheSegmentSizeAlone) {
  const auto cookie = kCookies.make(kFlow, 1, offer(1440), kNow);
  EXPECT_EQ(kCookies.check(kFlow, 1, cookie.number, {}, kNow), offer(1440));
}

TEST(SynCookie, TheSegmentSizeIsNeverMoreThanTheClients) {
  const std::pair<uint16_t, uint16_t> kCases[] = {{0, 536},     {1, 536},     {536, 536},   {1219, 536},
                                                  {1220, 1220}, {1459, 1440}, {1460, 1460}, {8939, 1460},
                                                  {8940, 8940}, {65535, 8940}};
  for (const auto& [stated, carried] : kCases) {
    const auto cookie = kCookies.make(kFlow, 1, offer(stated), kNow);
    EXPECT_EQ(kCookies.check(kFlow, 1, cookie.number, {}, kNow), offer(carried)) << stated;
  }
}

TEST(SynCookie, IsOfOneConnectionAndOneSyn) {
  const uint32_t number = kCookies.make(kFlow, 1000, offer(1460), kNow).number;
  const auto checks = [&](const FlowKey& flow, uint32_t client, uint32_t n) {
    return kCookies.check(flow, client, n, {}, kNow).has_value();
  };
  EXPECT_TRUE(checks(kFlow, 1000, number));
  EXPECT_FALSE(checks(kFlow, 1001, number));
  FlowKey other = kFlow;
  other.client = ip("198.51.100.2");
  EXPECT_FALSE(checks(other, 1000, number));
  other = kFlow, other.vip = ip("192.0.2.101");
  EXPECT_FALSE(checks(other, 1000, number));
  other = kFlow, other.cport = Port(1002);
  EXPECT_FALSE(checks(other, 1000, number));
  other = kFlow, other.vport = Port(81);
  EXPECT_FALSE(checks(other, 1000, number));
  EXPECT_FALSE(SynCookies(HashKey{3, 5}).check(kFlow, 1000, number, {}, kNow));
  for (int bit = 0; bit < 32; ++bit) EXPECT_FALSE(checks(kFlow, 1000, number ^ 1u << bit)) << bit;
}

TEST(SynCookie, IsOfBothFamilies) {
  const FlowKey flow{ip("2001:db8::1"), ip("2001:db8::100"), Port(1001), Port(80), Protocol::tcp, false};
  const auto cookie = kCookies.make(flow, 1, offer(1440), kNow);
  EXPECT_TRUE(kCookies.check(flow, 1, cookie.number, {}, kNow));
  FlowKey other = flow;
  other.client = ip("2001:db8:1::1");
  EXPECT_FALSE(kCookies.check(other, 1, cookie.number, {}, kNow));
}

TEST(SynCookie, IsValidForOneUnitAndLessThanTwo) {
  for (int later = 0; later < 64; ++later) {
    const Instant made = kNow + std::chrono::seconds(later);
    const auto cookie = kCookies.make(kFlow, 1, offer(1460), made);
    const auto valid = [&](Duration after) { return kCookies.check(kFlow, 1, cookie.number, {}, made + after); };
    EXPECT_TRUE(valid(0s));
    EXPECT_TRUE(valid(SynCookies::kUnit));
    EXPECT_FALSE(valid(2 * SynCookies::kUnit));
    EXPECT_FALSE(valid(10 * SynCookies::kUnit));
  }
}

TEST(SynCookie, IsNotHitByChance) {
  std::mt19937 random(7);
  int hits = 0;
  for (int i = 0; i < 1'000'000; ++i)
    hits += kCookies.check(kFlow, 1, static_cast<uint32_t>(random()), {}, kNow) ? 1 : 0;
  EXPECT_EQ(hits, 0);
}

TEST(SynCookie, ItsTimestampsAdvanceWithTheClock) {
  const SynOffer o = offer(1460, uint8_t{7}, 7, true, true);
  uint32_t before = kCookies.make(kFlow, 1, o, kNow).stamp;
  for (int i = 1; i < 100; ++i) {
    const uint32_t stamp = kCookies.make(kFlow, 1, o, kNow + i * 1s).stamp;
    EXPECT_GT(distance(before, stamp), 0);
    EXPECT_LE(distance(before, stamp), 1512);
    before = stamp;
  }
}

TEST(SynCookie, AHostileEchoIsNoImpossibleOffer) {
  const auto cookie = kCookies.make(kFlow, 1, offer(1460, {}, 0, false, true), kNow);
  for (uint32_t echo = 0; echo < 1024; ++echo) {
    const auto read = kCookies.check(kFlow, 1, cookie.number, echo, kNow);
    ASSERT_TRUE(read);
    EXPECT_LE(read->scale.value_or(0), kMostScale);
    EXPECT_LE(read->promised, kMostScale);
  }
}

// --- when they are used -------------------------------------------------------------------------------------------

class SynAlarmTest : public testing::Test {
 protected:
  bool look(uint64_t half_open) {
    out_.clear();
    alarm_.look(half_open, 1000, {now_, out_});
    return alarm_.on();
  }
  std::string said() { return out_.notices().empty() ? "" : out_.notices()[0].text; }
  void periods(int n, uint64_t half_open, int sent, int back) {
    for (int i = 0; i < n; ++i) {
      for (int k = 0; k < sent; ++k) alarm_.sent();
      for (int k = 0; k < back; ++k) alarm_.came_back();
      now_ += SynAlarm::kPeriod;
      look(half_open);
    }
  }
  SynAlarm alarm_;
  Outbox out_;
  Instant now_ = kNow;
};

TEST_F(SynAlarmTest, BeginsWithAQuarterOfTheTable) {
  EXPECT_FALSE(look(249));
  EXPECT_EQ(alarm_.next_deadline(), kNever);
  EXPECT_TRUE(look(250));
  EXPECT_NE(said().find("answered with SYN cookies"), std::string::npos);
  EXPECT_EQ(alarm_.next_deadline(), now_ + SynAlarm::kPeriod);
  EXPECT_TRUE(look(0)) << "half-open connections are few as soon as cookies are sent";
  EXPECT_EQ(said(), "");
}

TEST_F(SynAlarmTest, AFewAreNoFloodInASmallTable) {
  alarm_.look(63, 63, {now_, out_});
  EXPECT_FALSE(alarm_.on());
  alarm_.look(64, 200, {now_, out_});
  EXPECT_TRUE(alarm_.on());
}

TEST_F(SynAlarmTest, GoesOnWhileTheFloodDoes) {
  look(250);
  periods(100, 0, 21, 0);  // 126 in a minute: more than an eighth
  EXPECT_TRUE(alarm_.on());
  periods(100, 0, 500, 479);
  EXPECT_TRUE(alarm_.on()) << "clients that come back are no flood, but the others are";
}

TEST_F(SynAlarmTest, EndsWhenTheFloodHasEnded) {
  look(250);
  periods(10, 0, 100, 0);
  periods(1, 0, 500, 490);
  EXPECT_FALSE(alarm_.on());
  EXPECT_EQ(said(), "no more SYN cookies: 1500 were sent, 490 clients came back with theirs");
  EXPECT_EQ(alarm_.next_deadline(), kNever);
}

TEST_F(SynAlarmTest, DoesNotEndWithinAMinuteOrWhileTheTableIsFull) {
  look(250);
  periods(5, 0, 0, 0);
  EXPECT_TRUE(alarm_.on());
  periods(10, 125, 0, 0);
  EXPECT_TRUE(alarm_.on());
  periods(1, 124, 0, 0);
  EXPECT_FALSE(alarm_.on());
}

}  // namespace
}  // namespace rawvs
