// SPDX-License-Identifier: BSD-2-Clause
// service_limits.cpp: the limits of services, which only a file sets.
#include "core/service.h"

namespace rawvs {

void Services::set_limits(const ServiceKey& key, std::shared_ptr<const ServiceLimits> limits) {
  if (Service* const service = find(key)) service->limits = limits;
  if (limits) {
    limits_.insert_or_assign(key, std::move(limits));
  } else {
    limits_.erase(key);
  }
}

std::shared_ptr<const ServiceLimits> Services::limits_of(const ServiceKey& key) const {
  const auto found = limits_.find(key);
  return found == limits_.end() ? nullptr : found->second;
}

std::optional<ServiceKey> Services::limited_after(std::optional<ServiceKey> key) const {
  const auto next = key ? limits_.upper_bound(*key) : limits_.begin();
  return next == limits_.end() ? std::nullopt : std::optional(next->first);
}

}  // namespace rawvs
