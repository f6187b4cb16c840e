// SPDX-License-Identifier: BSD-2-Clause
// Tests that "at once" and "never" are deadlines that arithmetic may use.
#include "rawvs/time.h"

#include <gtest/gtest.h>

#include "sys/helper/helper.h"
#include "sys/probe/probes.h"

namespace rawvs {
namespace {

constexpr Instant kNow{Duration(86'400'000)};

TEST(Time, NeverStaysNever) {
  EXPECT_EQ(after(kNever, 1ms), kNever);
  EXPECT_EQ(after(kNever, -1ms), kNever);
  EXPECT_EQ(after(kNow, Duration::max()), kNever);
  EXPECT_EQ(after(kNever - 1ms, 2ms), kNever);
  EXPECT_EQ(after(kNow, 5ms), kNow + 5ms);
  EXPECT_EQ(after(kNow, -5ms), kNow - 5ms);
}

TEST(Time, TheTimeThatIsLeftDoesNotWrap) {
  EXPECT_EQ(left_until(kNow + 5ms, kNow), 5ms);
  EXPECT_EQ(left_until(kNow, kNow), 0ms);
  EXPECT_EQ(left_until(kOverdue, kNow), 0ms);
  EXPECT_EQ(left_until(Instant::min(), kNow), 0ms);
  EXPECT_EQ(left_until(kNever, kNow), Duration::max());
  EXPECT_EQ(left_until(kNever, Instant{} - 1ms), Duration::max());
  EXPECT_EQ(left_until(kNever - 1ms, Instant{} - 5ms), Duration::max());
}

TEST(Time, AResultThatIsKnownIsCollectedAtOnce) {
  const Helper none;
  auto probes = Probes::open(none);
  ASSERT_TRUE(probes);
  EXPECT_EQ(left_until((*probes)->next_deadline(), kNow), Duration::max());
  CheckSpec spec;
  spec.kind = CheckKind::arp;  // not asked here: the result is known when it begins
  ASSERT_TRUE((*probes)->start(ProbeId(1), spec, {}, kNow));
  EXPECT_EQ((*probes)->next_deadline(), kOverdue);
  EXPECT_EQ(left_until((*probes)->next_deadline(), kNow), 0ms);
  EXPECT_EQ((*probes)->serve(kNow).size(), 1U);
  EXPECT_EQ((*probes)->next_deadline(), kNever);
}

}  // namespace
}  // namespace rawvs
