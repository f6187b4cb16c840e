// SPDX-License-Identifier: BSD-2-Clause
// status_servers.cpp: services and servers in status, in 80 columns: a line of numbers for each server, and beneath it
// the state of one that is not simply up.
#include <algorithm>

#include "orders.h"
#include "table_names.h"
#include "texts.h"
#include "wire/discovery.h"

namespace rawvs::adm {

namespace {

constexpr size_t kPlaceMost = 33;  // longer names and addresses stand alone in their line

std::string rate_cell(const Row& row, const char* key) {
  return row.has(key) ? per_second(static_cast<double>(row.number(key))) : "-";
}

std::string place(const Row& row) {
  const std::string name = row.has("name") ? std::string(row.get("name")) + ' ' : "";
  return "  " + name + std::string(row.get("server"));
}

Cells server_cells(const Row& row, uint64_t of_service) {
  const uint64_t own = row.number("active") + row.number("inactive");
  const std::string share = of_service == 0 ? "-" : std::to_string((own * 100 + of_service / 2) / of_service) + '%';
  const std::string at = place(row);
  return {at.size() > kPlaceMost ? "" : at,
          row.has("weight") ? std::string(row.get("weight")) : "-",
          share,
          std::to_string(row.number("active")),
          std::to_string(row.number("inactive")),
          rate_cell(row, "cps"),
          rate_cell(row, "inbps"),
          rate_cell(row, "outbps")};
}

std::string coloured(const std::string& line, bool mild, bool colour) {
  return colour ? (mild ? "\033[33m" : "\033[31m") + line + "\033[0m\n" : line + '\n';
}

// "    up, 95 s: tcp 192.0.2.11:80: connected; the check took 3 ms".
std::string check_line(const Row& row) {
  const std::string took = row.has("latency") ? "; the check took " + std::string(row.get("latency")) + " ms" : "";
  return "    up, " + std::to_string(row.number("for")) + " s: " + std::string(row.tail("why")) + took + '\n';
}

// "    down, 12 s: connection refused", red if it gets no new connections for another reason than the operator's.
// Before it, an order: "    drained by root since 2026-01-31 23:59:59"; and that it is a sorry server in use.
std::string state_lines(const Row& row, bool colour, bool details) {
  const std::string order = order_text(row), state = checked_state(row);
  std::string out = order.empty() ? "" : coloured("    " + order, true, colour);
  if (row.number("sorry") != 0) out += coloured("    sorry server: serves, as too few others can", true, colour);
  if (state == "up") return details && row.get("health") == "up" ? out + check_line(row) : out;
  const bool checked = row.has("health") && state.starts_with(row.get("health"));
  const std::string line = "    " + state + (checked ? ": " + std::string(row.tail("why")) : "");
  const bool mild = state.starts_with("up") || state.starts_with("quiesced") || state.starts_with("asking") ||
                    state.starts_with("not checked");
  return out + coloured(line, mild, colour);
}

}  // namespace

std::string services_text(const Rows& rows, bool colour, bool details) {
  constexpr uint32_t kRight = 0b11111110;  // all but the server
  std::vector<uint64_t> totals;            // connections of each service
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "service") totals.push_back(0);
    if (row.word() == "server" && !totals.empty()) totals.back() += row.number("active") + row.number("inactive");
  }
  if (totals.empty()) return "No virtual service: nothing is balanced, no VIP is answered for.\n";

  // All servers form one table, to align their columns; the other lines are inserted into it.
  std::vector<Cells> lines = {{"  Server", "Weight", "Share", "Active", "Inact", "Conn/s", "In B/s", "Out B/s"}};
  size_t of = 0;  // services so far
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "service") ++of;
    if (row.word() == "server" && of > 0) lines.push_back(server_cells(row, totals[of - 1]));
  }
  const std::string table = aligned(lines, kRight);
  size_t at = table.find('\n') + 1;
  std::string out = table.substr(0, at);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row(rows[i]);
    if (row.word() == "service") {
      const bool alone = i + 1 == rows.size() || Row(rows[i + 1]).word() != "server";
      out += service_text(row) + (alone ? ": no real server\n" : "\n");
      if (row.has("order")) out += coloured("    " + order_text(row) + "; so is what is added", true, colour);
    } else if (row.word() == "server" && at < table.size()) {
      if (place(row).size() > kPlaceMost) out += place(row) + '\n';
      const size_t end = table.find('\n', at) + 1;
      out += table.substr(at, end - at) + state_lines(row, colour, details);
      at = end;
    }
  }
  return out;
}

Rows in_state(const Rows& rows, std::string_view state) {
  Rows out;
  std::string head;  // a service that is not among them yet
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "service") head = line;
    if (row.word() != "server") continue;
    if (!server_state(row).starts_with(state) && !checked_state(row).starts_with(state)) continue;
    if (!head.empty()) out.push_back(std::exchange(head, {}));
    out.push_back(line);
  }
  return out;
}

std::string server_state(const Row& row) {
  if (!row.has("order")) return checked_state(row);
  return std::string(row.get("order")) + " since " + clock_text(static_cast<time_t>(row.number("order-at")));
}

// A condition that stops all packets precedes one that stops new connections only.
std::string checked_state(const Row& row) {
  const std::string_view reach = row.get("reach"), via = row.get("via"), server = row.get("server");
  const auto at = parse_endpoint(server);
  const bool behind = !via.empty() && via != "-" && at && parse_ip(via) != at->addr;
  const std::string gateway = behind ? " (gateway " + std::string(via) + ')' : "";
  if (reach == "silent") {
    const Ip asked = parse_ip(via).value_or(at ? at->addr : Ip());
    return std::string("no answer to ") + what_is_answered(asked) + gateway;
  }
  if (reach == "no-route") return "no route";
  if (reach == "own-address") return "not used: an address of this director";
  if (reach == "other-interface") return "not used: its route is through another interface";
  if (reach == "vip-missing") return "not used: this host itself, which lacks the VIP";
  if (reach == "no-ethernet") return "not used: direct routing needs Ethernet on the way to it";
  if (reach == "local-nat") return "not used: this host itself, with NAT";
  if (reach == "no-flows") return "not used: full NAT needs eBPF on this kernel";
  if (reach == "link-down") return "link down";
  if (row.has("health") && row.get("health") != "up") {
    return std::string(row.get("health") == "unknown" ? "not checked yet" : row.get("health")) + ", " +
           std::to_string(row.number("for")) + " s";
  }
  const bool by_order = row.has("order") && row.has("wanted");  // else the weight is 0 without the order, too
  if (row.has("weight") && row.number("weight") == 0 && !by_order) return "quiesced (weight 0)";
  if (row.number("overloaded") != 0) {
    return "full: " + std::to_string(row.number("active") + row.number("inactive")) + " of " +
           std::to_string(row.number("upper"));
  }
  if (reach == "asking") return "asking for its MAC" + gateway;
  const bool slow = row.has("slow-start") && !row.has("order");  // else it begins anew when the order ends
  return slow ? "up, slow start " + std::string(row.get("slow-start")) + '%' : "up";
}

}  // namespace rawvs::adm
