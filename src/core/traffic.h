// SPDX-License-Identifier: BSD-2-Clause
// traffic.h: what a service or a server has carried: totals, and how much of it per second.
// In:  packets counted.   Out: totals; rates smoothed as IPVS smooths them (Linux, net/netfilter/ipvs/ip_vs_est.c).
// Nothing wakes up to tick: whoever counts, or lists, first lets the time pass that has passed (Director::estimate).
#pragma once

#include <cstdint>

#include "rawvs/time.h"

namespace rawvs {

struct Traffic {                                                                           // since start or zeroing
  uint64_t connections = 0, in_packets = 0, out_packets = 0, in_bytes = 0, out_bytes = 0;  // bytes of IP packets
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

class Rates {
 public:
  static constexpr Duration kInterval = 2s;

  // An interval is over; the totals are now these. Each one counts a quarter in the average.
  void tick(const Traffic& totals);
  void idle_ticks(uint32_t n);  // the same, so many times, and nothing was counted
  Traffic per_second() const;

 private:
  Traffic last_{};
  Traffic average_{};  // of connections and packets in 1/1024 per second, of bytes in 1/32: as IPVS has them
};

}  // namespace rawvs
