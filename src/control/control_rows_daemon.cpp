// SPDX-License-Identifier: BSD-2-Clause
// control_rows_daemon.cpp: the rows about the daemon and its connection table, and about the fast path.
#include <numeric>
#include <utility>

#include "control/control_rows.h"
#include "control/control_words.h"
#include "core/connection.h"
#include "core/fast_use.h"
#include "core/pressure.h"
#include "core/reassembly.h"
#include "core/service.h"
#include "rawvs/settings.h"

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

// The sums over all services stay counters that never go back.
void put_past(std::string& row, const Traffic& past) {
  if (past == Traffic{}) return;
  put(row, "past-conns", past.connections);
  put(row, "past-inpkts", past.in_packets);
  put(row, "past-outpkts", past.out_packets);
  put(row, "past-inbytes", past.in_bytes);
  put(row, "past-outbytes", past.out_bytes);
}

void put_use(std::string& row, const ProcessUse& use) {
  if (use.turns == 0) return;
  put(row, "cpu", use.cpu);
  put(row, "memory-most", use.memory);
  put(row, "turns", use.turns);
  put(row, "turns-busy", use.busy);
  put(row, "turns-slow", use.slow);
  put(row, "turns-longest", use.longest);
}

// Removed servers hold their places while connections use them.
void put_places(std::string& row, const Director& director) {
  const Settings& most = director.settings();
  const Services& table = director.services();
  size_t services = 0, servers = table.removed();
  for (const Service& service : table.services()) {
    services += service.used;
    servers += service.servers.size() + service.taken_out.size();
  }
  put(row, "servers-used", servers);
  put(row, "servers-most", most.max_servers);
  put(row, "services-used", services);
  put(row, "services-most", most.max_services);
  put(row, "fragments-used", director.reassembly().size());
  put(row, "fragments-most", most.max_fragmented);
  put(row, "ftp-used", director.sync_view().ftp->size());
  put(row, "ftp-most", most.max_ftp);
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
    put_past(row, director.services().past());
    put_use(row, context.use);
    put_places(row, director);
    put(row, "config", context.file.empty() ? "-" : context.file);
    return Next::row;
  });
}

std::unique_ptr<RowSource> fast_row() {
  return rows_from([told = false](std::string& row, Director& director, Instant) mutable {
    const FastUse use = director.fast_use();
    if (std::exchange(told, true) || !use.there) return Next::end;
    row = "fast";
    put(row, "on", use.on);
    if (!use.on) put(row, "off-for", name(use.off));
    put(row, "flows", use.flows);
    put(row, "capacity", use.capacity);
    put(row, "chosen", use.chosen);
    put(row, "no-room", use.no_room);
    put(row, "packets", use.packets);
    put(row, "packet-bytes", use.bytes);
    return Next::row;
  });
}

}  // namespace rawvs
