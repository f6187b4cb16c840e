// SPDX-License-Identifier: BSD-2-Clause
// table_walk.h: walks over the services of the table and their servers, while both may change.
#pragma once

#include <vector>

#include "core/service.h"

namespace rawvs {

class TableWalk {
 public:
  // The first item of a service's slot is the service, the others its servers: the oldest first, then those that checks
  // have taken out.
  size_t items(const Services& services, size_t slot) const;
  const Service* service(const Services& services, size_t slot);      // null: there is none
  const Server* server(const Services& services, size_t item) const;  // null: it was removed since

 private:
  size_t at_ = SIZE_MAX;           // the slot of the service
  ServiceKey key_{};               // its key
  std::vector<ServerSlot> slots_;  // its servers
};

}  // namespace rawvs
