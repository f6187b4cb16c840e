// SPDX-License-Identifier: BSD-2-Clause
// unproven_test.cpp: which entry gives way, against a model.
#include "core/unproven.h"

#include <gtest/gtest.h>

#include <bit>
#include <list>
#include <map>

#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint32_t kServers = 5;

class UnprovenTest : public testing::Test {
 protected:
  Connection& make(ServerSlot server, bool wide = false) {
    const Ip client = wide ? Ip(0x20010db800000000u, next_) : Ip(0xc6336400 + next_);
    const FlowKey key{client, wide ? ip("2001:db8::100") : ip("192.0.2.100"), Port(1001), Port(80), Protocol::tcp,
                      false};
    ++next_;
    Connection* const c = table_.create(key, table_.hash(key), wide ? ip("2001:db8::11") : ip("192.0.2.11"));
    c->server = server;
    return *c;
  }
  ConnectionTable table_{1024, HashKey{1, 2}, Instant{1000s}};
  UnprovenEntries entries_{table_, kServers};
  uint32_t next_ = 1;
};

TEST_F(UnprovenTest, TheOldestOfTheLargestShareGivesWayFirst) {
  EXPECT_EQ(entries_.oldest(UnprovenKinds::all()), nullptr);
  Connection& few = make(1);
  entries_.add(few, Unproven::half_open, false);
  Connection& first = make(2);
  Connection& second = make(2);
  entries_.add(first, Unproven::half_open, false);
  entries_.add(second, Unproven::half_open, false);
  EXPECT_EQ(entries_.oldest(UnprovenKinds::all()), &first);
  EXPECT_EQ(entries_.after(first), &second);
  EXPECT_EQ(entries_.oldest(1, Unproven::half_open), &few);
  entries_.remove(first);
  EXPECT_FALSE(first.is_unproven());
  entries_.remove(second);
  EXPECT_EQ(entries_.oldest(UnprovenKinds::all()), &few);
  EXPECT_EQ(entries_.oldest(UnprovenKinds::of(Protocol::udp)), nullptr);
}

TEST_F(UnprovenTest, WhoIsBeyondAShareGoesBeforeTheOthers) {
  Connection& one = make(1);
  Connection& two = make(1);
  entries_.add(one, Unproven::one_way, false);
  entries_.add(two, Unproven::one_way, true);
  EXPECT_EQ(entries_.oldest(UnprovenKinds::of(Protocol::udp)), &two);
  EXPECT_EQ(entries_.after(two), &one);
  EXPECT_EQ(entries_.after(one), nullptr);
}

TEST_F(UnprovenTest, AFewDifferentStepsAreProof) {
  Connection& c = make(1);
  entries_.add(c, Unproven::quiet, false);
  EXPECT_FALSE(entries_.step(c, 7));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(entries_.step(c, 7)) << "the same again is no further step";
  EXPECT_FALSE(entries_.step(c, 8));
  EXPECT_FALSE(entries_.step(c, 7));
  EXPECT_TRUE(entries_.step(c, 31));
  EXPECT_FALSE(entries_.take_answered(c));
  entries_.set_answered(c);
  EXPECT_TRUE(entries_.take_answered(c));
  EXPECT_FALSE(entries_.take_answered(c));
  EXPECT_EQ(entries_.kind(c), Unproven::quiet);
}

TEST_F(UnprovenTest, AMillionRandomChangesLeaveWhatAModelLeaves) {
  struct Listed {
    Connection* c;
    ServerSlot server;
    Unproven kind;
  };
  std::map<std::pair<ServerSlot, Unproven>, std::list<Connection*>> model;
  std::vector<Listed> listed;
  uint64_t random = 1;
  const auto below = [&](uint64_t n) { return (random = mixed(random)) % n; };
  for (int i = 0; i < 1'000'000; ++i) {
    if (listed.size() < 300 && below(2) == 0) {
      const bool wide = below(4) == 0;
      const auto server = static_cast<ServerSlot>(below(kServers));
      const auto kind = static_cast<Unproven>(below(kUnprovenKinds));
      if (!table_.has_room(wide)) continue;
      Connection& c = make(server, wide);
      const bool first = below(5) == 0;
      entries_.add(c, kind, first);
      auto& list = model[{server, kind}];
      first ? list.push_front(&c) : list.push_back(&c);
      listed.push_back({&c, server, kind});
    } else if (!listed.empty()) {
      const size_t n = below(listed.size());
      const Listed one = listed[n];
      ASSERT_TRUE(one.c->is_unproven());
      ASSERT_EQ(entries_.kind(*one.c), one.kind);
      entries_.remove(*one.c);
      table_.remove(*one.c);
      model[{one.server, one.kind}].remove(one.c);
      listed[n] = listed.back();
      listed.pop_back();
    }
    if (i % 97 != 0) continue;
    ASSERT_EQ(entries_.count(), listed.size());
    uint32_t places = 0, largest = 0;
    for (const Listed& one : listed) places += one.c->is_wide() ? 2 : 1;
    ASSERT_EQ(entries_.places(UnprovenKinds::all()), places);
    for (const auto& [share, list] : model) {
      largest = std::max(largest, static_cast<uint32_t>(std::bit_width(list.size())));
      const Connection* c = entries_.oldest(share.first, share.second);
      for (const Connection* const expected : list) {
        ASSERT_EQ(c, expected);
        c = entries_.after(*c);
      }
      ASSERT_EQ(c, nullptr);
    }
    const Connection* const way = entries_.oldest(UnprovenKinds::all());
    ASSERT_EQ(way == nullptr, listed.empty());
    if (!way) continue;
    const auto& list = model[{way->server, entries_.kind(*way)}];
    ASSERT_EQ(list.front(), way);
    ASSERT_EQ(std::bit_width(list.size()), static_cast<int>(largest));
  }
}

}  // namespace
}  // namespace rawvs
