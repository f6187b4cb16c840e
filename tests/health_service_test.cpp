// SPDX-License-Identifier: BSD-2-Clause
// Tests Health's decisions for a service: slow start, quorum and sorry server, reload.
#include "health_fixture.h"
#include "side/slow_start.h"

namespace rawvs {
namespace {

using namespace test;

TEST(SlowStart, GrowsInAStraightLineToTheFullWeightButIsOneAtLeast) {
  const auto weight = [](int32_t full, Duration after) {
    return slow_weight(full, kHealthStart, 23s, kHealthStart + after);
  };
  EXPECT_EQ(weight(24, 0s), 1);
  EXPECT_EQ(weight(24, 999ms), 1);
  EXPECT_EQ(weight(24, 1s), 2);
  EXPECT_EQ(weight(24, 22999ms), 23);
  EXPECT_EQ(weight(24, 23s), 24);
  EXPECT_EQ(weight(24, 24h), 24);
  EXPECT_EQ(weight(24, -1s), 1);
  EXPECT_EQ(weight(2, 22s), 1);
  EXPECT_EQ(weight(65535, 0s), 65535 / 24);
  EXPECT_EQ(weight(65535, 11500ms), 65535 * 12 / 24);
  EXPECT_EQ(weight(INT32_MAX, 23s), INT32_MAX);
  EXPECT_EQ(weight(1, 0s), 1);
  EXPECT_EQ(weight(0, 0s), 0);
  EXPECT_EQ(slow_weight(24, kHealthStart, 0s, kHealthStart), 24);
}

TEST(SlowStart, EachStepIsFoundAndThereAreFew) {
  for (const Duration slow : {1ms, 10ms, 23ms, 24ms, 999ms, 30000ms, 86400000ms}) {
    int steps = 0;
    uint8_t share = slow_share(kHealthStart, slow, kHealthStart);
    EXPECT_EQ(share, 1);
    for (Instant now = kHealthStart; steps < 100;) {
      const Instant next = next_ramp_step(kHealthStart, slow, now);
      if (next == kNever) break;
      ASSERT_GT(next, now);
      EXPECT_EQ(slow_share(kHealthStart, slow, next - 1ms), share);
      EXPECT_GT(slow_share(kHealthStart, slow, next), share);
      share = slow_share(kHealthStart, slow, next);
      now = next, ++steps;
    }
    EXPECT_EQ(share, kRampSteps);
    EXPECT_LT(steps, kRampSteps);
  }
}

TEST_F(HealthTest, OnlyServersThatReturnOrAreNewStartSlowly) {
  set(HealthPolicy{.slow_start = 23s});
  set(target(11, tcp_check(), 70));
  set(target(12, tcp_check(), 3));
  run(1s);
  EXPECT_EQ(log(),
            "0 server 11 came up 70: tcp 192.0.2.11:80: well\n"
            "0 server 12 came up 3: tcp 192.0.2.12:80: well\n");
  Target added = target(13, tcp_check(), 1);
  added.ramps = true;
  set(added);
  failing_[11] = "connection refused";
  run(0s);
  EXPECT_EQ(health_.verdict({1, 13}, now_), (Verdict{true, true, 1, 1}));  // the share tells what the weight cannot
  EXPECT_EQ(log(), "1 server 13 came up 1: tcp 192.0.2.13:80: well\n");
  run(23s);
  EXPECT_EQ(health_.verdict({1, 13}, now_), (Verdict{true, true, 1, kRampSteps}));
  log();
  failing_.clear();
  run(2s);  // the check of second 25
  EXPECT_EQ(log(),
            "25 server 11 came up 2: tcp 192.0.2.11:80: well\n"
            "26 server 11 ramped up 5\n");
  health_.set_weight({1, 11}, 24);  // an operator changes it meanwhile
  EXPECT_EQ(health_.verdict({1, 11}, now_).weight, 2);
  health_.set_weight({1, 11}, 0);
  EXPECT_EQ(health_.verdict({1, 11}, now_).weight, 0);
  health_.set_weight({1, 11}, 70);
  log();
  run(22s);
  EXPECT_EQ(health_.verdict({1, 11}, now_), (Verdict{true, true, 70, kRampSteps}));
  const std::string steps = log();
  EXPECT_EQ(std::count(steps.begin(), steps.end(), '\n'), 22);
  run(100s);
  EXPECT_EQ(log(), "");
}

TEST_F(HealthTest, AServerThatGoesDuringItsSlowStartBeginsAgain) {
  CheckSpec check = tcp_check();
  check.retries = 0;
  set(HealthPolicy{.slow_start = 23s});
  Target slow = target(11, check, 24);
  slow.ramps = true;
  set(slow);
  set(target(12));
  run(4s);
  EXPECT_EQ(health_.verdict({1, 11}, now_).weight, 5);
  failing_[11] = "connection refused";
  run(5s);
  EXPECT_EQ(health_.verdict({1, 11}, now_), (Verdict{false, true, 0, 0}));
  failing_.clear();
  run(3s);
  EXPECT_EQ(health_.verdict({1, 11}, now_).weight, 3);  // since second 10
  log();
  set(HealthPolicy{});  // a reload without slow start
  run(0s);
  EXPECT_EQ(log(), "12 server 11 ramped up 24\n");
}

TEST_F(HealthTest, AProbeThatIsGivenUpIsNoStepOfTheSlowStart) {
  set(HealthPolicy{.slow_start = 230s});
  Target slow = target(11, tcp_check(), 24);
  slow.ramps = true;
  set(slow);
  run(1s);
  silent_ = {11};
  log();
  run(14s);  // given up at 8 and 12
  EXPECT_EQ(cancelled_, 2u);
  EXPECT_EQ(log(), "10 server 11 ramped up 2\n");
}

TEST_F(HealthTest, TheSorryServerIsUsedBelowTheQuorumAndUntilItIsClearlyBack) {
  CheckSpec check = tcp_check();
  check.retries = 0;
  set(HealthPolicy{.slow_start = 1000s, .quorum = 3, .hysteresis = 1, .sorry_server = true, .flaps_allowed = 0});
  for (const uint32_t server : {11u, 12u, 13u}) set(target(server, check, 2));
  run(1s);
  log();
  failing_[11] = "connection refused";
  run(5s);
  EXPECT_TRUE(health_.find_service(1)->enough);  // 4 of 6
  failing_[12] = "connection refused";
  run(5s);
  EXPECT_TRUE(health_.find_service(1)->sorry);  // 2 of 6
  EXPECT_TRUE(serves(13));                      // what that means for it is the director's business
  failing_.erase(12);
  health_.set_weight({1, 12}, 1);
  run(5s);  // 3 of 6: the quorum, but no more
  health_.set_weight({1, 12}, 2);
  run(0s);  // slow start does not count here
  EXPECT_EQ(log(),
            "5 server 11 went down 0: tcp 192.0.2.11:80: connection refused, 1 of 1\n"
            "10 server 12 went down 0: tcp 192.0.2.12:80: connection refused, 1 of 1\n"
            "10 no quorum, sorry: weight 2 of 6 alive, quorum 3 + 1\n"
            "15 server 12 came up 1: tcp 192.0.2.12:80: well\n"
            "16 quorum: weight 4 of 6 alive, quorum 3 + 1\n");
}

TEST_F(HealthTest, AtTheStartNobodyIsSentToTheSorryServerBeforeTheFirstAnswers) {
  set(HealthPolicy{.quorum = 2, .sorry_server = true});
  for (const uint32_t server : {11u, 12u, 13u}) set(target(server));
  failing_[11] = failing_[12] = "connection refused";
  run(1s);
  EXPECT_EQ(log(), "0 server 13 came up 1: tcp 192.0.2.13:80: well\n");
  run(1s);
  EXPECT_EQ(log(),
            "2 server 11 went down 0: tcp 192.0.2.11:80: connection refused, 3 of 3\n"
            "2 server 12 went down 0: tcp 192.0.2.12:80: connection refused, 3 of 3\n"
            "2 no quorum, sorry: weight 1 of 3 alive, quorum 2\n");
}

TEST_F(HealthTest, AQuorumAboveWhatIsConfiguredIsWhatIsConfigured) {
  set(HealthPolicy{.quorum = 10, .hysteresis = 5});
  Target unchecked = target(11);
  unchecked.check.reset();
  set(unchecked);
  set(target(12));
  run(1s);
  EXPECT_EQ(log(), "0 server 12 came up 1: tcp 192.0.2.12:80: well\n");
  health_.set_weight({1, 11}, 0);  // drained: no capacity, but it is configured still
  run(0s);
  EXPECT_EQ(log(), "1 no quorum: weight 1 of 2 alive, quorum 2\n");
  health_.remove_target({1, 11});
  run(0s);
  EXPECT_EQ(log(), "1 quorum: weight 1 of 1 alive, quorum 1\n");
  health_.remove_target({1, 12});
  run(0s);
  EXPECT_EQ(log(), "1 no quorum: weight 0 of 0 alive, quorum 1\n");
  set(HealthPolicy{.sorry_server = true});  // a reload adds one
  run(0s);
  EXPECT_EQ(log(), "1 no quorum, sorry: weight 0 of 0 alive, quorum 1\n");
}

TEST_F(HealthTest, TellsWhatIsToBeDoneWithTheConnectionsAndTheTable) {
  CheckSpec check = tcp_check();
  check.retries = 0;
  for (const OnDown on_down : {OnDown::keep, OnDown::drain, OnDown::reset}) {
    Health health(4, 1);
    ASSERT_TRUE(health.set_service(1, {.on_down = on_down, .inhibit = on_down == OnDown::keep}, now_));
    ASSERT_TRUE(health.set_target(target(11, check), now_));
    EXPECT_EQ(health.verdict({1, 11}, now_).in_table, on_down == OnDown::keep);
    health.time_passed(now_, 1, probes_, news_);
    health.answered(probes_.back().id, false, "", now_, news_);
    ASSERT_EQ(news_.changes.size(), 1u);
    const TargetChange& change = news_.changes.back();
    EXPECT_EQ(change.what, TargetChange::What::went);  // unknown or up: what is left of it is to be dealt with
    EXPECT_EQ(change.on_down, on_down);
    EXPECT_EQ(change.verdict, (Verdict{false, on_down == OnDown::keep, 0, 0}));
    EXPECT_EQ(change.reason, "tcp 192.0.2.11:80: no answer, 1 of 1");
    news_.clear();
  }
}

TEST_F(HealthTest, AReloadWithTheSameCheckKeepsTheState) {
  set(HealthPolicy{});
  for (const uint32_t server : {11u, 12u, 13u}) set(target(server));
  failing_[11] = "connection refused";
  run(6s);
  const auto before = *health_.find({1, 11});
  log(), begun();
  health_.set_weight({1, 12}, 0);
  set(HealthPolicy{});
  set(target(11));
  set(target(12));
  health_.remove_target({1, 13});
  EXPECT_EQ(health_.find({1, 13}), nullptr);
  ASSERT_EQ(health_.targets(), 2u);
  EXPECT_EQ(health_.find({1, 11})->reason, before.reason);
  EXPECT_EQ(health_.find({1, 11})->since, before.since);
  EXPECT_EQ(health_.verdict({1, 12}, now_).weight, 0) << "the operator's word stands";
  run(4s);
  EXPECT_EQ(begun(), "7r 10 10");  // as if nothing had happened
  set(target(12, tcp_check(), 5));
  EXPECT_EQ(health_.verdict({1, 12}, now_).weight, 5) << "the configuration has changed its mind";
  health_.remove_service(1);
  EXPECT_EQ(health_.find_service(1), nullptr);
  run(10s);
  EXPECT_EQ(health_.next_deadline(), kNever);
}

TEST_F(HealthTest, AnotherCheckKeepsTheVerdictUntilItsFirstAnswer) {
  CheckSpec check = tcp_check();
  check.rise = 3;
  set(HealthPolicy{});
  set(target(11, check));
  set(target(12, check));
  failing_[11] = "connection refused";
  run(2s);
  log(), begun();
  silent_ = {11, 12};
  run(3s);  // probes are under way
  check.kind = CheckKind::http, check.fall = 2;
  set(target(11, check));
  set(target(12, check));
  EXPECT_EQ(condition(11), Condition::down);
  EXPECT_TRUE(serves(12));
  silent_.clear(), failing_ = {{12, "HTTP status 500, expected 200-299"}};
  run(3s);
  EXPECT_EQ(cancelled_, 2u);
  EXPECT_EQ(log(), "5 server 11 came up 1: http 192.0.2.11:80: well\n");  // one success: rise is for later
  EXPECT_TRUE(serves(12));                                                // fall is not: it has clients
  run(5s);
  EXPECT_EQ(log(),
            "12 server 12 went down 0: http 192.0.2.12:80: HTTP status 500, expected 200-299, 3 of 3, 2 checks in a "
            "row\n");
}

TEST_F(HealthTest, AnotherCheckDoesNotHoldTheOldOnesFlapsAgainstAServer) {
  CheckSpec check = tcp_check();
  check.retries = 0;
  set(HealthPolicy{.sorry_server = true, .flaps_allowed = 1});
  set(target(11, check));
  run(1s);
  for (int time = 1; time <= 2; ++time) {
    failing_[11] = "connection refused";
    run(5s);
    failing_.clear();
    run(5s);
  }
  EXPECT_EQ(condition(11), Condition::damped);
  EXPECT_EQ(health_.flaps({1, 11}, now_), 2u);
  check.timeout = 1s;
  set(target(11, check));
  EXPECT_EQ(condition(11), Condition::down);
  EXPECT_EQ(health_.flaps({1, 11}, now_), 0u);
  run(0s);
  EXPECT_EQ(condition(11), Condition::up);
}

TEST_F(HealthTest, OfARemovedServiceNothingIsHeard) {
  set(HealthPolicy{});
  set(target(11));
  run(0s);
  log();
  health_.remove_target({1, 11});
  health_.remove_service(1);
  run(10s);
  EXPECT_EQ(log(), "");
  EXPECT_EQ(health_.targets(), 0u);
}

TEST_F(HealthTest, AServerThatIsNoLongerCheckedServes) {
  set(HealthPolicy{});
  set(target(11));
  failing_[11] = "connection refused";
  run(3s);
  Target unchecked = target(11);
  unchecked.check.reset();
  set(unchecked);
  EXPECT_TRUE(serves(11));
  EXPECT_EQ(health_.find({1, 11})->reason, "not checked");
  log(), begun();
  run(60s);
  EXPECT_EQ(begun(), "");
  EXPECT_EQ(log(), "3 quorum: weight 1 of 1 alive, quorum 1\n");
  set(target(11));  // and again: it serves until the check has failed
  EXPECT_TRUE(serves(11));
  run(2s);
  EXPECT_EQ(log(),
            "65 server 11 went down 0: tcp 192.0.2.11:80: connection refused, 3 of 3\n"
            "65 no quorum: weight 0 of 1 alive, quorum 1\n");
}

TEST_F(HealthTest, AfterARestartTheEarlierVerdictStandsUntilTheFirstAnswer) {
  CheckSpec check = tcp_check();
  check.rise = 3, check.port = Port(8080);
  set(HealthPolicy{.slow_start = 23s});
  set(target(11, check, 24));
  set(target(12, check, 24));
  EXPECT_TRUE(health_.recall({1, 11}, false, now_ - 5s, now_));
  EXPECT_TRUE(health_.recall({1, 11}, true, now_ - 5s, now_));  // the last one counts
  EXPECT_TRUE(health_.recall({1, 12}, false, now_ - 5s, now_));
  EXPECT_FALSE(health_.recall({1, 13}, false, now_, now_));
  EXPECT_EQ(health_.find({1, 11})->since, now_ - 5s);
  EXPECT_EQ(health_.verdict({1, 11}, now_), (Verdict{true, true, 24, kRampSteps}));
  EXPECT_EQ(health_.verdict({1, 12}, now_), (Verdict{false, true, 0, 0}));
  EXPECT_EQ(health_.find({1, 12})->reason, "was down before the restart");
  failing_[11] = "connection refused";
  run(2s);
  EXPECT_EQ(log(),
            "0 server 12 came up 1: tcp 192.0.2.12:8080: well\n"
            "1 server 12 ramped up 2\n"
            "2 server 12 ramped up 3\n"
            "2 server 11 went down 0: tcp 192.0.2.11:8080: connection refused, 3 of 3\n");
  EXPECT_FALSE(health_.recall({1, 11}, true, now_, now_));  // it is known here
  EXPECT_FALSE(serves(11));
}

TEST_F(HealthTest, AnEarlierVerdictIsNotAboutAServerThatIsNotChecked) {
  set(HealthPolicy{});
  Target unchecked = target(11);
  unchecked.check.reset();
  set(unchecked);
  EXPECT_FALSE(health_.recall({1, 11}, false, now_ - 5s, now_)) << "no result would ever end it";
  EXPECT_TRUE(serves(11));
  EXPECT_EQ(health_.find({1, 11})->reason, "not checked");
}

}  // namespace
}  // namespace rawvs
