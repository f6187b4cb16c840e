// SPDX-License-Identifier: BSD-2-Clause
// reload_tables.h: the present tables in the form that a configuration asks for; what a new configuration keeps.
//
// For src/control only.
#pragma once

#include "core/service.h"
#include "rawvs/config.h"

namespace rawvs {

WantedTables tables_of(const Services& services);
// Removes sorry servers that are in the tables because they are in use: checks put them there, not a file or an
// operator.
void leave_out_sorry(const Config& config, WantedTables& tables);

// Settings that are decided at the start stay until the next start.
void keep_for_restart(const Config& was, Config& next);
// A virtual of several ports without a given mark keeps its chosen mark, under which its connections' templates are. It
// is recognised by its name, or by its address and ports. No other virtual gets a mark that was another's.
void keep_marks(const Config& was, Config& next);

}  // namespace rawvs
