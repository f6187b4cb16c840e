// SPDX-License-Identifier: BSD-2-Clause
// control_rows_daemon.cpp: the row about the daemon and its connection table.
#include <numeric>
#include <utility>

#include "control/control_rows.h"
#include "control/control_words.h"
#include "core/connection.h"
#include "core/pressure.h"

namespace rawvs {

namespace {

using Next = RowSource::Next;

void put_pressure(std::string& row, const Pressure& p) {
  put(row, "entries-used", p.places);
  put(row, "entries-most", p.capacity);
  put(row, "entries-unproven", std::accumulate(p.unproven.begin(), p.unproven.end(), 0u));
  put(row, "filling", p.on);
  put(row, "syn-cookies", p.cookies);
  put(row, "gave-way", gave_way(p));
  put(row, "gave-way-kinds", text(p.gave_way));
  put(row, "without-entry", p.without);
  put(row, "implausible", p.implausible);
}

}  // namespace

std::unique_ptr<RowSource> daemon_row(const ControlContext& context) {
  return rows_from([&context, told = false](std::string& row, Director& director, Instant now) mutable {
    if (std::exchange(told, true)) return Next::end;
    row = "daemon";
    put(row, "version", kVersion);
    put(row, "uptime", now - context.started);
    put(row, "size", director.connections().cells());
    put(row, "pid", context.pid);
    put(row, "calls", context.calls);
    put_pressure(row, director.pressure());
    put(row, "config", context.file.empty() ? "-" : context.file);
    return Next::row;
  });
}

}  // namespace rawvs
