// SPDX-License-Identifier: BSD-2-Clause
// control_sync.h: ipvsadm's --start-daemon and --stop-daemon: IPVS's two daemons are one [sync] here.
//
// For src/control only.
#pragma once

#include "control/control_values.h"
#include "rawvs/control.h"

namespace rawvs {

Objection start_sync(const Values& values, const ControlContext& context, const Director& director);
Objection stop_sync(const Values& values, const ControlContext& context);

}  // namespace rawvs
