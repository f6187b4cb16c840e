// SPDX-License-Identifier: BSD-2-Clause
// Tests the connection table against simple models: a std::map for look-ups, a list of deadlines for expiry.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "core/connection.h"

namespace rawvs {
namespace {

constexpr Instant kStart{5000s};
constexpr Duration kLatest = 170ms;  // after a deadline: a unit of the wheel, and its rounding

FlowKey flow(uint32_t n) {
  return {Ip(0xc6336400 + n % 200), Ip(0xc0000264), Port(static_cast<uint16_t>(1 + n / 200)), Port(80), Protocol::tcp};
}

Connection* create(ConnectionTable& t, const FlowKey& k) { return t.create(k, t.hash(k)); }
Connection* find(ConnectionTable& t, const FlowKey& k) { return t.find(Side::client, k, t.hash(k)); }
Connection* from_server(ConnectionTable& t, const Connection& c) {
  const FlowKey key = c.key(Side::server);
  return t.find(Side::server, key, t.hash(key));
}

TEST(ConnectionTable, FindsExactlyWhatWasCreatedAndNotRemoved) {
  ConnectionTable table(500, {1, 2}, kStart);
  std::map<uint32_t, Connection*> model;
  std::mt19937 engine(1);
  const auto random = [&] { return static_cast<uint32_t>(engine()); };
  for (int round = 0; round < 200000; ++round) {
    const uint32_t n = random() % 1000;
    Connection* const found = find(table, flow(n));
    ASSERT_EQ(found, model.contains(n) ? model[n] : nullptr);
    if (found) {
      if (random() % 2 == 0) table.remove(*found), model.erase(n);
    } else if (Connection* const c = create(table, flow(n))) {
      ASSERT_LT(model.size(), 500u);
      ASSERT_EQ(c->key(), flow(n));
      model[n] = c;
    } else {
      ASSERT_EQ(model.size(), 500u);
    }
    ASSERT_EQ(table.size(), model.size());
  }
  for (const auto& [n, c] : model) EXPECT_EQ(find(table, flow(n)), c);
}

TEST(ConnectionTable, TellsFlowsApartInEveryField) {
  ConnectionTable table(64, {3, 4}, kStart);
  const FlowKey k{Ip(1), Ip(2), Port(3), Port(4), Protocol::tcp};
  ASSERT_TRUE(create(table, k));
  FlowKey other = k;
  other.client = Ip(9);
  EXPECT_FALSE(find(table, other));
  other = k, other.vip = Ip(9);
  EXPECT_FALSE(find(table, other));
  other = k, other.cport = Port(9);
  EXPECT_FALSE(find(table, other));
  other = k, other.vport = Port(9);
  EXPECT_FALSE(find(table, other));
  other = k, other.protocol = Protocol::udp;
  EXPECT_FALSE(find(table, other));
  EXPECT_TRUE(find(table, k));
}

TEST(ConnectionTable, SaysWhenItIsFullAndTakesAgainAfterwards) {
  ConnectionTable table(3, {5, 6}, kStart);
  Connection* last = nullptr;
  for (uint32_t n = 0; n < 3; ++n) last = create(table, flow(n));
  EXPECT_EQ(create(table, flow(9)), nullptr);
  table.remove(*last);
  EXPECT_TRUE(create(table, flow(9)));
  EXPECT_EQ(table.size(), 3u);
}

TEST(ConnectionTable, TakesSeventyTwoToEightyEightBytesPerConnection) {
  const ConnectionTable table(1u << 18, {7, 8}, kStart), worst((1u << 18) + 1, {7, 8}, kStart);
  EXPECT_LE(table.reserved_bytes(), (size_t{1} << 18) * 72 + 256);
  EXPECT_LE(worst.reserved_bytes(), (size_t{1} << 18) * 88 + 512);
}

TEST(ConnectionTable, ATemplateIsNoConnectionWithoutAClientPort) {
  ConnectionTable table(8, {9, 10}, kStart);
  FlowKey k = flow(0);
  k.cport = Port(0);
  Connection* const waiting = create(table, k);
  k.persistence = true;
  EXPECT_FALSE(find(table, k));
  Connection* const client_template = create(table, k);
  EXPECT_TRUE(client_template->is_template());
  EXPECT_EQ(find(table, k), client_template);
  k.persistence = false;
  EXPECT_EQ(find(table, k), waiting);
}

TEST(ConnectionTable, FindsTheNewestOfSeveralWithOneKey) {
  ConnectionTable table(8, {11, 12}, kStart);
  Connection* const first = create(table, flow(1));
  Connection* const second = create(table, flow(1));
  Connection* const third = create(table, flow(1));
  EXPECT_EQ(find(table, flow(1)), third);
  table.remove(*second);
  EXPECT_EQ(find(table, flow(1)), third);
  table.remove(*third);
  EXPECT_EQ(find(table, flow(1)), first);
}

TEST(ConnectionTable, HasNoRoomForMoreThanSoManyAlikeFromEitherSide) {
  ConnectionTable table(4 * kMostAlike, {11, 12}, kStart);
  std::vector<Connection*> all;
  for (uint32_t n = 0; n < kMostAlike; ++n) all.push_back(create(table, flow(1)));
  EXPECT_EQ(create(table, flow(1)), nullptr);
  EXPECT_TRUE(create(table, flow(2)));
  table.remove(*all[7]);
  EXPECT_TRUE(create(table, flow(1)));

  all.clear();
  for (uint32_t port = 1; port <= kMostAlike + 1; ++port) {
    FlowKey key = flow(1);
    key.vport = Port(static_cast<uint16_t>(port + 1000));
    Connection* const c = create(table, key);
    ASSERT_TRUE(c);
    c->set_server_address(Ip(0xcb00710b));
    c->rport = Port(8080);
    EXPECT_EQ(table.add_server_side(*c), port <= kMostAlike) << port;
    all.push_back(c);
  }
  Connection* const refused = all.back();
  EXPECT_EQ(table.two_sided(), kMostAlike);
  EXPECT_EQ(refused->flags & Connection::two_sided, 0);
  EXPECT_EQ(from_server(table, *refused), all[kMostAlike - 1]);
  table.remove(*all[0]);
  EXPECT_TRUE(table.add_server_side(*refused));
  EXPECT_EQ(from_server(table, *refused), refused);
}

TEST(ConnectionTable, FindsFromTheServersSideOnlyWhatWasAddedThere) {
  ConnectionTable table(300, {13, 14}, kStart);
  std::vector<Connection*> all;
  for (uint32_t n = 0; n < 300; ++n) {
    all.push_back(create(table, flow(n)));
    all.back()->set_server_address(Ip(0xcb00710b + n % 2));
    all.back()->rport = Port(8080);
    if (n % 3 != 0) table.add_server_side(*all.back());
  }
  EXPECT_EQ(table.two_sided(), 200u);
  for (uint32_t n = 0; n < 300; ++n) EXPECT_EQ(from_server(table, *all[n]), n % 3 != 0 ? all[n] : nullptr) << n;
  for (uint32_t n = 0; n < 300; n += 2) table.remove(*all[n]);
  for (uint32_t n = 1; n < 300; n += 2) EXPECT_EQ(from_server(table, *all[n]), n % 3 != 0 ? all[n] : nullptr) << n;
  EXPECT_EQ(table.two_sided(), 100u);
}

TEST(ConnectionTable, IsFoundByItsNewNameFromBothSides) {
  ConnectionTable table(8, {15, 16}, kStart);
  FlowKey unknown = flow(1);
  unknown.cport = Port(0);
  Connection* const c = create(table, unknown);
  c->set_server_address(Ip(0xcb00710b));
  c->rport = Port(10001);
  table.add_server_side(*c);
  table.rename(*c, flow(1));
  EXPECT_FALSE(find(table, unknown));
  EXPECT_EQ(find(table, flow(1)), c);
  EXPECT_EQ(from_server(table, *c), c);
  table.remove(*c);
  EXPECT_EQ(table.two_sided(), 0u);
  EXPECT_FALSE(find(table, flow(1)));
}

class WheelTest : public testing::Test {
 protected:
  // The ids of all entries that are due now; removes them.
  std::multiset<uint32_t> collect(Instant now, uint32_t work = 1000000) {
    std::multiset<uint32_t> ids;
    while (Connection* const c = table_.due(now, work)) {
      EXPECT_TRUE(table_.expired(*c, now));
      ids.insert(table_.id(*c));
      table_.remove(*c);
    }
    return ids;
  }
  ConnectionTable table_{2000, {9, 10}, kStart};
};

TEST_F(WheelTest, EndsAConnectionAtItsDeadlineAndNotBefore) {
  for (const Duration timeout : {1s, 10s, 60s, 900s, 2678400s}) {
    Connection* const c = create(table_, flow(1));
    ASSERT_TRUE(c);
    const Instant now = kStart + 7777ms;
    collect(now);
    table_.arm(*c, now, timeout);
    EXPECT_FALSE(table_.expired(*c, now + timeout - 20ms));
    EXPECT_TRUE(table_.expired(*c, now + timeout + 10ms));
    EXPECT_TRUE(collect(now + timeout - 20ms).empty());
    EXPECT_LE(table_.next_deadline(), now + timeout + 200ms);
    EXPECT_EQ(collect(now + timeout + kLatest).size(), 1u) << timeout.count();
    EXPECT_EQ(table_.next_deadline(), kNever);
    table_ = ConnectionTable(2000, {9, 10}, kStart);
  }
}

TEST_F(WheelTest, FollowsADeadlineThatMovesLaterOrSooner) {
  Connection* const c = create(table_, flow(1));
  table_.arm(*c, kStart, 10s);
  table_.arm(*c, kStart + 9s, 10s);
  EXPECT_TRUE(collect(kStart + 18s).empty());
  EXPECT_EQ(table_.left(*c, kStart + 18s), 1s);
  table_.arm(*c, kStart + 18s, 900s);
  table_.arm(*c, kStart + 19s, 5s);
  EXPECT_TRUE(collect(kStart + 23s).empty());
  EXPECT_EQ(collect(kStart + 24200ms).size(), 1u);
}

TEST_F(WheelTest, KeepsPaceWithASlowModelOverDays) {
  std::mt19937 engine(2);
  const auto random = [&] { return static_cast<uint32_t>(engine()); };
  std::map<uint32_t, Instant> model;  // id -> deadline
  const Duration timeouts[] = {1s, 3s, 10s, 60s, 120s, 900s, 7200s, 86400s, 2678400s};
  Instant now = kStart;
  uint32_t next_flow = 0;
  for (int round = 0; round < 30000; ++round) {
    const Duration timeout = timeouts[random() % std::size(timeouts)];
    if (random() % 3 == 0 && !model.empty()) {  // a packet of some connection
      auto it = model.lower_bound(random() % 2000);
      if (it == model.end()) it = model.begin();
      table_.arm(*table_.at(it->first), now, timeout);
      it->second = now + timeout;
    } else if (Connection* const c = create(table_, flow(next_flow++ % 100000))) {
      table_.arm(*c, now, timeout);
      model[table_.id(*c)] = now + timeout;
    }
    now += Duration(random() % 50 == 0 ? random() % 4000000 : random() % 300);
    for (const uint32_t id : collect(now)) {
      ASSERT_TRUE(model.contains(id));
      ASSERT_LE(model[id], now);
      model.erase(id);
    }
    for (const auto& [id, deadline] : model) ASSERT_GT(deadline + kLatest, now) << "late";
    ASSERT_EQ(model.size(), table_.size());
    Instant first = kNever;
    for (const auto& [id, deadline] : model) first = std::min(first, deadline);
    ASSERT_LE(table_.next_deadline(), first == kNever ? kNever : first + kLatest);
  }
}

TEST_F(WheelTest, DoesABoundedAmountOfWorkPerCall) {
  for (uint32_t n = 0; n < 2000; ++n) table_.arm(*create(table_, flow(n)), kStart, 60s);
  const Instant later = kStart + Duration(2h);
  uint32_t work = 100, ended = 0;
  while (Connection* const c = table_.due(later, work)) table_.remove(*c), ++ended;
  EXPECT_EQ(work, 0u);
  EXPECT_LE(ended, 100u);
  EXPECT_LE(table_.next_deadline(), later);  // asks to be called again at once
  for (int call = 0; call < 100; ++call) {
    work = 100;
    while (Connection* const c = table_.due(later, work)) table_.remove(*c), ++ended;
  }
  EXPECT_EQ(ended, 2000u);
}

}  // namespace
}  // namespace rawvs
