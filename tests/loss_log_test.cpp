// SPDX-License-Identifier: BSD-2-Clause
// Tests that packets dropped for lack of room are logged: the first one, and then their number.
#include "core/loss_log.h"

#include <gtest/gtest.h>

namespace rawvs {
namespace {

TEST(LossLog, SaysTheFirstPacketAtOnceAndThenTheirNumberOnceAMinute) {
  ExitCounters exits;
  LossLog log;
  Outbox out;
  Instant now{1h};
  log.look(exits, {now, out});
  EXPECT_TRUE(out.notices().empty());
  EXPECT_EQ(log.next_deadline(), kNever);
  exits.count(Exit::table_full);
  log.look(exits, {now, out});
  ASSERT_EQ(out.notices().size(), 1u);
  EXPECT_EQ(out.notices()[0].severity, Severity::warning);
  EXPECT_EQ(out.notices()[0].text,
            "table-full: 1 packet was dropped: no room for another connection: see max_connections");
  EXPECT_EQ(log.next_deadline(), kNever);
  for (int i = 0; i < 4370; ++i, now += 10ms) {
    exits.count(Exit::table_full);
    log.look(exits, {now, out});
  }
  EXPECT_EQ(out.notices().size(), 1u);
  EXPECT_EQ(log.next_deadline(), Instant{1h} + LossLog::kPause);
  now = log.next_deadline();
  log.look(exits, {now, out});
  ASSERT_EQ(out.notices().size(), 2u);
  EXPECT_EQ(out.notices()[1].text,
            "table-full: 4370 packets were dropped: no room for another connection: see max_connections");
  EXPECT_EQ(log.next_deadline(), kNever);
  now += LossLog::kPause;
  exits.count(Exit::fragment_flood);
  exits.count(Exit::bad_length);
  log.look(exits, {now, out});
  ASSERT_EQ(out.notices().size(), 3u);
  EXPECT_TRUE(out.notices()[2].text.starts_with("fragment-flood: 1 packet was dropped: "));
}

}  // namespace
}  // namespace rawvs
