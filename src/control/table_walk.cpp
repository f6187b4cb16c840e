// SPDX-License-Identifier: BSD-2-Clause
#include "control/table_walk.h"

namespace rawvs {

size_t TableWalk::items(const Services& services, size_t slot) const {
  const Service& service = services.services()[slot];
  return 1 + (slot == at_ ? slots_.size() : service.used ? service.servers.size() + service.taken_out.size() : 0);
}

const Service* TableWalk::service(const Services& services, size_t slot) {
  at_ = slot;
  slots_.clear();
  const Service& service = services.services()[slot];
  if (!service.used) return nullptr;
  key_ = service.spec.key;
  slots_.assign(service.servers.rbegin(), service.servers.rend());  // the table's order is newest first
  slots_.insert(slots_.end(), service.taken_out.begin(), service.taken_out.end());
  return &service;
}

const Server* TableWalk::server(const Services& services, size_t item) const {
  const Server& server = services.server(slots_[item - 1]);
  return server.in_service() && server.key == key_ ? &server : nullptr;
}

}  // namespace rawvs
