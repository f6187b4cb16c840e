// SPDX-License-Identifier: BSD-2-Clause
// Tests slow start: a server's part of new connections while its share grows, with each scheduler; and that nothing of
// it remains afterwards.
#include "cluster.h"

namespace rawvs {
namespace {

using test::client;
using test::Cluster;
using test::ip;

constexpr int kOld = 1, kNew = 2;

// Of servers 1 and 2: how many connections of so many clients server 2 gets, which has this share.
int taken(Cluster& cluster, uint32_t clients) {
  int count = 0;
  for (uint32_t i = 0; i < clients; ++i) count += cluster.choose(client(i), Port(1000), ip("192.0.2.100")) == kNew;
  return count;
}

int taken(Scheduler scheduler, int share, int old_weight, int new_weight, uint32_t clients) {
  Cluster cluster({.scheduler = scheduler});
  cluster.add(kOld, old_weight);
  cluster.add(kNew, new_weight);
  cluster.start_slowly(kNew, share);
  return taken(cluster, clients);
}

TEST(SlowStartShares, GrowWithServersOfWeightOne) {
  for (const Scheduler scheduler :
       {Scheduler::rr, Scheduler::wrr, Scheduler::lc, Scheduler::wlc, Scheduler::sed, Scheduler::nq, Scheduler::twos}) {
    for (int share = 1; share <= kFullShare; ++share) {
      constexpr int kRounds = 40;
      const auto clients = static_cast<uint32_t>(kRounds * (kFullShare + share));
      const double tolerance = scheduler == Scheduler::twos ? clients * 0.04 : 1;
      EXPECT_NEAR(taken(scheduler, share, 1, 1, clients), kRounds * share, tolerance)
          << name(scheduler) << ", share " << share;
    }
  }
}

TEST(SlowStartShares, ArePartsOfAnyWeight) {
  for (const Scheduler scheduler : {Scheduler::wrr, Scheduler::wlc, Scheduler::sed, Scheduler::nq}) {
    EXPECT_NEAR(taken(scheduler, 8, 1, 3, 1000), 500, 2) << name(scheduler);
    EXPECT_NEAR(taken(scheduler, 6, 10, 40, 1000), 500, 5) << name(scheduler);
    EXPECT_NEAR(taken(scheduler, 1, 7, 7, 1000), 40, 2) << name(scheduler);
  }
}

TEST(SlowStartShares, AreSpreadEvenlyOverTheRoundsOfRoundRobin) {
  Cluster cluster({.scheduler = Scheduler::rr});
  cluster.add(kOld, 1);
  cluster.add(kNew, 1);
  cluster.start_slowly(kNew, 8);
  EXPECT_EQ(cluster.ask("11111111"), "11211121");
  cluster.start_slowly(kNew, kFullShare);
  EXPECT_EQ(cluster.ask("11111111"), "21212121");
}

TEST(SlowStartShares, AFailoverToTheGreaterWeightIsGradual) {
  for (int share = 1; share <= kFullShare; ++share) {
    EXPECT_EQ(taken(Scheduler::fo, share, 1, 2, 240), 10 * share) << share;
    EXPECT_EQ(taken(Scheduler::fo, share, 2, 1, 240), 0) << share;
  }
}

TEST(SlowStartShares, AnOverflowBeginsSooner) {
  EXPECT_EQ(taken(Scheduler::ovf, kFullShare, 100, 240, 300), 241);  // as many as the weight says, and one more
  EXPECT_EQ(taken(Scheduler::ovf, 12, 100, 240, 200), 121);
  // Then both are above what they should have: the one that starts slowly takes what it would take without.
  EXPECT_EQ(taken(Scheduler::ovf, 12, 100, 240, 300), 121 + 78);
}

TEST(SlowStartShares, NobodyGoesWithoutWhereAllServersStartSlowly) {
  for (size_t i = 0; i < static_cast<size_t>(Scheduler::count_); ++i) {
    for (const int share : {1, 5, 23}) {
      Cluster cluster({.scheduler = static_cast<Scheduler>(i)});
      for (const int server : {1, 2, 3}) cluster.add(server, 1000);
      for (const int server : {1, 2, 3}) cluster.start_slowly(server, share);
      EXPECT_EQ(cluster.ask("clients").find('-'), std::string::npos) << name(static_cast<Scheduler>(i));
    }
  }
}

TEST(SlowStartShares, WeightsInTheBillionsAreSharedInWholeNumbers) {
  Cluster cluster({.scheduler = Scheduler::wlc});
  cluster.add(kOld, INT32_MAX);
  cluster.add(kNew, INT32_MAX);
  cluster.server(kOld).active = UINT32_MAX / 512, cluster.server(kNew).active = UINT32_MAX / 512 / 24;
  cluster.start_slowly(kNew, 1);
  EXPECT_EQ(cluster.state().parts, 1);
  EXPECT_NEAR(taken(cluster, 250), 10, 1);
}

// --- placed by hash -----------------------------------------------------------------------------------------------

std::string placed(Scheduler scheduler, int share) {
  Cluster cluster({.scheduler = scheduler});
  for (const int server : {1, 2, 3}) cluster.add(server, server);
  cluster.start_slowly(kNew, share);
  std::string all;
  for (uint32_t i = 0; i < 3000; ++i) {
    all += static_cast<char>('0' + cluster.choose(client(i), Port(1000), test::destination(i % 250)));
  }
  return all;
}

TEST(SlowStartShares, ClientsPlacedByHashComeHomeByAndByAndNobodyElseMoves) {
  for (const Scheduler scheduler : {Scheduler::dh, Scheduler::sh, Scheduler::mh}) {
    const std::string usual = placed(scheduler, kFullShare);
    const auto whole = static_cast<double>(std::ranges::count(usual, '2'));
    std::string before(usual.size(), '0');
    for (int share = 1; share < kFullShare; ++share) {
      const std::string now = placed(scheduler, share);
      for (size_t i = 0; i < now.size(); ++i) {
        const bool of_another = usual[i] != '2', home = before[i] == '2';
        ASSERT_TRUE(!of_another || now[i] == usual[i]) << name(scheduler) << share << " client " << i;
        ASSERT_TRUE(!home || now[i] == '2') << name(scheduler) << share << " client " << i;
      }
      EXPECT_NEAR(static_cast<double>(std::ranges::count(now, '2')), whole * share / kFullShare, whole * 0.05)
          << name(scheduler) << share;
      before = now;
    }
  }
}

// --- the weight, and afterwards -----------------------------------------------------------------------------------

TEST(SlowStartShares, ShowInTheWeightAsFarAsItGoes) {
  Cluster cluster({.scheduler = Scheduler::wlc});
  cluster.add(kOld, 1);
  cluster.add(kNew, 48);
  const auto weights = [&] { return std::pair(cluster.server(kNew).spec.weight, cluster.server(kNew).full_weight()); };
  cluster.start_slowly(kNew, 12);
  EXPECT_EQ(weights(), std::pair(24, 48));
  cluster.edit(kNew, 3);
  EXPECT_EQ(weights(), std::pair(1, 3));
  cluster.edit(kNew, 1);
  EXPECT_EQ(weights(), std::pair(1, 1));
  cluster.edit(kNew, 0);
  EXPECT_EQ(weights(), std::pair(0, 0));
  cluster.edit(kNew, 48);
  EXPECT_EQ(weights(), std::pair(24, 48));
  EXPECT_EQ(cluster.server(kNew).last_weight, 48);
  cluster.remove(kNew);
  EXPECT_FALSE(cluster.state().ramping);
  cluster.add(kNew, 48);
  EXPECT_EQ(weights(), std::pair(48, 48));
}

TEST(SlowStartShares, NothingIsLeftOfThemWhenTheyAreFull) {
  for (size_t i = 0; i < static_cast<size_t>(Scheduler::count_); ++i) {
    const auto scheduler = static_cast<Scheduler>(i);
    if (scheduler == Scheduler::twos) continue;  // its generator has moved on
    const auto asked = [&](bool slowly) {
      Cluster cluster({.scheduler = scheduler});
      for (const int server : {1, 2, 3}) cluster.add(server, server);
      if (slowly) {
        for (int share = 1; share < kFullShare; ++share) cluster.start_slowly(kNew, share), cluster.ask("clients");
        for (const int server : {1, 2, 3}) cluster.server(server).active = 0;
      }
      cluster.start_slowly(kNew, kFullShare);
      EXPECT_FALSE(cluster.state().ramping);
      EXPECT_EQ(cluster.state().parts, 1);
      if (scheduler == Scheduler::lblc || scheduler == Scheduler::lblcr) return cluster.ask("destinations");
      // These go on where they are: a whole round is compared.
      std::string all = cluster.ask("clients");
      if (scheduler == Scheduler::rr || scheduler == Scheduler::wrr) {
        all.resize(scheduler == Scheduler::rr ? 39 : 36);
        std::ranges::sort(all);
      }
      return all;
    };
    EXPECT_EQ(asked(true), asked(false)) << name(scheduler);
  }
}

}  // namespace
}  // namespace rawvs
