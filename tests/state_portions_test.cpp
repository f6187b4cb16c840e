// SPDX-License-Identifier: BSD-2-Clause
// Tests state.h portion by portion: changes between two, and their size.
#include "state_world.h"

namespace rawvs {
namespace {

using namespace test;

TEST(StatePortions, ASlotThatBecomesAnotherServersBetweenTwoPortionsIsNotMixedUp) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::route), w->web(Method::route);
  for (uint16_t n = 0; n < 4; ++n) before.open(0, 0, Port(static_cast<uint16_t>(2000 + n)));
  StateWriter writer(before.clock);
  const StateTables tables = before.tables();
  std::vector<uint8_t> bytes;
  const auto put = [&](Bytes more) { bytes.insert(bytes.end(), more.begin(), more.end()); };
  put(writer.next(tables, before.now, 1));
  before.services.server(before.slot(0, 0)).key = before.keys[1];  // as if the slot had been given to another since
  before.services.server(before.slot(0, 0)).spec.at = before.at(1, 1);
  for (int n = 0; n < 10 && !writer.done(); ++n) put(writer.next(tables, before.now, 1));
  ASSERT_TRUE(writer.done());
  after.restore(bytes);
  EXPECT_EQ(after.find(0, Port(2000))->server, after.slot(0, 0));
  EXPECT_EQ(after.report.of(Untaken::malformed), 3u);  // their VIP is the other service's no longer
}

TEST(StatePortions, AServerThatLeavesWhileItsConnectionsAreReadGetsNoMore) {
  World before, after;
  for (World* const w : {&before, &after}) w->web(Method::route);
  for (uint16_t n = 0; n < 300; ++n) before.open(0, 0, Port(static_cast<uint16_t>(2000 + n)));
  const std::vector<uint8_t> bytes = before.state();
  StateReader reader(bytes, after.clock);
  for (int n = 0; n < 2; ++n) ASSERT_TRUE(reader.read(after.tables(), {after.now, after.out}));
  EXPECT_EQ(reader.report().connections, 256u);
  ASSERT_FALSE(after.services.remove_server(after.keys[0], after.at(0, 0), after.now));
  for (int n = 0; n < 10 && reader.read(after.tables(), {after.now, after.out}); ++n) continue;
  EXPECT_EQ(text(reader.report()), "256 connections and 0 templates taken back, 44 not: 44 without server");
}

TEST(StatePortions, AMillionConnectionsGoInPortions) {
  constexpr uint32_t kMany = 1'000'000;
  World before(kMany), after(kMany);
  for (World* const w : {&before, &after}) w->web(Method::route);
  for (uint32_t n = 0; n < kMany; ++n) {
    before.open_from(0, n % 2, Ip(0xc6336400 + n / 60000), Port(static_cast<uint16_t>(1024 + n % 60000)));
  }
  StateWriter writer(before.clock);
  std::vector<uint8_t> bytes;
  uint32_t portions = 0;
  for (; !writer.done() && portions < kMany; ++portions) {
    const Bytes portion = writer.next(before.tables(), before.now);
    ASSERT_LT(portion.size(), 64u * 1024);
    bytes.insert(bytes.end(), portion.begin(), portion.end());
  }
  EXPECT_EQ(writer.written(), kMany);
  EXPECT_EQ(portions, kMany / 256 + 1);
  EXPECT_LT(bytes.size(), kMany * 45);
  StateReader reader(bytes, after.clock);
  uint32_t calls = 0, taken = 0;
  do {
    taken = reader.report().connections;
    ++calls;
    ASSERT_LE(reader.report().connections - taken, StateReader::kEntries);
  } while (reader.read(after.tables(), {after.now, after.out}) && calls < kMany);
  EXPECT_EQ(text(reader.report()), "1000000 connections and 0 templates taken back");
  EXPECT_GT(calls, kMany / 256);
  EXPECT_EQ(after.connections.size(), kMany);
  EXPECT_EQ(after.services.server(after.slot(0, 1)).inactive, kMany / 2);
}

}  // namespace
}  // namespace rawvs
