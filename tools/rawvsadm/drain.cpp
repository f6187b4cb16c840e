// SPDX-License-Identifier: BSD-2-Clause
// drain.cpp: what is left on servers that are drained.
#include "drain.h"

namespace rawvs::adm {

namespace {

std::string counted(uint64_t n, const char* what) { return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s"); }

}  // namespace

Drained drained(const Rows& rows, const std::function<bool(const Row&)>& meant) {
  Drained out;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() != "server" || !meant(row)) continue;
    out.servers.push_back(line);
    out.active += row.number("active");
    out.inactive += row.number("inactive");
    out.persistent += row.number("persistent");
    out.ordered = out.ordered && row.has("order");
  }
  return out;
}

std::string left_text(const Drained& d) {
  if (d.left() == 0) return "no connection left";
  return counted(d.left(), "connection") + " left (" + std::to_string(d.active) + " active, " +
         std::to_string(d.inactive) + " inactive)";
}

std::string templates_text(const Drained& d, const std::string& server) {
  if (d.persistent == 0) return "";
  return counted(d.persistent, "persistent client") + " still " + (d.persistent == 1 ? "belongs" : "belong") + " to " +
         server + ": new connections of " + (d.persistent == 1 ? "its" : "theirs") +
         " go there until the template expires, or at once elsewhere with expire_quiescent_template = 1\n";
}

}  // namespace rawvs::adm
