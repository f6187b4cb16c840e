// SPDX-License-Identifier: BSD-2-Clause
// Tests src/core: TCP states, schedulers, packets' effects on connections and counters.
#include <gtest/gtest.h>

#include "core/scheduler.h"
#include "core/track.h"
#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

// --- TCP states ---------------------------------------------------------------------------------------------------

std::string path(std::initializer_list<const char*> segments) {  // "S" in, "<A" out, "|F" in when replies are unseen
  std::string states;
  TcpState state = TcpState::none;
  for (const char* s : segments) {
    Direction direction = Direction::input;
    if (*s == '<') direction = Direction::output, ++s;
    if (*s == '|') direction = Direction::input_only, ++s;
    uint8_t flags = 0;
    for (; *s; ++s) flags = static_cast<uint8_t>(flags | 1u << std::string_view("FSRPAU").find(*s));
    state = step(state, direction, flags);
    states += std::string(states.empty() ? "" : " ") + name(state);
  }
  return states;
}

TEST(TcpState, FollowsAConnectionWhoseRepliesAreNotSeen) {
  EXPECT_EQ(path({"|S", "|S", "|A", "|PA", "|FA", "|A", "|R"}),
            "SYN_RECV SYN_RECV ESTABLISHED ESTABLISHED FIN_WAIT FIN_WAIT CLOSE");
}
TEST(TcpState, FollowsAConnectionWithBothHalves) {
  EXPECT_EQ(path({"S", "<SA", "A", "<FA", "A", "FA", "<A"}),
            "SYN_RECV SYN_RECV ESTABLISHED FIN_WAIT FIN_WAIT TIME_WAIT TIME_WAIT");
  EXPECT_EQ(path({"S", "<SA", "A", "FA", "<A", "<FA", "A"}),
            "SYN_RECV SYN_RECV ESTABLISHED CLOSE_WAIT CLOSE_WAIT TIME_WAIT TIME_WAIT");
}
TEST(TcpState, LetsOneFlagDecideRstFirstThenSynThenFin) {
  EXPECT_EQ(path({"|SA"}), "SYN_RECV");
  EXPECT_EQ(path({"|S", "|SFA"}), "SYN_RECV SYN_RECV");
  EXPECT_EQ(path({"|S", "|A", "|RSFA"}), "SYN_RECV ESTABLISHED CLOSE");
  EXPECT_EQ(path({"|S", "|A", "|PU"}), "SYN_RECV ESTABLISHED CLOSE");  // none of them
}
TEST(TcpState, KeepsAnRstOfTheHandshakeFromClosingIt) { EXPECT_EQ(path({"|S", "|R"}), "SYN_RECV SYN_RECV"); }

// --- schedulers ---------------------------------------------------------------------------------------------------

struct Load {
  int32_t weight;
  uint32_t active = 0, inactive = 0;
  bool overloaded = false;
};

class ScheduleTest : public testing::Test {
 protected:
  void servers(std::initializer_list<Load> loads) {  // in the scheduler's order: newest first
    all_.clear(), order_.clear();
    for (const Load& l : loads) {
      Server s;
      s.spec.weight = l.weight;
      s.active = l.active, s.inactive = l.inactive, s.overloaded = l.overloaded;
      order_.push_back(static_cast<ServerSlot>(all_.size()));
      all_.push_back(s);
    }
  }
  Pool pool() { return {all_, order_}; }
  // The choices of n new connections, a letter each, '-' for none; each choice becomes an active connection.
  std::string choices(Scheduler scheduler, int n) {
    SchedulerState state;
    begin(scheduler, pool(), state, 0);
    return more(scheduler, n, state);
  }
  std::string more(Scheduler scheduler, int n, SchedulerState& state) {
    std::string s;
    for (int i = 0; i < n; ++i) {
      const auto at = choose({.scheduler = scheduler}, pool(), state, {});
      s += at ? static_cast<char>('a' + order_[*at]) : '-';
      if (at) ++all_[order_[*at]].active;
    }
    return s;
  }
  std::vector<Server> all_;
  std::vector<ServerSlot> order_;
};

