// SPDX-License-Identifier: BSD-2-Clause
// traffic.h: what a service or a server has carried: totals and rates per second.
// In:  counted packets.
// Out: totals; rates smoothed as by IPVS (Linux, net/netfilter/ipvs/ip_vs_est.c).
//
// No timer runs: whoever counts or lists first applies the intervals that have passed (Director::estimate).
#pragma once

#include <cstdint>

#include "rawvs/time.h"

namespace rawvs {

struct Traffic {  // since the start or the last reset
  uint64_t connections = 0, in_packets = 0, out_packets = 0, in_bytes = 0, out_bytes = 0;  // bytes of IP packets
  friend bool operator==(const Traffic&, const Traffic&) = default;
  Traffic& operator+=(const Traffic& more) {
    connections += more.connections, in_packets += more.in_packets, out_packets += more.out_packets;
    in_bytes += more.in_bytes, out_bytes += more.out_bytes;
    return *this;
  }
};

class Rates {
 public:
  static constexpr Duration kInterval = 2s;

  // Ends an interval with these totals. Each interval counts a quarter in the average.
  void tick(const Traffic& totals);
  void idle_ticks(uint32_t n);  // ends n intervals without traffic
  Traffic per_second() const;

 private:
  Traffic last_{};
  Traffic average_{};  // as in IPVS: connections and packets in 1/1024 per second, bytes in 1/32
};

}  // namespace rawvs
