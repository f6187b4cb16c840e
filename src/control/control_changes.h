// SPDX-License-Identifier: BSD-2-Clause
// control_changes.h: changes of the tables, by operators and reloads, as text for the log.
// In:  records before and after.
// Out: "weight 1 -> 0, forward dr -> nat".
//
// For src/control only.
#pragma once

#include <string>

#include "core/service.h"
#include "rawvs/settings.h"

namespace rawvs {

std::string called_service(const Services& services, const ServiceKey& key);  // shop (tcp 192.0.2.100:80)
std::string with_name_first(const ServerSpec& spec);  // web2 (192.0.2.12:80) weight=1 forward=dr

std::string record(const ServiceSpec& spec);  // scheduler=wlc persistence=0 ...
// Empty: no difference.
std::string difference(const ServiceSpec& was, const ServiceSpec& is);
std::string difference(const ServerSpec& was, const ServerSpec& is);
std::string difference(const Timeouts& was, const Timeouts& is);

}  // namespace rawvs
