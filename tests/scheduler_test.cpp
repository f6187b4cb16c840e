// SPDX-License-Identifier: BSD-2-Clause
// Tests the schedulers' rules. scheduler_recorded_test.cpp compares with IPVS; core_test.cpp has more of rr, wrr, lc,
// wlc.
#include "core/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>

#include "cluster.h"
#include "core/siphash.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint8_t kWithFallback = SchedulerFlags::fallback;

// --- rules --------------------------------------------------------------------------------------------------------

struct Load {
  int32_t weight;
  uint32_t active = 0, inactive = 0;
  bool overloaded = false;
};
struct Row {
  Scheduler scheduler;
  std::vector<Load> loads;  // in the scheduler's order: 1, 2, 3 ...
  const char* chosen;       // of connections that become active one after the other
};
const Row kRows[] = {
    {Scheduler::sed, {{1}, {1}}, "1212"},
    {Scheduler::sed, {{1, 0, 999}, {1, 1, 0}}, "1"},  // the inactive ones do not count
    {Scheduler::sed, {{1, 0}, {2, 1}}, "12"},         // 1/1 and 2/2: the first; then 2/1 and 2/2
    {Scheduler::sed, {{0}, {9, 0, 0, true}, {1, 500}}, "3"},
    {Scheduler::sed, {{0}, {9, 0, 0, true}}, "-"},
    {Scheduler::nq, {{1, 1}, {9, 1}, {1, 0}}, "32"},  // an idle one, however small; then as sed
    {Scheduler::nq, {{1, 0, 999}, {9, 0, 0}}, "12"},
    {Scheduler::nq, {{0}, {9, 0, 0, true}, {1, 5}}, "3"},
    {Scheduler::nq, {{0}}, "-"},
    {Scheduler::fo, {{3}, {7}, {7}}, "222"},
    {Scheduler::fo, {{3}, {7, 0, 0, true}, {0}}, "11"},
    {Scheduler::fo, {{0}, {7, 0, 0, true}}, "-"},
    {Scheduler::ovf, {{1}, {2}, {2}}, "22233311-"},  // one more than the weight
    {Scheduler::ovf, {{1, 0, 50}, {2, 0, 0, true}}, "11-"},
    {Scheduler::ovf, {{0}}, "-"},
    {Scheduler::lblc, {{0}, {9, 0, 0, true}}, "-"},
    {Scheduler::lblcr, {{0}, {9, 0, 0, true}}, "-"},
    {Scheduler::twos, {{0}, {9, 0, 0, true}}, "-"},
    {Scheduler::twos, {{0}, {9, 0, 0, true}, {1}}, "3333"},
    {Scheduler::dh, {{0}}, "-"},
    {Scheduler::dh, {{9, 0, 0, true}}, "-"},
    {Scheduler::sh, {{9, 0, 0, true}}, "-"},
    {Scheduler::mh, {{9, 0, 0, true}}, "-"},
};

TEST(Schedulers, FollowTheirRules) {
  for (const Row& row : kRows) {
    Cluster cluster({.scheduler = row.scheduler});
    const int count = static_cast<int>(row.loads.size());
    for (int i = count; i > 0; --i) cluster.add(i, row.loads[static_cast<size_t>(i - 1)].weight);
    for (int i = 1; i <= count; ++i) {
      const Load& load = row.loads[static_cast<size_t>(i - 1)];
      Server& s = cluster.server(i);
      s.active = load.active, s.inactive = load.inactive, s.overloaded = load.overloaded;
    }
    EXPECT_EQ(cluster.ask(std::string(strlen(row.chosen), '1')), row.chosen)
        << name(row.scheduler) << ", row " << &row - kRows;
  }
}

