// SPDX-License-Identifier: BSD-2-Clause
// page_services.cpp: the page's services with their servers, and the curves.
#include <algorithm>
#include <utility>

#include "tools/rawvs-web/html.h"
#include "tools/rawvs-web/page.h"
#include "tools/rawvsadm/texts.h"

namespace rawvs::web {

namespace {

const char* kind_of(const std::string& state) {
  if (state == "up") return "good";
  const bool warns = state.starts_with("up,") || state.starts_with("quiesced") || state.starts_with("asking") ||
                     state.starts_with("not checked") || state.starts_with("full") || state.starts_with("drained") ||
                     state.starts_with("disabled");
  return warns ? "warn" : "bad";
}

bool takes_connections(const adm::Row& server) {
  const std::string state = adm::server_state(server);
  return state.starts_with("up") || state.starts_with("asking");
}

void add_server(Table& table, const adm::Row& row, time_t now) {
  const std::string state = adm::server_state(row);
  const std::string name = name_of(row, "server"), at(row.get("server"));
  const bool checked = row.has("health");
  table.add({{name == at ? at : name + " (" + at + ')'},
             {state, kind_of(state)},
             {checked ? adm::clock_text(now - static_cast<time_t>(row.number("for"))) : "-"},
             number_cell(row, "weight"),
             number_cell(row, "active"),
             number_cell(row, "inactive"),
             rate_cell(row, "cps"),
             rate_cell(row, "inbps"),
             rate_cell(row, "outbps"),
             {row.has("latency") ? grouped(row.number("latency")) + " ms" : "-", "n"},
             {checked ? std::string(row.tail("why")) : "not checked"}});
}

std::string heading(const adm::Row& row, bool link) {
  const std::string text = adm::service_text(row);
  if (!link) return escaped(text);
  return "<a href=\"./?service=" + url_part(row.get("service")) + "\">" + escaped(text) + "</a>";
}

}  // namespace

std::string services_html(const adm::Rows& rows, const PageQuery& query, time_t now) {
  std::string out;
  size_t shown = 0, left_out = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const adm::Row service(rows[i]);
    if (service.word() != "service") continue;
    size_t end = i + 1;
    while (end < rows.size() && adm::Row(rows[end]).word() == "server") ++end;
    const size_t first = std::exchange(i, end - 1) + 1;
    if (!query.service.empty() && query.service != service.get("service")) continue;
    const std::string name = adm::service_text(service) + ' ' + name_of(service, "service");
    const bool all = contains(name, query.search);
    Table table(
        "Servers of " + name_of(service, "service"),
        {"Server", "State", "Since", "Weight", "Active", "Inactive", "Conn/s", "In B/s", "Out B/s", "Check", "Reason"},
        all ? std::string_view() : std::string_view(query.search));
    if (shown >= kServersShown) {
      ++left_out;
      continue;
    }
    for (size_t at = first; at < end && shown + table.rows() < kServersShown; ++at) {
      add_server(table, adm::Row(rows[at]), now);
    }
    if (table.rows() == 0 && !all) continue;
    shown += std::max<size_t>(table.rows(), 1);
    const auto up =
        std::count_if(rows.begin() + static_cast<ptrdiff_t>(first), rows.begin() + static_cast<ptrdiff_t>(end),
                      [](const std::string& row) { return takes_connections(adm::Row(row)); });
    out += "<h3>" + heading(service, query.service.empty()) + "</h3>\n<p>" + grouped(static_cast<uint64_t>(up)) +
           " of " + grouped(end - first) + " servers take new connections; " + grouped(service.number("conns")) +
           " connections so far; now " + rate_cell(service, "cps").text + " connections/s, " +
           rate_cell(service, "inbps").text + " B/s in, " + rate_cell(service, "outbps").text + " B/s out</p>\n" +
           (table.rows() == 0 ? "<p class=bad>No real server.</p>\n" : table.html());
    if (all && table.rows() < end - first) left_out += 1;
  }
  if (out.empty()) {
    out = query.search.empty() && query.service.empty()
              ? "<p>No virtual service: nothing is balanced, no VIP is answered for.</p>\n"
              : "<p>Nothing here fits.</p>\n";
  }
  if (left_out != 0) {
    out += "<p class=warn>" + grouped(left_out) +
           " services are not shown, or not with all of their servers: search for " + "them.</p>\n";
  }
  return "<section id=services aria-labelledby=h-services><h2 id=h-services>Services</h2>\n" + out + "</section>\n";
}

namespace {

std::string plots_of(const History& history, const std::string& item, const std::string& title) {
  std::string out;
  struct Span {
    History::Span span;
    const char *name, *ago;
  };
  for (const Span& span :
       {Span{History::Span::hour, "last hour", "an hour ago"}, Span{History::Span::day, "last day", "a day ago"}}) {
    const auto line = [&](const char* name, Measure measure) {
      return Line{name, history.curve(item, measure, span.span)};
    };
    if (line("", Measure::connections).values.empty()) return "";
    const std::string when = std::string(", ") + span.name;
    out += plot("New connections" + when, {line("connections", Measure::connection_rate)}, span.ago, "/s") +
           plot("Traffic" + when, {line("in", Measure::bytes_in), line("out", Measure::bytes_out)}, span.ago, " B/s") +
           plot("Connections" + when, {line("connections", Measure::connections)}, span.ago, "") +
           plot("Check latency" + when, {line("latency", Measure::latency)}, span.ago, " ms");
  }
  return "<h3>" + escaped(title) + "</h3><div class=plots>" + out + "</div>\n";
}

}  // namespace

std::string plots_html(const History& history, const adm::Rows& rows, const PageQuery& query) {
  constexpr size_t kMostServers = 20;  // with curves
  std::string out;
  if (query.service.empty()) {
    out = plots_of(history, "", "All services");
  } else {
    out = plots_of(history, query.service, adm::service_name(query.service));
    size_t servers = 0;
    for (const std::string& line : rows) {
      const adm::Row row(line);
      if (row.word() != "server" || row.get("service") != query.service || ++servers > kMostServers) continue;
      out += plots_of(history, History::server_item(row), name_of(row, "server"));
    }
  }
  if (out.empty()) out = "<p>No history is kept of it.</p>";
  return "<section id=plots aria-labelledby=h-plots><h2 id=h-plots>History</h2>\n" + out + "</section>\n";
}

}  // namespace rawvs::web
