// SPDX-License-Identifier: BSD-2-Clause
// reload_tables.h: what a new configuration keeps of the old one; the services of a configuration, found by key.
//
// For src/control only.
#pragma once

#include <optional>
#include <vector>

#include "config/portions.h"
#include "core/slots.h"
#include "rawvs/config.h"

namespace rawvs {

// Settings that are decided at the start stay until the next start.
void keep_for_restart(const Config& was, Config& next);

// Adds a walk that fills an index of the services by key.
void add_index(const std::vector<WantedService>& services, std::optional<SlotHash>& by_key, Portions& walks);
// By that index; null: there is none.
WantedService* find(std::vector<WantedService>& services, const SlotHash& by_key, const ServiceKey& key);

}  // namespace rawvs