// IPVS's wrr, loop by loop: ip_vs_wrr_schedule(). None: nobody.
std::optional<size_t> slow_wrr(const Pool& pool, SchedulerState& state) {
  if (state.most_weight == 0) return std::nullopt;
  const size_t head = 0, last_choice = state.position;  // both count from 1 on
  size_t at = last_choice, stop = head;
  bool last_pass = false, restarted = false;
  while (true) {
    while (++at <= pool.size()) {
      const Server& s = pool[at - 1];
      if (!s.overloaded && s.spec.weight >= state.current_weight) return state.position = at, at - 1;
      if (at == stop) return std::nullopt;
    }
    at = head;
    state.current_weight -= state.step;
    if (state.current_weight <= 0) {
      state.current_weight = state.most_weight;
      if (last_pass || last_choice == head) return std::nullopt;
      restarted = true;
    }
    last_pass = state.current_weight <= state.step;
    if (last_pass && restarted && last_choice != head) stop = last_choice;
  }
}

TEST(Schedulers, WrrPassesOverLevelsAndChoosesAsIfItWalkedThroughThem) {
  std::mt19937 engine(7);
  const auto below = [&](uint32_t end) { return static_cast<uint32_t>(engine()) % end; };
  const int32_t steps[] = {1, 1, 2, 3, 100};
  uint32_t nobody = 0, chosen = 0;
  for (int round = 0; round < 4000; ++round) {
    std::vector<Server> all(below(6));
    std::vector<ServerSlot> order(all.size());
    for (size_t i = 0; i < all.size(); ++i) order[i] = static_cast<ServerSlot>(i);
    const int32_t step = steps[below(std::size(steps))];
    const auto change = [&](Server& s) {
      s.spec.weight = static_cast<int32_t>(below(below(3) == 0 ? 40 : 5)) * step;
      s.overloaded = below(3) == 0;
    };
    for (Server& s : all) change(s);
    const Pool pool(all, order);
    SchedulerState state;
    begin(Scheduler::wrr, pool, state, 0);
    for (int call = 0; call < 30; ++call) {
      if (!all.empty() && below(4) == 0) {
        Server& s = all[below(static_cast<uint32_t>(all.size()))];
        if (below(2) == 0) {
          s.overloaded = !s.overloaded;
        } else {
          const Weighed was(s);
          change(s);
          server_changed(Scheduler::wrr, state, was, Weighed(s));
        }
      }
      SchedulerState slow = state;
      const auto want = slow_wrr(pool, slow), got = choose({.scheduler = Scheduler::wrr}, pool, state, {});
      ASSERT_EQ(got, want) << "round " << round << ", call " << call;
      ASSERT_EQ(state.position, slow.position) << "round " << round << ", call " << call;
      ASSERT_EQ(state.current_weight, slow.current_weight) << "round " << round << ", call " << call;
      ++(got ? chosen : nobody);
    }
  }
  EXPECT_GT(chosen, 10000u);
  EXPECT_GT(nobody, 1000u);
}

// Level by level, each of these choices would be a walk through two billion of them.
TEST(Schedulers, WrrMindsNoGreatWeightOfAServerThatIsOut) {
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  Cluster cluster({.scheduler = Scheduler::wrr});
  cluster.add(2, 1), cluster.add(1, kMost);
  cluster.server(1).overloaded = true;
  for (int turn = 0; turn < 100; ++turn) {
    EXPECT_EQ(cluster.ask("11"), "22");
    cluster.edit(1, kMost - turn % 2);  // the threshold is the greatest again
    cluster.server(1).overloaded = true;
  }
  cluster.server(2).overloaded = true;
  EXPECT_EQ(cluster.ask("11"), "--");
  cluster.server(1).overloaded = false;
  EXPECT_EQ(cluster.ask("111"), "111");
}

TEST(Schedulers, FindNobodyWhereNobodyIs) {
  for (int s = 0; s < static_cast<int>(Scheduler::count_); ++s) {
    for (const uint8_t flags : {uint8_t{0}, kWithFallback}) {
      Cluster cluster({.scheduler = static_cast<Scheduler>(s), .flags = flags});
      EXPECT_EQ(cluster.ask("11"), "--") << name(static_cast<Scheduler>(s));
      cluster.add(1, 0);
      EXPECT_EQ(cluster.ask("11"), "--") << name(static_cast<Scheduler>(s));
      cluster.edit(1, 1);
      EXPECT_EQ(cluster.ask("1"), "1") << name(static_cast<Scheduler>(s));
      cluster.remove(1);
      EXPECT_EQ(cluster.ask("11"), "--") << name(static_cast<Scheduler>(s));
    }
  }
}

