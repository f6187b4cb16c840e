// SPDX-License-Identifier: BSD-2-Clause
// state_orders.h: operators' orders as rows of a state.
//
// For state.cpp and state_reader.cpp only.
#pragma once

#include <functional>
#include <optional>

#include "core/server_verdicts.h"
#include "core/service.h"
#include "core/state_marks.h"
#include "rawvs/bytes.h"

namespace rawvs::state {

// The row of a service (no server) or a server: kOrderSize bytes, all 0.
void save(const Services& services, const ServiceKey& key, std::optional<Endpoint> server, const Order& order,
          MutableBytes row);
void save_no_orders(MutableBytes row);  // the first of all: those of an earlier state are void

using OrderServer = std::function<void(const ServiceKey& key, Endpoint server, const Order& order)>;
// Gives the service here, and each server here, its order. A row that this director does not write changes nothing.
// Returns how many servers it had to look at.
size_t read_order(Bytes row, Services& services, const ServerVerdicts* checks, const OrderServer& give);

}  // namespace rawvs::state
