// SPDX-License-Identifier: BSD-2-Clause
// Tests rates against IPVS's estimator: the expected numbers follow from the kernel's formula.
#include <gtest/gtest.h>

#include "core/traffic.h"
#include "director_fixture.h"

namespace rawvs {
namespace {

// ip_vs_est.c: cps += ((delta << 9) - cps) >> 2, shown as (cps + 0x1FF) >> 10.
struct Kernel {
  int64_t cps = 0, bps = 0;
  void tick(int64_t conns, int64_t bytes) {
    cps += ((conns << 9) - cps) >> 2;
    bps += ((bytes << 4) - bps) >> 2;
  }
  uint64_t connections() const { return static_cast<uint64_t>((cps + 0x1ff) >> 10); }
  uint64_t bytes() const { return static_cast<uint64_t>((bps + 0xf) >> 5); }
};

TEST(Rates, AreTheKernelsAtEveryTick) {
  Kernel kernel;
  Rates rates;
  Traffic total;
  uint32_t random = 1;
  for (int i = 0; i < 2000; ++i) {
    random = random * 1664525u + 1013904223u;
    const uint64_t conns = i % 100 < 50 ? random >> 20 : 0, bytes = conns * 1400;
    total.connections += conns, total.in_packets += conns, total.in_bytes += bytes;
    rates.tick(total);
    kernel.tick(static_cast<int64_t>(conns), static_cast<int64_t>(bytes));
    const Traffic now = rates.per_second();
    ASSERT_EQ(now.connections, kernel.connections()) << i;
    ASSERT_EQ(now.in_packets, kernel.connections()) << i;
    ASSERT_EQ(now.in_bytes, kernel.bytes()) << i;
    ASSERT_EQ(now.out_packets + now.out_bytes, 0u);
  }
}

TEST(Rates, ManyIdleTicksAreAsGoodAsTheSameNumberOfSingleOnes) {
  Rates once, often;
  const Traffic total{.connections = 77, .in_packets = 1 << 20, .in_bytes = uint64_t{1} << 40};
  once.tick(total), often.tick(total);
  once.idle_ticks(9);
  for (int i = 0; i < 9; ++i) often.tick(total);
  EXPECT_EQ(once.per_second(), often.per_second());
  once.idle_ticks(1000);
  EXPECT_EQ(once.per_second(), Traffic{});
}

class RatesOfTheDirector : public DirectorTest {};

TEST_F(RatesOfTheDirector, WhatWasCountedBelongsToTheIntervalItCameIn) {
  web(1);
  for (uint16_t i = 0; i < 8; ++i) arrive(frame(Tcp{.src = "198.51.100.1", .sport = static_cast<uint16_t>(1000 + i)}));
  const auto rate = [&](Instant at) {
    director_->estimate(at);
    return director_->services().services()[0].rates.per_second().connections;
  };
  EXPECT_EQ(rate(now_), 0u);
  EXPECT_EQ(rate(now_ + 2s), 1u);  // 8 connections in 2 s, a quarter of that counts
  EXPECT_EQ(rate(now_ + 1h), 0u);
  EXPECT_EQ(director_->services().services()[0].traffic.connections, 8u);
}

}  // namespace
}  // namespace rawvs
