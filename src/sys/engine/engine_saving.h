// SPDX-License-Identifier: BSD-2-Clause
// engine_saving.h: a state on its way into its file.
#pragma once

#include "rawvs/engine.h"
#include "sys/ha/state_file.h"

namespace rawvs {

struct Engine::Saving {
  StateFile file;
  StateWriter writer;
};

}  // namespace rawvs
