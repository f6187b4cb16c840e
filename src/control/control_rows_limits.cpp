// SPDX-License-Identifier: BSD-2-Clause
// control_rows_limits.cpp: a service's limits in its row.
#include <numeric>

#include "control/control_rows.h"
#include "control/control_words.h"
#include "core/service.h"

namespace rawvs {

void put_limits(std::string& row, const Service& service) {
  const ServiceLimits& most = *service.limits;
  const LimitsUse& use = service.use;
  put(row, "max-connections", most.max_connections);
  put(row, "max-rate", most.max_rate);
  put(row, "client-connections", most.client_connections);
  put(row, "client-rate", most.client_rate);
  const auto networks = [](const NetworkLists& lists) {
    return std::accumulate(lists.begin(), lists.end(), uint64_t{0},
                           [](uint64_t n, const auto& l) { return n + l->size(); });
  };
  put(row, "allow-lists", most.access.allow.size());
  put(row, "allow-networks", networks(most.access.allow));
  put(row, "deny-lists", most.access.deny.size());
  put(row, "deny-networks", networks(most.access.deny));
  put(row, "counted", use.connections);
  put(row, "refused", std::accumulate(use.refused.begin(), use.refused.end(), uint64_t{0}));
  put(row, "refused-for", refused_words(use));
}

}  // namespace rawvs
