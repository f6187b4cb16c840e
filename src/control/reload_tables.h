// SPDX-License-Identifier: BSD-2-Clause
// reload_tables.h: the present table, as a configuration would want it; and what a new one takes over from the old.
// Private to the admin module.
#pragma once

#include "core/service.h"
#include "rawvs/config.h"

namespace rawvs {

WantedTables tables_of(const Services& services);
// Takes out the sorry servers that are in the table because they are used now. Neither the file nor an operator has put
// them there: they come and go with the checks.
void leave_out_sorry(const Config& config, WantedTables& tables);

// What is decided at start stays as it is until the next one.
void keep_for_restart(const Config& was, Config& next);
// A virtual that balances several ports under a mark nobody gave keeps the mark: its connections' templates are under
// it. It is the same one by its name, or else by its address and ports. Nobody else gets a mark that was another's.
void keep_marks(const Config& was, Config& next);

}  // namespace rawvs
