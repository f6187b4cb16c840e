// SPDX-License-Identifier: BSD-2-Clause
// words_tables.cpp: connections, drops, arp, vrrp: tables of the director's state.
#include <algorithm>

#include "json.h"
#include "listing.h"
#include "table_names.h"
#include "texts.h"
#include "tools/metrics/metrics.h"
#include "word_args.h"

namespace rawvs::adm {

std::string aligned(const std::vector<Cells>& lines, uint32_t right) {
  std::vector<size_t> widths;
  for (const Cells& cells : lines) {
    widths.resize(std::max(widths.size(), cells.size()));
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string out;
  for (const Cells& cells : lines) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string fill(widths[i] - cells[i].size(), ' ');
      if (i > 0) line += "  ";
      line += (right >> i & 1) != 0 ? fill + cells[i] : cells[i] + fill;
    }
    line.resize(line.find_last_not_of(' ') + 1);  // npos + 1 is 0
    out += line + '\n';
  }
  return out;
}

std::string rival_advice(const Row& row) {
  const std::string vip(row.get("address")), rival(row.get("mac")), server(row.get("server"));
  const Ip address = parse_ip(vip).value_or(Ip());
  const std::string answers = std::string(" answers ") + what_is_answered(address) + " for VIP " + vip;
  if (server.empty() || server == "-") {
    return "warning: " + rival + ", which is no real server," + answers + ": take the address from that machine\n";
  }
  const std::string what =
      address.is_v4() ? "set arp_ignore=1, arp_announce=2 there" : "have it on lo there, with nodad";
  return "warning: real server " + server + " (" + rival + ')' + answers + ": " + what + ", see rawvs-realserver(8)\n";
}

std::string drops_text(const Rows& rows, bool all) {
  constexpr uint32_t kCount = 1u << 1;
  std::vector<Cells> lines = {{"Exit", "Count", "Fate", "Meaning"}};
  std::vector<Cells> links = {{"Interface", "Received", "Lost: no room", "Lost: too long", "Sent", "Lost: not sent"}};
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "link") {
      Cells cells;
      for (const char* key : {"name", "received", "kernel-dropped", "cut", "sent", "send-failed"}) {
        cells.emplace_back(row.get(key));
      }
      links.push_back(cells);
    }
    if (row.word() != "exit" || (!all && row.number("count") == 0)) continue;
    lines.push_back({std::string(row.get("name")), std::string(row.get("count")), std::string(row.get("fate")),
                     std::string(row.tail("meaning"))});
  }
  std::string out = lines.size() > 1 ? aligned(lines, kCount)
                                     : "No packet has arrived yet; rawvsadm drops --all names every way out.\n";
  if (links.size() > 1) out += '\n' + aligned(links, 0);
  return out;
}

std::string arp_text(const Rows& rows) {
  std::vector<Cells> vips = {{"VIP", "Link", "MAC", "Also answered by", "Notes"}};
  std::vector<Cells> neighbors = {{"Neighbor", "Link", "State", "MAC", "Servers"}};
  std::string advice;
  for (const std::string& line : rows) {
    const Row row(line);
    const auto cell = [&](std::string_view key) { return std::string(row.get(key)); };
    if (row.word() == "vip") {
      std::string note;
      if (row.number("repeats") != 0) note = "claim repeated " + cell("repeats") + " times (arp_defend)";
      if (row.number("own") != 0) note = "this host's own, but for " + cell("ports");
      if (row.number("standby") != 0) note = "standby: another director has it (VRRP)";
      if (row.number("retired") != 0) note = "retired: no service uses it any more";
      vips.push_back({cell("address"), cell("link"), cell("mac"), "-", note});
    }
    if (row.word() == "rival") {
      if (vips.back()[3] != "-") vips.push_back({"", "", "", "", ""});  // a further rival of the same VIP
      vips.back()[3] = cell("mac") + (cell("server") == "-" ? "" : " (real server " + cell("server") + ')');
      advice += rival_advice(row);
    }
    if (row.word() == "neighbor") {
      neighbors.push_back({cell("address"), cell("link"), cell("state"), cell("mac"), cell("servers")});
    }
  }
  std::string out = vips.size() > 1 ? aligned(vips, 0) : "No VIP is answered for: there is no virtual service.\n";
  if (!advice.empty()) out += '\n' + advice;
  if (neighbors.size() > 1) out += '\n' + aligned(neighbors, 0);
  return out;
}

