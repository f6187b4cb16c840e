// SPDX-License-Identifier: BSD-2-Clause
// Tests client_table.h: exact counts for every network, rates without drift, and who gives way.
#include "core/client_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace rawvs {
namespace {

Ip client(uint32_t network) { return Ip(network << 8 | 7); }

TEST(ClientTable, CountsConnectionsOfEachNetworkAndService) {
  ClientTable table(8, {1, 2}, Instant());
  const auto id = [&](uint64_t service, const char* a) { return table.id(service, *parse_ip(a)); };
  EXPECT_EQ(id(1, "198.51.100.1"), id(1, "198.51.100.255"));
  EXPECT_NE(id(1, "198.51.100.1"), id(1, "198.51.101.1"));
  EXPECT_NE(id(1, "198.51.100.1"), id(2, "198.51.100.1"));
  EXPECT_EQ(id(1, "2001:db8::1"), id(1, "2001:db8::ffff:1:1:1"));
  EXPECT_NE(id(1, "2001:db8::1"), id(1, "2001:db8:0:1::1"));
  table.joined(id(1, "198.51.100.1"));
  table.joined(id(1, "198.51.100.2"));
  EXPECT_EQ(table.connections(id(1, "198.51.100.3")), 2u);
  EXPECT_EQ(table.connections(id(2, "198.51.100.3")), 0u);
  table.left(id(1, "198.51.100.1"));
  EXPECT_EQ(table.connections(id(1, "198.51.100.3")), 1u);
}

TEST(ClientTable, AgreesWithAMapHoweverManyNetworksComeAndGo) {
  constexpr uint32_t kMost = 50;
  ClientTable table(kMost, {3, 4}, Instant());
  std::mt19937 engine(21);
  const auto random = [&] { return static_cast<uint32_t>(engine()); };
  std::map<uint32_t, uint32_t> model;
  uint32_t connections = 0;
  Instant now{};
  for (int step = 0; step < 200'000; ++step) {
    const uint32_t network = random() % 400;
    const ClientTable::Id id = table.id(9, client(network));
    now += 1ms * (random() % 3);
    if (random() % 2 == 0 && table.has_token(id, 2, now)) table.take_token(id, 2, now);
    if (random() % 2 == 0 && connections < kMost) {
      table.joined(id), ++model[network], ++connections;
    } else if (model[network] > 0) {
      table.left(id), --model[network], --connections;
    }
    ASSERT_EQ(table.connections(id), model[network]) << step;
    ASSERT_LE(table.size(), kMost + 1);
  }
  for (const auto& [network, count] : model) EXPECT_EQ(table.connections(table.id(9, client(network))), count);
}

TEST(ClientTable, ANetworkBeginsAtTheRateAndAFullBucketAtOnce) {
  ClientTable table(4, {1, 2}, Instant(5s));
  const ClientTable::Id id = table.id(1, client(1));
  Instant now(5s);
  uint64_t taken = 0;
  for (int ms = 0; ms < 100'000; ++ms, now += 1ms) {
    while (table.has_token(id, 7, now)) table.take_token(id, 7, now), ++taken;
  }
  EXPECT_EQ(taken, 7u + 7 * 100 - 1) << "the last millisecond has not passed";
  EXPECT_TRUE(table.has_token(id, 1'000'000, now + 1h));
}

TEST(ClientTable, TheNetworkThatWasIdleLongestGivesWay) {
  ClientTable table(2, {1, 2}, Instant());  // three places
  const Instant now(1s);
  const auto id = [&](uint32_t n) { return table.id(1, client(n)); };
  table.joined(id(1));
  for (const uint32_t n : {2u, 3u}) table.take_token(id(n), 1, now);
  EXPECT_FALSE(table.has_token(id(2), 1, now));
  EXPECT_FALSE(table.has_token(id(3), 1, now));
  table.take_token(id(4), 1, now);
  EXPECT_TRUE(table.has_token(id(2), 1, now)) << "it gave way";
  EXPECT_FALSE(table.has_token(id(3), 1, now));
  EXPECT_FALSE(table.has_token(id(4), 1, now));
  EXPECT_EQ(table.connections(id(1)), 1u);
  table.left(id(1));
  table.take_token(id(5), 1, now);
  EXPECT_TRUE(table.has_token(id(3), 1, now));
  EXPECT_FALSE(table.has_token(id(4), 1, now));
}

}  // namespace
}  // namespace rawvs
