// SPDX-License-Identifier: BSD-2-Clause
// Tests Health: when servers are checked, and what the results mean for each. health_service_test.cpp: quorum, sorry
// server, slow start and reload; health_model_test.cpp: simple models. Time is an argument: a day takes no time.
#include "health_fixture.h"
#include "side/flap_history.h"
#include "side/slow_start.h"

namespace rawvs {
namespace {

using namespace test;

TEST_F(HealthTest, AsksAtOnceAndThenOncePerInterval) {
  set(HealthPolicy{});
  set(target(11));
  run(16s);
  EXPECT_EQ(begun(), "0 5 10 15");
  EXPECT_EQ(log(), "0 server 11 came up 1: tcp 192.0.2.11:80: well\n");
}

TEST_F(HealthTest, TriesAgainBeforeACheckHasFailed) {
  set(HealthPolicy{});
  set(target(11));
  failing_[11] = "connection refused";
  run(7s);
  EXPECT_EQ(begun(), "0 1r 2r 5 6r 7r");
  EXPECT_EQ(log(),
            "2 server 11 went down 0: tcp 192.0.2.11:80: connection refused, 3 of 3\n"
            "2 no quorum: weight 0 of 1 alive, quorum 1\n");
}

TEST_F(HealthTest, OneGoodAttemptMakesAGoodCheck) {
  set(HealthPolicy{});
  set(target(11));
  run(1s);
  failing_[11] = "connection refused";
  run(5s);  // the check of second 5 and one retry have failed
  EXPECT_EQ(health_.find({1, 11})->failed_attempts, 2u);
  EXPECT_EQ(health_.find({1, 11})->last_failure, "connection refused");
  failing_.clear();
  run(5s);
  EXPECT_EQ(begun(), "0 5 6r 7r 10");  // still from begin to begin
  EXPECT_EQ(log(), "0 server 11 came up 1: tcp 192.0.2.11:80: well\n");
  EXPECT_EQ(health_.find({1, 11})->failed_attempts, 0u);
}

TEST_F(HealthTest, MeasuresTheIntervalFromBeginToBegin) {
  set(HealthPolicy{});
  set(target(11));
  latency_ = 1900ms;
  run(11s);
  EXPECT_EQ(begun(), "0 5 10");
}

TEST_F(HealthTest, ACheckThatTakesLongerThanTheIntervalIsFollowedAtOnceAndNotOverlapped) {
  CheckSpec check = tcp_check();
  check.interval = 1s;
  set(HealthPolicy{});
  set(target(11, check));
  latency_ = 1500ms;
  run(5s);
  EXPECT_EQ(begun(), "0 1.500 3 4.500");
}

TEST_F(HealthTest, RiseAndFallAreChecksInARow) {
  CheckSpec check = tcp_check();
  check.rise = 3, check.fall = 2, check.retries = 0;
  set(HealthPolicy{});
  set(target(11, check));
  set(target(12));
  run(1s);  // the first success suffices
  failing_[11] = "HTTP status 503, expected 200-299";
  run(5s);
  EXPECT_TRUE(serves(11));
  failing_.clear();
  run(5s);
  failing_[11] = "HTTP status 503, expected 200-299";
  run(10s);
  failing_.clear();
  run(20s);
  EXPECT_EQ(log(),
            "0 server 11 came up 1: tcp 192.0.2.11:80: well\n"
            "0 server 12 came up 1: tcp 192.0.2.12:80: well\n"
            "20 server 11 went down 0: tcp 192.0.2.11:80: HTTP status 503, expected 200-299, 1 of 1, "
            "2 checks in a row\n"
            "35 server 11 came up 1: tcp 192.0.2.11:80: well, 3 checks in a row\n");
}

TEST_F(HealthTest, AServerThatStartsUpServesUntilItHasFailed) {
  CheckSpec check = tcp_check();
  check.fall = 2;  // for those who have clients
  set(HealthPolicy{});
  set(target(11, check));
  check.starts_up = true;
  set(target(12, check));
  EXPECT_EQ(health_.verdict({1, 11}, now_), (Verdict{false, true, 0, 0}));
  EXPECT_EQ(health_.verdict({1, 12}, now_), (Verdict{true, true, 1, kRampSteps}));
  EXPECT_EQ(condition(12), Condition::unknown);
  failing_[11] = failing_[12] = "no route to host";
  run(3s);
  EXPECT_EQ(condition(11), Condition::down);
  EXPECT_TRUE(serves(12));
  run(5s);
  EXPECT_EQ(condition(12), Condition::down);
}

TEST_F(HealthTest, SaysWhatWasAskedByWhichWay) {
  CheckSpec check = tcp_check();
  check.kind = CheckKind::http, check.via = CheckSpec::Via::vip, check.retries = 0;
  set(HealthPolicy{});
  set(target(11, check));
  check = tcp_check();
  check.kind = CheckKind::icmp;
  set(target(12, check));
  failing_[11] = std::string("bad \x1b[31m\xff\n") + std::string(1000, 'x');
  run(0s);
  const std::string log = HealthTest::log();
  EXPECT_EQ(log.find("0 server 11 went down 0: http 192.0.2.100:80 on 192.0.2.11: bad ?[31m??xxx"), 0u) << log;
  EXPECT_NE(log.find("server 12 came up 1: icmp 192.0.2.12: well\n"), std::string::npos) << log;
  EXPECT_EQ(health_.find({1, 11})->last_failure.size(), TargetHealth::kMostText);
}

TEST_F(HealthTest, GivesUpAProbeThatNeverReports) {
  set(HealthPolicy{});
  set(target(11));
  run(1s);
  silent_ = {11};
  run(15s);  // 5: given up at 8, again at 9: 12, 13: 16
  EXPECT_EQ(begun(), "0 5 9r 13r 16");
  EXPECT_EQ(cancelled_, 3u);
  EXPECT_EQ(log(),
            "0 server 11 came up 1: tcp 192.0.2.11:80: well\n"
            "16 server 11 went down 0: tcp 192.0.2.11:80: no result within 3 s, 3 of 3\n"
            "16 no quorum: weight 0 of 1 alive, quorum 1\n");
  const ProbeId running = last_;
  EXPECT_TRUE(health_.answered(running, true, "", now_, news_));
  EXPECT_FALSE(health_.answered(running, true, "", now_, news_)) << "it has been answered";
  EXPECT_FALSE(health_.answered(ProbeId(0), true, "", now_, news_));
  EXPECT_FALSE(health_.answered(ProbeId(~uint64_t{0}), true, "", now_, news_));
}

TEST_F(HealthTest, AProbeThatCouldNotBeginSaysNothingAboutTheServer) {
  CheckSpec check = tcp_check();
  check.retries = 0;
  set(HealthPolicy{});
  set(target(11, check));
  health_.time_passed(now_, 1, probes_, news_);
  const ProbeId first = probes_.back().id;
  EXPECT_TRUE(health_.postponed(first, 300ms, now_));
  EXPECT_FALSE(health_.postponed(first, 300ms, now_));
  EXPECT_FALSE(health_.answered(first, false, "late", now_, news_));
  EXPECT_EQ(health_.running(), 0u);
  EXPECT_EQ(health_.next_deadline(), now_ + 300ms);
  run(10s);
  EXPECT_EQ(begun(), "0.300 5.300");
  EXPECT_EQ(log(), "0.300 server 11 came up 1: tcp 192.0.2.11:80: well\n");
}

TEST_F(HealthTest, ChecksDoNotMarchInStep) {
  CheckSpec check = tcp_check();
  check.jitter = 10;
  set(HealthPolicy{});
  set(target(11, check));
  run(1000s);
  std::set<Duration> pauses;
  for (size_t i = 1; i < begins_.size(); ++i) pauses.insert(begins_[i].first - begins_[i - 1].first);
  EXPECT_GE(*pauses.begin(), 4500ms);
  EXPECT_LE(*pauses.rbegin(), 5500ms);
  EXPECT_LT(*pauses.begin(), 4600ms);
  EXPECT_GT(*pauses.rbegin(), 5400ms);
  EXPECT_NEAR(static_cast<double>(begins_.size()), 200, 5);
}

TEST_F(HealthTest, AThousandFirstChecksAreSpreadOverASecond) {
  set(HealthPolicy{});
  latency_ = Duration(100);
  for (uint32_t i = 0; i < 1000; ++i) set(target(i));
  run(0s);
  EXPECT_EQ(begins_.size(), 16u);
  run(500ms);
  EXPECT_GT(begins_.size(), 400u);
  EXPECT_LT(begins_.size(), 600u);
  run(500ms);
  EXPECT_EQ(begins_.size(), 1000u);
  EXPECT_LT(most_running_, 200u);
  run(100ms);
  EXPECT_EQ(health_.find_service(1)->alive, 1000u);
}

TEST_F(HealthTest, NoMoreThanSoManyProbesRunAtOnceAndAllGetTheirTurn) {
  set(HealthPolicy{});
  latency_ = Duration(1000);  // 256 per second are possible, 400 per second are wanted
  for (uint32_t i = 0; i < 2000; ++i) set(target(i));
  run(60s);
  EXPECT_EQ(most_running_, CheckSchedule::kMostAtOnce);
  std::map<uint32_t, int> asked;
  for (const auto& [when, server] : begins_) ++asked[server];
  ASSERT_EQ(asked.size(), 2000u);
  for (const auto& [server, times] : asked) EXPECT_TRUE(times == 7 || times == 8) << server << ' ' << times;
}

TEST_F(HealthTest, StartsNoMoreProbesPerCallThanItIsAllowed) {
  set(HealthPolicy{});
  for (uint32_t i = 0; i < 16; ++i) set(target(i));
  health_.time_passed(now_, 10, probes_, news_);
  EXPECT_EQ(probes_.size(), 10u);
  EXPECT_LE(health_.next_deadline(), now_);
  health_.time_passed(now_, 10, probes_, news_);
  EXPECT_EQ(probes_.size(), 16u);
  EXPECT_EQ(health_.next_deadline(), now_ + 3s);  // that is when they would be given up
}

TEST_F(HealthTest, TakesNoMoreTargetsThanThereIsRoomForAndReusesRoom) {
  Health small(2, 1);
  EXPECT_FALSE(small.set_target(target(11), now_)) << "no such service";
  ASSERT_TRUE(small.set_service(1, {}, now_));
  EXPECT_TRUE(small.set_target(target(11), now_));
  EXPECT_TRUE(small.set_target(target(12), now_));
  EXPECT_FALSE(small.set_target(target(13), now_));
  EXPECT_TRUE(small.set_target(target(12), now_)) << "it is there already";
  small.time_passed(now_, 9, probes_, news_);
  small.remove_target({1, 11});
  EXPECT_TRUE(small.set_target(target(13), now_));
  small.time_passed(now_, 9, probes_, news_);
  ASSERT_EQ(probes_.size(), 3u);
  EXPECT_EQ(news_.cancelled, std::vector{probes_[0].id});
  EXPECT_FALSE(small.answered(probes_[0].id, false, "late", now_, news_)) << "it was for the server that has gone";
  EXPECT_EQ(small.find({1, 13})->failed_attempts, 0u);
  EXPECT_EQ(small.running(), 2u);
  EXPECT_EQ(small.find({1, 11}), nullptr);
  EXPECT_EQ(small.verdict({1, 11}, now_), Verdict{});
}

TEST_F(HealthTest, AFlappingServerHasToStayWellEachTimeLonger) {
  CheckSpec check = tcp_check();
  check.retries = 0;
  set(HealthPolicy{});
  set(target(11, check));
  set(target(12));
  run(1s);
  for (int time = 1; time <= 3; ++time) {  // down for 10 s, up for 10 s
    failing_[11] = "connection refused";
    run(10s);
    failing_.clear();
    run(10s);
    EXPECT_EQ(condition(11), Condition::up);
  }
  EXPECT_EQ(health_.flaps({1, 11}, now_), 3u);
  log();
  failing_[11] = "connection refused";
  run(5s);
  failing_.clear();
  run(60s);
  failing_[11] = "connection refused";
  run(5s);
  failing_.clear();
  run(30s);
  failing_[11] = "timeout";  // while it is held back: it has to begin anew
  run(5s);
  failing_.clear();
  run(70s);
  EXPECT_EQ(log(),
            "65 server 11 went down 0: tcp 192.0.2.11:80: connection refused, 1 of 1; it went 4 times within 10 min: "
            "has to stay well for 30 s\n"
            "70 server 11 noticed damped 0: tcp 192.0.2.11:80: well, but it went too often: held back until it has "
            "been well for 30 s\n"
            "100 server 11 came up 1: tcp 192.0.2.11:80: well for 30 s\n"
            "130 server 11 went down 0: tcp 192.0.2.11:80: connection refused, 1 of 1; it went 5 times within 10 min: "
            "has to stay well for 1 min\n"
            "135 server 11 noticed damped 0: tcp 192.0.2.11:80: well, but it went too often: held back until it has "
            "been well for 1 min\n"
            "165 server 11 noticed down 0: tcp 192.0.2.11:80: timeout, 1 of 1\n"
            "170 server 11 noticed damped 0: tcp 192.0.2.11:80: well, but it went too often: held back until it has "
            "been well for 1 min\n"
            "230 server 11 came up 1: tcp 192.0.2.11:80: well for 1 min\n");
}

TEST_F(HealthTest, DampingGrowsToItsLimitAndIsForgottenInCalmTimes) {
  CheckSpec check = tcp_check();
  check.retries = 0;
  set(HealthPolicy{.flaps_allowed = 1});
  set(target(11, check));
  set(target(12));
  run(1s);
  const auto held = [&] {  // how long it takes to come back after a short failure
    failing_[11] = "connection refused";
    run(5s);
    failing_.clear();
    run(5s);
    const Instant well = now_;
    for (int i = 0; i < 1000 && !serves(11); ++i) run(5s);
    return (now_ - well).count() / 1000;
  };
  std::string holds;
  for (int i = 0; i < 9; ++i) holds += std::to_string(held()) + ' ';
  EXPECT_EQ(holds, "0 30 60 120 240 480 960 960 960 ");
  run(35min);  // 51 minutes since it went last: five of the six doublings are forgotten, this is one more
  EXPECT_EQ(held(), 60);
  run(100min);
  EXPECT_EQ(held(), 0);
  EXPECT_EQ(health_.find({1, 11})->went, 11u);
  EXPECT_EQ(health_.flaps({1, 11}, now_), 1u);
}

TEST_F(HealthTest, WithoutDampingAServerMayFlapAsItLikes) {
  CheckSpec check = tcp_check();
  check.retries = 0;
  set(HealthPolicy{.flaps_allowed = 0});
  set(target(11, check));
  run(1s);
  for (int time = 0; time < 40; ++time) {
    failing_[11] = "connection refused";
    run(5s);
    EXPECT_EQ(condition(11), Condition::down);
    failing_.clear();
    run(5s);
    EXPECT_EQ(condition(11), Condition::up);
  }
  EXPECT_EQ(health_.flaps({1, 11}, now_), FlapHistory::kKept);
}

TEST_F(HealthTest, ADampedServerServesWhereItIsNeeded) {
  CheckSpec check = tcp_check();
  check.retries = 0;
  for (const bool sorry : {false, true}) {
    health_.remove_service(1);
    set(HealthPolicy{.sorry_server = sorry, .flaps_allowed = 1});
    set(target(11, check));
    run(1s);
    for (int time = 1; time <= 2; ++time) {
      failing_[11] = "connection refused";
      run(5s);
      failing_.clear();
      run(5s);
    }
    EXPECT_EQ(condition(11), sorry ? Condition::damped : Condition::up);
    const std::string log = HealthTest::log();
    EXPECT_EQ(log.find("well, and needed: too few others are alive") != std::string::npos, !sorry) << log;
    run(35s);
    EXPECT_EQ(condition(11), Condition::up);
  }
}

TEST_F(HealthTest, MeasuresTheLatencyOfAttemptsThatSucceed) {
  set(HealthPolicy{});
  set(target(11));
  latency_ = 30ms;
  run(6s);  // seconds 0 and 5
  failing_[11] = "connection refused";
  run(5600ms);  // second 10 and one retry
  const TargetHealth& health = *health_.find({1, 11});
  EXPECT_EQ(health.attempts, 4u);
  EXPECT_EQ(health.attempts_failed, 2u);
  EXPECT_EQ(health.latency, 30ms);
  EXPECT_EQ(health.latency_sum, 60ms);
  const Latencies& all = health_.find_service(1)->latencies;
  EXPECT_EQ(all.counts, (std::array<uint64_t, 13>{0, 0, 0, 0, 0, 2}));  // up to 50 ms
  EXPECT_EQ(all.sum, 60ms);
}

TEST(Latencies, AreCountedUpToTheirBounds) {
  Latencies latencies;
  for (const int64_t ms : {0, 1, 2, 3, 5, 1000, 1001, 5000, 5001, 9'999'999}) latencies.add(Duration(ms));
  EXPECT_EQ(latencies.counts, (std::array<uint64_t, 13>{2, 1, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2}));
}

}  // namespace
}  // namespace rawvs
