// SPDX-License-Identifier: BSD-2-Clause
// Tests entries of both families in one connection table: beside a model of its places, with a random mix of beginnings
// and ends.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "core/connection.h"
#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

constexpr Instant kStart{5000s};

FlowKey flow4(uint32_t n) {
  return {Ip(0xc6336400 + n % 200), Ip(0xc0000264), Port(static_cast<uint16_t>(1 + n / 200)), Port(80), Protocol::tcp};
}
FlowKey flow6(uint32_t n) {
  return {Ip(0x20010db800000000u + n % 7, n), ip("2001:db8::100"), Port(1001), Port(80), Protocol::tcp};
}
Connection* create(ConnectionTable& t, const FlowKey& k, Ip server = Ip()) { return t.create(k, t.hash(k), server); }
Connection* find(ConnectionTable& t, const FlowKey& k) { return t.find(Side::client, k, t.hash(k)); }

TEST(WideEntry, TellsFlowsApartInEveryBitOfTheirAddresses) {
  ConnectionTable table(64, {3, 4}, kStart);
  const FlowKey k{ip("2001:db8::1"), ip("2001:db8::2"), Port(3), Port(4), Protocol::tcp};
  Connection* const c = create(table, k, ip("2001:db8::11"));
  ASSERT_TRUE(c);
  EXPECT_TRUE(c->is_wide());
  EXPECT_EQ(find(table, k), c);
  EXPECT_EQ(c->key(), k);
  EXPECT_EQ(c->real_server().addr, ip("2001:db8::11"));
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t one = uint64_t{1} << bit;
    for (Ip FlowKey::*const address : {&FlowKey::client, &FlowKey::vip}) {
      FlowKey other = k;
      other.*address = Ip((k.*address).hi() ^ one, (k.*address).lo());
      EXPECT_FALSE(find(table, other));
      EXPECT_NE(table.hash(other), table.hash(k));
      other.*address = Ip((k.*address).hi(), (k.*address).lo() ^ one);
      EXPECT_FALSE(find(table, other));
      EXPECT_NE(table.hash(other), table.hash(k));
    }
  }
}

TEST(WideEntry, IsUsedForAServerOfTheOtherFamily) {
  ConnectionTable table(8, {3, 4}, kStart);
  Connection* const mixed = create(table, flow4(1), ip("2001:db8::11"));
  ASSERT_TRUE(mixed);
  EXPECT_TRUE(mixed->is_wide());
  EXPECT_EQ(mixed->key(), flow4(1));
  EXPECT_EQ(find(table, flow4(1)), mixed);
  EXPECT_EQ(mixed->real_server().addr, ip("2001:db8::11"));
  Connection* const reversed = create(table, flow6(1), ip("203.0.113.11"));
  EXPECT_EQ(reversed->key(), flow6(1));
  EXPECT_EQ(reversed->real_server().addr, ip("203.0.113.11"));
  EXPECT_FALSE(create(table, flow4(2), ip("203.0.113.11"))->is_wide());
  EXPECT_EQ(table.places(), 5u);
  EXPECT_EQ(table.size(), 3u);
}

TEST(WideEntry, IsFoundByItsNewNameFromBothSides) {
  ConnectionTable table(8, {15, 16}, kStart);
  FlowKey unknown = flow6(1);
  unknown.cport = Port(0);
  Connection* const c = create(table, unknown, ip("2001:db8::11"));
  c->rport = Port(10001);
  ASSERT_TRUE(table.add_server_side(*c));
  table.rename(*c, flow6(1));
  EXPECT_FALSE(find(table, unknown));
  EXPECT_EQ(find(table, flow6(1)), c);
  const FlowKey reply = c->key(Side::server);
  EXPECT_EQ(reply.vip, ip("2001:db8::11"));
  EXPECT_EQ(table.find(Side::server, reply, table.hash(reply)), c);
  EXPECT_EQ(c->reply_flow(), (ReplyFlow{Protocol::tcp, c->real_server(), c->client()}));
  table.remove(*c);
  EXPECT_EQ(table.two_sided(), 0u);
}

