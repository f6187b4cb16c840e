// SPDX-License-Identifier: BSD-2-Clause
// Tests claim.h: addresses of the host itself.
#include "side/claim.h"

#include <gtest/gtest.h>

#include "frames.h"

namespace rawvs {
namespace {

using namespace test;

TEST(ClaimOwn, LeavesTheHostsOwnAddressToItsKernel) {
  const Settings settings;
  Claims claims(settings);
  constexpr Instant kBegin{1000s};
  using Changes = std::vector<std::pair<Ip, bool>>;
  const Ip vip = ip("192.0.2.100");
  claims.claim(vip, {.own = true}, kBegin);
  EXPECT_TRUE(claims.claimed(vip) && claims.claimed(vip)->own);
  EXPECT_FALSE(claims.answers_for(vip));
  EXPECT_EQ(claims.next_deadline(), kNever);
  EXPECT_EQ(claims.take_changes(), Changes{});
  claims.claim(vip, {}, kBegin);
  EXPECT_EQ(claims.take_changes(), (Changes{{vip, true}}));
  EXPECT_TRUE(claims.answers_for(vip));
  claims.claim(vip, {.own = true}, kBegin);
  EXPECT_EQ(claims.take_changes(), (Changes{{vip, false}}));
  claims.retire(vip, kBegin);
  EXPECT_FALSE(claims.takes(vip)) << "not even for a while";
  EXPECT_EQ(claims.take_changes(), Changes{});
  claims.claim(vip, {}, kBegin);
  claims.release(vip);
  EXPECT_FALSE(claims.takes(vip));
  EXPECT_EQ(claims.take_changes(), (Changes{{vip, true}, {vip, false}}));
}

}  // namespace
}  // namespace rawvs
