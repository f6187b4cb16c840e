// SPDX-License-Identifier: BSD-2-Clause
// Tests which oddities of neighbours are logged.
#include "core/tell_once.h"

#include <gtest/gtest.h>

namespace rawvs {
namespace {

constexpr Instant kStart{1000s};

TEST(TellOnce, IsNewsOncePerNeighbourAndChange) {
  TellOnce told;
  const Ip a(1), b(2);
  EXPECT_TRUE(told.odd(a, 1, kStart));
  EXPECT_FALSE(told.odd(a, 1, kStart + 24h));
  EXPECT_TRUE(told.odd(b, 1, kStart));
  EXPECT_TRUE(told.odd(a, 2, kStart));
  EXPECT_TRUE(told.well(a, kStart));
  EXPECT_FALSE(told.well(a, kStart));
  EXPECT_FALSE(told.well(Ip(3), kStart)) << "it was never odd";
  EXPECT_TRUE(told.odd(a, 2, kStart));
}

TEST(TellOnce, WhatWasNotToldIsNewsLater) {
  TellOnce told;
  uint32_t lines = 0;
  for (uint32_t n = 0; n < 10000; ++n) lines += told.odd(Ip(n + 1), 1, kStart);
  EXPECT_EQ(lines, 16u);
  EXPECT_FALSE(told.odd(Ip(77), 2, kStart));
  EXPECT_TRUE(told.odd(Ip(77), 2, kStart + 30s));
  EXPECT_FALSE(told.odd(Ip(78), 2, kStart + 59s));
  EXPECT_TRUE(told.odd(Ip(78), 2, kStart + 60s));
}

TEST(TellOnce, RemembersThoseOfWhomItHeardLast) {
  TellOnce told;
  EXPECT_TRUE(told.odd(Ip(1), 1, kStart));
  for (uint32_t n = 2; n < 12; ++n) {
    EXPECT_TRUE(told.odd(Ip(n), 1, kStart + n * 1s));
    EXPECT_FALSE(told.odd(Ip(1), 1, kStart + n * 1s)) << "it speaks all the time";
  }
}

}  // namespace
}  // namespace rawvs