TEST(WideEntry, TakesTwoPlacesOfAFullTableOfAnyCapacity) {
  for (const uint32_t capacity : {1u, 2u, 3u, 4u, 9u, 10u}) {
    ConnectionTable table(capacity, {5, 6}, kStart);
    uint32_t wide = 0;
    while (create(table, flow6(wide))) ++wide;
    EXPECT_EQ(wide, capacity / 2);
    EXPECT_FALSE(table.has_room(true));
    EXPECT_EQ(table.has_room(false), capacity % 2 != 0);
    EXPECT_EQ(create(table, flow4(1)) != nullptr, capacity % 2 != 0);
    EXPECT_EQ(create(table, flow4(2)), nullptr);
    EXPECT_EQ(table.places(), capacity);
    while (wide != 0) table.remove(*find(table, flow6(--wide)));
    uint32_t narrow = capacity % 2;
    while (create(table, flow4(narrow + 1))) ++narrow;
    EXPECT_EQ(narrow, capacity);
    EXPECT_LE(table.id_limit(), ConnectionTable::last_id(capacity) + 1);
  }
}

// A flood of IPv4 fills the table; when it is over, IPv6 has all of it, and the other way round.
TEST(WideEntry, NeitherFamilyKeepsPlacesFromTheOther) {
  constexpr uint32_t kCapacity = 200;
  ConnectionTable table(kCapacity, {7, 8}, kStart);
  std::mt19937 engine(3);
  for (int round = 0; round < 20; ++round) {
    std::vector<uint32_t> order(kCapacity);
    for (uint32_t n = 0; n < kCapacity; ++n) ASSERT_TRUE(create(table, flow4(order[n] = n)));
    EXPECT_FALSE(table.has_room(false));
    std::ranges::shuffle(order, engine);
    for (const uint32_t n : order) table.remove(*find(table, flow4(n)));
    order.resize(kCapacity / 2);
    for (uint32_t n = 0; n < kCapacity / 2; ++n) ASSERT_TRUE(create(table, flow6(order[n] = n)));
    EXPECT_FALSE(table.has_room(true));
    std::ranges::shuffle(order, engine);
    for (const uint32_t n : order) table.remove(*find(table, flow6(n)));
    EXPECT_EQ(table.places() + table.size(), 0u);
  }
  // Half of the places are free, each beside an IPv4 connection: IPv6 finds none until one of these ends.
  for (uint32_t n = 0; n < kCapacity; ++n) create(table, flow4(n));
  for (uint32_t n = 0; n < kCapacity; ++n) {
    Connection* const c = find(table, flow4(n));
    if (table.id(*c) % 2 != 0) table.remove(*c);
  }
  EXPECT_FALSE(table.has_room(true) && table.places() == kCapacity);
  while (create(table, flow6(1))) {
  }
  EXPECT_FALSE(table.has_room(true));
  EXPECT_TRUE(table.has_room(false));
  for (ConnectionId id = 2; id < 6; ++id) {
    if (Connection* const c = table.at(id); c && !c->is_wide()) table.remove(*c);
  }
  EXPECT_TRUE(table.has_room(true));
}

