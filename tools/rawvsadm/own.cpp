// SPDX-License-Identifier: BSD-2-Clause
// own.cpp: what ipvsadm has no words for: where packets went, and who answers ARP for what.
#include <algorithm>

#include "listing.h"

namespace rawvs::adm {

namespace {

using Cells = std::vector<std::string>;

// Aligned columns, two blanks between; the last one is not padded. numbers: which column is aligned to the right.
std::string aligned(const std::vector<Cells>& lines, size_t numbers) {
  std::vector<size_t> widths;
  for (const Cells& cells : lines) {
    widths.resize(std::max(widths.size(), cells.size()));
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string out;
  for (const Cells& cells : lines) {
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string fill(widths[i] - cells[i].size(), ' ');
      if (i > 0) out += "  ";
      if (i == numbers) out += fill;
      out += cells[i];
      if (i != numbers && i + 1 < cells.size()) out += fill;
    }
    out += '\n';
  }
  return out;
}

constexpr size_t kNoNumbers = SIZE_MAX;

std::string rival_advice(const Row& row) {
  const std::string vip(row.get("address")), rival(row.get("mac")), server(row.get("server"));
  if (server.empty() || server == "-") {
    return "warning: " + rival + ", which is no real server, answers ARP for VIP " + vip +
           ": take the address from that machine\n";
  }
  return "warning: real server " + server + " (" + rival + ") answers ARP for VIP " + vip +
         ": set arp_ignore=1, arp_announce=2 there, see rawvs-realserver(8)\n";
}

}  // namespace

std::string drops_text(const std::vector<std::string>& rows, bool all) {
  std::vector<Cells> lines = {{"Exit", "Count", "Fate", "Meaning"}};
  std::vector<Cells> links = {{"Interface", "Received", "Lost: no room", "Lost: too long", "Sent", "Lost: not sent"}};
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "link") {
      Cells cells;
      for (const char* key : {"name", "received", "kernel_dropped", "cut", "sent", "send_failed"}) {
        cells.emplace_back(row.get(key));
      }
      links.push_back(cells);
    }
    if (row.word() != "exit" || (!all && row.number("count") == 0)) continue;
    lines.push_back({std::string(row.get("name")), std::string(row.get("count")), std::string(row.get("fate")),
                     std::string(row.tail("meaning"))});
  }
  std::string out =
      lines.size() > 1 ? aligned(lines, 1) : "No packet has arrived yet; rawvsadm drops --all names every way out.\n";
  if (links.size() > 1) out += '\n' + aligned(links, kNoNumbers);
  return out;
}

std::string arp_text(const std::vector<std::string>& rows) {
  std::vector<Cells> vips = {{"VIP", "Link", "MAC", "Also answered by", "Notes"}};
  std::vector<Cells> neighbors = {{"Neighbor", "Link", "State", "MAC", "Servers"}};
  std::string advice;
  for (const std::string& line : rows) {
    const Row row(line);
    const auto cell = [&](std::string_view key) { return std::string(row.get(key)); };
    if (row.word() == "vip") {
      vips.push_back({cell("address"), cell("link"), cell("mac"), "-",
                      row.number("retired") != 0 ? "retired: no service uses it any more" : ""});
    }
    if (row.word() == "rival") {
      if (vips.back()[3] != "-") vips.push_back({"", "", "", "", ""});  // one more of the same VIP
      vips.back()[3] = cell("mac") + (cell("server") == "-" ? "" : " (real server " + cell("server") + ')');
      advice += rival_advice(row);
    }
    if (row.word() == "neighbor") {
      neighbors.push_back({cell("address"), cell("link"), cell("state"), cell("mac"), cell("servers")});
    }
  }
  std::string out =
      vips.size() > 1 ? aligned(vips, kNoNumbers) : "No VIP is answered for: there is no virtual service.\n";
  if (!advice.empty()) out += '\n' + advice;
  if (neighbors.size() > 1) out += '\n' + aligned(neighbors, kNoNumbers);
  for (size_t at = 0; (at = out.find(" \n", at)) != std::string::npos;) {  // an empty last column leaves blanks
    out.erase(at, 1);
    at = at > 0 ? at - 1 : 0;
  }
  return out;
}

}  // namespace rawvs::adm
