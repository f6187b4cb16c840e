// SPDX-License-Identifier: BSD-2-Clause
// control_rows.h: the sources of the control protocol's rows, by what they tell of.
// Private to the control room. The rows and their keys are described at the head of control.h.
#pragma once

#include <memory>
#include <string_view>

#include "control/ini_writer.h"
#include "control/trace.h"
#include "rawvs/control.h"

namespace rawvs {

std::unique_ptr<RowSource> daemon_row(const Desk& desk);
// Services in the slots from first to before end, each followed by its servers.
std::unique_ptr<RowSource> service_rows(const Desk& desk, size_t first = 0, size_t end = SIZE_MAX);
std::unique_ptr<RowSource> connection_rows(const FlowFilter& filter, std::string_view state);  // state: empty: any
std::unique_ptr<RowSource> timeout_row();
std::unique_ptr<RowSource> exit_rows();
std::unique_ptr<RowSource> link_rows();
std::unique_ptr<RowSource> vip_rows();
std::unique_ptr<RowSource> neighbor_rows();
std::unique_ptr<RowSource> trace_rows(std::shared_ptr<Trace> trace);
std::unique_ptr<RowSource> vrrp_rows(const Desk& desk);  // control_rows_ha.cpp
std::unique_ptr<RowSource> sync_row(const Desk& desk);
std::unique_ptr<RowSource> ini_rows(const Desk& desk, Secrets secrets);  // control_rows_ini.cpp

}  // namespace rawvs