class Model {
 public:
  explicit Model(uint32_t seed, uint32_t capacity) : engine_(seed), table_(capacity, {seed, 2}, kStart) {}
  void step(uint32_t flows) {
    const uint32_t n = below(flows);
    const bool wide = below(2) != 0;
    const FlowKey key = wide ? flow6(n) : flow4(n);
    const auto known = held_.find({wide, n});
    Connection* const found = find(table_, key);
    ASSERT_EQ(found, known == held_.end() ? nullptr : known->second.entry);
    if (found) {
      expect_whole(*found, known->second, key);
      if (below(2) != 0) return;
      table_.remove(*found);
      held_.erase(known);
    } else {
      const bool room = table_.has_room(wide);
      const Ip server = wide ? Ip(0x20010db800000000u, 17 + n) : Ip(0xcb007100 + n % 250);
      Connection* const made = create(table_, key, server);
      ASSERT_EQ(made != nullptr, room);
      if (!made) return;
      made->rport = Port(8080);
      const bool two_sided = below(2) != 0;
      ASSERT_TRUE(!two_sided || table_.add_server_side(*made));
      const Duration lasts = std::chrono::seconds(1 + below(300));
      table_.arm(*made, now_, lasts);
      held_[{wide, n}] = {made, server, now_ + lasts};
    }
  }
  void pass(Duration time) {
    now_ += time;
    uint32_t work = 1000000;
    while (Connection* const c = table_.due(now_, work)) {
      const auto held = std::ranges::find_if(held_, [&](const auto& h) { return h.second.entry == c; });
      ASSERT_NE(held, held_.end());
      ASSERT_LE(held->second.until, now_);
      table_.remove(*c);
      held_.erase(held);
    }
    for (const auto& [key, held] : held_) ASSERT_GT(held.until + 200ms, now_);
  }
  // Each entry has its own places, a walk meets each once, and single places are taken before pairs.
  void check() {
    uint32_t places = 0, pairs_begun = 0;
    std::map<ConnectionId, const Connection*> at;
    for (const auto& [key, held] : held_) {
      const ConnectionId id = table_.id(*held.entry);
      places += key.first ? 2 : 1;
      ASSERT_TRUE(at.emplace(id, held.entry).second);
      if (!key.first) continue;
      ASSERT_EQ(id % 2, 0u);
      ASSERT_TRUE(at.emplace(id + 1, nullptr).second);
    }
    ASSERT_EQ(table_.places(), places);
    ASSERT_EQ(table_.size(), held_.size());
    ASSERT_LE(places, table_.capacity());
    for (ConnectionId id = 0; id < table_.id_limit() + 3; ++id) {
      const auto known = at.find(id);
      ASSERT_EQ(table_.at(id), known == at.end() ? nullptr : known->second) << id;
      if (id % 2 == 0 && id != 0 && (at.contains(id) || at.contains(id + 1))) ++pairs_begun;
    }
    const bool pair_left = 2 * (pairs_begun + 1) + 1 <= ConnectionTable::last_id(table_.capacity());
    ASSERT_EQ(table_.has_room(true), pair_left && table_.capacity() - places >= 2);
    ASSERT_EQ(table_.has_room(false), places < table_.capacity());
  }

 private:
  struct Held {
    Connection* entry = nullptr;
    Ip server{};
    Instant until{};
  };
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(engine_()) % limit; }
  void expect_whole(const Connection& c, const Held& held, const FlowKey& key) {
    ASSERT_EQ(c.key(), key);
    ASSERT_EQ(c.real_server(), (Endpoint{held.server, Port(8080)}));
    const FlowKey reply = c.key(Side::server);
    const bool two_sided = (c.flags & Connection::two_sided) != 0;
    ASSERT_EQ(table_.find(Side::server, reply, table_.hash(reply)), two_sided ? &c : nullptr);
  }

  std::mt19937 engine_;
  ConnectionTable table_;
  Instant now_ = kStart;
  std::map<std::pair<bool, uint32_t>, Held> held_;
};

TEST(WideEntry, AnyMixOfBeginningsAndEndsLeavesTheTableWhole) {
  for (const uint32_t capacity : {1u, 2u, 7u, 60u, 61u, 300u}) {
    Model model(capacity, capacity);
    for (int round = 0; round < 300 && !testing::Test::HasFatalFailure(); ++round) {
      for (int n = 0; n < 60 && !testing::Test::HasFatalFailure(); ++n) model.step(capacity);
      model.check();
      if (round % 3 == 0) model.pass(7s);
      model.check();
    }
  }
}

TEST(WideEntry, IsWholeOutsideOfTheTable) {
  const LooseConnection six(flow6(5), ip("2001:db8::11"), Method::masq),
      four(flow4(5), ip("203.0.113.11"), Method::masq);
  EXPECT_EQ(six->key(), flow6(5));
  EXPECT_EQ(six->real_server().addr, ip("2001:db8::11"));
  EXPECT_EQ(four->key(), flow4(5));
  EXPECT_EQ(four->real_server().addr, ip("203.0.113.11"));
  EXPECT_FALSE(four->is_wide());
  const LooseConnection copy = six;
  EXPECT_EQ(copy->key(), flow6(5));
}

}  // namespace
}  // namespace rawvs