TEST_F(ScheduleTest, RrTakesTurnsAndSkipsWeightZeroAndOverload) {
  servers({{1}, {0}, {5}, {1, 0, 0, true}});
  EXPECT_EQ(choices(Scheduler::rr, 5), "acaca");
}
TEST_F(ScheduleTest, NoSchedulerFindsAServerWhereNoneIs) {
  for (const Scheduler s : {Scheduler::rr, Scheduler::wrr, Scheduler::lc, Scheduler::wlc}) {
    servers({});
    EXPECT_EQ(choices(s, 2), "--") << name(s);
    servers({{0}, {0, 1}});
    EXPECT_EQ(choices(s, 2), "--") << name(s);
    servers({{3, 0, 0, true}});
    EXPECT_EQ(choices(s, 2), "--") << name(s);
  }
}
TEST_F(ScheduleTest, WrrInterleavesTheWeights) {
  servers({{2}, {3}, {4}});
  EXPECT_EQ(choices(Scheduler::wrr, 10), "cbcabcabcc");
}
TEST_F(ScheduleTest, WrrKeepsItsThresholdWhenServersAreAdded) {  // as recorded from IPVS: conformance scenario dr-wrr
  servers({});
  SchedulerState state;
  begin(Scheduler::wrr, pool(), state, 0);
  for (const auto& loads : {std::initializer_list<Load>{{4}}, {{3}, {4}}, {{2}, {3}, {4}}}) {
    servers(loads);
    server_added(Scheduler::wrr, pool(), state);
  }
  EXPECT_EQ(more(Scheduler::wrr, 10, state), "abccbcabca");
}
TEST_F(ScheduleTest, WrrUsesTheGreatestCommonDivisor) {
  servers({{100}, {200}});
  EXPECT_EQ(choices(Scheduler::wrr, 6), "babbab");
}
TEST_F(ScheduleTest, WrrGivesUpWhenAllAreOverloadedAndGoesOnLater) {
  servers({{2}, {1}});
  SchedulerState state;
  begin(Scheduler::wrr, pool(), state, 0);
  EXPECT_EQ(more(Scheduler::wrr, 2, state), "aa");
  for (Server& s : all_) s.overloaded = true;
  EXPECT_EQ(more(Scheduler::wrr, 2, state), "--");
  all_[1].overloaded = false;
  EXPECT_EQ(more(Scheduler::wrr, 2, state), "bb");
}
TEST_F(ScheduleTest, LcTakesTheLeastLoadedWhateverItsWeight) {
  servers({{1, 1, 0}, {100, 0, 300}, {1, 1, 0}});  // 256, 300, 256: the first of equals
  EXPECT_EQ(choices(Scheduler::lc, 1), "a");
  servers({{1, 1, 0}, {100, 0, 255}, {1, 1, 0}});
  EXPECT_EQ(choices(Scheduler::lc, 1), "b");
}
TEST_F(ScheduleTest, WlcWeighsConnectionsByWeight) {
  servers({{2}, {1}});
  EXPECT_EQ(choices(Scheduler::wlc, 6), "abaaba");
  servers({{1, 0, 0}, {2, 0, 0}});  // equal while idle: the first
  EXPECT_EQ(choices(Scheduler::wlc, 1), "a");
}
TEST_F(ScheduleTest, WlcDoesNotOverflow) {
  servers({{2147483647, 4000000, 0}, {1, 4000000, 0}});
  EXPECT_EQ(choices(Scheduler::wlc, 1), "a");
}

TEST(SchedulerNames, ReadBack) {
  for (const char* s : {"rr", "wrr", "lc", "wlc"}) EXPECT_STREQ(name(*parse_scheduler(s)), s);
  EXPECT_FALSE(parse_scheduler("foo"));
  EXPECT_FALSE(parse_scheduler(""));
}

// --- connections and counters ---------------------------------------------------------------------------------------

Packet segment(uint8_t flags) {
  Packet p;
  p.protocol = Protocol::tcp;
  p.tcp_flags = flags;
  return p;
}

TEST(Track, CountsAConnectionActiveFromItsSynAndInactiveFromItsFin) {
  Connection c{};
  Server s;
  c.protocol = Protocol::tcp;
  join(c, 0, s, Port(80));
  EXPECT_EQ(s.inactive, 1u);
  const Timeouts t;
  EXPECT_EQ(advance(c, s, segment(TcpFlags::syn), Direction::input, t), 60s);
  EXPECT_EQ(s.active, 1u);
  EXPECT_EQ(advance(c, s, segment(TcpFlags::ack), Direction::input, t), 900s);
  EXPECT_EQ(advance(c, s, segment(TcpFlags::fin | TcpFlags::ack), Direction::input, t), 120s);
  EXPECT_EQ(s.active, 0u);
  EXPECT_EQ(s.inactive, 1u);
  EXPECT_STREQ(state_name(c), "FIN_WAIT");
  leave(c, s);
  EXPECT_EQ(s.references(), 0u);
}

TEST(Track, CountsUdpAsInactive) {
  Connection c{};
  Server s;
  c.protocol = Protocol::udp;
  join(c, 0, s, Port(80));
  EXPECT_EQ(advance(c, s, Packet{}, Direction::input, {.udp = 5s}), 5s);
  EXPECT_EQ(s.inactive, 1u);
  EXPECT_STREQ(state_name(c), "UDP");
}

TEST(Track, SetsAndClearsTheOverloadMarkWithHysteresis) {
  Server s;
  s.spec.upper = 4;
  std::array<Connection, 4> c{};
  for (Connection& one : c) one.protocol = Protocol::tcp, join(one, 0, s, Port(80));
  EXPECT_TRUE(s.overloaded);
  leave(c[0], s);
  EXPECT_TRUE(s.overloaded);  // 3 of 4 is not below three quarters
  leave(c[1], s);
  EXPECT_FALSE(s.overloaded);
  s.spec.lower = 1;
  join(c[0], 0, s, Port(80)), join(c[1], 0, s, Port(80));
  EXPECT_TRUE(s.overloaded);
  for (int i = 0; i < 3; ++i) leave(c[0], s);
  EXPECT_TRUE(s.overloaded);
  leave(c[0], s);
  EXPECT_FALSE(s.overloaded);
}

TEST(Track, LetsASynBeginAnewOnlyWhereTheModeAllows) {
  Connection c{};
  c.protocol = Protocol::tcp;
  const auto at = [&](TcpState state, uint8_t mode) {
    c.state = static_cast<uint8_t>(state);
    return reusable(c, mode);
  };
  EXPECT_TRUE(at(TcpState::time_wait, 1));
  EXPECT_TRUE(at(TcpState::close, 1));
  EXPECT_FALSE(at(TcpState::close, 0));
  EXPECT_FALSE(at(TcpState::established, 3));
  EXPECT_FALSE(at(TcpState::fin_wait, 1));
  EXPECT_FALSE(at(TcpState::fin_wait, 2));  // NAT sees the server's FIN itself
  c.flags = Connection::no_output;
  EXPECT_TRUE(at(TcpState::fin_wait, 2));
  EXPECT_TRUE(at(TcpState::close, 2));
  c.set_controller(5);
  EXPECT_FALSE(at(TcpState::close, 3));
}

}  // namespace
}  // namespace rawvs
