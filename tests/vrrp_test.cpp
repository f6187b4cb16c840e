// SPDX-License-Identifier: BSD-2-Clause
// Tests one VRRP instance: every row of its state machine, and every timer.
#include <gtest/gtest.h>

#include "vrrp_fixture.h"

namespace rawvs {
namespace {

using namespace test;
using S = VrrpState;
using E = VrrpEvent;
using A = VrrpAct;

constexpr std::array kStates{S::initialize, S::backup, S::master, S::fault};
constexpr std::array kEvents{E::start,       E::start_owner,  E::stop,      E::hurt,
                             E::silence,     E::advert_due,   E::heard_end, E::heard_stronger,
                             E::heard_equal, E::heard_weaker, E::group_left};

TEST(VrrpStep, DoesWhatTheTableSaysAndNothingElse) {
  struct Row {
    S state;
    E event;
    S next;
    A act;
  };
  const std::vector<Row> rows = {
      {S::initialize, E::start, S::backup, A::nothing},
      {S::initialize, E::start_owner, S::master, A::nothing},
      {S::initialize, E::hurt, S::fault, A::nothing},
      {S::backup, E::stop, S::initialize, A::nothing},
      {S::backup, E::hurt, S::fault, A::nothing},
      {S::backup, E::silence, S::master, A::nothing},
      {S::backup, E::heard_end, S::backup, A::hasten},
      {S::backup, E::heard_stronger, S::backup, A::follow},
      {S::backup, E::heard_equal, S::backup, A::follow},
      {S::backup, E::heard_weaker, S::backup, A::follow},  // that does not preempt; one that does: below
      {S::master, E::stop, S::initialize, A::resign},
      {S::master, E::hurt, S::fault, A::resign},
      {S::master, E::group_left, S::backup, A::resign},
      {S::master, E::advert_due, S::master, A::advertise},
      {S::master, E::heard_end, S::master, A::answer},
      {S::master, E::heard_stronger, S::backup, A::follow},
      {S::master, E::heard_equal, S::master, A::answer},
      {S::master, E::heard_weaker, S::master, A::answer},
      {S::fault, E::start, S::backup, A::nothing},
      {S::fault, E::start_owner, S::master, A::nothing},
      {S::fault, E::stop, S::initialize, A::nothing},
  };
  for (const S state : kStates) {
    for (const E event : kEvents) {
      for (const bool preempts : {false, true}) {
        VrrpStep wanted{state, A::nothing};
        for (const Row& r : rows) {
          if (r.state == state && r.event == event) wanted = {r.next, r.act};
        }
        if (state == S::backup && event == E::heard_weaker && preempts) wanted.act = A::nothing;
        EXPECT_EQ(vrrp_step(state, event, preempts), wanted)
            << name(state) << " " << static_cast<int>(event) << preempts;
      }
    }
  }
}

TEST(VrrpTimers, AreTheRfcsRoundedUpToMilliseconds) {
  EXPECT_EQ(vrrp_skew(2, 100, 1s), 610ms);  // 609.375
  EXPECT_EQ(vrrp_skew(2, 100, 5s), 610ms);  // of a second, whatever the interval is
  EXPECT_EQ(vrrp_skew(3, 100, 1s), 610ms);
  EXPECT_EQ(vrrp_skew(3, 100, 5s), 3047ms);   // 3046.875
  EXPECT_EQ(vrrp_skew(3, 100, 100ms), 61ms);  // 60.9375
  EXPECT_EQ(vrrp_skew(3, 100, 10ms), 7ms);    // 6.09375
  EXPECT_EQ(vrrp_skew(3, 255, 10ms), 1ms);
  EXPECT_EQ(vrrp_skew(3, 0, 256ms), 256ms);
  EXPECT_EQ(vrrp_down(2, 100, 1s), 3610ms);
  EXPECT_EQ(vrrp_down(3, 100, 10ms), 37ms);
  EXPECT_EQ(vrrp_down(3, 1, 40950ms), 163641ms);  // 122.850 + 40.790039
}

TEST(VrrpTimers, NeverLetALowerPriorityTakeOverSoonerAndMostlyLater) {
  for (const Duration interval : {Duration(10ms), Duration(20ms), Duration(100ms), Duration(1s), Duration(40950ms)}) {
    const int apart = static_cast<int>((256 + interval.count() - 1) / interval.count());
    for (int p = 1; p < 255; ++p) {
      const auto skew = [&](int priority) { return vrrp_skew(3, static_cast<uint8_t>(priority), interval); };
      EXPECT_LE(skew(p + 1), skew(p));
      EXPECT_TRUE(p + apart > 255 || skew(p + apart) < skew(p)) << interval.count() << " " << p;
    }
  }
}

TEST_F(VrrpTest, TakesOverWhenNobodyWasHeardForThreeIntervalsAndTheSkewTime) {
  begin({vrrp_spec(100)});
  EXPECT_EQ(state(), "backup 3.610");
  wait(3609ms);
  EXPECT_EQ(state(), "backup 0.001");
  EXPECT_EQ(sent(), "");
  wait(1ms);
  EXPECT_EQ(state(), "master 1.000");
  ASSERT_EQ(out_.transitions().size(), 1u);
  EXPECT_EQ(text(out_.transitions()[0]), "vrrp web: backup -> master: no master was heard for 3.610 s");
  EXPECT_EQ(sent(), "100>224.0.0.18");
  EXPECT_EQ(one().counters.became_master, 1u);
  EXPECT_EQ(text(one().master->address), "192.0.2.10");
}

TEST_F(VrrpTest, SendsTheBytesOfAnAdvertEveryInterval) {
  begin_as_master(vrrp_spec(100));
  for (int n = 0; n < 5; ++n) {
    wait(999ms);
    EXPECT_TRUE(out_.sends().empty());
    wait(1ms);
    ASSERT_EQ(out_.sends().size(), 1u);
    const VrrpSend& s = out_.sends()[0];
    EXPECT_EQ(text(s.source), "192.0.2.10");
    EXPECT_FALSE(s.from);
    VrrpAdvert a;
    ASSERT_FALSE(parse_vrrp({s.source, s.destination, 255, out_.payload(s)}, a));
    EXPECT_EQ(a.vrid, 51);
    EXPECT_EQ(a.interval, 1s);
    EXPECT_EQ(text(a.addresses.list()[0]), "192.0.2.100");
    EXPECT_EQ(a.checksum, VrrpChecksum::pseudo_header);
    out_.clear();
  }
  EXPECT_EQ(one().counters.sent, 6u);
}

TEST_F(VrrpTest, KeepsItsPaceWhenTheClockIsLookedAtALittleLate) {
  begin_as_master(vrrp_spec(100));
  now_ += 1030ms;
  vrrp_.time_passed({now_, out_});
  EXPECT_EQ(state(), "master 0.970");
  now_ += 1980ms;  // more than an interval late: from now on
  vrrp_.time_passed({now_, out_});
  EXPECT_EQ(state(), "master 1.000");
  EXPECT_EQ(sent(), "100>224.0.0.18 100>224.0.0.18");
}

TEST_F(VrrpTest, IsMasterAtOnceAsOwnerAndAfterOneIntervalIfItBeginsAsMaster) {
  begin({vrrp_spec(255)});
  EXPECT_EQ(state(), "master 1.000");
  EXPECT_EQ(sent(), "255>224.0.0.18");
  EXPECT_EQ(one().reason, "started with priority 255");
  VrrpSpec spec = vrrp_spec(100);
  spec.vrid = 52, spec.begins_as_master = true;
  vrrp_.configure({spec}, {now_, out_});
  EXPECT_EQ(state(), "backup 1.610");
}

TEST_F(VrrpTest, DoesAsABackupWhatEachAdvertAsksFor) {
  struct Row {
    uint8_t priority;
    const char* from;
    bool preempt;
    const char* state;
  };
  for (const Row& r : {Row{200, "192.0.2.9", true, "backup 3.610"}, Row{100, "192.0.2.200", true, "backup 3.610"},
                       Row{100, "192.0.2.9", true, "backup 3.610"}, Row{99, "192.0.2.200", true, "backup 2.610"},
                       Row{99, "192.0.2.200", false, "backup 3.610"}, Row{0, "192.0.2.9", true, "backup 0.610"}}) {
    vrrp_ = {}, now_ = kStart;
    VrrpSpec spec = vrrp_spec(100);
    spec.preempt = r.preempt;
    begin({spec});
    wait(1s);
    EXPECT_EQ(hear(r.priority, r.from), "");
    EXPECT_EQ(state(), r.state) << int{r.priority};
    EXPECT_EQ(sent(), "");
  }
}

TEST_F(VrrpTest, DoesAsMasterWhatEachAdvertAsksFor) {
  struct Row {
    uint8_t priority;
    const char* from;
    const char* state;
    const char* sent;
  };
  for (const Row& r : {Row{200, "192.0.2.9", "backup 3.610", ""}, Row{100, "192.0.2.200", "backup 3.610", ""},
                       Row{100, "192.0.2.9", "master 1.000", "100>224.0.0.18"},
                       Row{99, "192.0.2.200", "master 1.000", "100>224.0.0.18"},
                       Row{0, "192.0.2.9", "master 1.000", "100>224.0.0.18"}}) {
    vrrp_ = {}, now_ = kStart;
    begin_as_master(vrrp_spec(100));
    wait(500ms);
    EXPECT_EQ(hear(r.priority, r.from), "");
    EXPECT_EQ(sent(), r.sent) << int{r.priority};
    wait(500ms);  // what may be announced again only now is not mixed up with the adverts
    if (std::string(r.state).starts_with("backup")) {
      EXPECT_EQ(state(), "backup 3.110");
      EXPECT_FALSE(vrrp_.may_answer(ip("192.0.2.100")));
    } else {
      EXPECT_EQ(state(), "master 0.500") << int{r.priority};
    }
  }
}

TEST_F(VrrpTest, SaysWhyItYields) {
  begin_as_master(vrrp_spec(100));
  hear(200);
  EXPECT_EQ(one().reason, "192.0.2.9 has priority 200, ours is 100");
  wait(4s);
  EXPECT_EQ(one().reason, "192.0.2.9 (priority 200) was silent for 3.610 s");
  hear(100, "192.0.2.11");
  EXPECT_EQ(one().reason, "192.0.2.11 has the same priority 100 and the greater address");
  hear(uint8_t{0}, "192.0.2.11");
  wait(610ms);
  EXPECT_EQ(one().reason, "192.0.2.11 has stopped being master");
  EXPECT_EQ(one().state, S::master);
  hear(200), hear(uint8_t{0}), hear(200);
  wait(4s);
  EXPECT_EQ(one().reason, "192.0.2.9 (priority 200) was silent for 3.610 s");
}

TEST_F(VrrpTest, PreemptsOnlyAfterTheDelay) {
  VrrpSpec spec = vrrp_spec(100);
  spec.preempt_delay = 10s;
  begin({spec});
  for (int second = 0; second < 10; ++second) {
    hear(50);
    ASSERT_EQ(one().state, S::backup) << second;
    EXPECT_EQ(one().timers.down, now_ + 3610ms);  // it follows meanwhile
    wait(1s);
  }
  EXPECT_EQ(one().state, S::master);
  EXPECT_EQ(one().reason, "192.0.2.9 (priority 50) is weaker, ours is 100");
}

TEST_F(VrrpTest, DoesNotDelayWhenTheMasterDiesAndBeginsTheDelayAnewAfterAStrongerOne) {
  VrrpSpec spec = vrrp_spec(100);
  spec.preempt_delay = 12s;
  begin({spec});
  for (int second = 0; second < 8; ++second) hear(50), wait(1s);
  hear(200);
  for (int second = 0; second < 8; ++second) hear(50), wait(1s);
  EXPECT_EQ(one().state, S::backup);
  wait(2600ms);
  EXPECT_EQ(one().state, S::backup);
  wait(10ms);  // 3.610 s after the last advert, and before the delay is over
  EXPECT_EQ(one().state, S::master);
}

TEST_F(VrrpTest, DoesNotPreemptWhomItIsNoLongerStrongerThan) {
  VrrpSpec spec = vrrp_spec(100);
  spec.preempt_delay = 10s;
  begin({spec});
  for (int second = 0; second < 9; ++second) hear(50), wait(1s);
  spec.priority = 40;
  vrrp_.configure({spec}, {now_, out_});
  wait(1500ms);
  EXPECT_EQ(one().state, VrrpState::backup);
}

TEST_F(VrrpTest, ListensOnceMoreBeforeItPreemptsIfItWasStoppedMeanwhile) {
  VrrpSpec spec = vrrp_spec(100);
  spec.preempt_delay = 10s;
  begin({spec});
  hear(50);
  now_ += 60s;
  vrrp_.time_passed({now_, out_});
  EXPECT_EQ(state(), "backup 1.610");
  wait(1s);
  hear(200);  // a stronger one has come
  wait(1s);
  EXPECT_EQ(one().state, VrrpState::backup);
}

TEST_F(VrrpTest, TakesOverAsOwnerWhateverIsConfigured) {
  VrrpSpec spec = vrrp_spec(255);
  spec.preempt = false, spec.preempt_delay = 100s;
  begin({spec});
  hear(255, "192.0.2.200");  // another owner, with the greater address
  EXPECT_EQ(one().state, S::backup);
  for (int second = 0; second < 4; ++second) hear(254), wait(1s);
  EXPECT_EQ(one().state, S::master);
}

TEST_F(VrrpTest, AnnouncesItsAddressesAgainAfterAnotherWasHeardButNotTooOften) {
  begin_as_master(vrrp_spec(100));
  wait(200ms);
  hear(50);
  EXPECT_TRUE(out_.announce().empty());  // it has done so 200 ms ago
  EXPECT_EQ(state(), "master 0.800");
  wait(799ms);
  EXPECT_TRUE(out_.announce().empty());
  wait(1ms);
  EXPECT_EQ(out_.announce(), std::vector{ip("192.0.2.100")});
  out_.clear();
  wait(5s);
  EXPECT_TRUE(out_.announce().empty());
  hear(50);
  EXPECT_EQ(out_.announce(), std::vector{ip("192.0.2.100")});
}

TEST_F(VrrpTest, ListensOnceMoreAsABackupThatWasStopped) {
  begin({vrrp_spec(100)});
  hear(200);
  now_ += 60s;
  vrrp_.time_passed({now_, out_});
  EXPECT_EQ(state(), "backup 1.610");
  EXPECT_EQ(notices(), "vrrp web: looked at the clock 56.390 s late: listening again before taking over\n");
  now_ += 10s;  // but not for ever
  vrrp_.time_passed({now_, out_});
  EXPECT_EQ(one().state, S::master);
  EXPECT_EQ(one().counters.woke_late, 1u);
}

TEST_F(VrrpTest, StaysBackupWhenItWasStoppedAndTheMasterSpokeMeanwhile) {
  begin({vrrp_spec(100)});
  hear(200);
  now_ += 60s;
  hear(200);  // it waited in the socket
  vrrp_.time_passed({now_, out_});
  EXPECT_EQ(state(), "backup 3.610");
  EXPECT_EQ(one().counters.woke_late, 0u);
}

TEST_F(VrrpTest, AnnouncesItsAddressesAfterAGapInItsAdverts) {
  begin_as_master(vrrp_spec(100));
  now_ += 2990ms;
  vrrp_.time_passed({now_, out_});
  EXPECT_TRUE(out_.announce().empty());
  out_.clear();
  now_ += 3s;
  vrrp_.time_passed({now_, out_});
  EXPECT_EQ(out_.announce(), std::vector{ip("192.0.2.100")});
  EXPECT_EQ(out_.sends().size(), 1u);
  EXPECT_EQ(notices(), "vrrp web: sent no advert for 3.000 s: others may have taken over meanwhile; announcing\n");
  now_ += 10s;
  hear(50);  // one that has taken over: the same
  EXPECT_EQ(out_.announce(), std::vector{ip("192.0.2.100")});
  EXPECT_EQ(one().counters.woke_late, 2u);
  out_.clear();
  now_ += 10s;
  hear(200);  // a stronger one: nothing is announced
  EXPECT_TRUE(out_.announce().empty());
  EXPECT_EQ(one().state, S::backup);
}

}  // namespace
}  // namespace rawvs
