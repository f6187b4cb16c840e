// SPDX-License-Identifier: BSD-2-Clause
// control_changes.h: the changes of an operator's command as text for the log.
// In:  records before and after.
// Out: "weight 1 -> 0, forward dr -> nat".
//
// For src/control only.
#pragma once

#include <string>

#include "core/service.h"
#include "rawvs/settings.h"

namespace rawvs {

std::string record(const ServiceSpec& spec);  // scheduler=wlc persistence=0 ...
// Empty: no difference.
std::string difference(const ServiceSpec& was, const ServiceSpec& is);
std::string difference(const ServerSpec& was, const ServerSpec& is);
std::string difference(const Timeouts& was, const Timeouts& is);

}  // namespace rawvs
