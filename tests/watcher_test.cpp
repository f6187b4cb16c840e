// SPDX-License-Identifier: BSD-2-Clause
// watcher_test.cpp: watcher.h beside a plain count of the addresses in use, with random changes.
#include "director/watcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

class WatcherTest : public testing::Test {
 protected:
  using Addresses = std::vector<std::optional<Ip>>;  // by server

  static std::vector<Ip> used(const Addresses& addresses) {  // sorted, each once
    std::vector<Ip> all;
    for (const std::optional<Ip>& a : addresses) {
      if (a) all.push_back(*a);
    }
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

  Watcher watcher_;
};

TEST_F(WatcherTest, ListsWhatIsInUseAfterAnyNumberOfChanges) {
  std::mt19937 random(7);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  const auto any = [&] { return below(3) == 0 ? std::nullopt : std::optional(Ip(ip("203.0.113.0").v4() + below(40))); };
  Addresses hops(30), expected_hops(30), nats(30), expected_nats(30);
  for (int round = 0; round < 2000; ++round) {
    const Watch before = watcher_.watch();
    const uint32_t version = watcher_.version();
    for (uint32_t changes = below(40); changes > 0; --changes) {
      const uint32_t server = below(30);
      watcher_.neighbor(hops[server], expected_hops[server] = any());
      watcher_.nat_server(nats[server], expected_nats[server] = any());
    }
    ASSERT_EQ(hops, expected_hops);
    ASSERT_EQ(nats, expected_nats);
    ASSERT_EQ(watcher_.watch().neighbors, used(hops)) << round;
    ASSERT_EQ(watcher_.watch().nat_servers, used(nats)) << round;
    ASSERT_EQ(watcher_.watch().icmp_errors, !used(nats).empty()) << round;
    ASSERT_EQ(watcher_.version() != version, before != watcher_.watch()) << round;
  }
}

TEST_F(WatcherTest, AVersionStaysWhenWhatCameWentAgain) {
  watcher_.vip(ip("198.51.100.1"), true);
  const uint32_t version = watcher_.version();
  watcher_.vip(ip("198.51.100.2"), true);
  watcher_.vip(ip("198.51.100.2"), false);
  EXPECT_EQ(watcher_.version(), version);
  watcher_.vip(ip("198.51.100.1"), false);
  EXPECT_NE(watcher_.version(), version);
  EXPECT_TRUE(watcher_.watch().vips.empty());
}

TEST_F(WatcherTest, WantsIcmpErrorsAsLongAsATunnelOrANatServerIsThere) {
  bool tunnel = false;
  std::optional<Ip> nat;
  watcher_.tunnel(tunnel, true);
  watcher_.nat_server(nat, ip("203.0.113.1"));
  watcher_.tunnel(tunnel, true);
  EXPECT_TRUE(watcher_.watch().icmp_errors);
  watcher_.tunnel(tunnel, false);
  EXPECT_TRUE(watcher_.watch().icmp_errors);
  const uint32_t version = watcher_.version();
  watcher_.nat_server(nat, std::nullopt);
  EXPECT_FALSE(watcher_.watch().icmp_errors);
  EXPECT_EQ(watcher_.version(), version + 1) << "one version for changes that are seen together";
}

// Changes that come together are one change of the lists: thousands of servers are no more versions than one.
TEST_F(WatcherTest, ManyChangesAreOneVersion) {
  Addresses hops(65'000);
  for (size_t n = 0; n < hops.size(); ++n) watcher_.neighbor(hops[n], Ip(ip("198.51.100.0").v4() + 7 * uint32_t(n)));
  EXPECT_EQ(watcher_.version(), 1u);
  EXPECT_EQ(watcher_.watch().neighbors, used(hops));
}

}  // namespace
}  // namespace rawvs
