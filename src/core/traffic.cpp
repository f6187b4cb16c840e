// SPDX-License-Identifier: BSD-2-Clause
// traffic.cpp: IPVS's estimator: every two seconds, average += (rate - average) / 4, in fixed point.
#include "core/traffic.h"

namespace rawvs {

namespace {

constexpr int kCountShift = 10, kByteShift = 5;  // fractional bits of the averages
constexpr int kIntervalShift = 1;                // an interval has two seconds: the rate is half the count

// The difference wraps as unsigned and is shifted as signed: rounded down, as in the kernel.
void smooth(uint64_t& average, uint64_t counted, int shift) {
  const uint64_t rate = counted << (shift - kIntervalShift);
  average += static_cast<uint64_t>(static_cast<int64_t>(rate - average) >> 2);
}

uint64_t rounded(uint64_t average, int shift) { return (average + (uint64_t{1} << (shift - 1)) - 1) >> shift; }

}  // namespace

void Rates::tick(const Traffic& totals) {
  smooth(average_.connections, totals.connections - last_.connections, kCountShift);
  smooth(average_.in_packets, totals.in_packets - last_.in_packets, kCountShift);
  smooth(average_.out_packets, totals.out_packets - last_.out_packets, kCountShift);
  smooth(average_.in_bytes, totals.in_bytes - last_.in_bytes, kByteShift);
  smooth(average_.out_bytes, totals.out_bytes - last_.out_bytes, kByteShift);
  last_ = totals;
}

void Rates::idle_ticks(uint32_t n) {
  const Traffic same = last_;
  while (n-- > 0 && average_ != Traffic{}) tick(same);
}

Traffic Rates::per_second() const {
  return {rounded(average_.connections, kCountShift), rounded(average_.in_packets, kCountShift),
          rounded(average_.out_packets, kCountShift), rounded(average_.in_bytes, kByteShift),
          rounded(average_.out_bytes, kByteShift)};
}

}  // namespace rawvs
