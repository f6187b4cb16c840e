// SPDX-License-Identifier: BSD-2-Clause
// daemon.h: goes into the background, once it is known whether the start succeeds.
#pragma once

#include "rawvs/result.h"

namespace rawvs {

// Forks. The parent waits for one byte, its exit status, and does not return; a child that ends without is `failed`.
// Returns the child's descriptor for that byte.
Result<int> detach(char failed);
void leave_terminal();  // standard input, output and error are /dev/null

}  // namespace rawvs
