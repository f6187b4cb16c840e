// SPDX-License-Identifier: BSD-2-Clause
// Tests the parts of Health that work alone: flap_history.h, quorums.h, check_schedule.h.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "side/backlog.h"
#include "side/check_schedule.h"
#include "side/flap_history.h"
#include "side/quorums.h"

namespace rawvs {
namespace {

constexpr Instant kBegin{1000s};

struct CountsMoves {
  explicit CountsMoves(int of) : number(of) {}
  CountsMoves(const CountsMoves&) = default;
  CountsMoves(CountsMoves&& other) noexcept : number(other.number) { ++moves; }
  CountsMoves& operator=(const CountsMoves&) = default;
  CountsMoves& operator=(CountsMoves&& other) noexcept {
    number = other.number;
    ++moves;
    return *this;
  }
  int number;
  static inline size_t moves = 0;
};

TEST(Backlog, IsFirstInFirstOutAndWhatIsTakenCostsNoMoreWhenMuchWaits) {
  constexpr int kMany = 65'000;
  Backlog<CountsMoves> backlog;
  for (int i = 0; i < kMany; ++i) backlog.push(CountsMoves(i));
  CountsMoves::moves = 0;
  for (int i = 0; i < kMany; ++i, backlog.pop()) {
    ASSERT_EQ(backlog.first().number, i);
    if (i == kMany / 3) backlog.push(CountsMoves(kMany));
  }
  EXPECT_LE(CountsMoves::moves, 3u * kMany);
  ASSERT_FALSE(backlog.empty());
  EXPECT_EQ(backlog.first().number, kMany);
  backlog.pop();
  EXPECT_TRUE(backlog.empty());
}

TEST(FlapHistory, HoldsAServerBackThatWentMoreOftenThanAllowedAndForgetsInCalmTimes) {
  FlapHistory flaps;
  for (int i = 0; i < 3; ++i) flaps.note(kBegin + Duration(1s) * i, 3);
  EXPECT_EQ(flaps.hold(kBegin + 3s), Duration::zero());
  flaps.note(kBegin + 3s, 3);
  EXPECT_EQ(flaps.count(kBegin + 3s), 4u);
  EXPECT_EQ(flaps.hold(kBegin + 3s), FlapHistory::kFirstHold);
  flaps.note(kBegin + 4s, 3);
  EXPECT_EQ(flaps.hold(kBegin + 4s), 2 * FlapHistory::kFirstHold);
  EXPECT_EQ(flaps.hold(kBegin + 4s + FlapHistory::kWindow), FlapHistory::kFirstHold);
  EXPECT_EQ(flaps.hold(kBegin + 4s + 2 * FlapHistory::kWindow), Duration::zero());
  for (int i = 0; i < 100; ++i) flaps.note(kBegin + 5s, 3);
  EXPECT_EQ(flaps.hold(kBegin + 5s), FlapHistory::kLongestHold);
  EXPECT_EQ(flaps.count(kBegin + 5s), FlapHistory::kKept);
  flaps.note(kBegin + 5s, 0);
  EXPECT_EQ(flaps.hold(kBegin + 5s), Duration::zero());
  flaps.clear();
  EXPECT_EQ(flaps.count(kBegin + 5s), 0u);
}

class QuorumsTest : public testing::Test {
 protected:
  uint32_t add(uint32_t service, const HealthPolicy& policy = {}) {
    const uint32_t slot = quorums_.add(service, kBegin);
    quorums_.set(slot, policy);
    return slot;
  }
  size_t review(size_t left = 1000) {  // how many changes there were
    news_.clear();
    const auto release = [this](uint32_t target) { released_.push_back(target); };
    quorums_.review(left, kBegin, std::ref(release), news_);
    return news_.size();
  }
  Quorums quorums_;
  std::vector<QuorumChange> news_;
  std::vector<uint32_t> released_;
};

TEST_F(QuorumsTest, ReviewsOnlyWhatHasChangedAndNoMoreThanItsPortion) {
  for (uint32_t service = 0; service < 100; ++service) add(service);
  EXPECT_EQ(review(30), 30u);  // no server is up
  EXPECT_TRUE(quorums_.due());
  EXPECT_EQ(review(), 70u);
  EXPECT_FALSE(quorums_.due());
  Quorums::Part part;
  quorums_.change(quorums_.find(42), part, {.alive = 3, .configured = 3});
  ASSERT_EQ(review(), 1u);
  EXPECT_EQ(news_[0].service, 42u);
  EXPECT_TRUE(news_[0].enough);
  EXPECT_EQ(news_[0].reason, "weight 3 of 3 alive, quorum 1");
  quorums_.change(quorums_.find(42), part, {});
  EXPECT_EQ(review(), 1u);
  EXPECT_EQ(quorums_[quorums_.find(42)].configured, 0u);
}

TEST_F(QuorumsTest, AServiceThatIsHeldIsJudgedAfterTheNextPolicy) {
  const uint32_t slot = add(7);
  quorums_.hold(slot);
  EXPECT_EQ(review(), 0u);
  quorums_.set(slot, {});
  EXPECT_EQ(review(), 1u);
}

TEST_F(QuorumsTest, AsksToReleaseMembersInPortionsWhereDampedOnesAreNeeded) {
  const uint32_t slot = add(7);
  for (uint32_t target = 10; target < 15; ++target) EXPECT_EQ(quorums_.join(slot, target), target - 10);
  EXPECT_EQ(quorums_.leave(slot, 1), 14u);
  Quorums::Part part;
  quorums_.change(slot, part, {.configured = 1, .damped = true});
  EXPECT_EQ(review(3), 0u);
  EXPECT_EQ(released_, (std::vector<uint32_t>{10, 14}));
  EXPECT_EQ(review(), 1u);
  EXPECT_EQ(released_, (std::vector<uint32_t>{10, 14, 12, 13}));
}

TEST(CheckSchedule, SpreadsFirstChecksAndBeginsNoMoreThanTheMostAtOnce) {
  constexpr uint32_t kTargets = 1000;
  CheckSchedule schedule(1);
  schedule.make_room(kTargets);
  for (uint32_t target = 0; target < kTargets; ++target) schedule.first(target, kBegin);
  uint32_t at_once = 0;
  for (; const auto target = schedule.due(kBegin); ++at_once) schedule.begun(*target);
  EXPECT_GE(at_once, 16u);
  EXPECT_LT(at_once, 50u);
  while (const auto target = schedule.due(kBegin + 1s)) schedule.begun(*target);
  EXPECT_EQ(schedule.running(), CheckSchedule::kMostAtOnce);
  EXPECT_EQ(schedule.next_begin(), kNever) << "when one ends";
  schedule.ended();
  EXPECT_TRUE(schedule.due(kBegin + 1s));
}

}  // namespace
}  // namespace rawvs
