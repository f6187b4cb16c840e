// SPDX-License-Identifier: BSD-2-Clause
// reload_tables.h: what a new configuration keeps of the old one.
//
// For src/control only.
#pragma once

#include "rawvs/config.h"

namespace rawvs {

// Settings that are decided at the start stay until the next start.
void keep_for_restart(const Config& was, Config& next);

}  // namespace rawvs
