// SPDX-License-Identifier: BSD-2-Clause
// page.h: the status page: HTML that is complete without JavaScript; the script only replaces its parts every second.
// In:  what the director answered, the history, what the reader asked for.
// Out: HTML, with every text of the director's escaped.
//
// At most kServersShown servers are on a page: the search finds the others.
#pragma once

#include <string>

#include "tools/rawvs-web/history.h"
#include "tools/rawvs-web/html.h"
#include "tools/rawvs-web/snapshot.h"

namespace rawvs::web {

inline constexpr size_t kServersShown = 500;
inline constexpr size_t kRowsShown = 500;   // of each other table
inline constexpr size_t kEventsShown = 40;  // without a search

struct PageQuery {
  std::string search{};
  std::string service{};  // its key: only this one, with the curves of its servers
};

std::string page_html(const Snapshot& snapshot, const History& history, const PageQuery& query, time_t now);

// Parts (page_services.cpp, page_tables.cpp). A part without content is empty.
std::string services_html(const adm::Rows& rows, const PageQuery& query, time_t now);
std::string plots_html(const History& history, const adm::Rows& rows, const PageQuery& query);
std::string drops_html(const adm::Rows& rows, const PageQuery& query);
std::string links_html(const adm::Rows& rows, const PageQuery& query);
std::string addresses_html(const adm::Rows& rows, const PageQuery& query, time_t now);
std::string vrrp_html(const adm::Rows& rows, const PageQuery& query, time_t now);
std::string sync_html(const adm::Rows& rows);
std::string events_html(const adm::Rows& rows, const PageQuery& query);  // page_events.cpp
std::string name_of(const adm::Row& row, const char* key);               // its name, else the value of this key
Cell number_cell(const adm::Row& row, const char* key);
Cell rate_cell(const adm::Row& row, const char* key);  // per second
std::string grouped(uint64_t number);                  // 262,144
std::string since_text(time_t now, uint64_t seconds);  // 2026-01-31 23:59:59 (7 s ago)

}  // namespace rawvs::web
