// SPDX-License-Identifier: BSD-2-Clause
// control_warnings.h: what operators' commands do that is allowed, but probably not meant.
// In:  a command that has been done.
// Out: a warning in the reply and in the log.
#pragma once

#include "control/control_commands.h"
#include "core/service.h"

namespace rawvs {

void warn_of_mark(const Call& call, const ServiceKey& key);  // no packet carries it
// spec: as it was taken. Another port was given, which DR and TUN have no use for; or it is a VIP.
void warn_of_server(const Call& call, const ServiceKey& key, const ServerSpec& spec);

}  // namespace rawvs
