// SPDX-License-Identifier: BSD-2-Clause
// control_changes.h: what an operator's command made different, in words for the log.
// Private to the control room. In:  records before and after.   Out: "weight 1 -> 0, forward dr -> nat".
#pragma once

#include <string>

#include "core/service.h"
#include "rawvs/settings.h"

namespace rawvs {

std::string record(const ServiceSpec& spec);  // scheduler=wlc persistence=0 ...
// Empty: they are the same.
std::string difference(const ServiceSpec& was, const ServiceSpec& is);
std::string difference(const ServerSpec& was, const ServerSpec& is);
std::string difference(const Timeouts& was, const Timeouts& is);

}  // namespace rawvs
