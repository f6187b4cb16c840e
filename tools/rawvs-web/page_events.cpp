// SPDX-License-Identifier: BSD-2-Clause
// page_events.cpp: the page's table of events, newest first.
#include "tools/rawvs-web/html.h"
#include "tools/rawvs-web/page.h"
#include "tools/rawvsadm/texts.h"

namespace rawvs::web {

std::string events_html(const adm::Rows& rows, const PageQuery& query) {
  const size_t most = query.search.empty() ? kEventsShown : kRowsShown;
  Table table("Events, newest first", {"Time", "Topic", "What happened"}, query.search);
  size_t events = 0;
  for (auto line = rows.rbegin(); line != rows.rend(); ++line) {
    const adm::Row row(*line);
    if (row.word() != "event") continue;
    ++events;
    if (table.rows() == most) continue;
    const std::string severity(row.get("severity"));
    const char* const kind = severity == "error" ? "bad" : severity == "warning" ? "warn" : "";
    table.add({{adm::event_time(row)},
               {std::string(row.get("topic"))},
               {(*kind == '\0' ? "" : severity + ": ") + std::string(row.tail("text")), kind}});
  }
  std::string more;
  if (table.rows() == most && events > most) {
    more = "<p>" + grouped(most) + " of " + grouped(events) +
           " events: search for others, or see <a href=api/v1/events>all of them</a>.</p>\n";
  }
  if (events == 0 && query.search.empty()) more = "<p>No event is known.</p>\n";
  if (table.rows() == 0 && more.empty()) return "";
  return "<section id=events aria-labelledby=h-events><h2 id=h-events>Events</h2>\n" + table.html() + more +
         "</section>\n";
}

}  // namespace rawvs::web