std::string vrrp_text(const Rows& rows) {
  constexpr uint32_t kRight = 0b1110110100;
  std::vector<Cells> lines = {
      {"Instance", "Interface", "Id", "State", "For s", "Priority", "Master", "Sent", "Heard", "Refused", "Why"}};
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() != "vrrp") continue;
    Cells cells;
    for (const char* key : {"name", "link", "vrid", "state", "for", "priority"}) cells.emplace_back(row.get(key));
    const std::string master(row.get("master"));
    cells.push_back(master == "-" ? master : master + " (" + std::string(row.get("master-priority")) + ')');
    for (const char* key : {"sent", "heard", "refused"}) cells.emplace_back(row.get(key));
    cells.emplace_back(row.tail("why"));
    lines.push_back(cells);
  }
  return lines.size() > 1 ? aligned(lines, kRight)
                          : "No VRRP instance: this director answers for each VIP of its services.\n";
}

namespace {

// Prints a whole reply as text or JSON.
int show(WordCall& call, const View& view, const std::function<std::string(const Rows&)>& text) {
  Rows rows;
  if (const Status status = ask(call, view, rows)) return *status;
  print(call.json ? json_of(rows, view.lists).line() : text(rows));
  return 0;
}

// " shop/web2 (fast)" behind ipvsadm's columns: the names, if there are some, and that the fast path has it.
std::string more_text(const Row& row) {
  const std::string of(row.get("virtual-name")), server(row.get("server-name")),
      fast = row.has("fast") ? " (fast)" : "";
  if (of.empty() && server.empty()) return fast;
  return ' ' + of + (server.empty() ? "" : '/' + server) + fast;
}

}  // namespace

// Prints row by row: there may be a million.
int connections_word(WordCall& call) {
  auto args = read_args(
      call, {kClientFilter, kVipFilter, kServerFilter, kProtocolFilter, WordOption{"state"}, WordOption{"service"}});
  if (!args) return wrong(call, args.error().text);
  if (const auto done = put_addresses(call, *args); !done) return wrong(call, done.error().text);
  auto keys = flow_keys(*args, call.names);
  if (!keys) return wrong(call, keys.error().text);
  if (args->has("state")) {
    std::string state = args->value("state");
    for (char& c : state) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    if (state.empty() || state.find(' ') != std::string::npos) {
      return wrong(call, "--state: found \"" + state + "\", expected a state of the listing, like ESTABLISHED");
    }
    *keys += " state=" + state;
  }
  size_t shown = 0;
  const auto write = [](const std::string& line) { std::fwrite(line.data(), 1, line.size(), stdout); };
  const std::string head = call.json ? "{ \"connections\": [\n" : connections_head(false);
  std::vector<std::string> requests = {"connections" + *keys};
  if (args->has("service")) {
    Rows rows;
    if (const Status status = ask(call, "list", rows)) return *status;
    const auto meant = TableNames(rows).services(args->value("service"));
    if (!meant) return wrong(call, at("--service", meant.error()).text);
    requests.clear();
    for (const std::string& line : *meant) {
      requests.push_back("connections" + *keys + " service=" + std::string(Row(line).get("service")));
    }
  }
  const auto each = [&](const Row& row) {
    if (row.word() != "connection") return;
    write(shown++ == 0 ? head : call.json ? ",\n" : "");
    std::string line = call.json ? Json::of(row).line() : connection_line(row, false, nullptr);
    line.pop_back();
    write(line + (call.json ? "" : more_text(row) + '\n'));
  };
  for (const std::string& request : requests) {
    if (const Status status = ask(call, request, each)) return *status;
  }
  print((shown == 0 ? head : "") + (call.json ? "\n] }\n" : ""));
  return 0;
}

int drops_word(WordCall& call) {
  const auto args = read_args(call, {{"all", false}});
  if (!args) return wrong(call, args.error().text);
  const bool all = args->has("all");
  return show(call, kDropsView, [&](const Rows& rows) { return drops_text(rows, all); });
}

int arp_word(WordCall& call) {
  if (const auto args = read_args(call, {}); !args) return wrong(call, args.error().text);
  return show(call, kNeighboursView, arp_text);
}

int metrics_word(WordCall& call) {
  if (const auto args = read_args(call, {}); !args) return wrong(call, args.error().text);
  Rows rows;
  if (const Status status = ask(call, kStatusView, rows)) return *status;
  print(metrics_text(rows));
  return 0;
}

int vrrp_word(WordCall& call) {
  if (const auto args = read_args(call, {}); !args) return wrong(call, args.error().text);
  return show(call, kVrrpView, vrrp_text);
}

}  // namespace rawvs::adm
