// SPDX-License-Identifier: BSD-2-Clause
// turn.h: one call of a door: when it is, and where goes what should happen because of it.
#pragma once

#include "rawvs/time.h"

namespace rawvs {

class Outbox;

struct Turn {  // passed by value: two words
  Instant now;
  Outbox& out;
};

}  // namespace rawvs
