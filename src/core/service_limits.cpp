// SPDX-License-Identifier: BSD-2-Clause
// service_limits.cpp: limits, names and on_down, which only a file sets.
#include "core/service.h"

namespace rawvs {

void Services::set_from_file(const ServiceKey& key, FromFile said) {
  if (Service* const service = find(key)) {
    service->limits = said.limits;
    service->name = said.name;
    service->on_down = said.on_down;
  }
  if (said.limits || !said.name.empty() || said.on_down != Standing::keeps) {
    from_file_.insert_or_assign(key, std::move(said));
  } else {
    from_file_.erase(key);
  }
}

FromFile Services::from_file(const ServiceKey& key) const {
  const auto found = from_file_.find(key);
  return found == from_file_.end() ? FromFile{} : found->second;
}

std::optional<ServiceKey> Services::said_after(std::optional<ServiceKey> key) const {
  const auto next = key ? from_file_.upper_bound(*key) : from_file_.begin();
  return next == from_file_.end() ? std::nullopt : std::optional(next->first);
}

void Services::set_name(const ServiceKey& key, Endpoint server, const ShortName& name) {
  const ServerSlot slot = known_slot(key, server);
  if (slot != kNoServer) servers_[slot].spec.name = name;
}

}  // namespace rawvs