TEST(Schedulers, HaveIpvsadmsNames) {
  std::string all;
  for (int s = 0; s < static_cast<int>(Scheduler::count_); ++s) {
    const char* const word = name(static_cast<Scheduler>(s));
    EXPECT_EQ(parse_scheduler(word), static_cast<Scheduler>(s)) << word;
    all += std::string(word) + ' ';
  }
  EXPECT_EQ(all, "rr wrr lc wlc sed nq dh sh mh fo ovf lblc lblcr twos ");
}

// --- mh -----------------------------------------------------------------------------------------------------------

TEST(Siphash, OfFourBytesIsThatOfTheReference) {
  EXPECT_EQ(siphash13({0, 0}, 0u), 0xcc2247b79ac48af0u);
  EXPECT_EQ(siphash13({2654435761, 2654435761}, 0xc0000264u), 0xd8dd5a466c354fc0u);
  EXPECT_EQ(siphash13({2654446892, 2654446892}, 0xc0000264u), 0xc663a747822b5edau);
}

// Of 10,000 clients, how many have another server than before.
std::vector<int> places(Cluster& cluster) {
  std::vector<int> all;
  for (uint32_t i = 0; i < 10'000; ++i) all.push_back(cluster.choose(Ip(ip("198.18.0.0").v4() + i * 13), Port(1), {}));
  return all;
}
size_t moved(const std::vector<int>& before, const std::vector<int>& after) {
  size_t n = 0;
  for (size_t i = 0; i < before.size(); ++i) n += before[i] != after[i];
  return n;
}

class Disruption : public testing::Test {
 protected:
  Disruption() {
    for (int i = 1; i <= 10; ++i) cluster_.add(i, 1);
    before_ = places(cluster_);
  }
  Cluster cluster_{{.scheduler = Scheduler::mh, .flags = kWithFallback}};
  std::vector<int> before_;
};

TEST_F(Disruption, IsSmallWhenMhLosesOneOfTenServers) {
  cluster_.remove(4);
  const std::vector<int> after = places(cluster_);
  EXPECT_EQ(std::ranges::count(after, 4), 0);
  const auto share = static_cast<size_t>(std::ranges::count(before_, 4));
  EXPECT_GT(share, 900u);
  EXPECT_LT(share, 1100u);
  EXPECT_GE(moved(before_, after), share);
  EXPECT_LE(moved(before_, after), 1200u);
  cluster_.add(4, 1);  // another place in the order, nearly the same table
  EXPECT_LE(moved(before_, places(cluster_)), 1200u);
}
TEST_F(Disruption, IsOnlyThatServersWhenItsWeightIsSetToZero) {
  cluster_.edit(4, 0);
  const std::vector<int> after = places(cluster_);
  EXPECT_EQ(moved(before_, after), static_cast<size_t>(std::ranges::count(before_, 4)));
  EXPECT_EQ(std::ranges::count(after, 4), 0);
  cluster_.edit(4, 1);
  EXPECT_EQ(moved(before_, places(cluster_)), 0u);
}

// --- lblc and lblcr -----------------------------------------------------------------------------------------------

TEST(Lblc, ForgetsADestinationInTheSweepOfEveryHalfHour) {
  Cluster cluster({.scheduler = Scheduler::lblc, .lblc_expiration = 1h});
  cluster.add(1, 100), cluster.add(2, 100);
  EXPECT_EQ(cluster.ask("12"), "21");
  cluster.now = kStart + 89min;
  EXPECT_EQ(cluster.ask("1"), "2");
  EXPECT_EQ(cluster.state().affinities.size(), 1u);  // the sweep at 1 h took 2, unused for an hour
  cluster.now = kStart + 149min;
  EXPECT_EQ(cluster.ask("1"), "2");  // unused for an hour, but the last sweep was 29 minutes ago
  cluster.now = kStart + 10h;
  EXPECT_EQ(cluster.ask("1"), "1");  // wlc's choice: 3 connections to 1
}
TEST(Lblc, DoesNotRememberMoreDestinationsThanIpvs) {
  Cluster cluster({.scheduler = Scheduler::lblc});
  cluster.add(1, 1);
  for (uint32_t i = 0; i < 17'000; ++i) EXPECT_EQ(cluster.choose({}, {}, Ip(ip("198.18.0.0").v4() + i)), 1);
  EXPECT_EQ(cluster.state().affinities.size(), 16384u);
}
TEST(Lblcr, EndsTheMembershipOfTheMostLoadedWhenASetHasNotChangedForLong) {
  Cluster cluster({.scheduler = Scheduler::lblcr, .lblcr_expiration = 20min});
  cluster.add(1, 1), cluster.add(2, 2), cluster.add(3, 4);
  EXPECT_EQ(cluster.ask("111111"), "333332");  // 3 is overworked at 5 of 4 while 1 and 2 are idle
  const auto& set = cluster.state().affinities[0].servers;
  cluster.now += 20min;
  EXPECT_EQ(cluster.ask("1"), "2");
  EXPECT_EQ(set.size(), 2u);  // not longer than that yet
  cluster.now += 1ms;
  EXPECT_EQ(cluster.ask("1"), "2");
  ASSERT_EQ(set.size(), 1u);  // 3 has 5 of weight 4, 2 had 2 of weight 2: 3 was out
  EXPECT_EQ(set[0].at.addr, Cluster::address(2));
}
TEST(Lblcr, BoundsTheRemovedServersItRemembers) {
  Cluster cluster({.scheduler = Scheduler::lblcr});
  for (int i = 1; i < 200; ++i) {
    cluster.add(i, 1);
    EXPECT_EQ(cluster.choose({}, {}, destination(1)), i);
    cluster.remove(i);
    cluster.now += 1h;
  }
  EXPECT_EQ(cluster.state().affinities[0].servers.size(), 64u);
  EXPECT_EQ(cluster.state().affinities[0].servers[0].at.addr, Cluster::address(199));
}
TEST(Lblcr, GrowsASetWithoutAllocating) {
  Cluster cluster({.scheduler = Scheduler::lblcr});
  cluster.add(1, 1);
  EXPECT_EQ(cluster.ask("1"), "1");
  for (int i = 2; i < 8; ++i) cluster.add(i, 3);
  const auto& servers = cluster.state().affinities[0].servers;
  const auto* const data = servers.data();
  for (int i = 0; i < 60; ++i) EXPECT_NE(cluster.ask("1"), "-");
  EXPECT_EQ(servers.size(), 7u);
  EXPECT_EQ(servers.data(), data);
}

// --- twos ---------------------------------------------------------------------------------------------------------

std::string drawn(uint64_t seed) {  // of two servers without load, weights 1 and 3, newest first: 2 (weight 3), 1
  std::vector<Server> all(2);
  all[0].spec.weight = 3, all[1].spec.weight = 1;
  const std::vector<ServerSlot> order = {0, 1};
  const Pool pool(all, order);
  SchedulerState state;
  begin(Scheduler::twos, pool, state, seed);
  std::string s;
  for (int i = 0; i < 4000; ++i) s += choose({.scheduler = Scheduler::twos}, pool, state, {}) == 0u ? '2' : '1';
  return s;
}
TEST(Twos, DrawsByWeightAndRepeatsForTheSameSeed) {
  EXPECT_EQ(drawn(7), drawn(7));
  EXPECT_NE(drawn(7), drawn(8));
  const std::string s = drawn(7);  // 0..4 inclusive: 4 of 5 for the first, as in IPVS
  EXPECT_NEAR(static_cast<double>(std::ranges::count(s, '2')), 3200, 100);
}
TEST(Twos, KeepsServersLevel) {
  Cluster cluster({.scheduler = Scheduler::twos});
  for (int i = 1; i <= 5; ++i) cluster.add(i, 1);
  for (int i = 0; i < 5000; ++i) EXPECT_NE(cluster.choose({}, {}, {}), 0);
  for (int i = 1; i <= 5; ++i) EXPECT_NEAR(cluster.server(i).active, 1000.0, 20.0) << i;
}

}  // namespace
}  // namespace rawvs
