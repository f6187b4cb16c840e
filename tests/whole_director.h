// SPDX-License-Identifier: BSD-2-Clause
// whole_director.h: for tests: the director, and all that its door shows.
#pragma once

#include "core/connection.h"
#include "core/outbox.h"
#include "core/reassembly.h"
#include "core/route.h"
#include "core/service.h"
#include "core/sync.h"
#include "core/tcp_state.h"
#include "core/touched.h"
#include "director/explain.h"
#include "director/observer.h"
#include "rawvs/director.h"
#include "rawvs/exit.h"
#include "rawvs/settings.h"
#include "side/claim.h"
#include "side/neighbor.h"
#include "side/watch.h"

namespace rawvs::test {

// To put entries into the table that packets would take long to make. The director itself is never const.
inline ConnectionTable& table_of(const Director& director) {
  return const_cast<ConnectionTable&>(director.connections());
}

}  // namespace rawvs::test
