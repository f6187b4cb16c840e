// SPDX-License-Identifier: BSD-2-Clause
// client_counts.h: how many unproven connections the networks of clients have.
// In:  client addresses.
// Out: a counter for each, of its /24 or, with IPv6, its /64.
// Not: what follows from it (flows.h).
//
// A fixed number of counters, found by a keyed hash: networks that share one are counted together, and clients cannot
// choose with whom.
#pragma once

#include <algorithm>
#include <bit>
#include <vector>

#include "core/siphash.h"

namespace rawvs {

class ClientCounts {
 public:
  ClientCounts(uint32_t connections, HashKey secret)
      : secret_{secret.k0 ^ 0x636c69656e747321u, secret.k1},
        counts_(std::clamp<uint32_t>(std::bit_ceil(std::max(connections, 1u)) / 4, 256, 65536)) {}

  uint32_t& of(Ip client) {
    const uint64_t network = client.is_v4() ? client.v4() >> 8 : client.hi();
    return counts_[siphash13(secret_, network, client.is_v4()) & (counts_.size() - 1)];
  }

 private:
  HashKey secret_;
  std::vector<uint32_t> counts_;
};

}  // namespace rawvs
