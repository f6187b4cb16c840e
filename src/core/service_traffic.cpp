// SPDX-License-Identifier: BSD-2-Clause
// service_traffic.cpp: the counters of services and servers: rates, and zeroing.
#include "core/service.h"

namespace rawvs {

bool Services::estimate(uint32_t intervals, uint32_t from, uint32_t most) {
  const auto tick = [&](auto& counted) {
    counted.rates.tick(counted.traffic);
    counted.rates.idle_ticks(intervals - 1);
  };
  const auto end = std::max<size_t>(services_.size(), free_servers_.used());
  const size_t until = std::min<size_t>(from + most, end);
  for (size_t slot = from; slot < until; ++slot) {
    if (slot < services_.size() && services_[slot].used) tick(services_[slot]);
    if (slot < servers_.size() && servers_[slot].used) tick(servers_[slot]);
  }
  return until == end;
}

std::optional<Refusal> Services::zero(const ServiceKey& key) {
  Service* const service = find(key);
  if (!service) return Refusal::no_service;
  past_ += service->traffic;
  service->traffic = {}, service->rates = {}, service->use.refused = {};
  for (const std::vector<ServerSlot>* const slots : {&service->servers, &service->taken_out}) {
    for (const ServerSlot slot : *slots) servers_[slot].traffic = {}, servers_[slot].rates = {};
  }
  return std::nullopt;
}

}  // namespace rawvs
