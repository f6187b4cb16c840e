// SPDX-License-Identifier: BSD-2-Clause
// control_rows.h: the sources of the control protocol's rows. control.h describes the rows and their keys.
//
// For src/control only.
#pragma once

#include <memory>
#include <string_view>

#include "control/ini_writer.h"
#include "control/trace.h"
#include "core/service.h"
#include "rawvs/control.h"

namespace rawvs {

void put_limits(std::string& row, const Service& service);  // REQUIRES: it has limits (control_rows_limits.cpp)
std::unique_ptr<RowSource> daemon_row(const ControlContext& context);  // control_rows_daemon.cpp
std::unique_ptr<RowSource> fast_row();                                 // none without the program
// What its checks took; nothing, if it has none (control_rows_ha.cpp).
void put_latencies(std::string& row, const ControlContext& context, const ServiceKey& service);
// Services in slots [first, end), each followed by its servers.
std::unique_ptr<RowSource> service_rows(const ControlContext& context, size_t first = 0, size_t end = SIZE_MAX);
// Of this service, if one is given; an empty state is any.
std::unique_ptr<RowSource> connection_rows(const FlowFilter& filter, std::string_view state,
                                           std::optional<ServiceKey> service);
std::unique_ptr<RowSource> timeout_row();
std::unique_ptr<RowSource> exit_rows();
std::unique_ptr<RowSource> link_rows();
std::unique_ptr<RowSource> vip_rows();
std::unique_ptr<RowSource> neighbor_rows();
std::unique_ptr<RowSource> event_rows(const Events& events, uint64_t after);  // REQUIRES: events outlives it
std::unique_ptr<RowSource> trace_rows(std::shared_ptr<Trace> trace);
std::unique_ptr<RowSource> vrrp_rows(const ControlContext& context);  // control_rows_ha.cpp
std::unique_ptr<RowSource> sync_row(const ControlContext& context);
std::unique_ptr<RowSource> ini_rows(const ControlContext& context, Secrets secrets);  // control_rows_ini.cpp

}  // namespace rawvs
