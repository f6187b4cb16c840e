// SPDX-License-Identifier: BSD-2-Clause
// wanted_checks.h: how the servers of a service are checked, as the configuration wants it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/service.h"
#include "rawvs/addr.h"
#include "side/check.h"
#include "side/health_types.h"

namespace rawvs {

// What on_down means for the connections of a server that is down or disabled.
constexpr Standing fallen(OnDown on_down) {
  switch (on_down) {
    case OnDown::keep: return Standing::keeps;
    case OnDown::drain: return Standing::drains;
    case OnDown::reset: return Standing::resets;
  }
  return Standing::keeps;
}

struct WantedChecks {
  std::string name;  // of its virtual
  ServiceKey service;
  Ip vip{};  // for a mark's service the first VIP of the mark
  HealthPolicy policy;
  struct Server {
    Endpoint at{};
    std::shared_ptr<const CheckSpec> check{};  // null: not checked
  };
  std::vector<Server> servers;
  std::optional<ServerSpec> sorry;
};

}  // namespace rawvs
