// SPDX-License-Identifier: BSD-2-Clause
// page.cpp: the frame of the status page: heading, search, summary, problems.
#include "tools/rawvs-web/page.h"

#include "tools/rawvs-web/html.h"
#include "tools/rawvsadm/texts.h"

namespace rawvs::web {

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

Cell number_cell(const adm::Row& row, const char* key) { return {grouped(row.number(key)), "n"}; }

Cell rate_cell(const adm::Row& row, const char* key) {
  return {adm::per_second(static_cast<double>(row.number(key))), "n"};
}

std::string since_text(time_t now, uint64_t seconds) {
  return adm::clock_text(now - static_cast<time_t>(seconds)) + " (" + grouped(seconds) + " s ago)";
}

std::string name_of(const adm::Row& row, const char* key) {
  return std::string(row.has("name") ? row.get("name") : row.get(key));
}

namespace {

void problem(std::string& list, const std::string& text, const char* kind = "bad") {
  list += std::string("<li class=") + kind + '>' + escaped(text) + "</li>\n";
}

std::string service_and_server(const adm::Row& row) {
  return name_of(row, "server") + " of " + adm::service_name(row.get("service"));
}

// What an operator should look at first.
std::string problems_html(const adm::Rows& rows, const std::string& trouble) {
  constexpr size_t kMost = 20;
  std::string list;
  size_t down = 0;
  if (!trouble.empty()) problem(list, trouble);
  for (const std::string& line : rows) {
    const adm::Row row(line);
    const std::string_view word = row.word();
    if (word == "server" && row.has("health") && row.get("health") != "up" && row.get("health") != "unknown") {
      if (++down > kMost) continue;
      problem(list,
              service_and_server(row) + " is " + std::string(row.get("health")) + ": " + std::string(row.tail("why")));
    }
    if (word == "rival") {
      std::string advice = adm::rival_advice(row);
      if (advice.ends_with('\n')) advice.pop_back();
      problem(list, advice);
    }
    if (word == "vrrp" && row.get("state") == "fault") {
      problem(list, "VRRP " + std::string(row.get("name")) + " is in fault: " + std::string(row.tail("why")));
    }
    if (word == "daemon" && row.number("filling") != 0) {
      problem(list, "the connection table fills: see max_connections", "warn");
    }
    if (word == "link" && row.number("kernel-dropped") != 0) {
      problem(list,
              std::string(row.get("name")) + " lost " + grouped(row.number("kernel-dropped")) +
                  " frames, which came faster than they were read (more ring_frames may help)",
              "warn");
    }
  }
  if (down > kMost) problem(list, "and " + grouped(down - kMost) + " further servers");
  if (list.empty()) list = "<li class=good>No problem is known.</li>\n";
  return "<section id=problems aria-labelledby=h-problems><h2 id=h-problems>Problems</h2><ul role=status>" + list +
         "</ul></section>\n";
}

std::string counted(uint64_t n, const char* what) { return grouped(n) + ' ' + what + (n == 1 ? "" : "s"); }

std::string item(const char* name, const std::string& value) {
  return std::string("<div><dt>") + name + "</dt><dd>" + escaped(value) + "</dd></div>\n";
}

std::string summary_html(const adm::Rows& rows, const Snapshot& snapshot, time_t now) {
  std::string out, interfaces;
  uint64_t services = 0, servers = 0, cps = 0, in = 0, bytes_out = 0;
  for (const std::string& line : rows) {
    const adm::Row row(line);
    if (row.word() == "daemon") {
      out += item("Director", "rawvsd " + std::string(row.get("version")) + ", process " + std::string(row.get("pid")));
      out += item("Started", since_text(now, row.number("uptime")));
      out += item("Connections", grouped(row.number("entries-used")) + " of " + grouped(row.number("entries-most")) +
                                     ", " + grouped(row.number("entries-unproven")) + " of them unproven");
      if (row.has("cpu")) {
        out += item("Process", grouped(row.number("cpu") / 1000) + " s of processor time, at most " +
                                   grouped(row.number("memory-most") >> 20) + " MiB of memory");
      }
    }
    if (row.word() == "service") {
      ++services;
      cps += row.number("cps"), in += row.number("inbps"), bytes_out += row.number("outbps");
    }
    servers += row.word() == "server" ? 1 : 0;
    if (row.word() == "link") interfaces += (interfaces.empty() ? "" : ", ") + std::string(row.get("name"));
  }
  if (out.empty()) return "";
  const auto rate = [](uint64_t n) { return adm::per_second(static_cast<double>(n)); };
  out += item("Tables", counted(services, "service") + ", " + counted(servers, "server"));
  out += item("Now", rate(cps) + " connections/s, " + rate(in) + " B/s in, " + rate(bytes_out) + " B/s out");
  out += item("Interfaces", interfaces);
  out += item("As of", adm::clock_text(snapshot.taken));
  return "<section id=summary aria-labelledby=h-summary><h2 id=h-summary>Summary</h2><dl>" + out + "</dl></section>\n";
}

}  // namespace

std::string page_html(const Snapshot& snapshot, const History& history, const PageQuery& query, time_t now) {
  const adm::Rows rows = snapshot.rows(adm::kStatusView);
  const std::string title = query.service.empty() ? "rawvs" : "rawvs: " + adm::service_name(query.service);
  std::string out =
      "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>" + escaped(title) +
      "</title><meta name=viewport content=\"width=device-width,initial-scale=1\">"
      "<link rel=stylesheet href=style.css><link rel=icon href=\"data:,\">"
      "<noscript><meta http-equiv=refresh content=10></noscript><script src=page.js defer></script></head>\n<body>"
      "<header><h1><a href=\"./\">rawvs</a></h1>"
      "<form role=search action=\"./\" method=get><label for=q>Search</label> <input id=q name=q type=search "
      "maxlength=64 value=\"" +
      escaped(query.search) + "\"><button>Find</button></form><p id=live role=status></p></header>\n<main>\n";
  out += problems_html(rows, snapshot.trouble);
  if (query.search.empty() && query.service.empty()) out += summary_html(rows, snapshot, now);
  out += services_html(rows, query, now);
  if (query.service.empty()) out += events_html(snapshot.rows(adm::kEventsView), query);
  if (query.search.empty()) out += plots_html(history, rows, query);
  if (query.service.empty()) {
    out += vrrp_html(rows, query, now) + sync_html(rows) + addresses_html(rows, query, now) + drops_html(rows, query) +
           links_html(rows, query);
  }
  return out +
         "</main>\n<footer><p><a href=metrics>Metrics</a> <a href=api/v1/>JSON</a> "
         "rawvs-web reads; it changes nothing.</p></footer></body></html>\n";
}

}  // namespace rawvs::web
