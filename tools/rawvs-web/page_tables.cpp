// SPDX-License-Identifier: BSD-2-Clause
// page_tables.cpp: the page's tables of VRRP, sync, addresses, drops and interfaces.
#include <algorithm>
#include <vector>

#include "tools/rawvs-web/html.h"
#include "tools/rawvs-web/page.h"
#include "tools/rawvsadm/texts.h"

namespace rawvs::web {

namespace {

Cell text(const adm::Row& row, const char* key) { return {std::string(row.get(key))}; }
bool is(const adm::Row& row, const char* key) { return row.number(key) != 0; }

Cell vip_state(const adm::Row& row) {
  if (is(row, "retired")) return {"retired", "warn"};
  if (is(row, "standby")) return {"standby", "warn"};
  return {is(row, "own") ? "this host's own" : "answered for", "good"};
}

std::string vip_reason(const adm::Row& row) {
  if (is(row, "retired")) return "no service uses it any more";
  if (is(row, "standby")) return "another director has it (VRRP)";
  return is(row, "own") ? "the director takes " + std::string(row.get("ports")) + " alone" : "it has services here";
}

std::string section(const char* id, const char* title, const std::string& content) {
  if (content.empty()) return "";
  return std::string("<section id=") + id + " aria-labelledby=h-" + id + "><h2 id=h-" + id + '>' + title + "</h2>\n" +
         content + "</section>\n";
}

}  // namespace

std::string vrrp_html(const adm::Rows& rows, const PageQuery& query, time_t now) {
  Table table("VRRP instances",
              {"Instance", "Interface", "Id", "State", "Since", "Priority", "Master", "Became master", "Sent", "Heard",
               "Refused", "Why"},
              query.search);
  for (const std::string& line : rows) {
    const adm::Row row(line);
    if (row.word() != "vrrp" || table.rows() == kRowsShown) continue;
    const std::string_view state = row.get("state");
    table.add({text(row, "name"),
               text(row, "link"),
               number_cell(row, "vrid"),
               {std::string(state), state == "master"  ? "good"
                                    : state == "fault" ? "bad"
                                                       : "warn"},
               {adm::clock_text(now - static_cast<time_t>(row.number("for")))},
               number_cell(row, "priority"),
               text(row, "master"),
               number_cell(row, "became-master"),
               number_cell(row, "sent"),
               number_cell(row, "heard"),
               number_cell(row, "refused"),
               {std::string(row.tail("why"))}});
  }
  return section("vrrp", "VRRP", table.html());
}

std::string sync_html(const adm::Rows& rows) {
  constexpr std::pair<const char*, const char*> kLines[] = {{"role", "Role"},
                                                            {"link", "Interface"},
                                                            {"entries", "Connections sent"},
                                                            {"messages", "Messages sent"},
                                                            {"unsent", "Messages not sent"},
                                                            {"heard", "Messages received"},
                                                            {"taken", "Connections received"},
                                                            {"lost", "Messages missing"},
                                                            {"no-room", "Connections without room"},
                                                            {"strangers", "Messages of strangers"},
                                                            {"refused", "Messages refused"},
                                                            {"refused-for", "Refused for"},
                                                            {"refused-from", "Refused last from"}};
  for (const std::string& line : rows) {
    const adm::Row row(line);
    if (row.word() != "sync") continue;
    Table table("Connections sent to other directors and received from them", {"What", "Value"});
    for (const auto& [key, what] : kLines) table.add({{what}, text(row, key)});
    return section("sync", "Sync", table.html());
  }
  return "";
}

std::string addresses_html(const adm::Rows& rows, const PageQuery& query, time_t now) {
  Table vips("VIPs", {"VIP", "Interface", "MAC", "State", "Since", "Reason"}, query.search);
  Table rivals("Conflicts: other hosts that answer for a VIP", {"VIP", "MAC", "What it is", "What to do"},
               query.search);
  Table disputed("Neighbours whose addresses are disputed", {"Address", "MAC", "Disputed", "By"}, query.search);
  for (const std::string& line : rows) {
    const adm::Row row(line);
    if (row.word() == "vip" && vips.rows() < kRowsShown) {
      vips.add({text(row, "address"),
                text(row, "link"),
                text(row, "mac"),
                vip_state(row),
                {row.has("for") ? since_text(now, row.number("for")) : "-"},
                {vip_reason(row)}});
    }
    if (row.word() == "rival" && rivals.rows() < kRowsShown) {
      const bool server = row.get("server") != "-";
      rivals.add({text(row, "address"),
                  text(row, "mac"),
                  {server ? "real server " + std::string(row.get("server")) : "no real server", "bad"},
                  {adm::rival_advice(row)}});
    }
    if (row.word() == "neighbor" && row.number("disputed") != 0 && disputed.rows() < kRowsShown) {
      disputed.add({text(row, "address"), text(row, "mac"), number_cell(row, "disputed"), text(row, "disputant")});
    }
  }
  return section("addresses", "Addresses", rivals.html() + disputed.html() + vips.html());
}

std::string drops_html(const adm::Rows& rows, const PageQuery& query) {
  std::vector<adm::Row> exits;
  for (const std::string& line : rows) {
    const adm::Row row(line);
    if (row.word() == "exit" && row.number("count") != 0) exits.push_back(row);
  }
  std::ranges::stable_sort(exits, [](const adm::Row& a, const adm::Row& b) {
    const auto rank = [](const adm::Row& r) { return std::pair(r.get("fate") == "dropped", r.number("count")); };
    return rank(a) > rank(b);
  });
  Table table("Packets by their way out of the director", {"Exit", "Fate", "Packets", "Meaning"}, query.search);
  for (const adm::Row& row : exits) {
    const bool dropped = row.get("fate") == "dropped";
    table.add({text(row, "name"),
               {std::string(row.get("fate")), dropped ? "warn" : ""},
               number_cell(row, "count"),
               {std::string(row.tail("meaning"))}});
  }
  return section("drops", "Drops and other exits", table.html());
}

std::string links_html(const adm::Rows& rows, const PageQuery& query) {
  Table table("Frames by interface",
              {"Interface", "Received", "Sent", "Lost: no room", "Lost: too long", "Lost: not sent", "Given back",
               "VIPs", "Guarded", "Guard"},
              query.search);
  for (const std::string& line : rows) {
    const adm::Row row(line);
    if (row.word() != "link" || table.rows() == kRowsShown) continue;
    table.add({text(row, "name"), number_cell(row, "received"), number_cell(row, "sent"),
               number_cell(row, "kernel-dropped"), number_cell(row, "cut"), number_cell(row, "send-failed"),
               number_cell(row, "returned"), number_cell(row, "vips"), number_cell(row, "guarded"),
               text(row, "guard")});
  }
  return section("links", "Interfaces", table.html());
}

}  // namespace rawvs::web
